"""Which ids to ask for, and when.

1. Nothing here sends. `Schedule.due` says what to send now, `answered` and `failed` what
   came of it, `next_at` when to look again. Times are the loop's seconds, given in.
2. One tick for all, and it keeps its phase. N ids cost ceil(N / batch_size) requests a tick.
   While requests of a tick wait for their turn there is no next one: the tick stretches.
3. Batches are stable (see `batches`).
4. Ids without any sighting open an early poll for themselves: after `SETTLE` seconds, so that
   many of them share it, and at most every `EARLY_EVERY` seconds.
5. No id is asked for while an earlier request for it is unanswered.
6. What failed leaves the batches and is asked for on its own until it succeeds.
"""

from collections import deque
from collections.abc import Iterator
from math import ceil, floor

from msgspec import Struct

from .batches import Batch, Batches

SETTLE = 0.05
EARLY_EVERY = 1.0


class Ask(Struct, eq=False):
    """A request to send, and after its failure the group of ids that waits to be asked again.

    Attributes:
        ids: What to ask for.
        failures: How many requests in a row have failed for this group.
        refusals: How many of them in a row, the last ones, were refused for the key.
        refused_since: When the first of these was sent off.
        again_at: When a failed group is due.
        sent: Whether the request is under way.
        single: Whether to fetch its one id instead of listing it.
        batch: The batch whose ids these are, all of them.
    """

    ids: tuple[str, ...]
    failures: int = 0
    refusals: int = 0
    refused_since: float = 0.0
    again_at: float = 0.0
    sent: bool = False
    single: bool = False
    batch: Batch | None = None


class Schedule:
    """The ids to watch and the requests under way.

    Args:
        interval: Seconds between two ticks.
        batch_size: Ids in one request, at most.
        max_requests: Requests under way at once, at most.
    """

    def __init__(self, interval: float, batch_size: int, max_requests: int) -> None:
        self.interval = interval
        self._size = batch_size
        self._max_requests = max_requests
        self._batches = Batches(batch_size)
        self._homes = self._batches.homes
        self._failed: list[Ask] = []
        self._astray: dict[str, Ask] = {}
        self._ready: deque[Ask] = deque()
        self._busy: set[str] = set()
        self._sent = 0
        self._tick = 0.0
        self._early: dict[str, None] = {}
        self._early_at = float("inf")
        self._last_early = float("-inf")
        self._singles: dict[str, None] = {}
        self._fetching = False

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
            self._batches.add(task_id)
        if early:
            self.ask_early(task_id, now)

    def ask_early(self, task_id: str, now: float) -> None:
        """Ask for an id that is watched before the next tick."""
        if not self._early:
            self._early_at = max(now + SETTLE, self._last_early + EARLY_EVERY)
        self._early[task_id] = None

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
        ask = self._astray.pop(task_id, None)
        if ask is not None and ask in self._failed:
            ask.ids = tuple(each for each in ask.ids if each != task_id)
            if not ask.ids:
                self._failed.remove(ask)

    def next_at(self) -> float | None:
        """Say when `due` has something to do, or None while there is nothing to ask for."""
        if self._ready and self._sent < self._max_requests:
            return float("-inf")
        times = [ask.again_at for ask in self._failed if self._busy.isdisjoint(ask.ids)]
        if len(self) and not self._ready:
            times.append(self._tick)
        if self._early:
            times.append(self._early_at)
        return min(times, default=None)

    def due(self, now: float) -> list[Ask]:
        """Take the requests to send now."""
        first = self._single()
        if now >= self._tick and not self._ready:
            self._fire(now)
        elif now >= self._early_at:
            self._fire_early(now)
        for ask in [ask for ask in self._failed if ask.again_at <= now]:
            if self._busy.isdisjoint(ask.ids):  # or else one of them is being fetched
                self._failed.remove(ask)
                self._line_up(ask)
        return [*first, *self._sendable()]

    def _single(self) -> list[Ask]:
        """Let one id be fetched at a time, and only while nothing waits for its turn."""
        if self._fetching or self._ready or self._sent >= self._max_requests:
            return []
        task_id = next((each for each in self._singles if not self._is_busy(each)), None)
        if task_id is None:
            return []
        del self._singles[task_id]
        self._busy.add(task_id)
        self._fetching = True
        self._sent += 1
        return [Ask((task_id,), sent=True, single=True)]

    def answered(self, ask: Ask) -> None:
        """Note that a request has succeeded: its ids belong to the batches again."""
        self._done(ask)
        if ask.batch is None:
            self._batches.forget_answers()
        for task_id in () if ask.single else ask.ids:
            if self._astray.pop(task_id, None) is not None:
                self._batches.add(task_id)

    def failed(self, ask: Ask, sent_at: float, again_at: float, *, refused: bool = False) -> Ask:
        """Note that a request has failed: its ids are asked for again at ``again_at``.

        Args:
            ask: The request.
            sent_at: When it was sent off.
            again_at: When its ids are due again.
            refused: Whether it failed for the key.
        """
        self._done(ask)
        kept = tuple(task_id for task_id in ask.ids if task_id in self)
        again = Ask(kept, ask.failures + 1, again_at=again_at)
        if refused:
            again.refusals = ask.refusals + 1
            again.refused_since = ask.refused_since if ask.refusals else sent_at
        for task_id in kept:
            self._batches.discard(task_id)
            self._early.pop(task_id, None)
            self._astray[task_id] = again
        if kept:
            self._failed.append(again)
        return again

    def _is_busy(self, task_id: str) -> bool:
        home = self._homes.get(task_id)
        return task_id in self._busy or (home is not None and home.busy)

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

    def _sendable(self) -> Iterator[Ask]:
        while self._ready and self._sent < self._max_requests:
            ask = self._ready.popleft()
            if ask.batch is None or ask.batch.line is not ask.ids:
                self._leave_out_the_gone(ask)
            if ask.ids:
                self._sent += 1
                ask.sent = True
                yield ask

    def _leave_out_the_gone(self, ask: Ask) -> None:
        """Keep of a request the ids that are still wanted; each of them stays busy."""
        self._settle(ask)
        ask.ids = tuple([task_id for task_id in ask.ids if task_id in self])
        ask.batch = None
        self._busy.update(ask.ids)

    def _done(self, ask: Ask) -> None:
        self._sent -= 1
        self._fetching = self._fetching and not ask.single
        self._settle(ask)

    def _settle(self, ask: Ask) -> None:
        if ask.batch is not None:
            ask.batch.busy = False
        if self._busy:
            self._busy.difference_update(ask.ids)
