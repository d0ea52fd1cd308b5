"""Pulls the jobs of a bulk run while there is room, and after a stop those that cost nothing."""

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
        self._tasks = [asyncio.create_task(self._run())]

    @property
    def done(self) -> bool:
        """Whether there is nothing more to pull."""
        return self._tasks[-1].done()

    def stop(self) -> None:
        """Start nothing new; of what still comes take only jobs that ended earlier."""
        if len(self._tasks) == 1:
            self._tasks[0].cancel()
            self._tasks.append(asyncio.create_task(self._tell()))

    async def aclose(self) -> None:
        """Pull nothing more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while (entry := await self._pull(None)) is not None:
                self._start(entry)
        except Exception as error:  # noqa: BLE001 -- raised when all is done
            self.error = error
        finally:
            self._on_end()

    async def _tell(self) -> None:
        await asyncio.wait(self._tasks[:1])
        try:
            await self._look_further(PATIENCE if self._source.is_slow else None)
        except Exception as error:  # noqa: BLE001 -- what stopped the run counts more
            self.error = self.error or error
        finally:
            self._on_end()

    async def _look_further(self, patience: float | None) -> None:
        passed_over, now = 0, asyncio.get_running_loop().time
        while self._source.may_hold_ended and passed_over < PASSED_OVER:
            started = now()
            entry = await self._pull(patience)
            patience = None if patience is None else patience - (now() - started)
            if entry is None:
                return
            if self._source.has_ended(entry):
                self._start(entry)
                passed_over = 0
            else:
                self._leave(entry.index)
                passed_over += 1
                await asyncio.sleep(0)

    async def _pull(self, patience: float | None) -> Entry | None:
        await self._slots.acquire()
        entry = None
        try:
            async with asyncio.timeout(patience):
                entry = await self._source.next()
        except TimeoutError:
            if patience is None:
                raise  # the source's own
        finally:
            if entry is None:
                self._slots.release()
        return entry
