from typing import Any

import pytest
from hypothesis import given, strategies as st

from mjtask_async._core.drill import Streak, Trouble
from mjtask_async._core.retry import (
    CEILING,
    LONGEST,
    is_key_refused,
    is_overloaded,
    jittered,
    poll_delay,
    read_delay,
    submit_delay,
    trouble_of,
)
from mjtask_async.errors import (
    AuthenticationError,
    MJTaskError,
    ProtocolError,
    QueueFullError,
    RateLimitedError,
    ServerError,
    SubmitRejectedError,
    SubmitUncertainError,
    TaskNotFoundError,
    TransportError,
    UnsupportedError,
)

MIDDLE = 0.5
"""The chance that changes nothing."""
LIMITED = RateLimitedError("m", status=429)
TROUBLE = ServerError("m", status=500)
SILENT = TransportError("m")
BUSY = SubmitRejectedError("m", status=503, code="system_cpu_overloaded")
FINAL = [
    AuthenticationError("m"),
    ProtocolError("m"),
    UnsupportedError("m"),
    TaskNotFoundError("m"),
    SubmitUncertainError("m"),
    QueueFullError("m", code=23, status=200),
    MJTaskError("m"),
]


def asking(error: type[Any], seconds: float, **fields: Any) -> Any:
    return error("m", retry_after=seconds, **fields)


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 8.0), (0.25, 9.0), (0.5, 10.0), (1.0, 12.0)])
def test_jitter_is_a_fifth_in_either_direction(chance: float, seconds: float) -> None:
    assert jittered(10.0, chance) == pytest.approx(seconds)


@pytest.mark.parametrize("error", [SILENT, TROUBLE])
@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (5000, 30.0)]
)
def test_a_read_waits_twice_as_long_each_time(
    error: MJTaskError, attempt: int, seconds: float
) -> None:
    assert read_delay(error, attempt, MIDDLE) == seconds
    assert read_delay(error, attempt, 0.0) == pytest.approx(0.8 * seconds)


@pytest.mark.parametrize("delay", [read_delay, submit_delay])
@pytest.mark.parametrize(("attempt", "seconds"), [(1, 5.0), (2, 10.0), (3, 20.0), (9, 20.0)])
def test_too_many_requests_wait_5_10_and_20_seconds(
    delay: Any, attempt: int, seconds: float
) -> None:
    """Contract 4.4: no server says how long."""
    assert delay(LIMITED, attempt, 0.0) == seconds


@pytest.mark.parametrize("error", FINAL, ids=lambda error: type(error).__name__)
def test_what_has_no_reason_is_not_sent_again(error: MJTaskError) -> None:
    assert read_delay(error, 1, MIDDLE) is None
    assert submit_delay(error, 1, MIDDLE) is None


def test_a_submit_is_not_sent_again_for_a_server_in_trouble() -> None:
    assert submit_delay(TROUBLE, 1, MIDDLE) is None


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 0.5), (2, 1.0), (4, 4.0), (6, 16.0), (7, 30.0), (5000, 30.0)]
)
def test_a_submit_that_was_not_sent_is_sent_again(attempt: int, seconds: float) -> None:
    assert submit_delay(SILENT, attempt, MIDDLE) == seconds
    assert submit_delay(SILENT, attempt, 1.0) == pytest.approx(1.2 * seconds)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 5.0), (2, 10.0), (3, 20.0), (4, 20.0)])
def test_a_busy_relay_is_asked_again(attempt: int, seconds: float) -> None:
    assert submit_delay(BUSY, attempt, 0.0) == seconds
    assert read_delay(BUSY, attempt, 0.0) is None


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 5.0), (2, 10.0), (3, 20.0), (4, 20.0)])
def test_a_full_queue_is_asked_again_where_it_is_too_many_requests(
    attempt: int, seconds: float
) -> None:
    full = QueueFullError("m", code=23, status=429)
    assert submit_delay(full, attempt, 0.0) == seconds
    assert submit_delay(asking(QueueFullError, 7.5, status=429), attempt, 0.0) == 7.5
    assert read_delay(full, attempt, 0.0) is None


@pytest.mark.parametrize(
    ("status", "code", "busy"),
    [
        (503, "system_cpu_overloaded", True),
        (503, "system_disk_overloaded", True),
        (400, "system_cpu_overloaded", False),
        (503, "cpu_overloaded", False),
        (503, "system_cpu", False),
        (503, "model_not_found", False),
        (503, 5, False),
        (503, None, False),
    ],
)
def test_a_relay_is_busy_by_its_code(
    status: int,
    code: int | str | None,
    busy: bool,  # noqa: FBT001
) -> None:
    """Contract 4.1, E8."""
    assert is_overloaded(SubmitRejectedError("m", status=status, code=code)) == busy


