"""Whether and when to try again (contract 4.4: no server says so by itself).

1. A retry needs a reason: no answer, a server in trouble, or too many requests.
2. ``Retry-After`` is honoured; a longer wait than `LONGEST` is the caller's decision.
3. Chance is an argument, between 0 and 1.
"""

from ..errors import (
    AuthenticationError,
    MJTaskError,
    ProtocolError,
    RateLimitedError,
    ServerError,
    SubmitRejectedError,
    TransportError,
    UnsupportedError,
)
from .drill import IN_A_ROW, Streak, Trouble

LONGEST = 120.0
"""Seconds; a server that asks for more is reported at once."""
_RATE_LIMITED = (5.0, 10.0, 20.0)
_FIRST = 0.5
_TOO_MANY, _OVERLOADED = 429, 503
_REFUSED = frozenset((200, 201, 202, 203, 204, 400, 413, 422))
_REFUSED_FOR = 10.0
CEILING = 30.0
"""Seconds between two tries, at most, where one after the other fails, unless the server asks for more."""


def read_delay(error: MJTaskError, attempt: int, chance: float) -> float | None:
    """Say how many seconds to wait before a read is sent again; None: not at all.

    Args:
        error: Why the last try failed.
        attempt: Which try that was, from 1.
        chance: Between 0 and 1.
    """
    if isinstance(error, (TransportError, ServerError)):
        return _asked(error, _doubled(attempt, chance))
    return _rate_limited(error, attempt)


def submit_delay(error: MJTaskError, attempt: int, chance: float) -> float | None:
    """Say how many seconds to wait before a submit is sent again; None: not at all.

    A `TransportError` of a submit means *not sent*; whatever may have been accepted
    is a `SubmitUncertainError` and stays.
    """
    if isinstance(error, TransportError):
        return _doubled(attempt, chance)
    if isinstance(error, SubmitRejectedError) and (
        error.status == _TOO_MANY or is_overloaded(error)
    ):
        return _asked(error, _RATE_LIMITED[min(attempt, 3) - 1])
    return _rate_limited(error, attempt)


def is_overloaded(error: SubmitRejectedError) -> bool:
    """Whether a relay refuses everything while its machine is busy (contract 4.1, E8)."""
    code = str(error.code)
    return error.status == _OVERLOADED and code.startswith("system_") and "overloaded" in code


def trouble_of(error: MJTaskError) -> Trouble:
    """Say what a failed poll tells about the ids it asked for."""
    if isinstance(error, AuthenticationError):
        return Trouble.KEY
    if isinstance(error, ServerError):
        return Trouble.SERVER
    unreadable = isinstance(error, ProtocolError | UnsupportedError) and error.status in _REFUSED
    return Trouble.REFUSED if unreadable else Trouble.PASSING


def is_key_refused(streak: Streak, now: float) -> bool:
    """Whether refusals of the key are to be believed: one 401 is no proof (contract Q37)."""
    long = streak.count >= IN_A_ROW and now - streak.since >= _REFUSED_FOR
    return streak.trouble is Trouble.KEY and long


def poll_delay(error: MJTaskError, failures: int, interval: float, chance: float) -> float:
    """Say how many seconds a failing batch of ids stays unasked.

    A server's trouble may be one id's fault, so the tries that must come before a batch is
    drilled come within an interval each: the others of the batch wait two ticks, not more.

    Args:
        error: Why the last poll failed.
        failures: How many attempts in a row have failed, from 1.
        interval: Seconds between two ticks.
        chance: Between 0 and 1.
    """
    if isinstance(error, ServerError) and failures < IN_A_ROW:
        return max(jittered(interval, chance / 2), min(error.retry_after or 0.0, LONGEST))
    usual = min(interval * 2 ** min(failures - 1, 20), max(CEILING, interval))
    asked = getattr(error, "retry_after", None)
    if isinstance(error, RateLimitedError) and asked is None:
        usual = max(usual, _RATE_LIMITED[min(failures, 3) - 1])
    return max(jittered(usual, chance), min(asked or 0.0, LONGEST))


def _doubled(attempt: int, chance: float) -> float:
    return jittered(min(_FIRST * 2 ** min(attempt - 1, 10), CEILING), chance)


def _rate_limited(error: MJTaskError, attempt: int) -> float | None:
    if not isinstance(error, RateLimitedError):
        return None
    return _asked(error, _RATE_LIMITED[min(attempt, 3) - 1])


def _asked(
    error: RateLimitedError | ServerError | SubmitRejectedError | TransportError, usual: float
) -> float | None:
    if error.retry_after is None:
        return usual
    return None if error.retry_after > LONGEST else max(error.retry_after, 0.0)


def jittered(seconds: float, chance: float) -> float:
    """Spread ``seconds`` by up to a fifth in either direction."""
    return seconds * (0.8 + 0.4 * chance)
