"""How a culprit is found among ids that failed, and what it costs (rule 10)."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from math import ceil, log2

import pytest
from hypothesis import given, settings, strategies as st

from mjtask_async._core.drill import IN_A_ROW, Kind, Lot, Step, Streak, Trouble
from mjtask_async._core.schedule import Ask, Schedule

INTERVAL = 3.0
REFUSED, SERVER, PASSING, KEY = Trouble.REFUSED, Trouble.SERVER, Trouble.PASSING, Trouble.KEY
Says = Callable[[Ask], Trouble | None]


def numbered(count: int) -> tuple[str, ...]:
    return tuple(f"t{number}" for number in range(count))


def doubling(failures: int) -> float:
    return min(INTERVAL * 2.0 ** (failures - 1), 30.0)


class World:
    """A schedule and a server that answers at once; the log holds what was asked, and when."""

    def __init__(self, ids: tuple[str, ...], says: Says, *, size: int = 100) -> None:
        self.schedule = Schedule(INTERVAL, size, 2)
        self.says = says
        self.log: list[tuple[float, Ask]] = []
        self.seen: dict[str, list[float]] = {task_id: [] for task_id in ids}
        for task_id in ids:
            self.schedule.add(task_id, 0.0, early=False)

    def run(self, until: float) -> None:
        while (at := self.schedule.next_at()) is not None and at <= until:
            now = max(at, self.log[-1][0] if self.log else 0.0)
            for ask in self.schedule.due(now):
                self.ask(ask, now)

    def ask(self, ask: Ask, now: float) -> None:
        self.log.append((now, ask))
        trouble = self.says(ask)
        if trouble is not None:
            self.schedule.failed(ask, trouble, now, now, doubling)
            return
        for task_id in ask.ids:
            self.seen[task_id].append(now)
        self.schedule.answered(ask, now)

    def extra(self) -> int:
        """Count the halves."""
        return sum(ask.step is not None and ask.step.kind is Kind.HALF for _, ask in self.log)


def poisoned(*poison: str, trouble: Trouble = REFUSED, fetched: bool = True) -> Says:
    def says(ask: Ask) -> Trouble | None:
        if ask.fetches and fetched:
            return None
        return trouble if set(poison) & set(ask.ids) else None

    return says


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 100])
@pytest.mark.parametrize("place", [0, 0.5, 0.999])
def test_a_poison_id_is_found_at_once_and_costs_two_requests_a_level(
    count: int, place: float
) -> None:
    ids = numbered(count)
    culprit = ids[int(place * count)]
    world = World(ids, poisoned(culprit))
    world.run(60.0)

    assert all(world.seen[each][0] == 3.0 for each in ids if each != culprit)
    assert all(len(world.seen[each]) == 20 for each in ids if each != culprit)
    assert world.extra() <= 2 * ceil(log2(count)) if count > 1 else world.extra() == 0
    assert world.seen[culprit][0] <= 6.0


def test_trouble_of_the_server_must_come_three_times_before_it_is_the_ids_fault() -> None:
    ids = numbered(8)
    world = World(ids, poisoned("t5", trouble=SERVER))
    world.run(12.1)

    kinds = [ask.step.kind if ask.step else None for _, ask in world.log]
    assert kinds[:4] == [None, Kind.WHOLE, Kind.WHOLE, Kind.HALF]
    assert world.seen["t0"][0] == 12.0


def test_another_trouble_in_between_counts_anew() -> None:
    lot = Lot(("a", "b"))
    for trouble in (SERVER, SERVER, PASSING, SERVER, SERVER):
        lot.failed(lot.begin(), trouble, 0.0, doubling)
        assert lot.follow(0.0) == []
    lot.failed(lot.begin(), SERVER, 0.0, doubling)

    assert len(lot.follow(0.0)) == 2


@pytest.mark.parametrize("trouble", [PASSING, KEY])
def test_what_says_nothing_about_the_ids_is_never_drilled(trouble: Trouble) -> None:
    world = World(numbered(50), lambda _: trouble)
    world.run(300.0)

    assert world.extra() == 0
    assert len(world.log) == 13  # at 3, 6, 12, 24, and then each 30 s


def test_trouble_in_a_half_that_says_nothing_ends_the_attempt() -> None:
    lot = Lot(numbered(4))
    lot.failed(lot.begin(), REFUSED, 0.0, doubling)
    one, other = lot.follow(0.0)
    lot.succeeded(one)
    lot.failed(other, PASSING, 0.0, doubling)

    assert lot.follow(1.0) == []
    assert (list(lot.ids), lot.failures, lot.again_at) == (["t2", "t3"], 1, 4.0)


def attempts(world: World) -> list[int]:
    """Count the requests of each attempt."""
    return list(Counter(at for at, _ in world.log).values())


@pytest.mark.parametrize("trouble", [REFUSED, SERVER])
@pytest.mark.parametrize("count", [1, 2, 100])
def test_while_everything_fails_an_attempt_costs_three_requests_at_most(
    trouble: Trouble, count: int
) -> None:
    world = World(numbered(count), lambda _: trouble)
    world.run(3600.0)

    assert max(attempts(world)) <= 3
    assert len(attempts(world)) <= 125


def test_two_culprits_are_both_found_and_the_others_are_not_lost_for_long() -> None:
    ids = numbered(100)
    world = World(ids, poisoned("t7", "t80"))
    world.run(300.0)

    well = [each for each in ids if each not in {"t7", "t80"}]
    assert max(world.seen[each][0] for each in well) <= 9.0
    assert all(len(world.seen[each]) >= 95 for each in well)
    assert world.extra() <= 2 + 2 * 2 * ceil(log2(50)) + 2
    assert all(len(world.seen[each]) >= 8 for each in ("t7", "t80"))  # fetched on their own


def test_many_culprits_take_turns_and_are_all_found_in_the_end() -> None:
    ids = numbered(32)
    world = World(ids, poisoned(*ids[::2]))
    world.run(1800.0)

    assert all(world.seen[each] for each in ids)
    assert all(len(world.seen[each]) > 400 for each in ids[1::2])


def test_two_culprits_alone_are_each_listed_and_then_fetched() -> None:
    world = World(("a", "b"), poisoned("a", "b"))
    world.run(30.0)

    kinds = [(ask.ids, ask.step.kind if ask.step else None) for _, ask in world.log[3:6]]
    assert kinds == [
        (("a", "b"), Kind.WHOLE),
        (("a",), Kind.ALONE),
        (("a",), Kind.FETCH),
    ]
    assert world.seen["b"]


def test_a_culprit_that_a_list_call_gives_again_goes_back_into_the_batches() -> None:
    ids = numbered(8)
    world = World(ids, poisoned("t3"))
    world.run(40.0)
    world.says = poisoned()
    world.run(120.0)
    before = len(world.log)
    world.run(150.0)

    assert [ask.ids for _, ask in world.log[before:]] == [world.log[-1][1].ids] * 10
    assert len(world.log[-1][1].ids) == 8


def test_a_culprit_that_no_fetch_gives_either_backs_off_by_itself() -> None:
    world = World(numbered(2), poisoned("t1", fetched=False))
    world.run(300.0)

    asked = [at for at, ask in world.log if ask.ids == ("t1",) and not ask.fetches][1:]
    assert asked[:4] == [6.0, 12.0, 24.0, 48.0]
    assert max(late - early for early, late in pairwise(asked)) == 30.0
    assert not world.seen["t1"]


def test_a_single_that_was_only_unlucky_alone_goes_back() -> None:
    """It fails in every group of two and more, and alone it is well."""
    world = World(("a", "b"), lambda ask: REFUSED if len(ask.ids) > 1 else None)
    world.run(4.0)

    assert world.seen == {"a": [3.0], "b": [3.0]}


def test_alone_and_well_after_two_halves_failed_means_well() -> None:
    lot = Lot(("a", "b"))
    lot.failed(lot.begin(), REFUSED, 0.0, doubling)
    for half in lot.follow(0.0):
        lot.failed(half, REFUSED, 0.0, doubling)
    assert lot.follow(0.0) == []
    lot.failed(lot.begin(), REFUSED, 3.0, doubling)
    (alone,) = lot.follow(3.0)
    lot.succeeded(alone)

    assert alone.kind is Kind.ALONE
    assert lot.follow(3.0) == []
    assert (list(lot.ids), lot.again_at) == (["b"], 6.0)


def test_what_leaves_in_the_middle_of_an_attempt_is_not_asked_for() -> None:
    schedule = Schedule(INTERVAL, 100, 1)
    for task_id in numbered(4):
        schedule.add(task_id, 0.0, early=False)
    (ask,) = schedule.due(3.0)
    schedule.failed(ask, REFUSED, 3.0, 3.0, doubling)
    (half,) = schedule.due(3.0)
    for task_id in ("t2", "t3"):
        schedule.discard(task_id)
    schedule.failed(half, REFUSED, 3.0, 3.0, doubling)

    assert schedule.due(3.0) == []
    assert len(schedule) == 2
    assert schedule.next_at() == 6.0


def test_an_attempt_whose_ids_all_leave_is_over() -> None:
    schedule = Schedule(INTERVAL, 100, 1)
    for task_id in numbered(4):
        schedule.add(task_id, 0.0, early=False)
    (ask,) = schedule.due(3.0)
    schedule.failed(ask, REFUSED, 3.0, 3.0, doubling)
    (half,) = schedule.due(3.0)
    for task_id in numbered(4):
        schedule.discard(task_id)
    schedule.answered(half, 3.0)

    assert schedule.due(3.0) == []
    assert schedule._lots == {}
    assert schedule.next_at() is None


def test_what_joined_in_the_middle_of_an_attempt_has_its_turn_in_the_next() -> None:
    lot = Lot(("a",))
    whole = lot.begin()
    lot.add(("b",))
    lot.discard("a")
    lot.failed(whole, REFUSED, 0.0, doubling)

    assert lot.follow(0.0) == []
    assert lot.begin().ids == ("b",)


def test_a_half_that_left_says_nothing_about_the_other() -> None:
    lot = Lot(numbered(4))
    lot.failed(lot.begin(), REFUSED, 0.0, doubling)
    one, other = lot.follow(0.0)
    for task_id in one.ids:
        lot.discard(task_id)
    lot.dropped()
    lot.failed(other, REFUSED, 0.0, doubling)

    assert lot.follow(0.0) == []
    assert list(lot.ids) == ["t2", "t3"]


def test_a_culprit_that_leaves_while_it_is_found_is_forgotten() -> None:
    lot = Lot(("a", "b", "c"))
    lot.failed(lot.begin(), REFUSED, 0.0, doubling)
    one, other = lot.follow(0.0)
    lot.succeeded(other)
    lot.discard("a")
    lot.failed(one, REFUSED, 0.0, doubling)

    assert lot.follow(0.0) == []
    assert (list(lot.ids), lot.culprits) == ([], [])


def test_a_part_that_left_has_no_turn() -> None:
    lot = Lot(numbered(4))
    lot.failed(lot.begin(), REFUSED, 0.0, doubling)
    for half in lot.follow(0.0):
        lot.failed(half, REFUSED, 0.0, doubling)
    lot.follow(0.0)
    whole = lot.begin()
    for task_id in ("t0", "t1"):
        lot.discard(task_id)
    lot.failed(whole, REFUSED, 3.0, doubling)

    assert [step.ids for step in lot.follow(3.0)] == [("t2",), ("t3",)]


def test_a_streak_counts_the_same_trouble_in_a_row() -> None:
    streak = Streak().then(KEY, 1.0).then(KEY, 2.0)

    assert streak == Streak(KEY, 2, 1.0)
    assert streak.then(SERVER, 3.0) == Streak(SERVER, 1, 3.0)
    assert IN_A_ROW == 3


@settings(max_examples=60)
@given(
    count=st.integers(1, 60),
    size=st.sampled_from([1, 7, 30, 100]),
    poison=st.sets(st.integers(0, 59), max_size=5),
    trouble=st.sampled_from([REFUSED, SERVER]),
    flaky=st.lists(st.sampled_from([None, None, None, PASSING, SERVER, KEY]), max_size=40),
)
def test_no_healthy_id_starves_and_nothing_storms(
    count: int,
    size: int,
    poison: set[int],
    trouble: Trouble,
    flaky: list[Trouble | None],
) -> None:
    ids = numbered(count)
    bad = {f"t{number}" for number in poison} & set(ids)
    coming = iter(flaky)
    steady = poisoned(*bad, trouble=trouble)
    world = World(ids, lambda ask: next(coming, None) or steady(ask), size=size)
    world.run(900.0)

    for task_id in set(ids) - bad:
        seen = world.seen[task_id]
        assert len(seen) > 200
        assert max(late - early for early, late in pairwise(seen[-80:])) == 3.0
    assert all(len(world.seen[task_id]) >= 15 for task_id in bad)
    assert world.extra() <= 2 * count * (1 + len(flaky) / 5)


def test_a_step_is_shown_with_its_ids() -> None:
    assert "('a',)" in repr(Step(Kind.FETCH, ("a",)))
