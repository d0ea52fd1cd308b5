"""Cancel a coroutine at each of its suspensions, and look for what it leaves behind.

A suspension is a moment at which the coroutine hands control to the event loop. Each is
hit twice: while it waits, and when what it waits for has just come, so that the
cancellation takes the place of a result, such as a connection, that nobody else holds.
"""

import asyncio
import gc
import os
import stat
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any

_TURNS = 50
"""Turns of the event loop in which connections may report their end; no time passes."""
_HANGS = 86_400.0


async def cancel_everywhere(
    make: Callable[[], Coroutine[Any, Any, object]],
    check: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """Run ``make()`` again and again, and cancel it at its 1st, 2nd, 3rd … suspension.

    Each run must end in CancelledError and leave no task, no socket and no warning; the
    last ones complete. ``make`` opens and closes whatever it needs, but for a server that
    serves all runs and answers at once.

    Args:
        make: Makes the coroutine.
        check: Looks for anything else that should not be there after a run.

    Returns:
        How many runs were cancelled.
    """
    cancelled = 0
    gc.collect()
    gc.freeze()  # so that each search for garbage is a short one
    for late in (False, True):
        number = 0
        while await _cancel_once(make, check, number, late=late):
            number += 1
        cancelled += number
    return cancelled


async def _cancel_once(
    make: Callable[[], Coroutine[Any, Any, object]],
    check: Callable[[], Awaitable[None]] | None,
    number: int,
    *,
    late: bool,
) -> bool:
    """Cancel one run at a suspension; False if it completes before."""
    what = f"cancelled at suspension {number}{' as it ends' if late else ''}"
    loop = asyncio.get_running_loop()
    before = _Left()
    trouble: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: trouble.append(context))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            reached = await _run(make(), number, what, late=late)
            await _settle(before, what)
        finally:
            loop.set_exception_handler(None)
    found = [str(each.message) for each in warned] + [str(each) for each in trouble]
    assert found == [], f"{what}: {found}"
    if check is not None:
        await check()
    return reached


async def _run(
    coroutine: Coroutine[Any, Any, object], number: int, what: str, *, late: bool
) -> bool:
    stepper = _Stepper(coroutine, number, late=late)
    task = stepper.task = asyncio.ensure_future(stepper)
    await asyncio.wait({task}, timeout=_HANGS)
    assert task.done(), f"{what}: it hangs"
    if not stepper.cancelled:
        task.result()  # raises what went wrong without any cancellation
        return False
    if not task.cancelled():
        raise AssertionError(f"{what}: no CancelledError came out") from task.exception()
    return True


class _Stepper:
    """Passes everything between a coroutine and its task; cancels the task at one step."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], number: int, *, late: bool) -> None:
        self.task: asyncio.Future[object] | None = None
        self.cancelled = False
        self._coroutine = coroutine
        self._left = number
        self._late = late

    def __await__(self) -> Generator[Any, None, object]:
        error: BaseException | None = None
        while True:
            try:
                if error is None:
                    future = self._coroutine.send(None)
                else:
                    future = self._coroutine.throw(error)
            except StopIteration as end:
                return end.value
            self._suspended(future)
            error = None
            try:
                yield future
            except BaseException as thrown:  # noqa: BLE001 -- it goes on inwards
                error = thrown

    def _suspended(self, future: "asyncio.Future[Any] | None") -> None:
        self._left -= 1
        if self._left != -1:
            return
        if self._late and future is not None:
            future.add_done_callback(self._cancel)
        else:
            self._cancel()

    def _cancel(self, _: object = None) -> None:
        assert self.task is not None
        self.cancelled = self.task.cancel()


class _Left:
    """What is open at a moment."""

    def __init__(self) -> None:
        gc.collect()
        self.tasks = asyncio.all_tasks()
        self.sockets = _sockets()

    def more_than(self, before: "_Left") -> str:
        tasks = [repr(task) for task in self.tasks - before.tasks]
        sockets = len(self.sockets) - len(before.sockets)
        return f"{tasks} and {sockets} sockets" if tasks or sockets > 0 else ""


def _sockets() -> list[int]:
    """List the file descriptors that are sockets; Windows has no such list."""
    found: list[int] = []
    with suppress(FileNotFoundError):
        for number in map(int, os.listdir("/dev/fd")):  # noqa: PTH208 -- numbers, not paths
            with suppress(OSError):  # the one of the list itself
                if stat.S_ISSOCK(os.fstat(number).st_mode):
                    found.append(number)
    return found


async def _settle(before: _Left, what: str) -> None:
    """Let the server notice who has left, and find everything closed."""
    left = ""
    for _ in range(_TURNS):
        for _ in range(4):
            await asyncio.sleep(0)
        left = _Left().more_than(before)
        if not left:
            return
    raise AssertionError(f"{what}: left behind {left}")
