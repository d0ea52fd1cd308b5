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
from collections.abc import Coroutine
from typing import Any, Generic, cast

from ._core.retry import poll_delay
from ._core.rows import Rows
from ._core.schedule import Ask, Schedule
from ._core.tracker import Look, Tracker
from ._core.wire import clean_id
from .consumers import Consumers, Expired
from .errors import (
    AuthenticationError,
    ClosedError,
    ConfigurationError,
    MJTaskError,
    OutageError,
    TaskNotFoundError,
)
from .models import Submission, T, Task, TaskUpdate, UpdateKind
from .session import MJSession
from .stream import Inbox

_CLOSED = "the watcher was closed; the tasks go on: watch their ids again"
_REFUSALS, _REFUSED_FOR = 3, 10.0
"""So many polls in a row, over so many seconds: one 401 is no proof of a bad key (Q37)."""


class Poller(Generic[T]):
    """Asks, merges and tells; the source of all streams of one watcher."""

    def __init__(self, session: MJSession[T], schedule: Schedule) -> None:
        self.schedule = schedule
        self.tracker: Tracker[T] = Tracker()
        self.consumers: Consumers[T] = Consumers(self.tracker)
        self.closed: bool = False
        self.polls = self.polls_failed = self.confirmations = self.updates = 0
        self.last_change_at: float | None = None
        self._session = session
        self._losing: dict[str, list[Expired[T]]] = {}
        self._answers: dict[str, Rows[T]] = {}
        self._requests: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = contextvars.copy_context()
        self._trouble: MJTaskError | None = None

    async def aclose(self) -> None:
        """Stop asking, and end what is open."""
        self.closed = True
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
        except MJTaskError:
            self.release(inbox)
            raise

    def feed(self, sighting: T, source: str) -> None:
        """Merge a pushed sighting; a final one only makes the next poll come at once."""
        now = self.running().time()
        if sighting.id not in self.consumers:
            return
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
        self._loop = self._loop or loop
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
        if inbox.closed:
            raise ClosedError("the stream is closed; use watch() for a new one")
        by_id = [(task_id, task) for task in tasks for task_id in ids_of(task)]  # or none
        for task_id, known in by_id:
            self._join(inbox, task_id, known, now)
        self._rearm()

    def leave(self, inbox: Inbox[T], tasks: tuple[str | Submission | Task, ...]) -> None:
        """Stop watching tasks for an inbox; part of `stream.Source`."""
        for task_id in [task_id for task in tasks for task_id in ids_of(task)]:
            inbox.discard(task_id)
            self._leave(inbox, task_id)

    def release(self, inbox: Inbox[T]) -> None:
        """Forget an inbox; part of `stream.Source`."""
        expects = inbox.expects_more
        self._drop(inbox)
        inbox.close(expected_more=expects)

    # Who watches

    def _join(
        self, inbox: Inbox[T], task_id: str, task: str | Submission | Task, now: float
    ) -> None:
        track = self.tracker.add(task_id, now)
        if isinstance(task, Submission) and task.answers_modal:
            self._deliver(self.tracker.answered(task_id, Look(now, time.time(), "submit")))
        known = track.last
        if self.consumers.join(inbox, track, now) and known is not None:
            inbox.deliver(known)
            if track.needs_input:
                inbox.deliver_confirmed(known)
        self.schedule.add(task_id, now, early=known is None and isinstance(task, str))
        if isinstance(task, Submission):
            look = Look(now, time.time(), "submit")
            self._deliver(self.tracker.submitted(task_id, task, look))
        elif isinstance(task, Task):
            look = Look(now, time.time(), "given")
            self._deliver(self.tracker.sight(cast("T", task), look))

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
        self._answers.pop(task_id, None)
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
            self._timer = loop.call_at(at, self._turn, context=self._context)

    def _next_at(self) -> float | None:
        if not self.consumers:
            return None
        times = (self.schedule.next_at(), self.consumers.next_at)
        return min((at for at in times if at is not None), default=None)

    def _turn(self) -> None:
        """Do what is due now, and set the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = asyncio.get_running_loop().time()
        for expired in self.consumers.expired(now):
            self._expire(expired)
        for ask in self.schedule.due(now):
            self._begin(self._confirm(ask) if ask.single else self._poll(ask))
        self._rearm()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        request = asyncio.get_running_loop().create_task(work, context=self._context)
        self._requests.add(request)
        request.add_done_callback(self._end)

    def _end(self, request: asyncio.Task[None]) -> None:
        self._requests.discard(request)
        if not request.cancelled() and (error := request.exception()) is not None:
            self._fail_all(error)  # a bug of ours must not look like silence

    async def _poll(self, ask: Ask) -> None:
        look = Look(asyncio.get_running_loop().time(), time.time(), "poll")
        self.polls += 1
        try:
            rows = await self._session._poll(ask.ids, self._answers.pop(ask.ids[0], None))
        except MJTaskError as error:
            self.polls_failed += 1
            self._failed(ask, look, error)
        else:
            self.schedule.answered(ask)
            self._polled(ask, rows, look)
        self._turn()

    def _polled(self, ask: Ask, rows: Rows[T], look: Look) -> None:
        if ask.ids[0] in self.consumers:
            self._answers[ask.ids[0]] = rows
        updates = self.tracker.polled(rows, look)
        if updates:
            self.last_change_at = look.observed_at
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
        delay = poll_delay(error, ask.failures + 1, self.schedule.interval, random.random())  # noqa: S311
        again = self.schedule.failed(ask, look.at, now + delay)
        refused = again.failures >= _REFUSALS and now - again.failing_since >= _REFUSED_FOR
        if refused and isinstance(error, AuthenticationError):
            self._refuse(ask, error)

    def _refuse(self, ask: Ask, error: AuthenticationError) -> None:
        for inbox, tasks in self.consumers.holders(ask.ids).items():
            said = {"code": error.code, "description": error.description}
            own = AuthenticationError(str(error.args[0]), **error.where, **said)
            own.ids = tuple(tasks)
            own.tasks = {key: task for key, task in tasks.items() if task is not None}
            own.__cause__ = error
            self._fail(inbox, own)

    def _fail(self, inbox: Inbox[T], error: BaseException) -> None:
        self._drop(inbox)
        inbox.end(error)

    def _fail_all(self, error: BaseException) -> None:
        for inbox in list(self.consumers.inboxes):
            self._fail(inbox, error)

    # Who has waited long enough

    def _expire(self, expired: Expired[T]) -> None:
        task_id = expired.track.task_id
        if expired.limit == "missing":
            self._losing.setdefault(task_id, []).append(expired)
            self.schedule.ask_single(task_id)
        elif expired.limit == "outage":
            self._report_outage(expired.inbox)
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
        expired.inbox.deliver(
            TaskUpdate(
                track.task_id,
                kind,
                track.task,
                track.sequence + 1,
                observed_at,
                source,
                limit,
                track.percent,
            )
        )
        self._leave(expired.inbox, track.task_id)

    def _report_outage(self, inbox: Inbox[T]) -> None:
        tracks = [self.tracker.tracks[task_id] for task_id in inbox.open]
        hit = [track for track in tracks if track.outage_since is not None]
        error = OutageError(
            f"no poll has succeeded for {inbox.limits.outage:g} s, the last said: {self._trouble}; "
            "the tasks themselves may go on: watch their ids again",
            ids=tuple(track.task_id for track in hit),
            tasks={track.task_id: track.task for track in hit if track.task is not None},
        )
        error.__cause__ = self._trouble
        self._fail(inbox, error)

    async def _confirm(self, ask: Ask) -> None:
        """Ask for one task that the lists no longer hold."""
        now = asyncio.get_running_loop().time
        look = Look(now(), time.time(), "fetch")
        task_id = ask.ids[0]
        self.confirmations += 1
        found, lost = None, False
        try:
            found = await self._session.fetch(task_id)
        except TaskNotFoundError:
            lost = True
        except MJTaskError as error:
            self._trouble = error
        self.schedule.answered(ask)
        waiting = self._losing.pop(task_id, [])
        if found is not None:
            self._deliver(self.tracker.found(found, look))
        for expired in waiting:
            if lost and expired.inbox.open.get(task_id) is expired.joined:
                self._finish(expired, UpdateKind.LOST, "fetch", look.observed_at)
            else:
                self.consumers.spare(expired, now() + self.schedule.interval)
        self._turn()


def ids_of(task: str | Submission | Task) -> tuple[str, ...]:
    """Read the ids out of what a caller calls a task."""
    if isinstance(task, Submission):
        ids = task.task_ids or ((task.task_id,) if task.task_id else ())
        if not ids:
            raise ConfigurationError("the submission has no task, only links: nothing to watch")
        return tuple(clean_id(task_id) for task_id in ids)
    return (clean_id(task.id if isinstance(task, Task) else task),)
