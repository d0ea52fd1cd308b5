"""The commands that talk to the server named by MJ_BASE_URL and MJ_API_KEY."""

from pathlib import Path
from typing import Any

from ..errors import TaskError
from ..models import Submission, Task, TaskUpdate, UpdateKind
from ..session import MJSession
from ..stream import TaskStream
from ..watcher import TaskWatcher
from .render import described, state
from .screen import Screen


async def imagine(screen: Screen, prompt: str, *, out: Path | None, wait: bool) -> None:
    """Submit a prompt; then watch it and bring the picture home, as far as asked."""
    async with MJSession() as session:
        submission = await session.imagine(prompt)
        task_id = submission.task_id or ""
        if not wait:
            screen.result(task_id, submission)
            return
        screen.say(f"submitted as {task_id}")
        screen.add(task_id, prompt)
        task = await _watched(screen, session, submission)
        if out is not None:
            _tell(screen, await session.download(task, f"{out}/"))


async def fetch(screen: Screen, task_id: str) -> None:
    """Show a task as the server has it now."""
    async with MJSession() as session:
        task = await session.fetch(task_id)
    screen.result(described(task), task)


async def watch(screen: Screen, task_ids: list[str]) -> None:
    """Watch tasks until all have ended; a task that did not succeed is an error."""
    ids = list(dict.fromkeys(task_id.strip() for task_id in task_ids))
    for task_id in ids:
        screen.add(task_id, task_id)
    async with MJSession() as session, TaskWatcher(session) as watcher:
        ends = await follow(screen, watcher.watch(*ids))
    require_success(ends)


async def download(screen: Screen, task_id: str, *, out: Path) -> None:
    """Download what a finished task has made."""
    async with MJSession() as session:
        task = await session.fetch(task_id)
        paths = await session.download(task, f"{out}/")
    screen.result("\n".join(map(str, paths)), {"task_id": task_id, "files": list(map(str, paths))})


async def follow(screen: Screen, stream: TaskStream[Task]) -> list[TaskUpdate[Task]]:
    """Show all updates of a stream and return the final ones."""
    ends: list[TaskUpdate[Task]] = []
    async with stream:
        async for update in stream:
            screen.show(update)
            if update.is_final:
                ends.append(update)
    return ends


def require_success(ends: list[TaskUpdate[Any]]) -> None:
    """Raise a `TaskError` that names the tasks that did not succeed."""
    failed = [end for end in ends if end.kind is not UpdateKind.SUCCEEDED]
    if failed:
        names = ", ".join(f"{end.task_id} ({state(end)})" for end in failed)
        message = f"{len(failed)} of {len(ends)} did not succeed: {names}"
        raise TaskError(message, task_id=failed[0].task_id, task=failed[0].task)


async def _watched(screen: Screen, session: MJSession[Task], submission: Submission) -> Task:
    async with TaskWatcher(session) as watcher:
        (end,) = await follow(screen, watcher.watch(submission))
    require_success([end])
    assert end.task is not None  # noqa: S101  # success is seen in a sighting
    return end.task


def _tell(screen: Screen, paths: list[Path]) -> None:
    for path in paths:
        screen.say(str(path))
