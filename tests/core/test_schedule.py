from collections import Counter
from math import ceil, inf

import pytest

from mjtask_async._core.drill import Lot, Trouble
from mjtask_async._core.schedule import Ask, Schedule

INTERVAL = 3.0


def schedule(*ids: str, at: float = 0.0, size: int = 100, limit: int = 100) -> Schedule:
    made = Schedule(INTERVAL, size, limit)
    for task_id in ids:
        made.add(task_id, at, early=False)
    return made


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"t{number}" for number in range(start, start + count)]


def groups(asks: list[Ask]) -> list[tuple[str, ...]]:
    return [ask.ids for ask in asks]


def fail(
    made: Schedule,
    ask: Ask,
    sent_at: float,
    again_at: float,
    trouble: Trouble = Trouble.PASSING,
) -> Lot:
    return made.failed(ask, trouble, sent_at, sent_at, lambda _: again_at - sent_at)


def answer_all(made: Schedule, asks: list[Ask]) -> None:
    for ask in asks:
        made.answered(ask, 0.0)


# The tick


def test_without_ids_there_is_nothing_to_do() -> None:
    made = schedule()

    assert made.next_at() is None
    assert made.due(1000.0) == []


def test_the_first_tick_comes_an_interval_after_the_first_id() -> None:
    made = schedule("a", at=10.0)

    assert made.next_at() == 13.0
    assert made.due(12.999) == []
    assert groups(made.due(13.0)) == [("a",)]
    assert made.next_at() == 16.0


def test_an_id_added_later_joins_the_next_tick() -> None:
    made = schedule("a", at=10.0)
    made.add("b", 12.9, early=False)

    assert groups(made.due(13.0)) == [("a", "b")]


@pytest.mark.parametrize(("late", "then"), [(13.0, 16.0), (14.5, 16.0), (16.0, 19.0), (23.1, 25.0)])
def test_a_late_tick_keeps_the_phase(late: float, then: float) -> None:
    made = schedule("a", at=10.0)

    made.due(late)

    assert made.next_at() == then


def test_a_tick_that_floats_round_down_is_over_all_the_same() -> None:
    made = Schedule(0.7, 100, 2)
    made.add("a", 93517.1, early=False)
    now = 93517.1
    for _ in range(40):
        now += 0.7
        answer_all(made, made.due(now))

        assert (made.next_at() or 0.0) > now


def test_adding_an_id_again_changes_nothing() -> None:
    made = schedule("a", "a", at=10.0)

    assert len(made) == 1
    assert groups(made.due(13.0)) == [("a",)]


def test_the_next_watch_after_a_pause_starts_a_phase_of_its_own() -> None:
    made = schedule("a", at=0.0)
    made.discard("a")
    made.add("b", 100.5, early=False)

    assert made.next_at() == 103.5


def test_the_tick_keeps_its_phase_while_every_id_fails() -> None:
    made = schedule("a", at=0.0)
    (ask,) = made.due(3.0)
    fail(made, ask, 3.0, 30.0)

    assert made.next_at() == 6.0
    assert made.due(6.0) == []

    made.add("b", 7.5, early=False)

    assert made.next_at() == 9.0


def test_what_succeeds_again_late_waits_for_the_next_tick() -> None:
    made = schedule("a", at=0.0)
    (ask,) = made.due(3.0)
    fail(made, ask, 3.0, 5.0)
    (again,) = made.due(5.0)
    for tick in (6.0, 9.0, 12.0):
        assert made.due(tick) == []

    made.answered(again, 0.0)

    assert made.next_at() == 15.0


# Batches


@pytest.mark.parametrize("count", [1, 99, 100, 101, 1000])
def test_n_ids_cost_n_by_batch_size_requests(count: int) -> None:
    made = schedule(*numbered(count))

    asks = made.due(3.0)

    assert len(asks) == ceil(count / 100)
    assert sorted(task_id for ask in asks for task_id in ask.ids) == sorted(numbered(count))


def test_batches_are_the_same_at_each_tick() -> None:
    made = schedule(*numbered(7), size=3)
    first = made.due(3.0)
    answer_all(made, first)

    assert groups(made.due(6.0)) == groups(first)


