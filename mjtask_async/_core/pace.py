"""How fast a bulk run may submit, and what stops it.

1. Nothing here sleeps: `Pace.delay` says how long to wait, the rest notes what happened.
   Times are the loop's seconds, chance is between 0 and 1.
2. A refusal that speaks of the moment (a full queue, 429, no account, no answer) slows
   everybody: one submit at a time, after a pause. An end of one of our own tasks makes
   room in a full queue for one submit; only three taken without such an end say that
   there is room for everybody again.
3. What speaks of the caller or the server stops the run; what speaks of the job is its own.
4. A server that asks for a longer pause than `LONGEST` stops it, too: that is not slept.
"""

from copy import copy
from enum import Enum, auto

from ..errors import (
    AuthenticationError,
    BannedPromptError,
    ConfigurationError,
    MJTaskError,
    NoAccountError,
    OutageError,
    QueueFullError,
    RateLimitedError,
    SubmitRejectedError,
    SubmitUncertainError,
    TaskError,
    TransportError,
)
from .retry import LONGEST, jittered

_PAUSES = (5.0, 10.0, 20.0, 30.0)
_REFUSALS, _REFUSED_FOR = 3, 10.0
_UNCERTAIN = 10
_SATURATED = 30
_PROBES = 3


class Verdict(Enum):
    """What an error of a submit means."""

    AGAIN = auto()
    JOB = auto()
    STOP = auto()


class Pace:
    """The pace of one run.

    Args:
        width: Submits under way at once.
        outage: Seconds without any answer after which the run stops; None: never.
    """

    def __init__(self, width: int, outage: float | None) -> None:
        self._width = width
        self._outage = outage
        self._under_way = 0
        self._pauses = 0
        self._ready_at = float("-inf")
        self._queue_is_full = False
        self._places = self._probes = 0
        self._refused: tuple[int, float] = (0, 0.0)
        self._silent_since: float | None = None
        self._uncertain = 0

    @property
    def is_slow(self) -> bool:
        """Whether the server has refused what it may take later."""
        return self._pauses > 0

    def delay(self, now: float) -> float:
        """Say how many seconds the next submit waits; infinite: until something happens."""
        if self._under_way >= (1 if self._pauses else self._width):
            return float("inf")
        return max(self._ready_at - now, 0.0)

    def started(self) -> None:
        """Note that a submit goes out."""
        self._under_way += 1

    def left(self) -> None:
        """Note that a submit is over, whatever came of it."""
        self._under_way -= 1

    def accepted(self, now: float) -> None:
        """Note that the server takes submits."""
        self.answered()
        self._uncertain = 0
        self._probes += not self._places
        if not self._queue_is_full or self._probes == _PROBES:
            self._pauses = 0
            self._queue_is_full = False
            self._ready_at = float("-inf")
            return
        self._places = max(self._places - 1, 0)
        self._pauses = 1
        self._ready_at = now if self._places else now + _PAUSES[0]

    def freed(self, now: float) -> None:
        """Note that one of our tasks has ended."""
        if self._queue_is_full:
            self._places += 1
            self._ready_at = min(self._ready_at, now)

    def failed(self, error: MJTaskError, now: float, chance: float) -> tuple[Verdict, MJTaskError]:
        """Note that a submit gave no task; say what that means, and what to report."""
        if isinstance(error, SubmitUncertainError):
            return self._in_doubt(error)
        self._uncertain = 0
        if isinstance(error, TransportError):
            return self._silence(error, now, chance)
        if isinstance(error, AuthenticationError):
            return self._unknown_key(error, now, chance)
        self.answered()
        if _is_of_the_moment(error):
            return self._moment(error, now, chance)
        return (Verdict.JOB if _is_of_the_job(error) else Verdict.STOP), error

    def answered(self) -> None:
        """Note that the server is there and accepts the key."""
        self._refused = (0, 0.0)
        self._silent_since = None

    def _moment(self, error: MJTaskError, now: float, chance: float) -> tuple[Verdict, MJTaskError]:
        if _asked(error) > LONGEST:
            return Verdict.STOP, _too_long(error)
        self._slow_down(error, now, chance)
        return Verdict.AGAIN, error

    def _slow_down(self, error: MJTaskError, now: float, chance: float) -> None:
        pause = jittered(_PAUSES[min(self._pauses, len(_PAUSES) - 1)], chance)
        self._pauses += 1
        self._ready_at = now + max(pause, min(_asked(error), LONGEST))
        self._queue_is_full = isinstance(error, QueueFullError)
        self._places = self._probes = 0

    def _in_doubt(self, error: SubmitUncertainError) -> tuple[Verdict, MJTaskError]:
        self._uncertain += 1
        if self._uncertain < _UNCERTAIN:
            return Verdict.JOB, error
        words = f"{_UNCERTAIN} submits in a row may have been accepted; the last: {error.args[0]}"
        state, sent_at = error.state, error.sent_at
        return Verdict.STOP, SubmitUncertainError(
            words, state=state, sent_at=sent_at, **error.where
        )

    def _silence(
        self, error: MJTaskError, now: float, chance: float
    ) -> tuple[Verdict, MJTaskError]:
        since = self._silent_since = now if self._silent_since is None else self._silent_since
        self._slow_down(error, now, chance)
        if self._outage is None or now - since < self._outage:
            return Verdict.AGAIN, error
        words = f"no submit has reached the server for {now - since:.0f} s: {error}"
        return Verdict.STOP, OutageError(words)

    def _unknown_key(
        self, error: MJTaskError, now: float, chance: float
    ) -> tuple[Verdict, MJTaskError]:
        count, since = self._refused
        self._refused = (count + 1, since if count else now)
        self._slow_down(error, now, chance)
        patient = count + 1 < _REFUSALS or now - self._refused[1] < _REFUSED_FOR
        return (Verdict.AGAIN if patient else Verdict.STOP), error


def _asked(error: MJTaskError) -> float:
    return getattr(error, "retry_after", None) or 0.0


def _too_long(error: MJTaskError) -> MJTaskError:
    said, seconds = copy(error), f"{_asked(error):.0f}"
    said.args = (f"the server asks to wait {seconds} s; run it again then: {error.args[0]}",)
    return said


def _is_of_the_moment(error: MJTaskError) -> bool:
    if isinstance(error, (QueueFullError, NoAccountError, RateLimitedError)):
        return True
    return isinstance(error, SubmitRejectedError) and (
        error.code == _SATURATED or error.status in {429, 503}
    )


def _is_of_the_job(error: MJTaskError) -> bool:
    """Whether other jobs may fare better; a redirect or a spent quota meets them all."""
    if isinstance(error, (ConfigurationError, TaskError, BannedPromptError)):
        return True
    if type(error) is not SubmitRejectedError:
        return False
    return not 300 <= (error.status or 0) < 400
