import asyncio
import socket
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mjtask_async import MJSession, TaskWatcher

from .support_cancel import Moment, begin, cancel_everywhere, close_everywhere


async def test_each_suspension_is_cancelled_twice() -> None:
    reached: list[str] = []

    async def three() -> None:
        for step in "abc":
            reached.append(step)
            await asyncio.sleep(1)
        reached.append("end")

    assert await cancel_everywhere(three) == 6
    assert "".join(reached) == "aababcabcend" * 2


async def test_a_late_cancellation_takes_the_place_of_a_result() -> None:
    got: list[int] = []

    async def one() -> None:
        got.append(await asyncio.sleep(1, result=1))

    assert await cancel_everywhere(one) == 2
    assert got == [1, 1]  # only the two runs that nothing cancelled


async def test_check_runs_after_each_run() -> None:
    checks: list[int] = []

    async def check() -> None:
        checks.append(1)

    assert await cancel_everywhere(lambda: asyncio.sleep(1), check) == 2
    assert len(checks) == 4


async def test_what_goes_wrong_without_cancellation_is_raised() -> None:
    async def broken() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await cancel_everywhere(broken)


async def _leaves_a_task(kept: list[Any]) -> None:
    kept.append(asyncio.create_task(asyncio.sleep(100)))
    await asyncio.sleep(1)


async def _leaves_a_socket(kept: list[Any]) -> None:
    kept.append(socket.socket())
    await asyncio.sleep(1)


async def _swallows(_: list[Any]) -> None:
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        return


async def _hangs(kept: list[Any]) -> None:
    kept.append(asyncio.current_task())
    try:
        await asyncio.sleep(1)
    finally:
        await asyncio.Event().wait()


async def _warns(_: list[Any]) -> None:
    try:
        await asyncio.sleep(1)
    finally:
        warnings.warn("unclosed", ResourceWarning, stacklevel=1)


async def _tells_the_loop(_: list[Any]) -> None:
    try:
        await asyncio.sleep(1)
    finally:
        asyncio.get_running_loop().call_exception_handler({"message": "never retrieved"})


@pytest.mark.parametrize(
    ("leaky", "words"),
    [
        (_leaves_a_task, "suspension 0: left behind .*sleep"),
        (_leaves_a_socket, "suspension 0: left behind .* 1 sockets"),
        (_swallows, "suspension 0: no CancelledError"),
        (_hangs, "suspension 0: it hangs"),
        (_warns, "suspension 0"),
        (_tells_the_loop, "suspension 0"),
    ],
)
async def test_what_is_left_behind_is_found(
    leaky: Callable[[list[Any]], Coroutine[Any, Any, None]], words: str
) -> None:
    kept: list[Any] = []
    with pytest.raises(AssertionError, match=words):
        await cancel_everywhere(lambda: leaky(kept))
    for each in kept:
        each.cancel() if isinstance(each, asyncio.Task) else each.close()
    await asyncio.sleep(0)


async def test_something_is_done_at_each_suspension_of_the_packages_own_tasks() -> None:
    times: list[float] = []

    async def run(moment: Moment) -> None:
        moment.then(lambda: times.append(asyncio.get_running_loop().time()))
        other = asyncio.create_task(asyncio.sleep(7))  # is none of ours
        async with MJSession("http://127.0.0.1:1") as session, TaskWatcher(session) as watcher:
            stream = watcher.watch("1")
            await asyncio.sleep(1)
            await stream.aclose()
        await other

    assert await close_everywhere(run) == len(times) > 1


async def test_what_goes_wrong_while_something_is_closed_is_raised() -> None:
    async def run(_: Moment) -> None:
        raise LookupError

    with pytest.raises(AssertionError, match="suspension 0: LookupError"):
        await close_everywhere(run)


async def test_what_is_begun_runs_at_once_and_its_rest_later() -> None:
    steps: list[str] = []

    async def work(*waits: float) -> None:
        steps.append("begun")
        for seconds in waits:
            await asyncio.sleep(seconds)
            steps.append("later")

    at_once, later = begin(work()), begin(work(1, 1))
    assert steps == ["begun", "begun"]
    await asyncio.gather(at_once, later)

    assert steps == ["begun", "begun", "later", "later"]