def test_an_id_keeps_its_place_while_no_request_can_be_saved() -> None:
    made = schedule(*numbered(8), size=3)
    made.discard("t1")

    assert groups(made.due(3.0)) == [("t0", "t2"), ("t3", "t4", "t5"), ("t6", "t7")]


def test_holes_close_when_a_request_can_be_saved() -> None:
    made = schedule(*numbered(8), size=3)
    made.discard("t1")
    made.discard("t4")

    assert groups(made.due(3.0)) == [("t0", "t2", "t6"), ("t3", "t5", "t7")]

    made.discard("t3")
    made.discard("t5")
    made.discard("t7")

    assert len(made) == 3


def test_what_closed_a_hole_can_be_discarded() -> None:
    made = schedule(*numbered(8), size=3)
    made.discard("t1")
    made.discard("t4")
    answer_all(made, made.due(3.0))
    made.discard("t6")

    assert groups(made.due(6.0)) == [("t0", "t2"), ("t3", "t5", "t7")]


def test_several_empty_batches_go_at_once() -> None:
    made = schedule(*numbered(9), size=3)
    for task_id in numbered(6, start=3):
        made.discard(task_id)

    assert groups(made.due(3.0)) == [("t0", "t1", "t2")]


def test_unanswered_ids_do_not_cost_the_others_a_request() -> None:
    made = schedule(*numbered(6), size=3)
    first, _ = made.due(3.0)
    made.answered(first, 0.0)
    for task_id in ("t0", "t3"):
        made.discard(task_id)
    made.add("t6", 4.0, early=False)
    made.add("t7", 4.0, early=False)

    asks = made.due(6.0)  # t4 and t5 are under way

    assert groups(asks) == [("t1", "t2", "t6"), ("t7",)] or len(asks) == 2
    assert sorted(sum(groups(asks), ())) == ["t1", "t2", "t6", "t7"]


def test_groups_thinned_by_unanswered_ids_are_poured_together() -> None:
    made = schedule(*numbered(4), size=2)
    asks = made.due(3.0)
    for task_id in ("t1", "t3"):
        made.discard(task_id)
    made.add("t4", 4.0, early=False)
    made.add("t5", 4.0, early=False)
    made.answered(asks[0], 0.0)

    assert sorted(len(ask.ids) for ask in made.due(6.0)) == [1, 2]


# How many at once


def test_no_more_requests_are_under_way_than_allowed() -> None:
    made = schedule(*numbered(5), size=1, limit=2)
    first = made.due(3.0)

    assert groups(first) == [("t0",), ("t1",)]
    assert made.due(3.1) == []
    assert made.next_at() is None  # an answer comes first

    made.answered(first[0], 0.0)

    assert made.next_at() == -inf
    assert groups(made.due(3.2)) == [("t2",)]


def test_a_tick_stretches_until_each_of_its_requests_had_its_turn() -> None:
    made = schedule(*numbered(3), size=1, limit=1)
    asked: list[str] = []
    (ask,) = made.due(3.0)
    for now in (7.0, 11.0, 15.0, 15.1):
        made.answered(ask, 0.0)
        asked.extend(ask.ids)
        (ask,) = made.due(now)

    assert asked == ["t0", "t1", "t2", "t0"]
    assert made.next_at() is None


def test_a_stretched_tick_keeps_the_phase() -> None:
    made = schedule(*numbered(2), size=1, limit=1)
    (first,) = made.due(3.0)
    made.answered(first, 0.0)
    (second,) = made.due(7.0)

    assert made.next_at() == 6.0

    made.answered(second, 0.0)
    made.due(7.1)

    assert made.next_at() is None


def test_what_left_while_it_waited_for_its_turn_is_not_asked_for() -> None:
    made = schedule(*numbered(5), size=2, limit=1)
    (ask,) = made.due(3.0)
    for task_id in ("t2", "t3", "t4"):
        made.discard(task_id)
    made.answered(ask, 0.0)

    assert made.due(3.1) == []
    assert made.next_at() == 6.0


