"""One budget for all requests of a session: submits first, polls with what is left.

1. Requests are spread evenly: no burst, not even at the start.
2. A poll waits until nobody else does, but no longer than its patience: then it is next.
3. Who is cancelled while waiting takes nothing.
"""

import asyncio
from collections import deque
from math import inf

from msgspec import Struct

from .models import RateLimit


class _Place(Struct, eq=False):
    turn: asyncio.Future[None]
    until: float
    """When patience ends."""


class Budget:
    """Spreads requests evenly; without a rate it lets everything through.

    Args:
        rate: How many requests in how many seconds.
    """

    def __init__(self, rate: RateLimit | None) -> None:
        self._every = 0.0 if rate is None else rate.per / rate.requests
        self._free_at = -inf
        self._first: deque[_Place] = deque()
        self._patient: deque[_Place] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, patience: float = 0.0) -> None:
        """Wait until one more request may be sent.

        Args:
            patience: Seconds in which all others go first.
        """
        if not self._every:
            return
        loop = asyncio.get_running_loop()
        place = _Place(loop.create_future(), loop.time() + patience)
        (self._patient if patience else self._first).append(place)
        self._serve()
        try:
            await place.turn
        except asyncio.CancelledError:
            if not place.turn.cancelled():  # it came at the same moment
                self._free_at -= self._every
            self._serve()
            raise

    def _serve(self) -> None:
        """Let go on whose turn it is, and set the timer for the next."""
        loop = asyncio.get_running_loop()
        while (line := self._line(loop.time())) and loop.time() >= self._free_at:
            line.popleft().turn.set_result(None)
            self._free_at = loop.time() + self._every
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if line:
            self._timer = loop.call_at(self._free_at, self._serve)

    def _line(self, now: float) -> deque[_Place]:
        """Choose the line whose first is next."""
        for line in (self._first, self._patient):
            while line and line[0].turn.done():
                line.popleft()
        if not self._first or (self._patient and self._patient[0].until <= now):
            return self._patient
        return self._first
