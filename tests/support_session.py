"""What the session's tests share."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from mjtask_async import MJSession, Task

from .support_server import KEY, Answer, Server


@asynccontextmanager
async def asking(
    *answers: Answer, reads: str | int = "all", **options: Any
) -> AsyncIterator[tuple[Server, MJSession[Task]]]:
    """Run a server that answers as told, and a session for it."""
    options = {"auth": "bearer", **options}
    async with (
        Server(*answers, reads=reads) as server,
        MJSession(server.base_url, KEY, **options) as session,
    ):
        yield server, session


async def until(true: Callable[[], object]) -> None:
    """Let the event loop turn until something is so; no time passes."""
    for _ in range(10_000):
        if true():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come true")  # pragma: no cover -- a test has failed


def now() -> float:
    """Read the loop's clock: virtual seconds."""
    return asyncio.get_running_loop().time()


class Stopwatch:
    """Measures virtual seconds."""

    def __init__(self) -> None:
        self._start = now()

    @property
    def seconds(self) -> float:
        return now() - self._start