def test_what_came_back_while_it_waited_is_asked_for_once() -> None:
    made = schedule(*numbered(2), size=1, limit=1)
    (ask,) = made.due(3.0)
    made.discard("t1")
    made.add("t1", 3.5, early=True)
    made.answered(ask, 0.0)

    (second,) = made.due(3.6)
    made.answered(second, 0.0)

    assert second.ids == ("t1",)
    assert made.due(3.7) == []


def test_a_request_that_hangs_delays_only_its_own_ids() -> None:
    made = schedule(*numbered(4), size=2, limit=2)
    hanging, other = made.due(3.0)
    made.answered(other, 0.0)
    for tick in (6.0, 9.0, 12.0):
        (ask,) = made.due(tick)

        assert ask.ids == other.ids
        made.answered(ask, 0.0)

    made.answered(hanging, 0.0)

    assert groups(made.due(15.0)) == [("t0", "t1"), ("t2", "t3")]


# Early polls


def test_a_bare_id_is_asked_for_early() -> None:
    made = schedule("a", at=0.0)
    made.add("b", 1.0, early=True)

    assert made.next_at() == 1.05
    assert made.due(1.04) == []
    assert groups(made.due(1.05)) == [("b",)]
    assert made.next_at() == 3.0


def test_bare_ids_share_an_early_poll() -> None:
    made = Schedule(INTERVAL, 2, 9)
    for number, task_id in enumerate(("a", "b", "c")):
        made.add(task_id, number / 100, early=True)

    assert made.next_at() == 0.05
    assert groups(made.due(0.05)) == [("a", "b"), ("c",)]


def test_early_polls_come_at_most_once_a_second() -> None:
    made = Schedule(INTERVAL, 100, 9)
    made.add("a", 0.0, early=True)
    made.due(0.05)
    made.add("b", 0.1, early=True)

    assert made.next_at() == 1.05

    made.add("c", 0.5, early=True)

    assert made.next_at() == 1.05
    assert groups(made.due(1.05)) == [("b", "c")]


def test_an_early_poll_that_asked_nothing_delays_no_other() -> None:
    made = Schedule(INTERVAL, 100, 9)
    made.add("a", 0.0, early=True)
    made.discard("a")
    made.due(0.06)
    made.add("b", 0.1, early=True)

    assert made.next_at() == pytest.approx(0.15)


def test_a_tick_takes_the_early_ids_along() -> None:
    made = schedule("a", at=0.0)
    made.add("b", 2.98, early=True)

    assert groups(made.due(3.04)) == [("a", "b")]
    assert made.next_at() == 6.0


def test_what_is_under_way_is_not_asked_for_early() -> None:
    made = schedule("a", "b", at=0.0)
    made.due(3.0)
    made.ask_early("a", 3.1)

    assert made.due(3.2) == []


def test_a_failed_id_is_not_asked_for_early() -> None:
    made = schedule("a", "b", at=0.0)
    (ask,) = made.due(3.0)
    fail(made, ask, 3.0, 20.0)
    made.ask_early("a", 3.1)

    assert made.due(3.2) == []


def test_an_early_poll_does_not_move_the_tick() -> None:
    made = schedule("a", at=0.0)
    made.ask_early("a", 1.0)
    answer_all(made, made.due(1.05))

    assert groups(made.due(3.0)) == [("a",)]


# Failures


def test_a_failed_group_waits_on_its_own() -> None:
    made = schedule(*numbered(4), size=2)
    bad, good = made.due(3.0)
    made.answered(good, 0.0)

    again = fail(made, bad, 3.0, 7.5)

    assert (list(again.ids), again.failures, again.again_at) == (["t0", "t1"], 1, 7.5)
    assert len(made) == 4
    assert "t0" in made
    assert groups(made.due(6.0)) == [("t2", "t3")]
    assert made.next_at() == 7.5
    assert groups(made.due(7.5)) == [("t0", "t1")]


def test_failures_in_a_row_are_counted_from_the_first() -> None:
    made = schedule("a", at=0.0)
    (ask,) = made.due(3.0)
    fail(made, ask, 3.0, 4.0)
    (ask,) = made.due(4.0)

    again = fail(made, ask, 4.0, 8.0)

    assert (again.failures, again.streak.count, again.streak.since) == (2, 2, 3.0)


