"""Cancel or close something at each suspension, and look for what it leaves behind.

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
from pathlib import Path
from typing import Any

import mjtask_async

_TURNS = 50
"""Turns of the event loop in which connections may report their end; no time passes."""
_HANGS = 86_400.0
_PACKAGE = f"{Path(mjtask_async.__file__).parent}{os.sep}"


Made = Coroutine[Any, Any, object]
Check = Callable[[], Awaitable[None]]


async def cancel_everywhere(
    make: Callable[[], Made], check: Check | None = None, *, patience: float = 0.0
) -> int:
    """Run ``make()`` again and again, and cancel it at its 1st, 2nd, 3rd … suspension.

    Each run must end in CancelledError and leave no task, no socket and no warning; the
    last ones complete. ``make`` opens and closes whatever it needs, but for a server that
    serves all runs and answers at once.

    Args:
        make: Makes the coroutine.
        check: Looks for anything else that should not be there after a run.
        patience: Seconds that a server may take to notice who has left.

    Returns:
        How many runs were cancelled.
    """

    async def run(moment: "Moment") -> None:
        task = asyncio.ensure_future(moment.steps(make()))
        moment.then(task.cancel)
        await asyncio.wait({task}, timeout=_HANGS)
        assert task.done(), f"{moment}: it hangs"
        if not moment.has_come:
            task.result()  # raises what went wrong without any cancellation
        elif not task.cancelled():
            raise AssertionError(f"{moment}: no CancelledError came out") from task.exception()

    return await _everywhere(run, check, patience)


async def close_everywhere(
    make: Callable[["Moment"], Made], check: Check | None = None, *, patience: float = 0.0
) -> int:
    """Do something at the 1st, 2nd, 3rd … suspension of the tasks that the package starts.

    Args:
        make: Makes a coroutine which tells `Moment.then` what to do, and ends well whenever
            that is. It, too, opens and closes whatever it needs.
        check: As for `cancel_everywhere`.
        patience: As for `cancel_everywhere`.

    Returns:
        How often it was done.
    """

    async def run(moment: "Moment") -> None:
        asyncio.get_running_loop().set_task_factory(moment.make_task)
        try:
            async with asyncio.timeout(_HANGS):
                await make(moment)
        except BaseException as error:
            raise AssertionError(f"{moment}: {error!r}") from error
        finally:
            asyncio.get_running_loop().set_task_factory(None)

    return await _everywhere(run, check, patience)


class Moment:
    """A suspension: the first to come is number 0."""

    def __init__(self, number: int, *, late: bool) -> None:
        self.has_come = False
        self.number = self._left = number
        self._late = late
        self._act: Callable[[], object] = lambda: None

    def __str__(self) -> str:
        return f"cancelled at suspension {self.number}{' as it ends' if self._late else ''}"

    def then(self, act: Callable[[], object]) -> None:
        """Say what is done when it comes."""
        self._act = act

    def suspended(self, future: "asyncio.Future[Any] | None") -> None:
        """Count a suspension, and what is waited for in it."""
        self._left -= 1
        if self._left != -1:
            return
        if self._late and future is not None:
            future.add_done_callback(self._come)
        else:
            self._come()

    def steps(self, coroutine: Made) -> Made:
        """Count a coroutine's suspensions, too."""
        return _Steps(coroutine, self.suspended)

    def make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> "asyncio.Task[Any]":
        """Make a task for the event loop; the package's own are counted."""
        code = getattr(coroutine, "cr_code", None)
        is_ours = code is not None and _PACKAGE in code.co_filename
        steps = self.steps(coroutine) if is_ours else coroutine
        return asyncio.Task(steps, loop=loop, **options)

    def _come(self, _: object = None) -> None:
        self.has_come = self._act() is not False


def begin(coroutine: Made) -> "asyncio.Future[Any]":
    """Run a coroutine up to its first suspension at once, and the rest in a task."""
    try:
        first = coroutine.send(None)
    except StopIteration:
        return asyncio.ensure_future(asyncio.sleep(0))
    return asyncio.ensure_future(_Begun(coroutine, first))


class _Steps(Coroutine[Any, Any, Any]):
    """Passes everything between a coroutine and its task, and reports each suspension."""

    def __init__(
        self, inner: Made, suspended: "Callable[[asyncio.Future[Any] | None], None]"
    ) -> None:
        self._inner = inner
        self._suspended = suspended

    def send(self, value: Any) -> Any:
        future = self._inner.send(value)
        self._suspended(future)
        return future

    def throw(self, *error: Any) -> Any:
        future = self._inner.throw(*error)
        self._suspended(future)
        return future

    def close(self) -> None:  # pragma: no cover -- tasks throw
        self._inner.close()

    def __await__(self) -> Generator[Any, None, Any]:  # pragma: no cover -- tasks send
        return self._inner.__await__()


class _Begun(_Steps):
    """What is left of a coroutine after its first suspension."""

    def __init__(self, inner: Made, first: Any) -> None:
        super().__init__(inner, lambda _: None)
        self._first = [first]

    def send(self, value: Any) -> Any:
        return self._first.pop() if self._first else super().send(value)


async def _everywhere(
    run: Callable[[Moment], Awaitable[None]], check: Check | None, patience: float
) -> int:
    """Run with each moment in turn, until it does not come any more."""
    came = 0
    gc.collect()
    gc.freeze()  # so that each search for garbage is a short one
    for late in (False, True):
        moment = Moment(0, late=late)
        while await _once(run, check, moment, patience):
            came += 1
            moment = Moment(moment.number + 1, late=late)
    return came


async def _once(
    run: Callable[[Moment], Awaitable[None]],
    check: Check | None,
    moment: Moment,
    patience: float,
) -> bool:
    loop = asyncio.get_running_loop()
    before = _Left()
    trouble: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: trouble.append(context))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            await run(moment)
            await asyncio.sleep(patience)
            await _settle(before, str(moment))
        finally:
            loop.set_exception_handler(None)
    found = [str(each.message) for each in warned] + [str(each) for each in trouble]
    assert found == [], f"{moment}: {found}"
    if check is not None:
        await check()
    return moment.has_come


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
