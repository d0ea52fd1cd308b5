"""What the garbage collector may ask for at any moment, done at a good one.

A stream that is dropped without being closed gives up its interest at once. But the
collector may find it in another thread, or in the middle of a change of ours, where doing
so would pull the ground from under a loop. Then it waits until that change is through.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

X = TypeVar("X")


class Abandoned(Generic[X]):
    """Things nobody holds any more.

    Args:
        release: What to do with one; called in the loop's thread, outside of our changes.
    """

    def __init__(self, release: Callable[[X], None]) -> None:
        self._release = release
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._depth = 0
        self._things: deque[X] = deque()

    def belong_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say which loop runs in this thread."""
        self._loop, self._thread = loop, threading.get_ident()

    def add(self, thing: X) -> None:
        """Release a thing, now or when it does no harm."""
        self._things.append(thing)
        if threading.get_ident() == self._thread:
            self._clear_away()
        elif self._loop is not None:
            with suppress(RuntimeError):  # a closed loop has nobody to disturb
                self._loop.call_soon_threadsafe(self._clear_away)

    @contextmanager
    def put_off(self) -> Generator[None, None, None]:
        """Release nothing meanwhile, but afterwards."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            self._clear_away()

    def _clear_away(self) -> None:
        if not self._depth:
            self._depth += 1
            while self._things:
                self._release(self._things.popleft())
            self._depth -= 1
