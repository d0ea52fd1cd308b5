"""`BulkRun`: prompts in, finished pictures out, thousands at a time, through crashes.

1. A job is pulled when there is room for it, and the room is free again when its outcome
   has been taken: a slow consumer slows the run, and memory stays what ``in_flight`` needs.
2. The pump and the jobs are plain tasks of the run's own. `BulkRun.aclose` ends them all;
   submits under way get `GRACE` seconds for their answers first, because they are paid for.
3. What one job needs is `Errand`'s, what may be sent when `Turnstile`'s, what is known
   `Recorder`'s.
"""

import asyncio
import os
import secrets
from collections import deque
from collections.abc import AsyncIterable, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Generic, NoReturn, Self, get_args

from msgspec import UNSET, Struct

from ._core.filenames import Template
from ._core.wire import base_path
from .errand import GRID, Errand, Tools
from .errors import ClosedError, ConfigurationError
from .fetching import Home
from .jobs import BulkOutcome, Entry, labels_of
from .journal import Journal
from .models import T, WatchLimits
from .pump import Pump
from .recorder import Recorder, in_thread, to_the_end
from .session import MJSession
from .source import Given, Known, Source, check_source
from .submitting import OnUncertain, Submitting
from .turnstile import Turnstile
from .watcher import TaskWatcher

GRACE = 10.0
"""Seconds that submits under way have to be answered when a run is closed."""
WIDTH = 8
"""Submits under way at once."""


class BulkStatistics(Struct, frozen=True):
    """Where a run stands.

    Attributes:
        pulled: Jobs taken from the source so far.
        in_flight: How many of them have no outcome yet.
        outcomes: Outcomes so far, taken or not.
        is_slowed: Whether the server has refused what it may take later: a full queue, too
            many requests, no account, no answer.
    """

    pulled: int
    in_flight: int
    outcomes: int
    is_slowed: bool


