"""What the answers to one watcher say of its server as a whole."""

import logging
from typing import Any

from ._core.drill import Streak
from ._core.health import BLIND_AFTER, Ban, Blindness
from ._core.retry import is_key_refused
from ._core.tracker import Look, Tracker
from .errors import MJTaskError

_log = logging.getLogger(__name__)


class Outlook:
    """Notices a ban, a key that is refused for good, and a server that has gone blind."""

    def __init__(self, tracker: Tracker[Any]) -> None:
        self._tracker = tracker
        self._ban = Ban()
        self._blindness = Blindness()

    def succeeded(self, look: Look, *, changed: bool) -> None:
        """Note an answer; the first sign of blindness is one WARNING record."""
        self._ban.succeeded()
        if self._blindness.answered(look.at, changed=changed):
            unfinished = self._tracker.unfinished()
            if self._blindness.tells(unfinished):
                _log.warning(
                    "no change of %d unfinished tasks for %d minutes, though the server answers: "
                    "it may have stopped looking after them",
                    unfinished,
                    BLIND_AFTER / 60,
                )

    def failed(self, error: MJTaskError, look: Look, now: float) -> float | None:
        """Note a failure; say until when all polls shall pause, if it tells of a ban."""
        return self._ban.failed(error, look.at, now)

    def is_key_refused(self, streak: Streak, now: float) -> bool:
        """Whether it is time to believe that the key is bad."""
        return not self._ban.lasts and is_key_refused(streak, now)
