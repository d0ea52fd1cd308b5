"""One budget for all requests of a session: submits first, polls with what is left.

Requests are spread evenly: no burst, not even at the start. Only who must not wait for
others stands in the queue; a poll looks at it from outside, so that no submit finds a poll
in front of it.
"""

import asyncio

from .models import RateLimit


class Budget:
    """Spreads requests evenly; without a rate it lets everything through.

    Args:
        rate: How many requests in how many seconds.
    """

    def __init__(self, rate: RateLimit | None) -> None:
        self._every = 0.0 if rate is None else rate.per / rate.requests
        self._free_at = float("-inf")
        self._queue = asyncio.Lock()
        self._waiting = 0

    async def take(self, patience: float = 0.0) -> None:
        """Wait until one more request may be sent. Cancelled, it takes nothing.

        Args:
            patience: Seconds in which all others go first.
        """
        if not self._every:
            return
        await self._give_way(patience)
        self._waiting += 1
        try:
            async with self._queue:
                await self._take()
        finally:
            self._waiting -= 1

    async def _take(self) -> None:
        now = asyncio.get_running_loop().time
        if now() < self._free_at:
            await asyncio.sleep(self._free_at - now())
        self._free_at = max(self._free_at, now()) + self._every

    async def _give_way(self, patience: float) -> None:
        now = asyncio.get_running_loop().time
        until = now() + patience
        while now() < until and (self._waiting or now() < self._free_at):  # noqa: ASYNC110
            await asyncio.sleep(self._every / 2)
