from itertools import pairwise
from random import Random

import pytest

from mjtask_async.simulator import timeline
from mjtask_async.simulator.timeline import Moment, Step


def lives() -> list[list[Step]]:
    return [draw(seed) for seed in range(200)]


def draw(seed: int) -> list[Step]:
    return timeline.draw_life(Random(seed))  # noqa: S311 -- a simulation


def percent(step: Step) -> int:
    assert isinstance(step.progress, str)
    return int(step.progress[:-1])


def test_a_drawn_life_begins_after_a_pause_and_ends_in_success() -> None:
    """Contract 9: NOT_START, 1.2 s pause, SUBMITTED, IN_PROGRESS, SUCCESS."""
    for life in lives():
        assert (life[0].at, life[0].status) == (1.2, "SUBMITTED")
        assert life[-1].status == "SUCCESS"
        assert {step.status for step in life[1:-1]} == {"IN_PROGRESS"}


def test_progress_grows_by_5_to_20_percent_every_2_to_6_seconds() -> None:
    """Contract 9."""
    for life in lives():
        running = life[1:-1]
        percents = [0, *map(percent, running)]
        growth = [later - earlier for earlier, later in pairwise(percents)]
        gaps = [later.at - earlier.at for earlier, later in pairwise(life)]
        assert all(5 <= grown <= 20 for grown in growth)
        assert all(2 <= gap <= 6 for gap in gaps)


def test_the_same_seed_draws_the_same_life() -> None:
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)


def test_a_refused_task_fails_with_the_reason() -> None:
    [step] = timeline.failing_life("no")
    assert (step.status, step.fail_reason) == ("FAILURE", "no")


@pytest.mark.parametrize("times", [[-1.0], [0.0, 2.0, 1.0]])
def test_steps_out_of_order_are_refused(times: list[float]) -> None:
    with pytest.raises(ValueError, match="growing times"):
        timeline.check_steps([Step(at=at) for at in times])


def test_a_life_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        timeline.check_steps([])


def fields(*steps: Step) -> list[dict[str, object]]:
    return [moment.fields for moment in timeline.moments_of(steps, 10.0, 1000.0)]


def test_times_of_the_wire_are_milliseconds_since_the_epoch() -> None:
    steps = [Step(at=1, status="SUBMITTED"), Step(at=2, status="FAILURE", fail_reason="x")]
    assert fields(*steps) == [
        {"status": "SUBMITTED", "progress": "0%", "startTime": 1_011_000},
        {"status": "FAILURE", "progress": "", "finishTime": 1_012_000, "failReason": "x"},
    ]


def test_a_growing_percentage_shows_a_preview_and_starts_the_task() -> None:
    first, second, text = fields(
        Step(at=1, status="IN_PROGRESS", progress="10%"),
        Step(at=2, status="IN_PROGRESS", progress="20%"),
        Step(at=3, status="IN_PROGRESS", progress="Waiting to start"),
    )
    assert first["startTime"] == 1_011_000
    assert second == {
        "status": "IN_PROGRESS",
        "progress": "20%",
        "imageUrl": timeline.Preview(20, 12.0),
    }
    assert text == {"status": "IN_PROGRESS", "progress": "Waiting to start"}


def test_what_a_step_says_has_the_last_word() -> None:
    [said] = fields(
        Step(at=0, status="SUCCESS", progress=None, image_url=None, fields={"finishTime": 1})
    )
    expected = {"status": "SUCCESS", "progress": None, "imageUrl": None, "finishTime": 1}
    assert said == expected


def test_a_status_nobody_knows_brings_nothing_of_its_own() -> None:
    assert fields(Step(at=0, status="PONDERING"), Step(at=1, status=None)) == [
        {"status": "PONDERING"},
        {"status": None},
    ]


def test_snapshots_hide_what_happens_between_them() -> None:
    """Contract 7: trueai stores a running task each 3 s."""
    moments = [
        Moment(1.0, {"a": 1}),
        Moment(1.5, {"b": 1}),
        Moment(3.9, {"b": 2, "c": 3}),
        Moment(7.0, {"a": 2}),
    ]
    assert timeline.as_snapshots(moments, 3.0) == [
        Moment(1.0, {"a": 1}),
        Moment(4.0, {"b": 2, "c": 3}),
        Moment(7.0, {"a": 2}),
    ]
