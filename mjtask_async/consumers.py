"""Who watches what, and who has waited long enough.

1. Synchronous throughout: the watcher calls, nothing here calls back.
2. A task is watched while at least one inbox is open for it.
3. Limits belong to one (inbox, task). One heap holds the next instant each could run
   out; an entry whose consumer has left is dropped when its time comes, or when such
   entries are the most.
"""

import heapq
import itertools
from collections.abc import Iterable, Iterator
from typing import Generic

from msgspec import Struct

from ._core.limits import Joined, check
from ._core.tracker import Track, Tracker
from ._core.wire import clean_id
from .errors import ConfigurationError
from .models import Submission, T, Task, TaskUpdate
from .stream import Inbox

_SPARE = 1000
"""So many entries more are not worth the search."""
_AT_ONCE = 200
"""So many take about a millisecond, for which nothing else runs."""


class Expired(Struct, Generic[T], frozen=True):
    """A limit that has run out."""

    inbox: Inbox[T]
    track: Track[T]
    joined: Joined
    limit: str


class Consumers(Generic[T]):
    """The inboxes of one watcher."""

    def __init__(self, tracker: Tracker[T]) -> None:
        self.inboxes: dict[Inbox[T], None] = {}
        self._overviews: list[Inbox[T]] = []
        self._tracker = tracker
        self._of: dict[str, dict[Inbox[T], None]] = {}
        self._heap: list[tuple[float, int, Inbox[T], str, Joined]] = []
        self._numbers = itertools.count()
        self._pairs = 0

    def __contains__(self, task_id: str) -> bool:
        """Whether anybody watches a task."""
        return task_id in self._of

    def __len__(self) -> int:
        """Count the watched tasks."""
        return len(self._of)

    @property
    def next_at(self) -> float | None:
        """The next instant at which a limit could run out."""
        return self._heap[0][0] if self._heap else None

    def add(self, inbox: Inbox[T]) -> None:
        """Take an inbox in."""
        self.inboxes[inbox] = None
        if inbox.everything:
            self._overviews.append(inbox)

    def remove(self, inbox: Inbox[T]) -> None:
        """Let an inbox go; the tasks it is open for are left one by one."""
        self.inboxes.pop(inbox, None)
        if inbox in self._overviews:
            self._overviews.remove(inbox)

    def join(self, inbox: Inbox[T], track: Track[T], now: float) -> bool:
        """Open an inbox for a task; False if it was open already."""
        if track.task_id in inbox.open:
            return False
        joined = Joined(now, track.clock(now))
        inbox.open[track.task_id] = joined
        self._of.setdefault(track.task_id, {})[inbox] = None
        self._pairs += 1
        self._look_again(inbox, track, joined, now)
        return True

    def leave(self, inbox: Inbox[T], task_id: str) -> bool:
        """Close an inbox for a task; whether nobody watches it now."""
        inbox.open.pop(task_id, None)
        others = self._of.get(task_id)
        if others is None:
            return False
        self._pairs -= inbox in others
        others.pop(inbox, None)
        if not others:
            self.forget(task_id)
        return not others

    def forget(self, task_id: str) -> None:
        """Forget a task that nobody watches, or that is over."""
        self._pairs -= len(self._of.pop(task_id, ()))
        if not self._of:
            self._heap.clear()

    def deliver(self, update: TaskUpdate[T]) -> None:
        """Give an update to all who watch its task, and to those who see everything."""
        for inbox in self._of.get(update.task_id, ()):
            inbox.deliver(update)
        for inbox in self._overviews:
            inbox.deliver(update)

    def confirm(self, update: TaskUpdate[T]) -> None:
        """Tell those who wait for an outcome that a task waits for input."""
        for inbox in self._of.get(update.task_id, ()):
            inbox.deliver_confirmed(update)

    def holders(self, ids: Iterable[str]) -> dict[Inbox[T], dict[str, Task | None]]:
        """Find the inboxes of some tasks, with all their tasks and the last sightings."""
        inboxes = dict.fromkeys(inbox for each in ids for inbox in self._of.get(each, ()))
        tracks = self._tracker.tracks
        return {inbox: {each: tracks[each].task for each in inbox.open} for inbox in inboxes}

    def expired(self, now: float) -> Iterator[Expired[T]]:
        """Take limits that have run out by ``now``; no more than a few hundred at once.

        A limit that does not lead to an end stays run out, and comes again with the others.
        """
        for _ in range(_AT_ONCE):
            if not self._heap or self._heap[0][0] > now:
                return
            _, entry, inbox, task_id, joined = heapq.heappop(self._heap)
            track = self._tracker.tracks.get(task_id)
            if track is None or joined.entry != entry or inbox.open.get(task_id) is not joined:
                continue
            for limit in self._look_again(inbox, track, joined, now):
                if inbox.open.get(task_id) is joined:
                    yield Expired(inbox, track, joined, limit)

    def is_over(self, expired: Expired[T], now: float) -> bool:
        """Whether a consumer's limit is still run out, and nothing else before it."""
        if expired.inbox.open.get(expired.track.task_id) is not expired.joined:
            return False
        limits = check(expired.inbox.limits, expired.joined, expired.track, now).limits
        return limits[:1] == (expired.limit,)

    def spare(self, expired: Expired[T], until: float) -> None:
        """Look at a limit again that did not lead to an end, if not earlier for another."""
        if expired.inbox.open.get(expired.track.task_id) is expired.joined:
            at = min(until, expired.joined.due)
            self._note(at, expired.inbox, expired.track, expired.joined)

    def _look_again(
        self, inbox: Inbox[T], track: Track[T], joined: Joined, now: float
    ) -> tuple[str, ...]:
        expiry = check(inbox.limits, joined, track, now)
        self._note(expiry.at, inbox, track, joined)
        return expiry.limits

    def _tidy(self) -> None:
        """Drop the entries of those who have left: the most by far."""
        self._heap = [each for each in self._heap if each[2].open.get(each[3]) is each[4]]
        heapq.heapify(self._heap)

    def _note(self, at: float, inbox: Inbox[T], track: Track[T], joined: Joined) -> None:
        joined.entry, joined.due = next(self._numbers), at
        heapq.heappush(self._heap, (at, joined.entry, inbox, track.task_id, joined))
        if len(self._heap) > 2 * self._pairs + _SPARE:
            self._tidy()


def ids_of(task: str | Submission | Task) -> tuple[str, ...]:
    """Read the ids out of what a caller calls a task."""
    if isinstance(task, Submission):
        ids = task.task_ids or ((task.task_id,) if task.task_id else ())
        if not ids:
            raise ConfigurationError("the submission has no task, only links: nothing to watch")
        return tuple(clean_id(task_id) for task_id in ids)
    return (clean_id(task.id if isinstance(task, Task) else task),)
