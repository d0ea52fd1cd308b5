"""``mjtask bulk`` and ``mjtask journal``."""

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct, to_builtins

from .. import journal as journals
from .._core.replay import JobState
from ..bulk import GRACE, BulkRun
from ..errors import JournalError, SubmitUncertainError, TaskError
from ..jobs import BulkJob
from ..models import Task
from ..recorder import in_thread
from ..session import MJSession
from ..submitting import OnUncertain
from ..watcher import TaskWatcher
from . import results
from .board import Board, board_for, words_of
from .earlier import earlier_rows, status_of_state
from .prompts import read_prompts
from .render import shorten
from .results import Row
from .screen import Screen

JOURNAL = "journal.db"
"""What the journal is called in the folder of the pictures, if nothing else is said."""


class Plan(Struct, frozen=True):
    """What a bulk run is to do."""

    prompts: Path
    out: Path
    journal: Path | None
    in_flight: int
    then: tuple[str, ...]
    on_uncertain: OnUncertain
    allow_hosts: tuple[str, ...] = ()


class Interrupts:
    """Counts Ctrl-C: the first stops submitting, the second ends the run, more change nothing."""

    def __init__(self, *calls: Callable[[], object]) -> None:
        self.count: int = 0
        self._calls = calls

    def __call__(self) -> None:
        """Take one more."""
        self.count += 1
        for call in self._calls[self.count - 1 : self.count]:
            call()

    def ignore(self) -> None:
        """Change nothing any more: what the run leaves is being written."""
        self._calls = ()

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
    command = _Command(screen, plan, await in_thread(read_prompts, plan.prompts))
    ended: BaseException | None = None
    with ExitStack() as ears:
        try:
            await command.run(ears)
        except (Exception, KeyboardInterrupt) as error:
            if not command.entered:  # what an earlier run left still holds
                raise
            ended = error
        told = await command.leave(ended)
    if ended is not None:
        raise ended
    _require_success(told)


class _Command:
    """One run from the command line.

    Attributes:
        entered: Whether the run has begun.
        found: The jobs with an outcome.
    """

    def __init__(self, screen: Screen, plan: Plan, jobs: list[BulkJob]) -> None:
        self._screen, self._plan, self._jobs = screen, plan, jobs
        self._board = board_for(screen, len(jobs))
        self.entered: bool = False
        self.found: dict[int, Row] = {}

    async def run(self, ears: ExitStack) -> None:
        """Take outcomes until the end, or until Ctrl-C; ``ears`` hear that until they are closed.

        Raises:
            KeyboardInterrupt: Because of Ctrl-C there are jobs without an outcome.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine runs in one
        interrupts = Interrupts()
        try:
            async with MJSession() as session, TaskWatcher(session) as watcher:
                await in_thread(_make_room, self._plan)
                async with self._bulk_run(session, watcher) as run:
                    interrupts = Interrupts(*self._on_interrupt(run, task))
                    ears.enter_context(interrupts.listening())
                    self.entered = True
                    await self._collect(watcher, run)
        except asyncio.CancelledError:
            if interrupts.count < 2 or task.uncancel():
                raise
            raise KeyboardInterrupt from None
        finally:
            interrupts.ignore()
        if interrupts.count and len(self.found) < len(self._jobs):
            raise KeyboardInterrupt

    async def leave(self, ended: BaseException | None) -> list[Row]:
        """Leave the table and the files, whatever has ended the run."""
        plan = self._plan
        try:
            told = await in_thread(self._leave)
        except OSError as error:
            if ended is None:
                raise
            self._screen.say(f"{plan.out}: the results cannot be written: {error}")
            return []
        self._screen.table(plan.prompts.name, results.counts(told))
        self._screen.say(str(plan.out / "index.html"))
        return told

    def _leave(self) -> list[Row]:
        plan, rows = self._plan, self.found
        if len(rows) < len(self._jobs):
            rows = earlier_rows(plan.out, plan.journal, self._jobs) | rows
        told = results.all_rows(self._jobs, rows)
        results.leave(plan.out, f"mjtask: {plan.prompts.name}", told)
        return told

    def _bulk_run(self, session: MJSession[Task], watcher: TaskWatcher[Task]) -> BulkRun[Task]:
        plan = self._plan
        return BulkRun(
            session,
            self._jobs,
            watcher=watcher,
            in_flight=plan.in_flight,
            then=plan.then,
            journal=plan.journal,
            download_to=plan.out,
            on_uncertain=plan.on_uncertain,
            allow_hosts=plan.allow_hosts,
        )

    def _on_interrupt(
        self, run: BulkRun[Task], task: asyncio.Task[None]
    ) -> tuple[Callable[[], None], Callable[[], None]]:
        def stop() -> None:
            self._screen.say(
                "Nothing more is submitted; what runs is finished. Ctrl-C again leaves it."
            )
            run.stop()

        def end() -> None:
            self._screen.say(f"Submits under way get {GRACE:.0f} seconds for their answers.")
            task.cancel()

        return stop, end

    async def _collect(self, watcher: TaskWatcher[Task], run: BulkRun[Task]) -> None:
        following = asyncio.create_task(_follow(watcher, self._board))
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async for outcome in run:
                row = await in_thread(results.row_of, outcome, self._plan.out)
                self._tell(row, run, loop.time() - started)
        finally:
            following.cancel()
            await asyncio.wait((following,))

    def _tell(self, row: Row, run: BulkRun[Task], seconds: float) -> None:
        self.found[row.index] = row
        self._board.tell(row)
        words = words_of(self.found, len(self._jobs), seconds, run.statistics())
        self._board.overall(words, len(self.found))


def _make_room(plan: Plan) -> None:
    """Make the folder for the pictures if the journal is to lie in it."""
    if plan.journal == plan.out / JOURNAL:
        try:
            plan.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"journal {plan.journal}: {error}") from error


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
        words = status_of_state(job)
        text = f"{job.index + 1}  {words}  {shorten(job.prompt, 60)}"
        screen.result(text, {"job": name, "status": words, **_facts(job)})
    found: dict[str, int] = {}
    for job in jobs.values():
        found[status_of_state(job)] = found.get(status_of_state(job), 0) + 1
    rows = {"server": server, "jobs": str(len(jobs))}
    screen.table(str(path), rows | {status: str(count) for status, count in found.items()})


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
