"""Who watches what through one watcher: streams join, leave and hear.

1. Every change of state is synchronous.
2. Here nothing is asked for: `Poller`, built on this, does that, and hears by `_rearm` that
   something may be due earlier than it thought.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from copy import copy
from typing import Generic, cast

from ._core.outcomes import ended
from ._core.schedule import Schedule
from ._core.tracker import Look, Tracker
from .abandoned import Abandoned
from .consumers import Consumers, Expired, ids_of
from .errors import ClosedError, ConfigurationError, MJTaskError
from .losses import Losses
from .models import Submission, T, Task, TaskUpdate, UpdateKind
from .outlook import Outlook
from .session import MJSession
from .stream import Inbox

_SESSION_CLOSED = "the session was closed; the tasks go on: watch their ids again"
_HEARSAY = frozenset(("submit", "given"))
"""Sources of updates that the server's own copy of a task has not shown."""


class Audience(ABC, Generic[T]):
    """The consumers of one watcher, and what they are told; the source of its streams."""

    def __init__(self, session: MJSession[T], schedule: Schedule) -> None:
        self.schedule: Schedule = schedule
        self.tracker: Tracker[T] = Tracker()
        self.consumers: Consumers[T] = Consumers(self.tracker)
        self.closed: bool = False
        self.updates: int = 0
        self.last_change_at: float | None = None
        self._session = session
        self._losses: Losses[T] = Losses()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._abandoned = Abandoned(self.release)
        self._outlook = Outlook(session, schedule, self.tracker)

    @abstractmethod
    def _rearm(self) -> None:
        """Set the timer to the next instant anything is due."""

    def open(self, inbox: Inbox[T], tasks: tuple[str | Submission | Task, ...]) -> None:
        """Take an inbox in, with its first tasks."""
        self.running()
        self.consumers.add(inbox)
        try:
            self.join(inbox, tasks)
        except BaseException:
            self.release(inbox)
            raise

    def feed(self, sighting: T, source: str) -> None:
        """Merge a pushed sighting; a final one only makes the next poll come at once."""
        now = self.running().time()
        if sighting.id not in self.consumers:
            return
        with self._abandoned.put_off():
            if sighting.is_final:
                self.schedule.ask_early(sighting.id, now)
            else:
                self._deliver(self.tracker.sight(sighting, Look(now, time.time(), source)))
            self._rearm()

    def running(self) -> asyncio.AbstractEventLoop:
        """Check that the watcher can be used here, and give its loop."""
        if self.closed:
            raise ClosedError("the watcher is closed; make a new one")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            self._abandoned.belong_to(loop)
            self._session._dependents.add(self)
        if self._loop is not loop:
            raise ConfigurationError(
                "the watcher belongs to another event loop; make one watcher in each loop"
            )
        self._session._check_usable()
        return loop

    def session_closed(self) -> None:
        """End everything; part of `session.Dependent`."""
        self._fail_all(ClosedError(_SESSION_CLOSED))

    # What streams call

    def join(self, inbox: Inbox[T], tasks: tuple[str | Submission | Task, ...]) -> None:
        """Begin to watch tasks for an inbox; part of `stream.Source`."""
        now = self.running().time()
        if inbox.has_ended:
            raise ClosedError("the stream has ended; use watch() for a new one")
        by_id: dict[str, list[str | Submission | Task]] = {}
        for task in tasks:
            for task_id in ids_of(task):
                by_id.setdefault(task_id, []).append(task)
        with self._abandoned.put_off():
            for task_id, given in by_id.items():
                self._join(inbox, task_id, given, now)
            self._rearm()

    def leave(self, inbox: Inbox[T], tasks: tuple[str | Submission | Task, ...]) -> None:
        """Stop watching tasks for an inbox; part of `stream.Source`."""
        with self._abandoned.put_off():
            for task_id in [task_id for task in tasks for task_id in ids_of(task)]:
                inbox.discard(task_id)
                self._leave(inbox, task_id)

    def release(self, inbox: Inbox[T]) -> None:
        """Forget an inbox; part of `stream.Source`."""
        with self._abandoned.put_off():
            expects = inbox.expects_more
            self._drop(inbox)
            inbox.close(expected_more=expects)

    def abandon(self, inbox: Inbox[T]) -> None:
        """Forget an inbox whose stream is gone; part of `stream.Source`."""
        self._abandoned.add(inbox)

    # Who watches

    def _join(
        self, inbox: Inbox[T], task_id: str, given: list[str | Submission | Task], now: float
    ) -> None:
        track = self.tracker.add(task_id, now)
        if any(isinstance(each, Submission) and each.answers_modal for each in given):
            self._deliver(self.tracker.answered(task_id, Look(now, time.time(), "submit")))
        known = track.last
        if self.consumers.join(inbox, track, now) and known is not None:
            inbox.deliver(known)
            if track.needs_input:
                inbox.deliver_confirmed(known)
        told = [each for each in given if not isinstance(each, str)]
        self.schedule.add(task_id, now, early=known is None and not told)
        for each in told:
            if task_id in self.consumers:
                self._deliver(self._first(task_id, each, now))

    def _first(self, task_id: str, given: Submission | Task, now: float) -> TaskUpdate[T] | None:
        """Merge what a caller knows of a task."""
        if isinstance(given, Task):
            return self.tracker.sight(cast("T", given), Look(now, time.time(), "given"))
        return self.tracker.submitted(task_id, given, Look(now, time.time(), "submit"))

    def _leave(self, inbox: Inbox[T], task_id: str) -> None:
        if self.consumers.leave(inbox, task_id):
            self._forget(task_id)

    def _drop(self, inbox: Inbox[T]) -> None:
        self.consumers.remove(inbox)
        for task_id in list(inbox.open):
            self._leave(inbox, task_id)

    def _forget(self, task_id: str) -> None:
        self.consumers.forget(task_id)
        self.schedule.discard(task_id)
        self.tracker.discard(task_id)
        self._losses.forget(task_id)
        if not self.consumers:
            self._rearm()  # which disarms

    def _deliver(self, update: TaskUpdate[T] | None) -> None:
        if update is not None:
            self.updates += 1
            if update.source not in _HEARSAY:
                self.last_change_at = update.observed_at
                self._outlook.changed()
            self.consumers.deliver(update)
            if update.is_final:
                self._forget(update.task_id)

    # How it ends

    def _fail(self, inbox: Inbox[T], error: BaseException) -> None:
        self._drop(inbox)
        inbox.end(error)

    def _fail_all(self, error: MJTaskError) -> None:
        """End everything; each with an error of its own, because raising one changes it."""
        with self._abandoned.put_off():
            for inbox in list(self.consumers.inboxes):
                own = copy(error)
                own.__cause__ = error.__cause__
                self._fail(inbox, own)

    def _finish(
        self,
        expired: Expired[T],
        kind: UpdateKind,
        source: str,
        observed_at: float,
        limit: str | None = None,
    ) -> None:
        """End a task for one consumer; it says nothing about the task itself."""
        update = ended(expired.track, kind, source, observed_at, limit)
        expired.inbox.deliver(update)
        self._leave(expired.inbox, update.task_id)
