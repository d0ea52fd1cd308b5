"""The engine of a `TaskWatcher`: its clock, its requests, and who hears what.

1. Decisions are `Schedule`'s (what to ask), `Tracker`'s (what it means) and `Consumers`'s
   (who hears of it, who has waited long enough). Here they meet the clock and the network.
2. Every change of state is synchronous. The only tasks are requests under way; `aclose`
   cancels and awaits them.
3. One timer, set to the next instant anything is due; without watched tasks there is none.
"""

import asyncio
import contextvars
import random
import time
from collections import Counter
from collections.abc import Coroutine
from copy import copy
from functools import partial
from typing import Any, Generic, cast

from ._core.outcomes import outage_of, refusal_of, unexpected
from ._core.retry import poll_delay, trouble_of
from ._core.rows import Rows, rows_of
from ._core.schedule import Ask, Schedule
from ._core.tracker import Look, Tracker
from .abandoned import Abandoned
from .consumers import Consumers, Expired, ids_of
from .errors import (
    AuthenticationError,
    ClosedError,
    ConfigurationError,
    MJTaskError,
    TaskNotFoundError,
)
from .models import Submission, T, Task, TaskUpdate, UpdateKind
from .outlook import Outlook
from .session import MJSession
from .stream import Inbox

_CLOSED = "the watcher was closed; the tasks go on: watch their ids again"
_PATIENCE = 5
"""Intervals in which a poll lets submits go first."""


