"""The commands that talk to the server named by MJ_BASE_URL and MJ_API_KEY."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ..errors import NeedsInputError, TaskError
from ..models import ImageInput, Submission, Task, TaskUpdate, UpdateKind
from ..session import MJSession
from ..stream import TaskStream
from ..watcher import TaskWatcher
from .render import clean, described, state
from .screen import Screen

Submit = Callable[[MJSession[Task]], Awaitable[Submission]]


async def submit(
    screen: Screen, call: Submit, *, title: str, out: Path | None, wait: bool, words: bool = False
) -> None:
    """Submit; then watch what comes of it and bring it home, as far as asked.

    Args:
        screen: Where to show it.
        call: What to ask the session for.
        title: What a person knows the task by.
        out: The folder for its pictures; None leaves them.
        wait: Whether to watch; otherwise the new task's id is the result.
        words: Whether the task makes words, which are shown at the end.
    """
    async with MJSession() as session:
        submission = await call(session)
        if not wait or submission.needs_modal:
            screen.result(" ".join(submission.task_ids), submission)
        if submission.needs_modal:
            raise _needs_input(submission.task_ids[0])
        if not wait:
            return
        for task_id in submission.task_ids:
            screen.say(f"submitted as {task_id}")
            screen.add(task_id, title)
        for task in await _watched(screen, session, submission):
            if words:
                screen.say(written(task))
            if out is not None:
                _tell(screen, await session.download(task, f"{out}/"))


async def imagine(screen: Screen, prompt: str, *, out: Path | None, wait: bool) -> None:
    """Submit a prompt; then watch it and bring the picture home, as far as asked."""
    await submit(screen, lambda session: session.imagine(prompt), title=prompt, out=out, wait=wait)


async def seed(screen: Screen, task_id: str) -> None:
    """Show the seed of a task's picture."""
    async with MJSession() as session:
        number = await session.image_seed(task_id)
    screen.result(str(number), {"task_id": task_id, "seed": number})


async def upload(screen: Screen, images: list[str]) -> None:
    """Put pictures where prompts can name them."""
    async with MJSession() as session:
        links = await session.upload([picture(image) for image in images])
    screen.result("\n".join(map(clean, links)), {"urls": links})


async def cancel(screen: Screen, task_id: str) -> None:
    """Ask the server to end a task."""
    async with MJSession() as session:
        await session.cancel(task_id)
    screen.result(f"asked to cancel {task_id}", {"task_id": task_id})


def picture(text: str) -> ImageInput:
    """Read a picture off the command line: a link, a data URL, or a file's name."""
    return text if text.lower().startswith(("http://", "https://", "data:")) else Path(text)


def written(task: Task) -> str:
    """Find the words that a describe or shorten has made; servers put them in several places."""
    final = (task.properties or {}).get("finalPrompt")
    found = (final, task.prompt_en, task.description, task.prompt)
    texts = [text for text in found if isinstance(text, str) and text.strip(" /")]
    texts = [text for text in texts if not text.startswith("/")]  # a command, such as /describe
    news = [text for text in texts if text != task.prompt]
    lines = (news or texts or ["no words"])[0].splitlines()
    return "\n".join(clean(line) for line in lines)


def _needs_input(task_id: str) -> NeedsInputError:
    message = f"task {task_id} waits for a second request: mjtask modal {task_id}"
    return NeedsInputError(message, task_id=task_id)


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


async def download(screen: Screen, task_id: str, *, out: Path, split: bool = False) -> None:
    """Download what a finished task has made."""
    async with MJSession() as session:
        task = await session.fetch(task_id)
        paths = await session.download(task, f"{out}/", split=split)
    screen.result("\n".join(map(str, paths)), {"task_id": task_id, "files": list(map(str, paths))})


async def follow(
    screen: Screen, stream: TaskStream[Task], *, asks: bool = False
) -> list[TaskUpdate[Task]]:
    """Show all updates of a stream and return the final ones.

    Raises:
        NeedsInputError: With ``asks``, when a task waits for a second request.
    """
    ends: list[TaskUpdate[Task]] = []
    async with stream:
        async for update in stream:
            screen.show(update)
            if asks and update.kind is UpdateKind.NEEDS_INPUT:
                raise _needs_input(update.task_id)
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


async def _watched(screen: Screen, session: MJSession[Task], submission: Submission) -> list[Task]:
    async with TaskWatcher(session) as watcher:
        ends = await follow(screen, watcher.watch(submission), asks=not submission.answers_modal)
    require_success(ends)
    return [end.task for end in ends if end.task is not None]  # success is seen in a sighting


def _tell(screen: Screen, paths: list[Path]) -> None:
    for path in paths:
        screen.say(str(path))
