"""A disk that is slow for a while."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SLOW_EVENTS = frozenset(("open", "os.rename"))


class SlowDisk:
    """Lets each opening and each renaming of a ``.part`` file take its time.

    Attributes:
        busy: Whether it is at work.
    """

    def __init__(self) -> None:
        self.busy = False
        self._seconds = 0.0
        sys.addaudithook(self._wait)  # for the life of the process: it cannot be taken off

    @contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        self._seconds = seconds
        try:
            yield
        finally:
            self._seconds = 0.0

    def _wait(  # pragma: no cover -- what an audit hook does is not traced
        self, event: str, arguments: tuple[object, ...]
    ) -> None:
        if self._seconds and event in _SLOW_EVENTS and ".part" in str(arguments[0]):
            self.busy = True
            time.sleep(self._seconds)
            self.busy = False
