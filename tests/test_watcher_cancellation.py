"""Cancelled anywhere, watching leaves nothing behind (rules 13, 20, 21)."""

import asyncio

import pytest

from mjtask_async import MJSession, RateLimit, Task, TaskWatcher
from mjtask_async.simulator import Simulator

from .support_cancel import cancel_everywhere
from .support_watch import frozen, ids_of, life


async def test_the_whole_way_from_submit_to_success_can_be_cancelled_at_every_await() -> None:
    async with Simulator(profile="novicezk", queue_size=10_000, workers=1_000) as sim:

        async def run() -> None:
            async with (
                MJSession(sim.base_url, sim.api_key, auth="secret") as session,
                TaskWatcher(session, interval=20) as watcher,
            ):
                submission = await session.imagine("a cat")
                async with watcher.watch(submission) as stream:
                    await anext(stream)
                    await stream.next_batch()
                await watcher.wait(submission)

        assert await cancel_everywhere(run) > 12


@pytest.mark.parametrize("way", ["wait", "wait_all", "watch", "break"])
async def test_each_way_to_watch_can_be_cancelled_at_every_await(way: str) -> None:
    async with Simulator(profile="novicezk") as sim:
        done, slow = ids_of(2)
        sim.plant(done, life(0.5))
        sim.plant(slow, frozen())

        async def use(watcher: TaskWatcher[Task]) -> None:
            if way == "wait":
                await watcher.wait(done)
            elif way == "wait_all":
                await watcher.wait_all([done, slow], timeout=7)
            else:
                async for update in watcher.watch(done, slow, timeout=7):
                    if way == "break" and update.is_final:
                        break

        async def run() -> None:
            async with (
                MJSession(sim.base_url, sim.api_key, auth="secret") as session,
                TaskWatcher(session) as watcher,
            ):
                await use(watcher)

        assert await cancel_everywhere(run) >= 4


async def test_closing_with_requests_under_way_can_be_cancelled_at_every_await() -> None:
    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()

    async def run() -> None:
        async with MJSession(f"http://{host}:{port}") as session:
            watcher = TaskWatcher(session, batch_size=2)
            stream = watcher.watch(*ids_of(3))
            try:
                await asyncio.sleep(0.1)
                assert watcher.statistics().polls == 2
            finally:
                await watcher.aclose()
                await stream.aclose()

    assert await cancel_everywhere(run) > 2
    server.close()
    await server.wait_closed()


async def test_a_consumer_that_is_cancelled_disturbs_nobody_else() -> None:
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth="secret") as session,
        TaskWatcher(session) as watcher,
    ):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(40))
        staying = asyncio.create_task(watcher.wait(task_id))
        for _ in range(20):
            leaving = asyncio.create_task(watcher.wait(task_id))
            await asyncio.sleep(1.3)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            assert leaving.cancelled()

        assert (await staying).status == "SUCCESS"


@pytest.mark.parametrize("patience", [0.0, 15.0])
async def test_waiting_for_the_budget_can_be_cancelled_at_every_await(patience: float) -> None:
    async with Simulator(profile="novicezk", queue_size=10_000, workers=1_000) as sim:
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(0.5))

        async def run() -> None:
            async with (
                MJSession(
                    sim.base_url, sim.api_key, auth="secret", rate=RateLimit(1, 5)
                ) as session,
                TaskWatcher(session, interval=1 + patience) as watcher,
            ):
                await session.imagine("a cat")
                await watcher.wait(task_id)

        assert await cancel_everywhere(run) > 6