def test_what_succeeds_goes_back_into_the_batches() -> None:
    made = schedule(*numbered(4), size=4)
    (ask,) = made.due(3.0)
    fail(made, ask, 3.0, 4.0)
    (ask,) = made.due(4.0)

    made.answered(ask, 0.0)

    (ask,) = made.due(6.0)
    assert (ask.ids, ask.lot) == (tuple(numbered(4)), None)


def test_a_discarded_id_leaves_its_failed_group() -> None:
    made = schedule("a", "b", at=0.0)
    (ask,) = made.due(3.0)
    fail(made, ask, 3.0, 4.0)
    made.discard("a")

    assert groups(made.due(4.0)) == [("b",)]


def test_a_failed_group_without_ids_is_forgotten() -> None:
    made = schedule("a", at=0.0)
    (ask,) = made.due(3.0)
    fail(made, ask, 3.0, 4.0)
    made.discard("a")

    assert made.next_at() is None
    assert made.due(4.0) == []


def test_a_failure_after_everybody_left_leaves_nothing() -> None:
    made = schedule("a", at=0.0)
    (ask,) = made.due(3.0)
    made.discard("a")

    assert fail(made, ask, 3.0, 4.0).ids == {}
    assert made.next_at() is None


def test_an_id_that_came_back_shares_the_failure_of_its_old_request() -> None:
    made = schedule("a", at=0.0)
    (ask,) = made.due(3.0)
    made.discard("a")
    made.add("a", 3.5, early=False)
    fail(made, ask, 3.0, 9.5)

    assert made.due(6.5) == []
    assert groups(made.due(9.5)) == [("a",)]


def test_an_id_that_came_back_leaves_its_failed_group_behind() -> None:
    made = schedule("a", "b", "c", at=0.0, size=2)
    one, other = made.due(3.0)
    fail(made, one, 3.0, 20.0)
    made.answered(other, 3.1)
    made.discard("a")
    made.add("a", 5.0, early=False)

    assert groups(made.due(6.0)) == [("c", "a")]


def test_while_nothing_succeeds_new_ids_wait_with_those_that_have_failed() -> None:
    made = schedule("a", at=0.0)
    (ask,) = made.due(3.0)
    fail(made, ask, 3.0, 20.0)
    made.add("b", 4.0, early=True)

    assert made.due(19.0) == []

    (again,) = made.due(20.0)

    assert again.ids == ("a", "b")

    made.add("c", 20.1, early=True)  # too late for this attempt
    made.answered(again, 20.5)

    assert groups(made.due(20.5)) == [("c",)]


def test_new_ids_are_tried_where_others_may_have_failed_for_what_they_are() -> None:
    made = schedule("a", at=0.0)
    (ask,) = made.due(3.0)
    fail(made, ask, 3.0, 20.0, Trouble.SERVER)
    made.add("b", 4.0, early=True)
    (early,) = made.due(4.05)

    assert early.ids == ("b",)

    fail(made, early, 4.05, 5.0, Trouble.SERVER)

    assert groups(made.due(20.0)) == [("a", "b")]


def test_a_lot_takes_no_more_in_than_a_request_may_hold() -> None:
    made = schedule("a", "b", at=0.0, size=2)
    (ask,) = made.due(3.0)
    fail(made, ask, 3.0, 20.0)
    made.add("c", 4.0, early=True)

    assert groups(made.due(4.05)) == [("c",)]


def test_one_place_is_kept_free_of_what_has_failed() -> None:
    made = schedule(*numbered(3), at=0.0, size=1, limit=2)
    for _ in range(3):
        for ask in made.due(3.0):
            fail(made, ask, 3.0, 6.0)
    made.add("new", 5.0, early=False)

    assert groups(made.due(6.0)) == [("t0",), ("new",)]
    assert made.due(6.5) == []


def test_a_push_hurries_a_culprit_once_a_second() -> None:
    made = schedule("a", at=0.0)
    (ask,) = made.due(3.0)
    fail(made, ask, 3.0, 30.0, Trouble.REFUSED)
    (fetch,) = made.due(3.0)
    fail(made, fetch, 3.0, 30.0, Trouble.REFUSED)
    made.due(10.0)
    made.ask_early("a", 10.0)
    made.ask_early("a", 10.01)

    assert made.next_at() == 10.05
    assert groups(made.due(10.05)) == [("a",)]


