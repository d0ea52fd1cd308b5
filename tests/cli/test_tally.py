import pytest

from mjtask_async.cli import tally
from mjtask_async.simulator.records import Change


@pytest.mark.parametrize(
    ("expected", "flights", "interval"),
    [
        (0, [], 3.0),
        (1, [0.0], 3.0),
        (1, [3.0], 3.0),
        (2, [3.1], 3.0),
        (30, [30.0, 60.0], 3.0),
    ],
)
def test_a_loop_per_task_polls_until_the_end_is_visible(
    expected: int, flights: list[float], interval: float
) -> None:
    assert tally.loop_polls(flights, interval) == expected


def test_a_delay_runs_from_visible_to_seen() -> None:
    changes = [Change(1.0, "NOT_START", ""), Change(5.0, "IN_PROGRESS", "50%")]
    seen = [Change(3.0, "NOT_START", ""), Change(5.5, "IN_PROGRESS", "50%")]

    assert tally.delays(changes, seen) == [2.0, 0.5]


def test_what_was_never_visible_has_no_delay() -> None:
    assert tally.delays([Change(1.0, "SUCCESS", "100%")], [Change(2.0, "", "")]) == []


def test_seeing_a_state_again_counts_from_its_first_moment() -> None:
    changes = [Change(1.0, "SUBMITTED", "0%"), Change(9.0, "SUBMITTED", "0%")]

    assert tally.delays(changes, [Change(2.0, "SUBMITTED", "0%")]) == [1.0]


def test_the_median_is_in_seconds() -> None:
    assert tally.median([1.0, 9.0, 2.0]) == "2.00 s"
    assert tally.median([]) == "nothing to measure"