@pytest.mark.parametrize(
    ("asked", "waited"),
    [(0.0, 0.0), (7.5, 7.5), (120.0, 120.0), (120.5, None), (-5.0, 0.0), (1e9, None)],
)
def test_what_the_server_asks_for_is_honoured_up_to_two_minutes(
    asked: float, waited: float | None
) -> None:
    assert read_delay(asking(ServerError, asked), 1, MIDDLE) == waited
    assert read_delay(asking(TransportError, asked), 1, MIDDLE) == waited
    assert read_delay(asking(RateLimitedError, asked), 1, MIDDLE) == waited
    assert submit_delay(asking(RateLimitedError, asked), 1, MIDDLE) == waited
    busy = asking(SubmitRejectedError, asked, status=503, code="system_cpu_overloaded")
    assert submit_delay(busy, 1, MIDDLE) == waited


# Polls


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 3.0), (2, 6.0), (3, 12.0), (4, 24.0), (5, 30.0), (5000, 30.0)]
)
def test_a_failing_batch_waits_twice_as_long_up_to_half_a_minute(
    failures: int, seconds: float
) -> None:
    assert poll_delay(SILENT, failures, 3.0, MIDDLE) == seconds
    assert poll_delay(ProtocolError("m"), failures, 3.0, 1.0) == pytest.approx(1.2 * seconds)


def test_a_slow_watcher_does_not_ask_sooner_for_failing() -> None:
    assert poll_delay(SILENT, 1, 60.0, MIDDLE) == 60.0
    assert poll_delay(TROUBLE, 9, 60.0, MIDDLE) == 60.0


@pytest.mark.parametrize(
    ("failures", "interval", "seconds"),
    [(1, 3.0, 5.0), (2, 3.0, 10.0), (3, 3.0, 20.0), (4, 3.0, 24.0), (1, 8.0, 8.0)],
)
def test_a_poll_too_many_waits_at_least_5_10_and_20_seconds(
    failures: int, interval: float, seconds: float
) -> None:
    assert poll_delay(LIMITED, failures, interval, MIDDLE) == seconds


@pytest.mark.parametrize(
    ("asked", "waited"), [(0.0, 3.0), (2.0, 3.0), (50.0, 50.0), (120.0, 120.0), (1e9, LONGEST)]
)
def test_a_poll_waits_as_long_as_asked_but_two_minutes(asked: float, waited: float) -> None:
    assert poll_delay(asking(RateLimitedError, asked), 1, 3.0, MIDDLE) == waited
    assert poll_delay(asking(ServerError, asked), 1, 3.0, 1.0) == waited
    assert poll_delay(asking(ServerError, asked), 3, 0.75, MIDDLE) == waited


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 2.4), (0.5, 2.7), (1.0, 3.0)])
@pytest.mark.parametrize("failures", [1, 2])
def test_a_batch_in_trouble_is_drilled_within_two_ticks(
    failures: int, chance: float, seconds: float
) -> None:
    assert poll_delay(TROUBLE, failures, 3.0, chance) == pytest.approx(seconds)
    assert poll_delay(TROUBLE, 3, 3.0, MIDDLE) == 12.0


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (AuthenticationError("m", status=403), Trouble.KEY),
        (ServerError("m", status=400), Trouble.SERVER),
        *((ProtocolError("m", status=status), Trouble.REFUSED) for status in (200, 400, 413, 422)),
        (UnsupportedError("m", status=200), Trouble.REFUSED),
        (UnsupportedError("m", status=405), Trouble.PASSING),
        (ProtocolError("m", status=301), Trouble.PASSING),
        (LIMITED, Trouble.PASSING),
        (SILENT, Trouble.PASSING),
    ],
)
def test_a_failed_poll_says_something_about_its_ids_or_nothing(
    error: MJTaskError, trouble: Trouble
) -> None:
    assert trouble_of(error) is trouble


@pytest.mark.parametrize(
    ("streak", "refused"),
    [
        (Streak(Trouble.KEY, 3, 0.0), True),
        (Streak(Trouble.KEY, 2, 0.0), False),
        (Streak(Trouble.KEY, 3, 0.1), False),
        (Streak(Trouble.SERVER, 3, 0.0), False),
    ],
)
def test_a_key_counts_as_refused_after_three_polls_over_ten_seconds(
    streak: Streak,
    refused: bool,  # noqa: FBT001
) -> None:
    assert is_key_refused(streak, 10.0) is refused


@given(
    error=st.sampled_from([LIMITED, TROUBLE, SILENT, BUSY, *FINAL]),
    number=st.integers(1, 10**6),
    chance=st.floats(0, 1),
    interval=st.floats(0.1, 100),
)
def test_every_wait_is_bounded(
    error: MJTaskError, number: int, chance: float, interval: float
) -> None:
    read = read_delay(error, number, chance)
    poll = poll_delay(error, number, interval, chance)

    assert read is None or 0 < read <= 1.2 * CEILING + 1e-9
    assert 0.8 * interval - 1e-9 <= poll <= 1.2 * max(CEILING, interval) + 1e-9
