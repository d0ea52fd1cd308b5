"""Pulls the jobs of a bulk run while there is room, and after a stop those that cost nothing.

A source may swallow a cancellation and give its next job all the same, as `asyncio.wait_for`
does before Python 3.12. So it is not the cancellation that ends the pulling, but a flag.
"""

import asyncio
from collections.abc import Callable

from .jobs import Entry
from .source import Source

PATIENCE = 10.0
"""Seconds for which a stopped run waits, in all, for an async iterable's jobs."""
PASSED_OVER = 1000
"""New jobs in a row after which a stopped run looks no further: a source may be endless."""


class Pump:
    """Pulls jobs until the end; it begins at once.

    Args:
        source: Where from.
        slots: Room: one place for each job.
        start: Takes a job, and gives its place free some day.
        leave: Takes the index of a job that is left to the next run, and gives its place free.
        on_end: Called when there is nothing more to pull.

    Attributes:
        error: What the source raised.
    """

    def __init__(
        self,
        source: Source,
        slots: asyncio.Semaphore,
        *,
        start: Callable[[Entry], None],
        leave: Callable[[int], None],
        on_end: Callable[[], None],
    ) -> None:
        self.error: Exception | None = None
        self._source = source
        self._slots = slots
        self._start = start
        self._leave = leave
        self._on_end = on_end
        self._is_stopped = self._is_closed = False
        self._patience: float | None = None
        self._tasks = [asyncio.create_task(self._run())]

    @property
    def done(self) -> bool:
        """Whether there is nothing more to pull."""
        return self._tasks[-1].done()

    def stop(self) -> None:
        """Start nothing new; of what still comes take only jobs that ended earlier."""
        if not self._is_stopped:
            self._is_stopped = True
            self._tasks[0].cancel()
            self._tasks.append(asyncio.create_task(self._tell()))

    async def aclose(self) -> None:
        """Pull nothing more."""
        self._is_stopped = self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while not self._is_stopped and (entry := await self._pull()) is not None:
                self._take(entry)
        except Exception as error:  # noqa: BLE001 -- raised when all is done
            self.error = error
        finally:
            self._on_end()

    async def _tell(self) -> None:
        await asyncio.wait(self._tasks[:1])
        self._patience = PATIENCE if self._source.is_slow else None
        try:
            await self._look_further()
        except Exception as error:  # noqa: BLE001 -- what stopped the run counts more
            self.error = self.error or error
        finally:
            self._on_end()

    async def _look_further(self) -> None:
        passed_over = 0
        while self._may_look(passed_over) and (entry := await self._pull()) is not None:
            passed_over = 0 if self._take(entry) else passed_over + 1
            await asyncio.sleep(0)

    def _may_look(self, passed_over: int) -> bool:
        if self._is_closed or (self._patience is not None and self._patience <= 0):
            return False
        return self._source.may_hold_ended and passed_over < PASSED_OVER

    def _take(self, entry: Entry) -> bool:
        """Start a job, unless the run was stopped and it is new."""
        may_start = not self._is_stopped or self._source.has_ended(entry)
        if may_start:
            self._start(entry)
        else:
            self._leave(entry.index)
        return may_start

    async def _pull(self) -> Entry | None:
        await self._slots.acquire()
        entry = None
        try:
            entry = await self._ask()
        finally:
            if entry is None:
                self._slots.release()
        return entry

    async def _ask(self) -> Entry | None:
        """Ask the source while there is patience; the wait for room is none of its doing."""
        now = asyncio.get_running_loop().time
        limit, started = asyncio.timeout(self._patience), now()
        try:
            async with limit:
                return await self._source.next()
        except TimeoutError:
            if limit.expired():
                return None
            raise  # the source's own
        finally:
            if self._patience is not None:
                self._patience -= now() - started
