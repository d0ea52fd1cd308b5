"""What the answers say together: an address that is banned, a relay that has gone blind.

A relay whose updater has died goes on to answer reads with 200 (contract Q11, Q33); trueai-org
bans addresses that asked too often (contract 4.2).
"""

from ..errors import AuthenticationError, MJTaskError, RateLimitedError

RECENT = 120.0
"""Seconds after a 429 in which a 403 is a ban and not a bad key."""
_FIRST, _LONGEST = 30.0, 240.0
BLIND_AFTER = 600.0
"""Seconds without any change while at least `MANY` tasks were unfinished."""
MANY = 3
_GAP = 60.0
"""Seconds between two answers that count at most; in an outage nobody can see."""
_FORBIDDEN = 403


class Ban:
    """Tells a ban from a bad key, and how long to keep quiet."""

    def __init__(self) -> None:
        self._limited_at = float("-inf")
        self._until = float("-inf")
        self._pauses = 0

    @property
    def lasts(self) -> bool:
        """Whether a ban was seen and nothing has succeeded since."""
        return self._pauses > 0

    def failed(
        self, error: MJTaskError, sent_at: float, now: float, limited_at: float = float("-inf")
    ) -> float | None:
        """Note a failure; say until when all requests shall pause, if this one tells of a ban.

        Args:
            error: What the request came to.
            sent_at: When it was sent, in the loop's seconds.
            now: The loop's seconds.
            limited_at: When any request of the session met a 429 last.
        """
        if isinstance(error, RateLimitedError):
            self._limited_at = now + (error.retry_after or 0.0)
        forbidden = isinstance(error, AuthenticationError) and error.status == _FORBIDDEN
        recent = self.lasts or now - max(self._limited_at, limited_at) <= RECENT
        if not (forbidden and recent) or sent_at < self._until:
            return None
        self._until = now + min(_FIRST * 2 ** min(self._pauses, 10), _LONGEST)
        self._pauses += 1
        return self._until

    def succeeded(self) -> None:
        """Note that the server lets us in."""
        self._pauses = 0


class Blindness:
    """Counts how long a server has shown no change of anything."""

    def __init__(self) -> None:
        self._quiet = 0.0
        self._asked_at: float | None = None
        self._told = False

    def changed(self) -> None:
        """Note that a task has changed."""
        self._quiet, self._told = 0.0, False

    def answered(self, now: float) -> bool:
        """Note an answer; whether it is time to ask how many tasks are unfinished.

        Args:
            now: The loop's seconds.
        """
        since = now if self._asked_at is None else self._asked_at
        self._asked_at = now
        self._quiet += min(now - since, _GAP)
        return self._quiet >= BLIND_AFTER and not self._told

    def tells(self, unfinished: int) -> bool:
        """Whether to tell now: once, until something changes."""
        self._told = unfinished >= MANY
        if not self._told:
            self._quiet = 0.0
        return self._told
