"""What the answers to one watcher say of its server as a whole."""

import logging
from typing import Any

from ._core.drill import Streak
from ._core.health import BLIND_AFTER, Ban, Blindness
from ._core.retry import LONGEST, is_key_refused
from ._core.schedule import Schedule
from ._core.tracker import Look, Tracker
from .errors import MJTaskError
from .session import MJSession

_log = logging.getLogger(__name__)


class Outlook:
    """Notices a ban, a key that is refused for good, and a server that has gone blind."""

    def __init__(self, session: MJSession[Any], schedule: Schedule, tracker: Tracker[Any]) -> None:
        self._session = session
        self._schedule = schedule
        self._tracker = tracker
        self._ban = Ban()
        self._blindness = Blindness()
        self._told_to_wait = False

    def changed(self) -> None:
        """Note that a task has changed."""
        self._blindness.changed()

    def succeeded(self, look: Look) -> None:
        """Note an answer; the first sign of blindness is one WARNING record."""
        self._ban.succeeded()
        self._told_to_wait = False
        if self._blindness.answered(look.at):
            unfinished = self._tracker.unfinished()
            if self._blindness.tells(unfinished):
                _log.warning(
                    "no change of %d unfinished tasks for %d minutes, though the server answers: "
                    "it may have stopped looking after them",
                    unfinished,
                    BLIND_AFTER / 60,
                )

    def failed(self, error: MJTaskError, look: Look, now: float) -> None:
        """Note a failure; if it tells of a ban, all polls pause and no task can be asked for."""
        until = self._ban.failed(error, look.at, now, self._session._limited_at)
        if until is not None:
            self._schedule.pause(until)
            self._tracker.failed(list(self._tracker.tracks), look.at)
        asked = getattr(error, "retry_after", None) or 0.0
        if asked > LONGEST and not self._told_to_wait:
            self._told_to_wait = True
            _log.warning(
                "the server asks to be left alone for %.0f s; it is asked every %.0f s",
                asked,
                LONGEST,
            )

    def is_key_refused(self, streak: Streak, now: float) -> bool:
        """Whether it is time to believe that the key is bad."""
        return not self._ban.lasts and is_key_refused(streak, now)
