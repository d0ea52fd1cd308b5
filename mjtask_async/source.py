"""Where a bulk run's jobs come from: any iterable, pulled one at a time."""

from collections.abc import AsyncIterable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ._core.replay import Names
from .errors import ConfigurationError
from .jobs import BulkJob, Entry, entry_of, job_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

Given: TypeAlias = str | BulkJob | dict[str, Any]
"""What can be a job."""


class Source:
    """Pulls jobs and names them.

    Args:
        jobs: Where from.
        ended: The names of jobs that had their outcome in an earlier run: of a list, whose
            end is known, they come first.

    Attributes:
        pulled: How many jobs have been handed out.

    Raises:
        ConfigurationError: One of a list is no job, where all of it has to be read.
    """

    def __init__(
        self, jobs: Iterable[Given] | AsyncIterable[Given], ended: Collection[str] = ()
    ) -> None:
        self.pulled: int = 0
        self._names = Names()
        self._index = 0
        self._sorted: Iterator[Entry] | None = None
        self._slow: AsyncIterator[Given] | None = None
        self._fast: Iterator[Given] = iter(())
        if isinstance(jobs, AsyncIterable):
            self._slow = aiter(jobs)
        elif ended and isinstance(jobs, Sequence):
            entries = [self._entry(given) for given in jobs]
            self._sorted = iter(sorted(entries, key=lambda entry: entry.name not in ended))
        else:
            self._fast = iter(jobs)

    async def next(self) -> Entry | None:
        """Pull the next job; None at the end.

        Raises:
            ConfigurationError: It is none; the message says which one.
        """
        entry = await self._pull()
        self.pulled += entry is not None
        return entry

    async def _pull(self) -> Entry | None:
        if self._sorted is not None:
            return next(self._sorted, None)
        try:
            given = next(self._fast) if self._slow is None else await anext(self._slow)
        except (StopIteration, StopAsyncIteration):
            return None
        return self._entry(given)

    def _entry(self, given: Given) -> Entry:
        index, self._index = self._index, self._index + 1
        return entry_of(job_of(given, index), index, self._names)


def check_source(jobs: object) -> None:
    """Check that jobs can be pulled.

    Raises:
        ConfigurationError: They cannot.
    """
    kind = type(jobs).__name__
    if isinstance(jobs, (str, bytes, dict)):
        raise ConfigurationError(f"jobs is a single {kind}; give a list of jobs")
    if not isinstance(jobs, (Iterable, AsyncIterable)):
        raise ConfigurationError(f"jobs is a {kind}; give an iterable of prompts")
