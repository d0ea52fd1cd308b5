"""The journal as a running loop sees it: written in a worker thread, several at a time.

1. `Recorder.write` takes its records at once, before anything is awaited, and returns when
   they are on the disk. A caller that is cancelled meanwhile loses nothing.
2. While one batch is being written the next one gathers: many jobs share a disk's flush.
3. After a failure, whichever, nothing more is written: what the disk holds must not have holes.
4. What cannot be written is found out before it joins a batch, and harms no other record.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import CancelScope, to_thread

from ._core.replay import JobState, Record
from .errors import JournalError
from .journal import Journal, row_of

if TYPE_CHECKING:
    from .journal import Row

R = TypeVar("R")
Line = tuple[Record, bytes | None]


class Recorder:
    """Writes to a journal, or nowhere."""

    def __init__(self, journal: Journal | None) -> None:
        self.journal = journal
        self._rows: list[Row] = []
        self._writing: asyncio.Task[None] | None = None
        self._error: JournalError | None = None

    async def write(self, *lines: Line) -> None:
        """Write records.

        Raises:
            JournalError: They could not be written.
        """
        if self.journal is None:
            return
        self._rows += [row_of(*line) for line in lines]
        while self._rows and self._error is None:
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._flush(self.journal))
            await asyncio.shield(self._writing)
        await self._settled()

    async def job(self, name: str) -> JobState:
        """Read what is known of a job."""
        if self.journal is None:
            return JobState()
        return await in_thread(self.journal.job, name)

    async def task(self, job: str, step: str) -> bytes:
        """Read the task that a step became."""
        assert self.journal is not None  # noqa: S101 -- only a journal knows succeeded steps
        return await in_thread(self.journal.task, job, step) or b""

    async def aclose(self) -> None:
        """Wait until everything is written, and close the journal."""
        if self._writing is not None:
            await asyncio.wait((self._writing,))
        if self.journal is not None:
            await in_thread(self.journal.close)

    async def _settled(self) -> None:
        if self._writing is not None and not self._writing.done():
            await asyncio.shield(self._writing)
        if self._error is not None:
            raise self._error

    async def _flush(self, journal: Journal) -> None:
        while self._rows and self._error is None:
            rows, self._rows = self._rows, []
            try:
                await in_thread(journal.insert, rows)
            except JournalError as error:
                self._error = error
            except BaseException as error:
                self._error = JournalError(f"journal {journal.path}: {error!r}")
                self._error.__cause__ = error
                if not isinstance(error, Exception):
                    raise


async def in_thread(work: Callable[..., R], *args: Any) -> R:
    """Run what blocks in a worker thread; a cancelled call returns when it is done."""
    return await to_the_end(to_thread.run_sync(work, *args))


async def to_the_end(work: Awaitable[R]) -> R:
    """Await something that goes on to its end even if this call is cancelled.

    Raises:
        CancelledError: The call was cancelled, once the work was done.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    with CancelScope(shield=True):  # a scope of the caller's would cancel every turn of the loop
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        task.exception()  # has been seen
        raise cancelled
    return task.result()
