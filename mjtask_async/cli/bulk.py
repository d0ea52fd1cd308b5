"""``mjtask bulk`` and ``mjtask journal``."""

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct, to_builtins

from .. import journal as journals
from .._core.replay import JobState, Phase
from ..bulk import BulkRun
from ..errors import MJTaskError, SubmitUncertainError, TaskError
from ..jobs import BulkJob
from ..models import Task
from ..recorder import in_thread
from ..session import MJSession
from ..submitting import OnUncertain
from ..watcher import TaskWatcher
from . import results
from .board import Board, board_for, words_of
from .prompts import read_prompts
from .render import shorten
from .results import Row
from .screen import Screen


class Plan(Struct, frozen=True):
    """What a bulk run is to do."""

    prompts: Path
    out: Path
    journal: Path | None
    in_flight: int
    then: tuple[str, ...]
    on_uncertain: OnUncertain
    allow_hosts: tuple[str, ...] = ()


class _Rows(Struct):
    total: int
    found: dict[int, Row]


class Interrupts:
    """Counts Ctrl-C: the first one stops submitting, the second one ends the run."""

    def __init__(self, stop: Callable[[], None], end: Callable[[], object]) -> None:
        self.count: int = 0
        self._calls = (stop, end)

    def __call__(self) -> None:
        """Take one more."""
        self.count += 1
        self._calls[min(self.count, 2) - 1]()

    @contextmanager
    def listening(self) -> Generator[None]:
        """Hear Ctrl-C, where this is the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()

        def heard(_number: int, _frame: object) -> None:
            loop.call_soon_threadsafe(self)  # which wakes the loop, too

        before = signal.signal(signal.SIGINT, heard)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


async def bulk(screen: Screen, plan: Plan) -> None:
    """Run prompts to pictures; leave a table, ``results.jsonl`` and a gallery."""
    jobs = await in_thread(read_prompts, plan.prompts)
    rows = _Rows(len(jobs), {})
    ended: BaseException | None = None
    try:
        await _run(screen, plan, jobs, rows)
    except (MJTaskError, KeyboardInterrupt) as error:
        ended = error
    told = results.all_rows(jobs, rows.found)
    await in_thread(results.leave, plan.out, f"mjtask: {plan.prompts.name}", told)
    screen.table(plan.prompts.name, results.counts(told))
    screen.say(str(plan.out / "index.html"))
    if ended is not None:
        raise ended
    _require_success(told)


async def _run(screen: Screen, plan: Plan, jobs: list[BulkJob], rows: _Rows) -> None:
    board = board_for(screen, len(jobs))
    async with (
        MJSession() as session,
        TaskWatcher(session) as watcher,
        BulkRun(
            session,
            jobs,
            watcher=watcher,
            in_flight=plan.in_flight,
            then=plan.then,
            journal=plan.journal,
            download_to=plan.out,
            on_uncertain=plan.on_uncertain,
            allow_hosts=plan.allow_hosts,
        ) as run,
    ):
        following = asyncio.create_task(_follow(watcher, board))
        try:
            await _collect(screen, board, run, plan, rows)
        finally:
            following.cancel()
            await asyncio.wait((following,))


async def _collect(
    screen: Screen, board: Board, run: BulkRun[Task], plan: Plan, rows: _Rows
) -> None:
    """Take outcomes until the end, or until Ctrl-C."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None  # noqa: S101 -- a coroutine runs in one

    def stop() -> None:
        screen.say("Nothing more is submitted; what runs is finished. Ctrl-C again leaves it.")
        run.stop()

    interrupts, started = Interrupts(stop, task.cancel), loop.time()
    try:
        with interrupts.listening():
            async for outcome in run:
                row = await in_thread(results.row_of, outcome, plan.out)
                rows.found[row.index] = row
                board.tell(row)
                words = words_of(rows.found, rows.total, loop.time() - started, run.statistics())
                board.overall(words, len(rows.found))
    except asyncio.CancelledError:
        if interrupts.count < 2:
            raise
        task.uncancel()
        raise KeyboardInterrupt from None
    if interrupts.count and len(rows.found) < rows.total:
        raise KeyboardInterrupt


async def _follow(watcher: TaskWatcher[Task], board: Board) -> None:
    async for update in watcher:
        board.show(update)


def _require_success(rows: list[Row]) -> None:
    """Raise what stands for the jobs that did not succeed."""
    failed = [row for row in rows if row.status != "succeeded"]
    uncertain = [row for row in failed if row.status == "uncertain"]
    if uncertain:
        raise SubmitUncertainError(
            f"{len(uncertain)} of {len(rows)} jobs may have been accepted: see results.jsonl"
        )
    if failed:
        raise TaskError(f"{len(failed)} of {len(rows)} jobs did not succeed: see results.jsonl")


async def journal(screen: Screen, path: Path) -> None:
    """Show what is in a journal."""
    server, jobs = await in_thread(journals.read, path)
    for name, job in sorted(jobs.items(), key=lambda item: item[1].index):
        words = _status(job)
        text = f"{job.index + 1}  {words}  {shorten(job.prompt, 60)}"
        screen.result(text, {"job": name, "status": words, **_facts(job)})
    found: dict[str, int] = {}
    for job in jobs.values():
        found[_status(job)] = found.get(_status(job), 0) + 1
    rows = {"server": server, "jobs": str(len(jobs))}
    screen.table(str(path), rows | {status: str(count) for status, count in found.items()})


def _status(job: JobState) -> str:
    if job.ended:
        failed = any(step.error is not None for step in job.steps.values())
        return "failed" if failed else "succeeded"
    phases = {step.phase for step in job.steps.values()}
    return "uncertain" if phases & {Phase.SENDING, Phase.UNCERTAIN} else "unfinished"


def _facts(job: JobState) -> dict[str, object]:
    steps = {
        name: {
            "phase": step.phase.name.lower(),
            "task_id": step.task_id,
            "state": step.state,
            "files": step.paths if step.placed else (),
            "error": step.error and step.error.message,
        }
        for name, step in job.steps.items()
    }
    return {"index": job.index, "prompt": job.prompt, "steps": to_builtins(steps)}
