"""How fast a bulk run submits, and what stops it."""

import pytest

from mjtask_async import (
    AuthenticationError,
    BannedPromptError,
    ClosedError,
    ConfigurationError,
    JournalError,
    MJTaskError,
    NoAccountError,
    OutageError,
    QueueFullError,
    QuotaError,
    RateLimitedError,
    SubmitRejectedError,
    SubmitUncertainError,
    TaskNotFoundError,
    TransportError,
    UnsupportedError,
)
from mjtask_async._core.pace import Pace, Verdict

NEVER = float("inf")


def paced(width: int = 2, outage: float | None = 300.0) -> Pace:
    return Pace(width, outage)


def fail(pace: Pace, error: MJTaskError, now: float = 0.0) -> Verdict:
    return pace.failed(error, now, 0.5)[0]


def test_as_many_submits_as_allowed_go_at_once() -> None:
    pace = paced(2)

    pace.started()
    assert pace.delay(0) == 0
    pace.started()
    assert pace.delay(0) == NEVER
    pace.left()
    assert pace.delay(0) == 0


@pytest.mark.parametrize(
    "error",
    [
        QueueFullError("full"),
        NoAccountError("none"),
        RateLimitedError("slow"),
        SubmitRejectedError("busy", code=30),
        SubmitRejectedError("busy", status=503),
        TransportError("refused"),
        AuthenticationError("who"),
    ],
)
def test_what_speaks_of_the_moment_slows_everybody(error: MJTaskError) -> None:
    pace = paced()

    assert fail(pace, error, 100.0) is Verdict.AGAIN
    assert pace.is_slow
    assert pace.delay(100.0) == 5.0
    pace.started()
    assert pace.delay(200.0) == NEVER  # one at a time


@pytest.mark.parametrize(
    "error",
    [
        BannedPromptError("no"),
        SubmitRejectedError("no", status=400, code=4),
        SubmitRejectedError("no"),
        ConfigurationError("no"),
        TaskNotFoundError("no"),
        SubmitUncertainError("maybe"),
    ],
)
def test_what_speaks_of_the_job_is_its_own(error: MJTaskError) -> None:
    pace = paced()

    assert fail(pace, error) is Verdict.JOB
    assert not pace.is_slow


@pytest.mark.parametrize(
    "error",
    [
        QuotaError("spent"),
        UnsupportedError("none"),
        ClosedError("closed"),
        JournalError("full"),
        SubmitRejectedError("redirected", status=301),
    ],
)
def test_what_speaks_of_the_server_or_the_caller_stops_the_run(error: MJTaskError) -> None:
    assert fail(paced(), error) is Verdict.STOP


def test_pauses_grow_and_end_with_success() -> None:
    pace = paced()

    for now, pause in ((0, 5), (10, 10), (30, 20), (60, 30), (100, 30)):
        fail(pace, NoAccountError("none"), now)
        assert pace.delay(now) == pause
    pace.accepted(200.0)
    assert (pace.is_slow, pace.delay(200.0)) == (False, 0)


def test_the_server_s_own_wish_is_kept() -> None:
    pace = paced()

    fail(pace, RateLimitedError("slow", retry_after=120.0))

    assert pace.delay(0) == 120


@pytest.mark.parametrize("kind", [RateLimitedError, SubmitRejectedError])
def test_a_longer_pause_than_two_minutes_is_not_slept(kind: type[MJTaskError]) -> None:
    error = kind("slow", status=429, retry_after=86_400.0)  # type: ignore[call-arg]

    verdict, said = paced().failed(error, 0.0, 0.5)

    assert (verdict, type(said)) == (Verdict.STOP, kind)
    assert "asks to wait 86400 s; run it again then: slow" in str(said)
    assert str(error) == "slow (HTTP 429)"


def test_a_server_that_is_not_there_cannot_ask_for_more() -> None:
    pace = paced()

    fail(pace, TransportError("gone", retry_after=86_400.0))

    assert pace.delay(0) == 120


def test_an_end_of_a_task_makes_room_in_a_full_queue_only() -> None:
    queue, limited = paced(), paced()
    fail(queue, QueueFullError("full"))
    fail(limited, RateLimitedError("slow"))

    queue.freed(1.0)
    limited.freed(1.0)

    assert (queue.delay(1.0), limited.delay(1.0)) == (0, 4)


def test_a_place_in_a_full_queue_is_taken_by_one() -> None:
    pace = paced()
    fail(pace, QueueFullError("full"))
    pace.freed(1.0)
    pace.freed(1.0)

    pace.accepted(1.0)
    assert pace.delay(1.0) == 0
    pace.accepted(1.0)

    assert (pace.is_slow, pace.delay(1.0)) == (True, 5)


def test_three_unasked_places_say_that_there_is_room() -> None:
    pace = paced()
    fail(pace, QueueFullError("full"))

    for now in (5.0, 10.0, 15.0):
        assert pace.is_slow
        pace.accepted(now)

    assert (pace.is_slow, pace.delay(15.0)) == (False, 0)


def test_three_refusals_of_the_key_over_ten_seconds_stop_the_run() -> None:
    pace, error = paced(), AuthenticationError("who")

    assert [fail(pace, error, now) for now in (0, 1, 2, 9.9, 10)] == [
        *[Verdict.AGAIN] * 4,
        Verdict.STOP,
    ]


def test_a_key_that_works_in_between_starts_the_count_again() -> None:
    pace, error = paced(), AuthenticationError("who")
    fail(pace, error, 0)
    fail(pace, error, 8)
    pace.accepted(9)

    assert [fail(pace, error, now) for now in (20, 25, 31)] == [
        *(Verdict.AGAIN, Verdict.AGAIN, Verdict.STOP)
    ]


def test_a_server_that_is_not_reached_stops_the_run_after_a_while() -> None:
    pace = paced(outage=60.0)

    assert fail(pace, TransportError("gone"), 0) is Verdict.AGAIN
    assert fail(pace, TransportError("gone"), 59) is Verdict.AGAIN
    verdict, error = pace.failed(TransportError("gone"), 60, 0.5)

    assert verdict is Verdict.STOP
    assert isinstance(error, OutageError)
    assert "60 s: gone" in str(error)


def test_without_that_limit_it_goes_on() -> None:
    pace = paced(outage=None)
    fail(pace, TransportError("gone"), 0)

    assert fail(pace, TransportError("gone"), 1e9) is Verdict.AGAIN


def test_ten_uncertain_submits_in_a_row_stop_the_run() -> None:
    pace, error = paced(), SubmitUncertainError("maybe", state="s", status=500)
    verdicts = [fail(pace, error) for _ in range(9)]

    verdict, last = pace.failed(error, 0, 0.5)

    assert verdicts == [Verdict.JOB] * 9
    assert verdict is Verdict.STOP
    assert isinstance(last, SubmitUncertainError)
    assert (last.state, last.status) == ("s", 500)
    assert "10 submits in a row" in str(last)


@pytest.mark.parametrize("between", [None, BannedPromptError("no")])
def test_an_answer_in_between_starts_the_count_again(between: MJTaskError | None) -> None:
    pace, error = paced(), SubmitUncertainError("maybe")
    for _ in range(9):
        fail(pace, error)

    if between is None:
        pace.accepted(0)
    else:
        fail(pace, between)

    assert fail(pace, error) is Verdict.JOB
