"""Which ids to ask for, and when.

1. Nothing here sends. `Schedule.due` says what to send now, `answered` and `failed` what
   came of it, `next_at` when to look again. Times are the loop's seconds, given in.
2. One tick for all, and it keeps its phase. N ids cost ceil(N / batch_size) requests a tick.
   While requests of a tick wait for their turn there is no next one: the tick stretches.
3. Batches are stable (see `batches`).
4. Ids without any sighting open an early poll for themselves: after `SETTLE` seconds, so that
   many of them share it, and at most every `EARLY_EVERY` seconds.
5. No id is asked for while an earlier request for it is unanswered.
6. What failed leaves the batches and is asked for apart, as `drill` says, until it succeeds.
   One place is kept free of it, where there are two: ids that hang must not stop the others.
7. While nothing at all succeeds, what fails is gathered in as few lots as can be; where the
   failures say nothing about the ids, new ones wait with a lot instead of being tried.
8. In a pause nothing is sent, and after it one request at a time until one succeeds.
"""

from collections import deque
from collections.abc import Callable, Iterator
from math import ceil, floor

from msgspec import Struct

from .batches import Batch, Batches
from .drill import Kind, Lot, Step, Streak, Trouble

SETTLE = 0.05
EARLY_EVERY = 1.0


class Ask(Struct, eq=False):
    """A request to send.

    Attributes:
        ids: What to ask for.
        sent: Whether it is under way.
        single: Whether to fetch its one id, which the lists no longer hold.
        batch: The batch whose ids these are, all of them.
        lot: Whose attempt it is part of; None for batches.
        step: Which part.
    """

    ids: tuple[str, ...]
    sent: bool = False
    single: bool = False
    batch: Batch | None = None
    lot: Lot | None = None
    step: Step | None = None

    @property
    def fetches(self) -> bool:
        """Whether to fetch its one id, a culprit, instead of listing it."""
        return self.step is not None and self.step.kind is Kind.FETCH


