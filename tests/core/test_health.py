from mjtask_async._core.health import Ban, Blindness
from mjtask_async.errors import AuthenticationError, RateLimitedError, ServerError

FORBIDDEN = AuthenticationError("m", status=403)
LIMITED = RateLimitedError("m", status=429)


def test_a_403_without_a_429_before_it_is_no_ban() -> None:
    ban = Ban()

    assert ban.failed(FORBIDDEN, 0.0, 0.0) is None
    assert ban.failed(LIMITED, 1.0, 1.0) is None
    assert ban.failed(FORBIDDEN, 121.5, 121.5) is None
    assert not ban.lasts


def test_a_401_is_no_ban() -> None:
    ban = Ban()
    ban.failed(LIMITED, 0.0, 0.0)

    assert ban.failed(AuthenticationError("m", status=401), 1.0, 1.0) is None
    assert ban.failed(ServerError("m", status=500), 1.0, 1.0) is None


def test_a_burst_of_403_after_a_429_is_one_pause() -> None:
    ban = Ban()
    ban.failed(LIMITED, 0.0, 0.0)

    assert ban.failed(FORBIDDEN, 1.0, 1.5) == 31.5
    assert ban.failed(FORBIDDEN, 1.0, 1.6) is None
    assert ban.lasts


def test_pauses_double_up_to_four_minutes_until_something_succeeds() -> None:
    ban = Ban()
    now = 0.0
    ban.failed(LIMITED, now, now)
    pauses = []
    for _ in range(6):
        until = ban.failed(FORBIDDEN, now, now)
        assert until is not None
        pauses.append(until - now)
        now = until
    ban.succeeded()

    assert pauses == [30, 60, 120, 240, 240, 240]
    assert not ban.lasts
    assert ban.failed(FORBIDDEN, now, now) is None


def test_ten_quiet_minutes_are_told_once_and_again_after_a_change() -> None:
    blindness = Blindness()

    def quiet(start: int, seconds: int) -> list[int]:
        return [
            at
            for at in range(start, start + seconds + 1, 30)
            if blindness.answered(float(at)) and blindness.tells(3)
        ]

    assert quiet(0, 3000) == [600]
    blindness.changed()
    assert not blindness.answered(3001.0)
    assert quiet(3001, 1000) == [3601]


def test_few_unfinished_tasks_may_be_quiet_for_long() -> None:
    blindness = Blindness()
    due = [blindness.answered(float(at)) for at in range(0, 601, 60)]

    assert due == [False] * 10 + [True]
    assert not blindness.tells(2)
    assert not blindness.answered(660.0)


def test_time_in_which_nothing_was_answered_counts_little() -> None:
    blindness = Blindness()
    blindness.answered(0.0)

    assert not blindness.answered(3600.0)
    assert not any(blindness.answered(3600.0 + at) for at in range(60, 540, 60))
    assert blindness.answered(4140.0)
