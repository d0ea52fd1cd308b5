"""Where the jobs of a bulk run queue up to submit: one line, first come, first served."""

import asyncio
import random
from collections.abc import Callable

from ._core.pace import Pace, Verdict
from .errors import AuthenticationError, MJTaskError

_PAUSE = 5.0
"""Seconds before a read is tried again for which the key was refused."""


class Stopped(Exception):  # noqa: N818 -- no error: the run takes no more submits
    """The run was stopped before this submit went out."""


class Turnstile:
    """Lets submits pass at the pace that the server takes.

    Attributes:
        stopped: Whether no more submits go out.
        error: What stopped them, if it was an error.
        pace: The rules.
    """

    def __init__(self, width: int, outage: float | None, on_stop: Callable[[], None]) -> None:
        self.pace: Pace = Pace(width, outage)
        self.stopped: bool = False
        self.error: BaseException | None = None
        self._on_stop = on_stop
        self._line = asyncio.Lock()
        self._changed = asyncio.Event()

    async def enter(self) -> None:
        """Wait for the turn to submit; call `leave` after it.

        Raises:
            Stopped: There will be none.
        """
        async with self._line:
            while not self.stopped:
                delay = self.pace.delay(_now())
                if delay <= 0:
                    self.pace.started()
                    return
                await self._change(delay)
        raise Stopped

    def leave(self) -> None:
        """Note that a submit is over."""
        self.pace.left()
        self._changed.set()

    def accepted(self) -> None:
        """Note that the server took it."""
        self.pace.accepted(_now())

    def failed(self, error: MJTaskError) -> Verdict:
        """Note that a submit gave no task; what stops the run stops it here."""
        verdict, reported = self.pace.failed(error, _now(), random.random())  # noqa: S311 -- jitter
        if verdict is Verdict.STOP:
            self.stop(reported)
        return verdict

    async def refused(self, error: AuthenticationError) -> None:
        """Note that the server did not accept the key for a read, and wait before the next try.

        Raises:
            Stopped: It was refused for too long, or the run is over anyway.
        """
        if self.stopped or self.failed(error) is Verdict.STOP:
            raise Stopped
        await asyncio.sleep(_PAUSE)

    def answered(self) -> None:
        """Note that the server accepts the key again."""
        self.pace.answered()

    def freed(self) -> None:
        """Note that a task has ended."""
        self.pace.freed(_now())
        self._changed.set()

    def stop(self, error: BaseException | None = None) -> None:
        """Let nobody pass any more; the first error counts."""
        self.stopped = True
        self.error = self.error or error
        self._on_stop()
        self._changed.set()

    async def _change(self, delay: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(None if delay == float("inf") else delay):
                await self._changed.wait()
        except TimeoutError:
            pass


def _now() -> float:
    return asyncio.get_running_loop().time()
