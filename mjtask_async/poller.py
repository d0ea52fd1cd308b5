"""The engine of a `TaskWatcher`: its clock and its requests.

1. Decisions are `Schedule`'s (what to ask), `Tracker`'s (what it means), `Consumers`'s (who
   hears of it, who has waited long enough) and `Outlook`'s (what it says of the server). Here
   they meet the clock and the network.
2. Every change of state is synchronous. The only tasks are requests under way; `aclose`
   cancels and awaits them.
3. One timer, set to the next instant anything is due; without watched tasks there is none.
"""

import asyncio
import contextvars
import random
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any, Generic, cast

from ._core.outcomes import outage_of, reached_within, refusal_of, unexpected
from ._core.retry import poll_delay, trouble_of
from ._core.rows import Rows, rows_of
from ._core.schedule import Ask, Schedule
from ._core.tracker import Look
from .audience import Audience
from .consumers import Expired
from .errors import (
    AuthenticationError,
    ClosedError,
    ConfigurationError,
    MJTaskError,
    TaskNotFoundError,
)
from .models import T, UpdateKind
from .session import MJSession

_CLOSED = "the watcher was closed; the tasks go on: watch their ids again"
_PATIENCE = 5
"""Intervals in which a poll lets submits go first."""


class Poller(Audience[T], Generic[T]):
    """Asks, merges and tells."""

    def __init__(self, session: MJSession[T], schedule: Schedule) -> None:
        super().__init__(session, schedule)
        self.polls: int = 0
        self.polls_failed: int = 0
        self.confirmations: int = 0
        self._requests: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._context = contextvars.copy_context()
        self._trouble: MJTaskError | None = None

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
        if not await self._has_turn(ask):
            return
        now = asyncio.get_running_loop().time
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

    async def _has_turn(self, ask: Ask) -> bool:
        """Wait until the session may send one more request; is this one still wanted then?"""
        await self._session._admit(_PATIENCE * self.schedule.interval)
        wanted = self.schedule.still_wants(ask, asyncio.get_running_loop().time())
        if not wanted:
            if ask.single and ask.ids[0] in self._losses:
                self.schedule.ask_single(ask.ids[0])
            self._wake()
        return wanted

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
        self._outlook.succeeded(look)
        for update in self.tracker.polled(rows, look):
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
        self._outlook.failed(error, look, now)
        if isinstance(error, AuthenticationError) and self._outlook.is_key_refused(lot.streak, now):
            self._refuse(ask, error)

    def _refuse(self, ask: Ask, error: AuthenticationError) -> None:
        worked = self._session._key_worked
        for inbox, tasks in self.consumers.holders(ask.ids).items():
            self._fail(inbox, refusal_of(tasks, error, worked))

    # Who has waited long enough

    def _expire(self, expired: Expired[T]) -> None:
        if expired.limit == "missing":
            self._doubt(expired)
        elif expired.limit == "outage":
            self._report_outage(expired)
        else:
            self._finish(expired, UpdateKind.TIMED_OUT, "limit", time.time(), expired.limit)

    def _doubt(self, expired: Expired[T]) -> None:
        """Let a task be fetched that the lists no longer hold, once for all who miss it."""
        task_id, now = expired.track.task_id, asyncio.get_running_loop().time()
        again_at = self._losses.again_at(task_id)
        if again_at > now:
            self.consumers.spare(expired, again_at)
        elif self._losses.add(expired):
            self.schedule.ask_single(task_id)

    def _report_outage(self, expired: Expired[T]) -> None:
        """End a stream none of whose tasks could be asked for; one that could is enough."""
        inbox, now = expired.inbox, asyncio.get_running_loop().time()
        tracks = [self.tracker.tracks[task_id] for task_id in inbox.open]
        allowed = cast("float", inbox.limits.outage)
        if self.schedule.answered_at > now - allowed and reached_within(tracks, now - allowed):
            self.consumers.spare(expired, now + self.schedule.interval)
            return
        tasks = {track.task_id: track.task for track in tracks}
        self._fail(inbox, outage_of(tasks, allowed, self._trouble))

    async def _confirm(self, ask: Ask) -> None:
        """Ask for one task that the lists no longer hold."""
        if not await self._has_turn(ask):
            return
        now = asyncio.get_running_loop().time
        look = Look(now(), time.time(), "fetch")
        if not any(
            self.consumers.is_over(each, now()) for each in self._losses.waiting(ask.ids[0])
        ):
            self._confirmed(ask, None, None, look)  # the lists hold it again
            return
        self.confirmations += 1
        found, trouble = None, None
        try:
            found = await self._session._fetch_once(ask.ids[0])
        except MJTaskError as error:
            trouble = error
        except Exception as error:  # noqa: BLE001 -- such as one of the caller's own task type
            trouble = unexpected(error)
        self._confirmed(ask, found, trouble, look)

    def _confirmed(
        self, ask: Ask, found: T | None, trouble: MJTaskError | None, look: Look
    ) -> None:
        """Tell those who wait; a task that was seen meanwhile is not lost."""
        task_id, now = ask.ids[0], asyncio.get_running_loop().time()
        lost = isinstance(trouble, TaskNotFoundError)
        with self._abandoned.put_off():
            if found is not None or lost:
                self.schedule.answered(ask, now)
            else:
                self.schedule.ended(ask)
            waiting = self._losses.take(task_id)
            if found is not None:
                self._deliver(self.tracker.found(found, look))
            self._put_off(task_id, trouble, now)
            for expired in waiting:
                if lost and self.consumers.is_over(expired, now):
                    self._finish(expired, UpdateKind.LOST, "fetch", look.observed_at)
                else:
                    self.consumers.spare(expired, self._losses.again_at(task_id))
        self._wake()

    def _put_off(self, task_id: str, trouble: MJTaskError | None, now: float) -> None:
        """Set when a loss that was not confirmed is looked at again."""
        delay = self.schedule.interval
        if task_id not in self.consumers:
            return
        if trouble is not None and not isinstance(trouble, TaskNotFoundError):
            self._trouble = trouble
            failures = self._losses.failed(task_id)
            delay = poll_delay(trouble, failures, delay, random.random())  # noqa: S311
        self._losses.put_off(task_id, now + delay)
