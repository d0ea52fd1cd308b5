"""The same on uvloop; in real time, so only what takes no time is done here."""

import asyncio
import sys

import pytest

from mjtask_async import ClosedError, MJSession, OutageError, TaskWatcher, UpdateKind, WatchLimits
from mjtask_async.simulator import Fault, Simulator

from .support_watch import LIST, frozen, ids_of, life

if sys.platform == "win32":  # pragma: no cover
    pytest.skip("uvloop is not for Windows", allow_module_level=True)
else:
    import uvloop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


async def test_watching_works_on_uvloop() -> None:
    assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
    async with (
        Simulator(speed=50.0) as sim,
        MJSession(sim.base_url, sim.api_key) as session,
        TaskWatcher(session, interval=0.05) as watcher,
    ):
        submission = await session.imagine("a cat")
        updates = [update async for update in watcher.watch(submission)]

        assert updates[-1].kind is UpdateKind.SUCCEEDED
        assert updates[0].source == "submit"


async def test_a_culprit_an_outage_and_a_close_are_the_same_on_uvloop() -> None:
    async with (
        Simulator(profile="novicezk", speed=50.0) as sim,
        MJSession(sim.base_url, sim.api_key, auth="secret") as session,
        TaskWatcher(session, interval=0.02) as watcher,
    ):
        ids = ids_of(8)
        for task_id in ids[:7]:
            sim.plant(task_id, life(20))
        sim.plant(ids[7], frozen())
        sim.poison(LIST, ids[3], Fault.answer(400))
        final = await watcher.wait_all(ids[:7])
        sim.script("*", Fault.close_before_reading(), seconds=20)
        with pytest.raises(OutageError):
            await watcher.wait(ids[7], limits=WatchLimits(outage=0.2))
        stream = watcher.watch(ids[7])
        await watcher.aclose()
        with pytest.raises(ClosedError):
            await anext(stream)

        assert {update.kind for update in final.values()} == {UpdateKind.SUCCEEDED}


async def test_a_reset_is_survived_on_uvloop() -> None:
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth="secret") as session,
    ):
        sim.plant("1", life(0))
        sim.script("*", Fault.accept_and_close(resets=True))

        assert (await session.fetch("1")).status == "SUCCESS"
