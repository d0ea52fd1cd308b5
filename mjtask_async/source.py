"""Where a bulk run's jobs come from: any iterable, pulled one at a time.

1. All of a list is checked before anything is sent. What else is wrong is found when it is
   pulled, and then it is that job's error.
2. Of a list it is known beforehand which jobs have had their outcome: they come first. Of
   any other iterable that shows as they are pulled.
3. A name costs reading the job's pictures, so that jobs have one only beside a journal.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec.structs import replace

from ._core.naming import Names, Wanted, name_of_key
from .errors import ConfigurationError
from .jobs import BulkJob, Entry, content, former_content, job_of, whatever_of
from .recorder import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

Given: TypeAlias = str | BulkJob | dict[str, Any]
"""What can be a job."""
_END: Any = object()
_AT_A_TIME = 200
"""Jobs of a list that are looked at before the event loop has its turn."""


class Known:
    """What a journal knows of the jobs to come.

    Args:
        begun: Its jobs by name, and what each was to press.
        ended: Those that have had their outcome.
    """

    def __init__(self, begun: Mapping[str, Wanted], ended: Iterable[str]) -> None:
        self.begun: Mapping[str, Wanted] = begun
        self.ended: frozenset[str] = frozenset(ended)


class Source:
    """Pulls jobs and names them.

    Args:
        jobs: Where from.
        then: The buttons of jobs that name none.
        known: What a journal knows of them; None without one.
        ordered: Whether they come in their order, those that have ended, too.

    Attributes:
        pulled: How many jobs have been handed out.
    """

    def __init__(
        self,
        jobs: Iterable[Given] | AsyncIterable[Given],
        then: tuple[str, ...] = (),
        known: Known | None = None,
        *,
        ordered: bool = False,
    ) -> None:
        self.pulled: int = 0
        self._jobs = jobs
        self._then = then
        self._known = known
        self._ordered = ordered
        self._names = Names(known.begun if known else None)
        self._unique = _Unique()
        self._untold = set(known.ended if known else ())
        self._index = 0
        self._given: Any = _END
        self._sorted: Iterator[Entry] | None = None
        self._slow: AsyncIterator[Given] | None = None
        self._fast: Iterator[Given] = iter(())

    @property
    def is_slow(self) -> bool:
        """Whether the next job may take its time."""
        return self._slow is not None

    async def open(self) -> None:
        """Look at all of a list.

        Raises:
            ConfigurationError: One of its items is no job, or has another one's key or state.
        """
        if isinstance(self._jobs, AsyncIterable):
            self._slow = aiter(self._jobs)
            return
        if isinstance(self._jobs, Sequence):
            await _check(self._jobs)
            if self._known is not None and self._known.begun:
                entries = await self._all_of(self._jobs)
                if not self._ordered:
                    entries.sort(key=lambda entry: not self.has_ended(entry))
                self._sorted = iter(entries)
                return
        self._fast = iter(self._jobs)

    async def next(self) -> Entry | None:
        """Pull the next job; None at the end. Cancelling it loses none."""
        if self._sorted is not None:
            entry = next(self._sorted, None)
        else:
            entry = await self._pull()
        if entry is not None:
            self.pulled += 1
            self._untold.discard(entry.name)
        return entry

    def has_ended(self, entry: Entry) -> bool:
        """Whether a job had its outcome in an earlier run."""
        return self._known is not None and entry.name in self._known.ended

    @property
    def may_hold_ended(self) -> bool:
        """Whether jobs that ended earlier have not come yet."""
        return bool(self._untold)

    async def _pull(self) -> Entry | None:
        if self._given is _END:
            try:
                self._given = await anext(self._slow) if self._slow else next(self._fast)
            except (StopIteration, StopAsyncIteration):
                return None
        entry = await self._entry(self._given, self._index)
        self._given, self._index = _END, self._index + 1
        return entry

    async def _entry(self, given: Given, index: int) -> Entry:
        entry, digest = await self._draft(given, index)
        if not digest:
            return entry
        name = self._names.same(digest, entry.then) or self._names.next(digest)
        return replace(entry, name=name)

    async def _draft(self, given: Given, index: int) -> tuple[Entry, str]:
        """Make an entry; one that is known by its content has no name yet, but a digest."""
        digest = name = ""
        try:
            job = job_of(given, index)
            self._unique.check(job, index)
            if self._known is not None and job.key is None:
                digest = self._as_known(job, await _content(job, index))
        except ConfigurationError as error:
            return Entry(index, "", whatever_of(given), error=error), ""
        self._unique.add(job)
        if job.key is not None:
            name = name_of_key(job.key)
        return Entry(index, name, job, self._then if job.then is None else job.then), digest

    def _as_known(self, job: BulkJob, digest: str) -> str:
        """Choose the digest by which the journal knows a job."""
        former = digest if digest in self._names else former_content(job)
        return former if former in self._names else digest

    async def _all_of(self, jobs: Sequence[Given]) -> list[Entry]:
        """Name all jobs: first those that are in the journal as they are, then the rest."""
        drafts = [await self._draft(given, index) async for index, given in _slowly(jobs)]
        same = [digest and self._names.same(digest, entry.then) for entry, digest in drafts]
        return [
            replace(entry, name=name or self._names.next(digest)) if digest else entry
            for (entry, digest), name in zip(drafts, same, strict=True)
        ]


class _Unique:
    """What only one job of a run may have."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def check(self, job: BulkJob, index: int) -> None:
        """Look whether another job has this one's key or state.

        Raises:
            ConfigurationError: It has.
        """
        for name, digest in self._digests(job):
            if digest in self._seen:
                value = getattr(job, name)
                raise ConfigurationError(
                    f"job {index}: another job of this run has the {name} {value!r}"
                )

    def add(self, job: BulkJob) -> None:
        """Remember a job's key and state."""
        self._seen.update(digest for _, digest in self._digests(job))

    def _digests(self, job: BulkJob) -> list[tuple[str, bytes]]:
        given = [("key", job.key), ("state", job.state)]
        return [(n, sha256(f"{n}:{v}".encode()).digest()[:16]) for n, v in given if v is not None]


async def _check(jobs: Sequence[Given]) -> None:
    unique = _Unique()
    async for index, given in _slowly(jobs):
        job = job_of(given, index)
        unique.check(job, index)
        unique.add(job)


async def _slowly(jobs: Sequence[Given]) -> AsyncIterator[tuple[int, Given]]:
    """Go through a list without holding up the event loop."""
    for index, given in enumerate(jobs):
        yield index, given
        if index % _AT_A_TIME == 0:
            await asyncio.sleep(0)


async def _content(job: BulkJob, index: int) -> str:
    """Digest a job; pictures are read off the event loop."""
    try:
        if all(isinstance(image, str) for image in job.images):
            return content(job)
        return await in_thread(content, job)
    except ConfigurationError as error:
        raise ConfigurationError(f"job {index}: {error}") from error


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