class Poller(Generic[T]):
    """Asks, merges and tells; the source of all streams of one watcher."""

    def __init__(self, session: MJSession[T], schedule: Schedule) -> None:
        self.schedule: Schedule = schedule
        self.tracker: Tracker[T] = Tracker()
        self.consumers: Consumers[T] = Consumers(self.tracker)
        self.closed: bool = False
        self.polls: int = 0
        self.polls_failed: int = 0
        self.confirmations: int = 0
        self.updates: int = 0
        self.last_change_at: float | None = None
        self._session = session
        self._losing: dict[str, list[Expired[T]]] = {}
        self._unconfirmed: Counter[str] = Counter()
        self._requests: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = contextvars.copy_context()
        self._trouble: MJTaskError | None = None
        self._abandoned = Abandoned(self.release)
        self._outlook = Outlook(self.tracker)

    async def aclose(self) -> None:
        """Stop asking, and end what is open."""
        self.closed = True
        with self._abandoned.put_off():
            for inbox in list(self.consumers.inboxes):
                expects = inbox.expects_more
                self._drop(inbox)
                inbox.end(ClosedError(_CLOSED) if expects else None)
            self._rearm()
        for request in self._requests:
            request.cancel()
        await asyncio.gather(*self._requests, return_exceptions=True)

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
        if self._loop is not loop:
            raise ConfigurationError(
                "the watcher belongs to another event loop; make one watcher in each loop"
            )
        self._session._check_usable()
        return loop

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
        self._losing.pop(task_id, None)
        del self._unconfirmed[task_id]
        if not self.consumers:
            self._rearm()  # which disarms

    def _deliver(self, update: TaskUpdate[T] | None) -> None:
        if update is not None:
            self.updates += 1
            self.consumers.deliver(update)
            if update.is_final:
                self._forget(update.task_id)

    # What is due

    def _rearm(self) -> None:
        """Set the timer to the next instant anything is due."""
        at = None if self.closed else self._next_at()
        if self._timer is not None:
            if at is not None and self._timer.when() <= at:
                return
            self._timer.cancel()
            self._timer = None
        if at is not None:
            loop = asyncio.get_running_loop()
            at = max(at, loop.time())
            self._timer = loop.call_at(at, self._wake, context=self._context)

    def _next_at(self) -> float | None:
        if not self.consumers:
            return None
        times = (self.schedule.next_at(), self.consumers.next_at)
        return min((at for at in times if at is not None), default=None)

    def _wake(self) -> None:
        try:
            self._turn()
        except Exception as error:  # noqa: BLE001 -- a bug must not look like silence
            self._fail_all(unexpected(error))

    def _turn(self) -> None:
        """Do what is due now, and set the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with self._abandoned.put_off():
            now = asyncio.get_running_loop().time()
            for expired in self.consumers.expired(now):
                self._expire(expired)
            for ask in self.schedule.due(now):
                self._begin(self._confirm(ask) if ask.single else self._poll(ask))
            self._rearm()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        request = asyncio.get_running_loop().create_task(work)
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)

    async def _poll(self, ask: Ask) -> None:
        now = asyncio.get_running_loop().time
        await self._session._admit(_PATIENCE * self.schedule.interval)
        look = Look(now(), time.time(), "poll")
        try:
            rows = await self._rows(ask)
        except MJTaskError as error:
            self.polls_failed += 1
            with self._abandoned.put_off():
                self._failed(ask, look, error)
        except Exception as error:  # noqa: BLE001 -- such as one of the caller's own task type
            self.schedule.answered(ask, now())
            self._fail_all(unexpected(error))
        else:
            with self._abandoned.put_off():
                self.schedule.answered(ask, now())
                self._polled(ask, rows, look)
        self._wake()

    async def _rows(self, ask: Ask) -> Rows[T]:
        if ask.fetches:
            self.confirmations += 1
            return rows_of(ask.ids, [await self._session._fetch_once(ask.ids[0])])
        self.polls += 1
        last = ask.batch.answer if ask.batch is not None else None
        return await self._session._poll(ask.ids, last)

    def _polled(self, ask: Ask, rows: Rows[T], look: Look) -> None:
        if ask.batch is not None and ask.batch.line is ask.ids:
            ask.batch.answer = rows
        updates = self.tracker.polled(rows, look)
        if updates:
            self.last_change_at = look.observed_at
        self._outlook.succeeded(look, changed=bool(updates))
        for update in updates:
            self._deliver(update)
        for update in self.tracker.take_confirmed():
            self.consumers.confirm(update)

    def _failed(self, ask: Ask, look: Look, error: MJTaskError) -> None:
        now = asyncio.get_running_loop().time()
        self._trouble = error
        if isinstance(error, ClosedError | ConfigurationError):
            self._fail_all(error)
            return
        self.tracker.failed(ask.ids, look.at)
        interval = self.schedule.interval
        wait = partial(poll_delay, error, interval=interval, chance=random.random())  # noqa: S311
        lot = self.schedule.failed(ask, trouble_of(error), look.at, now, wait)
        if (pause := self._outlook.failed(error, look, now)) is not None:
            self.schedule.pause(pause)
        if isinstance(error, AuthenticationError) and self._outlook.is_key_refused(lot.streak, now):
            self._refuse(ask, error)

    def _refuse(self, ask: Ask, error: AuthenticationError) -> None:
        worked = self._session._key_worked
        for inbox, tasks in self.consumers.holders(ask.ids).items():
            self._fail(inbox, refusal_of(tasks, error, worked))

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

    # Who has waited long enough

    def _expire(self, expired: Expired[T]) -> None:
        task_id = expired.track.task_id
        if expired.limit == "missing":
            self._losing.setdefault(task_id, []).append(expired)
            self.schedule.ask_single(task_id)
        elif expired.limit == "outage":
            self._report_outage(expired)
        else:
            self._finish(expired, UpdateKind.TIMED_OUT, "limit", time.time(), expired.limit)

    def _finish(
        self,
        expired: Expired[T],
        kind: UpdateKind,
        source: str,
        observed_at: float,
        limit: str | None = None,
    ) -> None:
        """End a task for one consumer; it says nothing about the task itself."""
        track = expired.track
        track.sequence += 1
        expired.inbox.deliver(
            TaskUpdate(
                track.task_id,
                kind,
                track.task,
                track.sequence,
                observed_at,
                source,
                limit,
                track.percent,
            )
        )
        self._leave(expired.inbox, track.task_id)

    def _report_outage(self, expired: Expired[T]) -> None:
        """End a stream none of whose tasks could be asked for; one that could is enough."""
        inbox = expired.inbox
        tracks = [self.tracker.tracks[task_id] for task_id in inbox.open]
        if any(track.outage_since is None for track in tracks):
            now = asyncio.get_running_loop().time()
            self.consumers.spare(expired, now + self.schedule.interval)
            return
        tasks = {track.task_id: track.task for track in tracks}
        self._fail(inbox, outage_of(tasks, inbox.limits.outage, self._trouble))

    async def _confirm(self, ask: Ask) -> None:
        """Ask for one task that the lists no longer hold."""
        look = Look(asyncio.get_running_loop().time(), time.time(), "fetch")
        self.confirmations += 1
        found, trouble = None, None
        try:
            found = await self._session._fetch_once(ask.ids[0])
        except MJTaskError as error:
            trouble = error
        except Exception as error:  # noqa: BLE001 -- such as one of the caller's own task type
            trouble = unexpected(error)
        with self._abandoned.put_off():
            if trouble is None or isinstance(trouble, TaskNotFoundError):
                self.schedule.answered(ask, asyncio.get_running_loop().time())
            else:
                self.schedule.ended(ask)
            self._confirmed(ask.ids[0], found, trouble, look)
        self._wake()

    def _confirmed(
        self, task_id: str, found: T | None, trouble: MJTaskError | None, look: Look
    ) -> None:
        waiting = self._losing.pop(task_id, [])
        if found is not None:
            self._deliver(self.tracker.found(found, look))
        lost = isinstance(trouble, TaskNotFoundError)
        delay = self._put_off(task_id, trouble)
        for expired in waiting:
            if lost and expired.inbox.open.get(task_id) is expired.joined:
                self._finish(expired, UpdateKind.LOST, "fetch", look.observed_at)
            else:
                self.consumers.spare(expired, asyncio.get_running_loop().time() + delay)

    def _put_off(self, task_id: str, trouble: MJTaskError | None) -> float:
        """Say how many seconds until a loss that was not confirmed is looked at again."""
        interval = self.schedule.interval
        if trouble is None or task_id not in self.consumers:
            return interval
        self._trouble = trouble
        self._unconfirmed[task_id] += 1
        return poll_delay(trouble, self._unconfirmed[task_id], interval, random.random())  # noqa: S311