class BulkRun(Generic[T]):
    """Submits many prompts, watches them, presses buttons and downloads.

    Use it as ``async with BulkRun(session, prompts) as run`` and iterate over it once: each
    job gives one `BulkOutcome`, and an error that speaks of a job alone is in its outcome.
    Jobs that ended in an earlier run come first, if ``jobs`` is a list; of any other iterable
    they come as they are pulled.

    What speaks of the server or of you stops the run: `AuthenticationError` three times in a
    row over at least 10 s, `QuotaError`, `UnsupportedError`, `OutageError`, a wish for a pause
    of more than 120 s, a full disk, ten submits in a row whose fate is unknown. Then nothing
    more is submitted; what runs is finished, its outcomes come and those of jobs that ended
    earlier with the same buttons, and at the end the error is raised. With a journal the same
    call goes on from there, under another key of the same account, too.

    Leaving the block early, or being cancelled, leaves running tasks to the server, and
    their ids in the journal. In a loop that is done at once but for submits under way, which
    get ten seconds for their answers.

    Args:
        session: Where to.
        jobs: Prompts, `BulkJob` records or dicts with a job's fields, in any iterable or async
            iterable. It is pulled in the event loop, at most ``in_flight`` jobs ahead. All of
            a list is checked first; elsewhere a wrong job is its own outcome.
        watcher: Yours, if you have one; it stays open.
        in_flight: Jobs under way at once, those whose outcome nobody has taken included.
        then: Buttons to press on success, such as ``("U1", "U2")``; each makes its own task.
            A button's label and its custom id are taken for two buttons.
        journal: The file that remembers what was submitted. Without one, a crash loses it.
        download_to: The folder for pictures; it is made. None: no downloads.
        names: How files are called: ``{index}`` (from 0), ``{slug}``, ``{label}`` (``grid``,
            ``U1``), ``{key}``, ``{task_id}``, and ``.{ext}`` at the end. A name that is taken
            gets a number behind it.
        ordered: Whether outcomes come in the jobs' order, not as they finish.
        on_uncertain: Whether a submit that may have been accepted is reported, or sent again
            and perhaps paid for twice.
        limits: How long to wait for each task.
        allow_hosts: Hosts in private networks from which pictures may come; the API's own
            may always.

    Raises:
        ConfigurationError: An argument is out of its range.
    """

    def __init__(
        self,
        session: MJSession[T],
        jobs: Iterable[Given] | AsyncIterable[Given],
        *,
        watcher: TaskWatcher[T] | None = None,
        in_flight: int = 20,
        then: Iterable[str] = (),
        journal: str | os.PathLike[str] | None = None,
        download_to: str | os.PathLike[str] | None = None,
        names: str = "{index:04}-{slug}-{label}.{ext}",
        ordered: bool = False,
        on_uncertain: OnUncertain = "report",
        limits: WatchLimits | None = None,
        allow_hosts: Iterable[str] = (),
    ) -> None:
        check_source(jobs)
        _check(in_flight, on_uncertain)
        self._session = session
        self._jobs = jobs
        self._watcher = watcher
        self._then = labels_of(then)
        self._journal = None if journal is None else Path(journal)
        self._folder = None if download_to is None else Path(download_to)
        self._template = Template(names)
        self._ordered = ordered
        self._on_uncertain: OnUncertain = on_uncertain
        self._limits = limits
        self._allowed = frozenset(allow_hosts)
        self._slots = asyncio.Semaphore(in_flight)
        self._ready: deque[BulkOutcome[T]] = deque()
        self._held: dict[int, BulkOutcome[T] | None] = {}
        self._next = self._outcomes = 0
        self._source: Source | None = None
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pump: Pump | None = None
        self._closing: asyncio.Task[None] | None = None
        self._tools: Tools[T] | None = None

    def __repr__(self) -> str:
        state = "closed" if self._closing else f"{len(self._tasks)} under way"
        return f"<BulkRun {state}, {self._outcomes} outcomes>"

    async def __aenter__(self) -> Self:
        """Open the journal and start.

        Raises:
            JournalError: The journal cannot be used; the message says why.
            DownloadError: The folder for the pictures cannot be written.
            ConfigurationError: One of a list is no job, or has another one's key or state.
            ClosedError: It has run before.
        """
        if self._tools is not None or self._closing is not None:
            raise ClosedError("a run runs once; make a new one")
        self._session._check_usable()
        recorder = Recorder(await self._opened())
        turns = Turnstile(WIDTH, _outage(self._limits), self._stop_pulling)
        self._tools = Tools(
            session=self._session,
            watcher=self._watcher or TaskWatcher(self._session),
            recorder=recorder,
            submitting=Submitting(self._session, recorder, turns, self._on_uncertain),
            home=self._home(),
            limits=self._limits,
        )
        try:
            await self._tools.watcher.__aenter__()
            await self._prepare(self._tools)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the run; what is under way stays in the journal. Idempotent."""
        self._closing = self._closing or asyncio.create_task(self._close())
        await to_the_end(self._closing)

    def stop(self) -> None:
        """Submit nothing more; the iteration ends when what runs has finished.

        Jobs that ended in an earlier run, with the same buttons, are still told.
        """
        if self._tools is not None:
            self._tools.submitting.turns.stop()

    def _stop_pulling(self) -> None:
        if self._pump is not None:
            self._pump.stop()

    def statistics(self) -> BulkStatistics:
        """Count what is going on and what has happened."""
        tools = self._tools
        return BulkStatistics(
            pulled=0 if self._source is None else self._source.pulled,
            in_flight=len(self._tasks),
            outcomes=self._outcomes,
            is_slowed=tools is not None and tools.submitting.turns.pace.is_slow,
        )

    def __aiter__(self) -> Self:
        """Iterate over the run itself."""
        return self

    async def __anext__(self) -> BulkOutcome[T]:
        """Wait for the next outcome. Cancelling it loses none.

        Raises:
            MJTaskError: The run was stopped by it; all outcomes there are have been taken.
            ClosedError: The run is closed, or was never entered.
        """
        while True:
            if self._closing is not None or self._tools is None:
                raise ClosedError("the run is not open: async with BulkRun(...) as run: ...")
            if self._ready:
                self._slots.release()
                return self._ready.popleft()
            if self._pump is not None and self._pump.done and not self._tasks:
                self._finish(self._tools.submitting.turns.error or self._pump.error)
            self._woken.clear()
            await self._woken.wait()

    def _finish(self, error: BaseException | None) -> NoReturn:
        if error is not None:
            raise error
        raise StopAsyncIteration

    # Opening and closing

    async def _opened(self) -> Journal | None:
        if self._journal is None:
            return None
        transport = self._session._transport
        server = f"{transport.origin}{base_path(transport.root)}"
        opened: list[Journal] = []
        path = self._journal
        try:
            await in_thread(lambda: opened.append(Journal(path, server=server)))
        except asyncio.CancelledError:
            for journal in opened:
                await in_thread(journal.close)
            raise
        return opened[0]

    def _home(self) -> Home[T] | None:
        if self._folder is None:
            return None
        return Home(self._session, self._folder, self._template, allowed=self._allowed)

    async def _prepare(self, tools: Tools[T]) -> None:
        journal = tools.recorder.journal
        if tools.home is not None:
            token = secrets.token_hex(8) if journal is None else journal.token
            taken = () if journal is None else await in_thread(journal.planned)
            await tools.home.open(token, taken)
        known = None if journal is None else await in_thread(_known, journal)
        self._source = Source(self._jobs, self._then, known, ordered=self._ordered)
        await self._source.open()
        self._pump = Pump(
            self._source,
            self._slots,
            start=partial(self._start, tools),
            leave=self._line_up,
            on_end=self._woken.set,
        )

    async def _close(self) -> None:
        tools = self._tools
        self._woken.set()
        if tools is None:
            return
        self.stop()
        await tools.submitting.aclose(GRACE)
        if self._pump is not None:
            await self._pump.aclose()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._watcher is None:
            await tools.watcher.aclose()
        if tools.home is not None:
            await tools.home.aclose()
        await tools.recorder.aclose()

    # Jobs

    def _start(self, tools: Tools[T], entry: Entry) -> None:
        task = asyncio.create_task(self._job(tools, entry))
        self._tasks.add(task)
        task.add_done_callback(self._job_over)

    async def _job(self, tools: Tools[T], entry: Entry) -> None:
        outcome = None
        try:
            outcome = await self._outcome(tools, entry)
        except Exception as error:  # noqa: BLE001 -- raised to the consumer
            tools.submitting.turns.stop(error)
        self._line_up(entry.index, outcome)

    async def _outcome(self, tools: Tools[T], entry: Entry) -> BulkOutcome[T] | None:
        if entry.error is not None:
            errors = {GRID: entry.error}
            return BulkOutcome(entry.index, entry.job, error=entry.error, errors=errors)
        known = await tools.recorder.job(entry.name)
        return await Errand(tools, entry, known).run()

    def _job_over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._woken.set()

    def _line_up(self, index: int, outcome: BulkOutcome[T] | None = None) -> None:
        """Line outcomes up for the consumer: this one, or in order those whose turn it is."""
        if not self._ordered:
            self._release(outcome)
            return
        self._held[index] = outcome
        while self._next in self._held:
            self._release(self._held.pop(self._next))
            self._next += 1

    def _release(self, outcome: BulkOutcome[T] | None) -> None:
        if outcome is None:
            self._slots.release()
        else:
            self._outcomes += 1
            self._ready.append(outcome)


def _check(in_flight: int, on_uncertain: str) -> None:
    if in_flight < 1:
        raise ConfigurationError(f"in_flight is {in_flight!r}; use 1 or more")
    if on_uncertain not in get_args(OnUncertain):
        choice = " or ".join(map(repr, get_args(OnUncertain)))
        raise ConfigurationError(f"on_uncertain is {on_uncertain!r}; use {choice}")


def _known(journal: Journal) -> Known:
    return Known(journal.begun(), journal.ended())


def _outage(limits: WatchLimits | None) -> float | None:
    given = UNSET if limits is None else limits.outage
    return 300.0 if given is UNSET else given
