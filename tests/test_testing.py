import asyncio
import contextlib
import selectors
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest
from aiohttp import ClientSession, web
from blockbuster import BlockingError

import mjtask_async.testing
from mjtask_async.testing import VirtualTimeLoop


async def test_an_hour_takes_no_time() -> None:
    started = time.perf_counter()

    await anyio.sleep(3600)

    assert anyio.current_time() == 3600
    assert time.perf_counter() - started < 5


async def test_timers_run_in_order() -> None:
    order: list[float] = []

    async def sleeper(seconds: float) -> None:
        await anyio.sleep(seconds)
        order.append(anyio.current_time())

    async with anyio.create_task_group() as group:
        for seconds in (30, 10, 20):
            group.start_soon(sleeper, seconds)

    assert order == [10, 20, 30]


async def test_a_timeout_fires_at_its_virtual_moment() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(45):
            await anyio.sleep_forever()

    assert anyio.current_time() == 45


async def test_a_yield_moves_no_clock() -> None:
    for _ in range(10):
        await asyncio.sleep(0)

    assert anyio.current_time() == 0


async def _in_executor() -> None:
    await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.05)


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda: asyncio.to_thread(time.sleep, 0.05), id="asyncio"),
        pytest.param(lambda: anyio.to_thread.run_sync(time.sleep, 0.05), id="anyio"),
        pytest.param(_in_executor, id="executor"),
    ],
)
async def test_time_stands_still_while_a_thread_works(work: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(30):
        await work()

    assert anyio.current_time() == 0
    await anyio.sleep(1)
    assert anyio.current_time() == 1


async def test_a_job_that_raises_counts_no_more() -> None:
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 // 0)

    assert not _running_loop().threads_at_work()


async def test_a_job_that_cannot_start_counts_nothing() -> None:
    loop = _running_loop()
    await loop.shutdown_default_executor()

    with pytest.raises(RuntimeError, match="shutdown"):
        await asyncio.to_thread(time.sleep, 0)

    assert not loop.threads_at_work()


def test_closing_waits_for_a_thread_that_nobody_awaits() -> None:
    ended: list[bool] = []

    def work() -> None:
        time.sleep(0.05)
        ended.append(True)

    async def leave() -> None:
        asyncio.get_running_loop().run_in_executor(None, work)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(leave())

    assert ended == [True]


def test_runs_without_anyio() -> None:
    async def wait() -> float:
        await asyncio.sleep(60)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(wait()) == 60


def test_a_loop_that_does_not_run_has_no_threads_at_work() -> None:
    with contextlib.closing(VirtualTimeLoop()) as loop:
        assert not loop.threads_at_work()


def test_without_timers_the_loop_waits_for_any_thread() -> None:
    async def wait() -> str:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()

        def work() -> None:
            time.sleep(0.02)
            loop.call_soon_threadsafe(answer.set_result, "here")

        thread = threading.Thread(target=work)
        thread.start()
        result = await answer
        thread.join()
        return result

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(wait()) == "here"


async def test_serves_ready_io_before_jumping() -> None:
    async def slow(_request: web.Request) -> web.Response:
        await anyio.sleep(30)
        return web.Response(text="ok")

    started = time.perf_counter()

    async with _serving(slow) as url, ClientSession() as session, session.get(url) as response:
        body = await response.text()

    assert body == "ok"
    assert anyio.current_time() >= 30
    assert time.perf_counter() - started < 5


@contextlib.asynccontextmanager
async def _serving(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()


def _running_loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


async def test_the_suite_fails_what_blocks_the_loop() -> None:
    blocking = compile(
        "import time\ndef call(): time.sleep(0)", mjtask_async.testing.__file__, "exec"
    )
    names: dict[str, Any] = {}
    exec(blocking, names)  # noqa: S102  # as if it stood in the package

    with pytest.raises(BlockingError):
        names["call"]()


async def test_what_a_busy_kernel_delivers_late_comes_before_a_far_jump(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Loopback bytes may need a moment when the machine is busy."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[None] = loop.create_future()
    mine, theirs = socket.socketpair()
    with mine, theirs:
        loop.add_reader(mine, arrived.set_result, None)
        theirs.send(b"x")
        real = selectors.DefaultSelector.select

        def busy(selector: selectors.DefaultSelector, timeout: float | None = None) -> Any:
            return [] if timeout == 0 else real(selector, timeout)

        monkeypatch.setattr(selectors.DefaultSelector, "select", busy)
        async with asyncio.timeout(30):
            await arrived
        loop.remove_reader(mine)

    assert loop.time() == 0
