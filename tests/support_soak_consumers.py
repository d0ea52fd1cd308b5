"""A soak's consumers: each hears of some tasks in its own way, and minds what it hears."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from random import Random
from typing import ClassVar, Self

from mjtask_async import (
    AuthenticationError,
    ClosedError,
    NeedsInputError,
    OutageError,
    Submission,
    Task,
    TaskCancelledError,
    TaskError,
    TaskFailedError,
    TaskLostError,
    TaskTimeoutError,
    TaskUpdate,
    TaskWatcher,
    UpdateKind,
)

from .support_soak_server import Book
from .support_soak_truth import (
    CANCELLED,
    FAILED,
    LOST,
    NEEDS_INPUT,
    SHARED,
    SUCCEEDED,
    TIMED_OUT,
    TOTAL,
    Ledger,
    Times,
    key_of,
)
from .support_watch import now

HANGS = 3 * TOTAL
"""Seconds after which a consumer has been forgotten."""
_KINDS = {
    TaskFailedError: FAILED,
    TaskCancelledError: CANCELLED,
    TaskLostError: LOST,
    TaskTimeoutError: TIMED_OUT,
    NeedsInputError: NEEDS_INPUT,
}


class Ear:
    """What one consumer has heard, and what it still has to hear.

    Args:
        ledger: Where it tells.
        ids: What it watches.
        total: How long it waits for each.
        at_once: Whether it hears of an end as soon as there is one.
    """

    def __init__(
        self, ledger: Ledger, ids: Iterable[str], total: float = TOTAL, *, at_once: bool = True
    ) -> None:
        self.open: dict[str, float] = {}
        self._ledger, self._total, self._at_once = ledger, total, at_once
        self._last: dict[str, int] = {}
        self._over: set[str] = set()
        self.add(*ids)

    def add(self, *ids: str) -> None:
        """Begin to watch."""
        for task_id in ids:
            self.open[task_id] = now()

    def again(self) -> None:
        """Begin once more: a new stream counts anew."""
        self._last.clear()
        self.add(*self.open)

    def drop(self, *ids: str) -> None:
        """Stop watching."""
        for task_id in ids:
            del self.open[task_id]

    def hear(self, update: TaskUpdate[Task]) -> None:
        """Mind an update."""
        task_id, expect = update.task_id, self._ledger.expect
        expect("doubled", task_id not in self._over, f"{task_id} {update.kind}")
        expect("stray", task_id in self.open or task_id in self._over, f"{task_id} {update.kind}")
        rises = update.sequence > self._last.get(task_id, 0)
        expect("order", rises, f"{task_id}: {update.sequence} after {self._last.get(task_id)}")
        self._last[task_id] = update.sequence
        if update.kind in SHARED:
            self._ledger.shared.add(key_of(update))
        self.end(task_id, update.kind, update.limit, update.task)

    def end(
        self, task_id: str, kind: UpdateKind, limit: str | None = None, task: Task | None = None
    ) -> None:
        """Mind what became of a task, if it ended or waits."""
        if kind is SUCCEEDED:
            shown = task is not None and task.id == task_id and task.status == "SUCCESS"
            self._ledger.expect("wrong", shown, f"{task_id} succeeded as {task}")
        if kind is NEEDS_INPUT:
            self._ledger.judge_modal(task_id)
        elif kind is not UpdateKind.PROGRESS and task_id in self.open:
            times = Times(self.open.pop(task_id), now(), self._total)
            self._ledger.judge(task_id, kind, limit, times, at_once=self._at_once)
            self._over.add(task_id)

    def ended(self) -> None:
        """Mind that there is no more to hear."""
        self._ledger.expect("lost", not self.open, f"the end without {list(self.open)}")


class Crowd:
    """Consumers that come, and some that leave.

    Args:
        watcher: Whose consumers they are.
        ledger: What they heard.
        book: What explains what they should not have heard.
        chance: What they decide by.
    """

    def __init__(
        self, watcher: TaskWatcher[Task], ledger: Ledger, book: Book, chance: Random
    ) -> None:
        self.here: set[asyncio.Task[None]] = set()
        self.came = 0
        self._watcher, self._ledger, self._book, self._chance = watcher, ledger, book, chance

    def come(self, ids: list[str], submission: Submission | None = None) -> None:
        """Let somebody watch tasks; the last of them may be a submission of one's own."""
        way = self._chance.choice(self.WAYS)
        consumer = asyncio.create_task(self._be(way(self, ids, submission), ids))
        self.came += 1
        self.here.add(consumer)
        consumer.add_done_callback(self.here.discard)

    async def overhear(self) -> None:
        """Hear of everything, until the watcher closes."""
        async for update in self._watcher:
            if update.is_final:
                self._ledger.overview[key_of(update)] += 1

    async def _be(self, life: Awaitable[None], ids: list[str]) -> None:
        try:
            async with asyncio.timeout(HANGS):
                await life
        except TimeoutError:
            self._ledger.expect("hung", kept=False, what=ids)
        except Exception as error:  # noqa: BLE001 -- all of them are unexpected
            self._ledger.expect("error", kept=False, what=repr(error))

    async def _persist(self, ear: Ear, watch: Callable[[], Awaitable[None]]) -> None:
        """Watch again after an error that speaks of the server, if faults explain it."""
        while not await self._is_told(watch):
            ear.again()
        ear.ended()

    async def _is_told(self, watch: Callable[[], Awaitable[None]]) -> bool:
        try:
            await watch()
        except (AuthenticationError, OutageError) as error:
            self._excuse(error)
            return False
        return True

    def _excuse(self, error: AuthenticationError | OutageError) -> None:
        explained = (
            self._book.outage_is_explained(error)
            if isinstance(error, OutageError)
            else self._book.refusal_is_explained(error)
        )
        name = type(error).__name__
        self._ledger.excuses[name] += 1
        self._ledger.expect(name, explained, f"at {now():.1f}: {error}")

    # Those who stay

    async def _read(self, ids: list[str], submission: Submission | None) -> None:
        """Iterate to the end."""
        ear = Ear(self._ledger, ids)

        async def watch() -> None:
            async for update in self._watcher.watch(*_of(ear, submission)):
                ear.hear(update)

        await self._persist(ear, watch)

    async def _read_slowly(self, ids: list[str], submission: Submission | None) -> None:
        """Take what has come, and do something else meanwhile."""
        ear = Ear(self._ledger, ids)

        async def watch() -> None:
            stream = self._watcher.watch(*_of(ear, submission))
            while updates := await stream.next_batch():
                for update in updates:
                    ear.hear(update)
                await asyncio.sleep(self._chance.uniform(0, 5))

        await self._persist(ear, watch)

    async def _change(self, ids: list[str], submission: Submission | None) -> None:
        """Keep a stream open, add to it and discard from it."""
        half = len(ids) // 2 + 1
        ear, more = Ear(self._ledger, ids[:half]), ids[half:]

        async def watch() -> None:
            async with self._watcher.watch(*_of(ear, submission), keep_open=True) as stream:
                while ear.open:
                    ear.hear(await anext(stream))
                    self._go_on(ear, more, stream.add, stream.discard)

        await self._persist(ear, watch)

    def _go_on(
        self,
        ear: Ear,
        more: list[str],
        add: Callable[[str], None],
        discard: Callable[[str], None],
    ) -> None:
        """Sometimes add a task, and sometimes discard one."""
        if more and (not ear.open or self._chance.random() < 0.3):
            add(more[-1])
            ear.add(more.pop())
        if len(ear.open) > 1 and self._chance.random() < 0.05:
            unwanted = self._chance.choice(list(ear.open))
            discard(unwanted)
            ear.drop(unwanted)

    async def _wait(self, ids: list[str], submission: Submission | None) -> None:
        """Wait for one task."""
        ear = Ear(self._ledger, ids[-1:])

        async def watch() -> None:
            with _Outcome(ear, ids[-1]) as outcome:
                outcome.task = await self._watcher.wait(submission or ids[-1])

        await self._persist(ear, watch)

    async def _wait_for_all(self, ids: list[str], submission: Submission | None) -> None:
        """Wait for several tasks, and hear of them once the last has ended."""
        ear = Ear(self._ledger, ids, at_once=False)

        async def watch() -> None:
            found = await self._watcher.wait_all(_of(ear, submission))
            for update in found.values():
                ear.hear(update)
            waiting = [key for key, update in found.items() if update.kind is NEEDS_INPUT]
            ear.drop(*waiting)  # nothing else will come

        await self._persist(ear, watch)

    async def _be_impatient(self, ids: list[str], submission: Submission | None) -> None:
        """Wait for a short time."""
        patience = self._chance.uniform(5, 60)
        ear = Ear(self._ledger, ids, patience)

        async def watch() -> None:
            tasks = _of(ear, submission)
            async for update in self._watcher.watch(*tasks, timeout=patience):
                ear.hear(update)

        await self._persist(ear, watch)

    # Those who leave

    async def _be_cancelled(self, ids: list[str], submission: Submission | None) -> None:
        waiting = asyncio.create_task(self._watcher.wait(submission or ids[-1]))
        await asyncio.wait({waiting}, timeout=self._chance.uniform(0, 60))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    async def _take_one(self, ids: list[str], submission: Submission | None) -> None:
        async with self._watcher.watch(*ids, *filter(None, (submission,))) as stream:
            with suppress(AuthenticationError, OutageError):
                await anext(stream)

    async def _break_off(self, ids: list[str], submission: Submission | None) -> None:
        """Leave a stream lying."""
        with suppress(AuthenticationError, OutageError):
            async for update in self._watcher.watch(*ids, *filter(None, (submission,))):
                if self._chance.random() < 0.3 or update.is_final:
                    break

    async def _be_closed(self, ids: list[str], submission: Submission | None) -> None:
        """Close a stream that somebody reads."""
        stream = self._watcher.watch(*ids, *filter(None, (submission,)), keep_open=True)
        reading = asyncio.create_task(_exhaust(stream.next_batch))
        await asyncio.wait({reading}, timeout=self._chance.uniform(0, 60))
        await stream.aclose()
        await asyncio.gather(reading, return_exceptions=True)
        expected = isinstance(reading.exception(), ClosedError | AuthenticationError | OutageError)
        self._ledger.expect("closed", expected, repr(reading.exception()))

    async def _lie(self, ids: list[str], submission: Submission | None) -> None:
        """Push an end that is not true, as a stranger may."""
        del submission
        await asyncio.sleep(self._chance.uniform(0, 30))
        succeeds = SUCCEEDED in self._ledger.truths[ids[-1]].kinds
        status = "FAILURE" if succeeds else "SUCCESS"
        self._watcher.feed(Task(id=ids[-1], status=status, fail_reason="a lie"))

    WAYS: ClassVar = [_read, _read, _read_slowly, _change, _wait, _wait_for_all]
    WAYS += [_be_impatient, _be_cancelled, _take_one, _break_off, _be_closed, _lie, _lie]


class _Outcome:
    """Turns what `wait` returns or raises into an end."""

    def __init__(self, ear: Ear, task_id: str) -> None:
        self.task: Task | None = None
        self._ear, self._id = ear, task_id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if error is None:
            self._ear.end(self._id, SUCCEEDED, task=self.task)
        elif isinstance(error, TaskError):
            limit = error.limit if isinstance(error, TaskTimeoutError) else None
            self._ear.end(self._id, _KINDS[type(error)], limit)
            self._ear.open.pop(self._id, None)  # it needs input: nothing else will come
        return error is None or isinstance(error, TaskError)


def _of(ear: Ear, submission: Submission | None) -> list[str | Submission]:
    """Name what is still to be heard of, the submission as itself."""
    known = {} if submission is None else {submission.task_id: submission}
    return [known.get(task_id, task_id) for task_id in ear.open]


async def _exhaust(next_batch: Callable[[], Awaitable[object]]) -> None:
    while await next_batch():
        pass