@pytest.mark.parametrize("trouble", [Trouble.PASSING, Trouble.KEY])
def test_a_push_does_not_hurry_what_the_server_turned_away(trouble: Trouble) -> None:
    made = schedule("a", at=0.0)
    (ask,) = made.due(3.0)
    fail(made, ask, 3.0, 30.0, trouble)
    made.ask_early("a", 10.0)

    assert made.due(10.05) == []
    assert groups(made.due(30.0)) == [("a",)]


def test_what_had_to_wait_is_looked_at_again() -> None:
    made = schedule("a", "b", at=0.0, size=1)
    one, other = made.due(3.0)
    made.discard("a")
    made.pause(4.0)

    assert not made.still_wants(one, 5.0)
    assert not made.still_wants(other, 3.5)
    assert groups(made.due(6.0)) == [("b",)]


def test_an_attempt_that_had_to_wait_is_begun_again() -> None:
    made = schedule("a", at=0.0)
    (ask,) = made.due(3.0)
    fail(made, ask, 3.0, 5.0)
    (again,) = made.due(5.0)
    made.pause(10.0)

    assert not made.still_wants(again, 6.0)
    assert made.due(9.0) == []

    (probe,) = made.due(10.0)

    assert probe.ids == ("a",)
    assert made.still_wants(probe, 10.0)


# One by one


def test_a_single_is_fetched_at_once() -> None:
    made = schedule("a", "b", at=0.0)
    made.ask_single("a")

    (ask,) = made.due(1.0)

    assert (ask.ids, ask.single) == (("a",), True)
    assert groups(made.due(3.0)) == [("b",)]

    made.answered(ask, 0.0)

    assert groups(made.due(6.0)) == [("a",)]


def test_a_single_waits_for_the_request_under_way() -> None:
    made = schedule("a", at=0.0)
    (ask,) = made.due(3.0)
    made.ask_single("a")

    assert made.due(3.1) == []

    made.answered(ask, 0.0)
    (single,) = made.due(3.2)

    assert single.single


def test_a_discarded_single_is_not_fetched() -> None:
    made = schedule("a", "b", at=0.0)
    made.ask_single("a")
    made.discard("a")

    assert made.due(1.0) == []


def test_a_failed_group_waits_for_the_fetch_of_one_of_its_ids() -> None:
    made = schedule("a", "b", at=0.0)
    (ask,) = made.due(3.0)
    fail(made, ask, 3.0, 4.0)
    made.ask_single("a")
    (single,) = made.due(3.5)

    assert made.due(4.0) == []
    assert made.next_at() == 6.0

    made.answered(single, 0.0)

    assert made.next_at() == 4.0
    assert groups(made.due(4.5)) == [("a", "b")]


def test_an_id_that_came_back_waits_for_the_fetch_of_its_old_watch() -> None:
    made = schedule("a", "b", "c", at=0.0, size=2)
    ask, other = made.due(3.0)
    fail(made, ask, 3.0, 40.0)
    made.answered(other, 3.1)
    made.discard("c")
    made.ask_single("a")
    (single,) = made.due(3.5)
    made.discard("a")
    made.add("a", 4.0, early=True)

    assert made.due(4.05) == []
    assert made.due(6.0) == []

    made.answered(single, 0.0)

    assert groups(made.due(9.0)) == [("a",)]


# Starvation


def test_no_id_starves_beside_requests_that_hang_or_fail() -> None:
    made = schedule(*numbered(30), size=3, limit=4)
    asked: Counter[str] = Counter()
    hanging: set[str] = set()
    for tick in range(1, 41):
        now = tick * INTERVAL
        for _ in range(20):
            for ask in made.due(now):
                asked.update(ask.ids)
                if "t0" in ask.ids:
                    hanging.update(ask.ids)  # never answered
                elif "t10" in ask.ids:
                    fail(made, ask, now, now + 2 * INTERVAL)
                else:
                    made.answered(ask, 0.0)

    well = [asked[task_id] for task_id in numbered(30) if task_id not in hanging]
    assert len(hanging) == 3
    assert min(well) >= 13
    assert sorted(well)[3:] == [40] * 24
