"""A `Schedule` under everything a watcher may do, beside a model that knows no batches.

The model is the rules alone: the tick and its phase, early polls, failed groups, fetches of
single ids, and that nothing is asked for twice at once. It knows which ids become due
together and how many requests they may cost, but not how they are cut, and into which of
several groups an id is put.
"""

from collections import Counter
from math import ceil, floor, inf

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mjtask_async._core.drill import Trouble
from mjtask_async._core.schedule import Ask, Schedule

INTERVAL = 3.0
SIZE = 3
LIMIT = 2
IDS = st.sampled_from([f"t{number}" for number in range(9)])


class Group:
    """Ids that have failed, or wait with some that have."""

    def __init__(self, since: float) -> None:
        self.ids: list[str] = []
        self.since = since
        self.at: float | None = None
        """When it is due; None while it is under way."""


class Lot:
    """Ids that became due together, and how many requests they may cost."""

    def __init__(self, ids: list[str], requests: int, group: Group | None = None) -> None:
        self.ids = ids
        self.requests = requests
        self.group = group
        """The failed group behind it."""


class Scheduling(RuleBasedStateMachine):
    """Drives a `Schedule` as the watcher does."""

    def __init__(self) -> None:
        super().__init__()
        self.made = Schedule(INTERVAL, SIZE, LIMIT)
        self.now = 0.0
        self.ids: dict[str, None] = {}
        self.tick = 0.0
        self.early: dict[str, None] = {}
        self.early_at = inf
        self.last_early = -inf
        self.singles: list[str] = []
        self.failing: dict[str, Group] = {}
        self.answered_at = -inf
        self.queue: list[Lot] = []
        self.again: list[Lot] = []
        self.sent: list[tuple[Ask, Lot, float]] = []

    # What callers do

    @rule(task_id=IDS, early=st.booleans())
    def add(self, task_id: str, early: bool) -> None:  # noqa: FBT001
        if not self.ids:
            self.tick = max(self.tick, self.now + INTERVAL)
        new = task_id not in self.ids
        self.ids.setdefault(task_id)
        self.made.add(task_id, self.now, early=early)
        if new and self.with_room(1):
            self.join([task_id])
        if early and task_id not in self.failing:
            self.expect_early(task_id)

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def ask_early(self, data: st.DataObject) -> None:
        task_id = data.draw(st.sampled_from(list(self.ids)))
        self.made.ask_early(task_id, self.now)
        if task_id not in self.failing:
            self.expect_early(task_id)

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def ask_single(self, data: st.DataObject) -> None:
        task_id = data.draw(st.sampled_from(list(self.ids)))
        self.made.ask_single(task_id)
        if task_id not in self.singles:
            self.singles.append(task_id)
        self.turn()

    @rule(task_id=IDS)
    def discard(self, task_id: str) -> None:
        self.made.discard(task_id)
        self.ids.pop(task_id, None)
        self.early.pop(task_id, None)
        if task_id in self.singles:
            self.singles.remove(task_id)
        if task_id in self.failing:
            self.failing.pop(task_id).ids.remove(task_id)

    # What becomes of requests

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        ask, lot, _ = self.sent.pop(data.draw(st.integers(0, len(self.sent) - 1)))
        self.made.answered(ask, self.now)
        self.answered_at = self.now
        for task_id in () if ask.single else ask.ids:
            if self.failing.get(task_id) is lot.group is not None:
                self.failing.pop(task_id).ids.remove(task_id)
        if lot.group is not None:
            lot.group.at = self.now  # for those that have joined meanwhile
        self.turn()

    @precondition(lambda self: any(ask.single for ask, _, _ in self.sent))
    @rule()
    def end(self) -> None:
        """Let the fetch of a single id come to nothing."""
        entry = next(entry for entry in self.sent if entry[0].single)
        self.sent.remove(entry)
        self.made.ended(entry[0])
        self.turn()

    @precondition(lambda self: any(not ask.single for ask, _, _ in self.sent))
    @rule(data=st.data(), delay=st.sampled_from([0.0, 1.0, 2.5, 30.0]))
    def fail(self, data: st.DataObject, delay: float) -> None:
        lists = [entry for entry in self.sent if not entry[0].single]
        entry = data.draw(st.sampled_from(lists))
        self.sent.remove(entry)
        ask, old, sent_at = entry
        kept = [task_id for task_id in ask.ids if self.is_part(task_id, old)]
        before = ask.lot.failures if ask.lot else 0
        again = self.made.failed(ask, Trouble.PASSING, sent_at, self.now, lambda _: delay)

        if old.group is None and self.with_room(len(kept)):
            self.join(kept)
        elif old.group is not None or kept:  # pragma: no branch -- or everybody has left
            group = old.group or Group(self.now)
            group.at = self.now + delay
            for task_id in kept if old.group is None else ():
                self.put(task_id, group)
            assert sorted(group.ids) == sorted(again.ids)
            assert before + 1 == again.failures
        self.turn()

    @rule(seconds=st.sampled_from([0.01, 0.05, 0.3, 1.0, 3.0, 3.5, 40.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass, with a timer that goes off when the schedule says."""
        until = self.now + seconds
        turns = 0
        while (at := self.made.next_at()) is not None and at <= until:
            self.now = max(self.now, at)
            self.turn()
            turns += 1
            assert turns < 200  # or the timer never comes to rest
        self.now = until

    @rule(seconds=st.sampled_from([0.2, 4.0, 10.0]))
    def stall(self, seconds: float) -> None:
        """Block the loop: the timer comes late."""
        self.now += seconds
        self.turn()

    @invariant()
    def the_timer_is_set_to_what_is_due(self) -> None:
        assert self.expected_next() == self.made.next_at()

    @invariant()
    def all_ids_are_known(self) -> None:
        assert len(self.ids) == len(self.made)
        assert all(task_id in self.made for task_id in self.ids)

    def teardown(self) -> None:
        for task_id in list(self.ids):
            self.discard(task_id)
        while self.sent:
            ask, _, _ = self.sent.pop()
            self.made.answered(ask, self.now)
            self.turn()

        left = [value for value in vars(self.made).values() if hasattr(value, "__len__")]
        assert not any(map(any, left))  # empty batches may stay
        assert self.made._sent == 0
        assert self.made.next_at() is None

    # The model

    def expect_early(self, task_id: str) -> None:
        if not self.early:
            self.early_at = max(self.now + 0.05, self.last_early + 1.0)
        self.early[task_id] = None

    def busy(self) -> set[str]:
        under_way = {task_id for ask, _, _ in self.sent for task_id in ask.ids}
        return under_way | {each for lot in self.queue + self.again for each in lot.ids}

    def groups(self) -> list[Group]:
        return list(dict.fromkeys(self.failing.values()))

    def resting(self) -> list[Group]:
        """List the groups that wait for their time, and for nothing else."""
        busy = self.busy()
        return [each for each in self.groups() if each.at is not None and busy.isdisjoint(each.ids)]

    def with_room(self, count: int) -> list[Group]:
        """List the groups that have failed since anything succeeded, and have room."""
        return [
            group
            for group in self.groups()
            if group.since > self.answered_at and len(group.ids) + count <= SIZE
        ]

    def join(self, ids: list[str]) -> None:
        """Put ids into the group that the schedule has chosen among those with room."""
        if not ids:
            return
        chosen = self.made._astray[ids[0]]
        groups = [each for each in self.with_room(len(ids)) if each.ids[0] in chosen.ids]
        assert len(groups) == 1
        for task_id in ids:
            assert self.made._astray[task_id] is chosen
            self.put(task_id, groups[0])

    def put(self, task_id: str, group: Group) -> None:
        self.failing[task_id] = group
        group.ids.append(task_id)
        self.early.pop(task_id, None)

    def expected_next(self) -> float | None:
        times = [group.at for group in self.resting() if group.at is not None]
        times += [self.tick] if self.ids and not self.queue else []
        times += [self.early_at] if self.early else []
        return min(times, default=None)

    def line_up(self) -> None:
        """Find what becomes due now, by the rules alone."""
        single = self.next_single()
        asked = self.busy() | {single}
        free = [each for each in self.ids if each not in asked | set(self.failing)]
        if self.now >= self.tick and not self.queue:
            self.tick += INTERVAL * floor((self.now - self.tick) / INTERVAL)
            while self.tick <= self.now:
                self.tick += INTERVAL
            self.early.clear()
            self.enqueue(free)
        elif self.early and self.now >= self.early_at:
            bare = [task_id for task_id in self.early if task_id in free]
            if bare:
                assert self.now >= self.last_early + 1.0
                self.last_early = self.now
            self.early.clear()
            self.enqueue(bare)
        for group in self.resting():
            if group.at is not None and group.at <= self.now and asked.isdisjoint(group.ids):
                group.at = None
                self.again.append(Lot(list(group.ids), 1, group))
        if single is not None:
            self.singles.remove(single)
            self.queue.insert(0, Lot([single], 1))

    def next_single(self) -> str | None:
        """Find the id to fetch: one at a time, and only while nothing waits for its turn."""
        fetching = any(ask.single for ask, _, _ in self.sent)
        if fetching or self.queue or len(self.sent) >= LIMIT:
            return None
        due = {each for group in self.groups() if (group.at or 0) <= self.now for each in group.ids}
        return next((each for each in self.singles if each not in self.busy() | due), None)

    def enqueue(self, ids: list[str]) -> None:
        if ids:
            self.queue.append(Lot(ids, ceil(len(ids) / SIZE)))

    def turn(self) -> None:
        self.line_up()
        for ask in self.made.due(self.now):
            self.check(ask)
        for lane, lined_up in ((self.queue, self.made._ready), (self.again, self.made._again)):
            while lane and not self.wanted(lane[0]) and (self.is_free(lane) or not lined_up):
                self.drop(lane)

            assert not lane or not self.is_free(lane)  # nobody waits while a request is free

    def is_free(self, lane: list[Lot]) -> bool:
        """Whether a request may be sent: one place is kept for what has not failed."""
        again = sum(ask.lot is not None for ask, _, _ in self.sent)
        return len(self.sent) < LIMIT and (lane is self.queue or again < LIMIT - 1)

    def drop(self, lane: list[Lot]) -> None:
        """Forget what everybody has left."""
        group = lane.pop(0).group
        if group is not None:
            group.at = self.now  # for those that have joined meanwhile

    def is_part(self, task_id: str, lot: Lot) -> bool:
        """Whether an id is still wanted, and of the group that it was asked for in."""
        return task_id in self.ids and (lot.group is None or self.failing.get(task_id) is lot.group)

    def wanted(self, lot: Lot) -> list[str]:
        return [task_id for task_id in lot.ids if self.is_part(task_id, lot)]

    def check(self, ask: Ask) -> None:
        assert ask.sent
        assert 0 < len(ask.ids) <= SIZE
        assert max(Counter(ask.ids).values()) == 1
        assert all(task_id in self.ids for task_id in ask.ids)
        assert not any(set(ask.ids) & set(other.ids) for other, _, _ in self.sent)
        lane = self.queue if ask.lot is None else self.again
        assert self.is_free(lane)
        while ask.lot is None and not self.wanted(lane[0]):  # pragma: no branch -- seldom
            self.drop(lane)  # pragma: no cover -- seldom everybody has left
        lot = next(each for each in lane if set(ask.ids) <= set(each.ids))
        assert ask.lot is not None or lot is lane[0]  # in the order in which they became due
        lot.requests -= 1
        assert lot.requests >= 0
        lot.ids = [task_id for task_id in lot.ids if task_id not in ask.ids]
        if not lot.ids or not lot.requests:
            lane.remove(lot)
        self.sent.append((ask, lot, self.now))


def test_a_run_by_hand_uses_every_rule() -> None:
    run = Scheduling()
    for number in range(9):
        run.add(f"t{number}", early=number > 6)
    run.wait(4.0)
    run.discard("t8")
    run.stall(10.0)
    for ask, lot, at in list(run.sent):
        run.made.answered(ask, run.now)
        run.sent.remove((ask, lot, at))
        run.turn()
        run.the_timer_is_set_to_what_is_due()
    run.all_ids_are_known()
    run.teardown()


Scheduling.TestCase.settings = settings(max_examples=150, stateful_step_count=60)
TestScheduling = Scheduling.TestCase