class Schedule:
    """The ids to watch and the requests under way.

    Args:
        interval: Seconds between two ticks.
        batch_size: Ids in one request, at most.
        max_requests: Requests under way at once, at most.

    Attributes:
        interval: Seconds between two ticks.
        answered_at: When anything succeeded last.
    """

    def __init__(self, interval: float, batch_size: int, max_requests: int) -> None:
        self.interval: float = interval
        self._size = batch_size
        self._max_requests = max_requests
        self._batches = Batches(batch_size)
        self._homes = self._batches.homes
        self._lots: dict[Lot, None] = {}
        self._astray: dict[str, Lot] = {}
        self._ready: deque[Ask] = deque()
        self._again: deque[Ask] = deque()
        self._busy: set[str] = set()
        self._sent = 0
        self._sent_again = 0
        self._again_last = False
        self.answered_at: float = float("-inf")
        self._tick = 0.0
        self._early: dict[str, None] = {}
        self._early_at = float("inf")
        self._last_early = float("-inf")
        self._singles: dict[str, None] = {}
        self._fetching = False
        self._paused_until = float("-inf")
        self._probing = False

    def __len__(self) -> int:
        """Count the ids."""
        return len(self._homes) + len(self._astray)

    def __contains__(self, task_id: str) -> bool:
        """Whether an id is asked for."""
        return task_id in self._homes or task_id in self._astray

    def add(self, task_id: str, now: float, *, early: bool) -> None:
        """Ask for an id from the next tick on, or before it where ``early``."""
        if not len(self):
            self._tick = max(self._tick, now + self.interval)
        if task_id not in self:
            lot = self._lot_for_all(1)
            if lot is None or not lot.is_blameless:
                self._batches.add(task_id)
            else:
                self._put_in(lot, (task_id,))
        if early and task_id in self._homes:
            self.ask_early(task_id, now)

    def ask_early(self, task_id: str, now: float) -> None:
        """Ask for an id that is watched before the next tick, or before its lot is due."""
        soon = max(now + SETTLE, self._last_early + EARLY_EVERY)
        lot = self._astray.get(task_id)
        if lot is not None:
            if lot.hurry(soon):
                self._last_early = soon
            return
        if not self._early:
            self._early_at = soon
        self._early[task_id] = None

    def still_wants(self, ask: Ask, now: float) -> bool:
        """Look again at a request that had to wait; if False, it is as if it had not been due."""
        if now >= self._paused_until and any(task_id in self for task_id in ask.ids):
            return True
        self._done(ask)
        if ask.lot is not None:
            ask.lot.dropped()
            self._follow(ask.lot, now)
        return False

    def ask_single(self, task_id: str) -> None:
        """Fetch a watched id by itself, as soon as nothing else asks for it."""
        self._singles[task_id] = None

    def discard(self, task_id: str) -> None:
        """Stop asking for an id."""
        self._singles.pop(task_id, None)
        home = self._batches.discard(task_id)
        if home is not None and home.busy:
            self._busy.add(task_id)  # it may come back before the answer
        self._early.pop(task_id, None)
        lot = self._astray.pop(task_id, None)
        if lot is not None:
            lot.discard(task_id)
            self._close(lot)

    def pause(self, until: float) -> None:
        """Send nothing before ``until``, and then one request at a time until one succeeds."""
        self._paused_until = max(self._paused_until, until)
        self._probing = True

    def next_at(self) -> float | None:
        """Say when `due` has something to do, or None while there is nothing to ask for."""
        at = self._next_at()
        return None if at is None else max(at, self._paused_until)

    def _next_at(self) -> float | None:
        if self._may_send() or self._may_send_again():
            return float("-inf")
        times = [lot.again_at for lot in self._resting()]
        if len(self) and not self._ready:
            times.append(self._tick)
        if self._early:
            times.append(self._early_at)
        return min(times, default=None)

    def due(self, now: float) -> list[Ask]:
        """Take the requests to send now."""
        if now < self._paused_until:
            return []
        first = self._single(now)
        if now >= self._tick and not self._ready:
            self._fire(now)
        elif now >= self._early_at:
            self._fire_early(now)
        for lot in [lot for lot in self._resting() if lot.again_at <= now]:
            self._line_up_step(lot, lot.begin())
        return [*first, *self._sendable(now)]

    def _single(self, now: float) -> list[Ask]:
        """Let one id be fetched at a time, and only while nothing waits for its turn."""
        if self._fetching or self._ready or self._sent >= self._limit:
            return []
        task_id = next((each for each in self._singles if not self._is_due(each, now)), None)
        if task_id is None:
            return []
        del self._singles[task_id]
        self._busy.add(task_id)
        self._fetching = True
        self._sent += 1
        return [Ask((task_id,), sent=True, single=True)]

    def ended(self, ask: Ask) -> None:
        """Note that the fetch of a single id is over, and says nothing about others."""
        self._done(ask)

    def answered(self, ask: Ask, now: float) -> None:
        """Note that a request has succeeded: its ids belong to the batches again."""
        self._done(ask)
        self._probing, self.answered_at = False, now
        if ask.batch is None:
            self._batches.forget_answers()
        lot, step = ask.lot, ask.step
        if lot is None or step is None:
            return
        lot.succeeded(step)
        for task_id in () if ask.fetches else ask.ids:
            if self._astray.get(task_id) is lot:
                del self._astray[task_id]
                self._batches.add(task_id)
        self._follow(lot, now)

    def failed(
        self, ask: Ask, trouble: Trouble, sent_at: float, now: float, wait: Callable[[int], float]
    ) -> Lot:
        """Note that a list call, or a culprit's fetch, has failed.

        Args:
            ask: The request.
            trouble: What its failure says about its ids.
            sent_at: When it was sent.
            now: The loop's seconds, like all times here.
            wait: Tells how many seconds to wait after so many attempts in vain.

        Returns:
            The lot that its ids are in now.
        """
        self._done(ask)
        lot, step = ask.lot, ask.step
        if lot is None or step is None:
            ids = tuple([task_id for task_id in ask.ids if task_id in self._homes])
            lot = self._lot_for_all(len(ids))
            if lot is not None:
                self._put_in(lot, ids)
                return lot
            lot = self._set_apart(ids, now)
            step = lot.begin()
        if trouble is Trouble.KEY and lot.streak.since < self.answered_at:
            lot.streak = Streak()  # the key was good meanwhile
        lot.failed(step, trouble, sent_at, wait)
        self._follow(lot, now)
        return lot

    def _set_apart(self, ids: tuple[str, ...], now: float) -> Lot:
        lot = Lot(ids, since=now)
        self._lots[lot] = None
        self._move(ids, lot)
        return lot

    def _put_in(self, lot: Lot, ids: tuple[str, ...]) -> None:
        lot.add(ids)
        self._move(ids, lot)

    def _move(self, ids: tuple[str, ...], lot: Lot) -> None:
        for task_id in ids:
            self._batches.discard(task_id)
            self._early.pop(task_id, None)
            self._astray[task_id] = lot

    def _lot_for_all(self, count: int) -> Lot | None:
        """Find a lot with room for more, if nothing has succeeded since it failed."""
        room = self._size - count
        lots = [lot for lot in self._lots if lot.since > self.answered_at]
        return next((lot for lot in lots if 0 < len(lot.ids) <= room), None)

    def _follow(self, lot: Lot, now: float) -> None:
        """Line up what comes next in an attempt, and let its culprits go."""
        for step in lot.follow(now):
            self._line_up_step(lot, step)
        for culprit in lot.culprits:
            self._lots[culprit] = None
            self._astray |= dict.fromkeys(culprit.ids, culprit)
        lot.culprits.clear()
        self._lots[lot] = self._lots.pop(lot)  # behind those that have waited longer
        self._close(lot)

    def _close(self, lot: Lot) -> None:
        if not lot.ids and not lot.under_way:
            del self._lots[lot]

    def _resting(self) -> list[Lot]:
        """List the lots that wait for their time, and for nothing else."""
        return [lot for lot in self._lots if not lot.under_way and self._busy.isdisjoint(lot.ids)]

    def _is_busy(self, task_id: str) -> bool:
        home = self._homes.get(task_id)
        return task_id in self._busy or (home is not None and home.busy)

    def _is_due(self, task_id: str, now: float) -> bool:
        """Whether an id is being asked for, or its lot would have to wait for a fetch."""
        lot = self._astray.get(task_id)
        return self._is_busy(task_id) or (lot is not None and lot.again_at <= now)

    def _fire(self, now: float) -> None:
        self._tick += self.interval * floor((now - self._tick) / self.interval)
        while self._tick <= now:  # once, or twice where the line above was rounded down
            self._tick += self.interval
        self._early.clear()
        self._early_at = float("inf")
        asks = [self._ask_for(batch) for batch in self._batches.free()]
        asks = [ask for ask in asks if ask.ids]
        if len(asks) > ceil(sum(len(ask.ids) for ask in asks) / self._size):
            asks = self._cut([task_id for ask in asks for task_id in ask.ids])
        for ask in asks:
            self._line_up(ask)

    def _ask_for(self, batch: Batch) -> Ask:
        if not self._busy or self._busy.isdisjoint(batch.ids):
            return Ask(batch.line, batch=batch)
        return Ask(tuple([each for each in batch.ids if each not in self._busy]))

    def _fire_early(self, now: float) -> None:
        ids = [each for each in self._early if each in self._homes and not self._is_busy(each)]
        if ids:
            self._last_early = now
        for ask in self._cut(ids):
            self._line_up(ask)
        self._early.clear()
        self._early_at = float("inf")

    def _cut(self, ids: list[str]) -> list[Ask]:
        starts = range(0, len(ids), self._size)
        return [Ask(tuple(ids[start : start + self._size])) for start in starts]

    def _line_up(self, ask: Ask) -> None:
        if ask.batch is None:
            self._busy.update(ask.ids)
        else:
            ask.batch.busy = True
        self._ready.append(ask)

    def _line_up_step(self, lot: Lot, step: Step) -> None:
        self._busy.update(step.ids)
        self._again.append(Ask(step.ids, lot=lot, step=step))

    @property
    def _limit(self) -> int:
        return 1 if self._probing else self._max_requests

    def _may_send(self) -> bool:
        return bool(self._ready) and self._sent < self._limit

    def _may_send_again(self) -> bool:
        if not self._again or self._sent >= self._limit:
            return False
        return self._sent_again < max(1, self._max_requests - 1)

    def _take(self) -> Ask | None:
        """Take what is next: in turns, of what has failed and of the others."""
        again = self._may_send_again() and not (self._again_last and self._may_send())
        if not again and not self._may_send():
            return None
        self._again_last = again
        return (self._again if again else self._ready).popleft()

    def _sendable(self, now: float) -> Iterator[Ask]:
        while (ask := self._take()) is not None:
            if ask.batch is None or ask.batch.line is not ask.ids:
                self._leave_out_the_gone(ask)
            if ask.ids:
                self._sent += 1
                self._sent_again += ask.lot is not None
                ask.sent = True
                yield ask
            elif ask.lot is not None:
                ask.lot.dropped()
                self._follow(ask.lot, now)

    def _leave_out_the_gone(self, ask: Ask) -> None:
        """Keep of a request the ids that are still wanted; each of them stays busy."""
        self._settle(ask)
        ask.ids = tuple([each for each in ask.ids if self._is_wanted(ask, each)])
        ask.batch = None
        self._busy.update(ask.ids)

    def _is_wanted(self, ask: Ask, task_id: str) -> bool:
        """Whether an id is still where it was when it was lined up."""
        return task_id in self and self._astray.get(task_id) is ask.lot

    def _done(self, ask: Ask) -> None:
        self._sent -= 1
        self._sent_again -= ask.lot is not None
        self._fetching = self._fetching and not ask.single
        self._settle(ask)

    def _settle(self, ask: Ask) -> None:
        if ask.batch is not None:
            ask.batch.busy = False
        if self._busy:
            self._busy.difference_update(ask.ids)
