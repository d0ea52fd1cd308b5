"""Submits that may have been accepted: looked for, waited for, and never paid for twice."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mjtask_async import BulkJob, BulkRun, MJSession, SubmitUncertainError, Task, Timeouts
from mjtask_async._core.replay import Kind, Record
from mjtask_async.journal import Journal
from mjtask_async.simulator import Fault, Simulator, Step

from ..support_bulk import outcomes
from ..support_proxy import Look, proxied

pytestmark = pytest.mark.usefixtures("wall_clock")
PATIENCE = Timeouts(submit=10.0)
FOX = BulkJob("a fox", key="fox")


def plant_an_old_task(sim: Simulator) -> None:
    """Show that the server's list was not emptied lately, so that a miss can be conclusive."""
    long_ago = {"submitTime": round((time.time() - 86_400) * 1000)}
    sim.plant("1500000000000000", [Step(at=0, status="SUCCESS")], fields=long_ago)


def late(*delays: float) -> Look:
    """Hold the first submits up for so long, and let them arrive all the same."""
    left = list(delays)

    async def look(request: web.BaseRequest) -> None:
        if request.path.endswith("submit/imagine") and left:
            await asyncio.sleep(left.pop(0))

    return look


@pytest.mark.parametrize("delay", [5.0, 15.0, 19.0])
async def test_a_submit_that_arrives_late_is_not_sent_again(delay: float) -> None:
    async with (
        Simulator(profile="novicezk") as sim,
        proxied(sim, late(delay)) as url,
        MJSession(url, sim.api_key, auth=sim.auth, timeout=PATIENCE) as session,
    ):
        plant_an_old_task(sim)
        (outcome,) = await outcomes(session, ["a fox"])
        await asyncio.sleep(30)

        assert (outcome.error, len(sim.accepted)) == (None, 1)
        assert outcome.tasks[0].id == sim.accepted[0].id


async def test_a_submit_that_arrived_late_and_unanswered_is_found() -> None:
    async with (
        Simulator(profile="novicezk") as sim,
        proxied(sim, late(5.0)) as url,
        MJSession(url, sim.api_key, auth=sim.auth, timeout=PATIENCE) as session,
    ):
        sim.script("submit/imagine", Fault.accept_and_close())
        (outcome,) = await outcomes(session, ["a fox"])

        assert (outcome.error, len(sim.accepted)) == (None, 1)


async def test_a_submit_that_was_lost_is_sent_again_when_it_can_arrive_no_more() -> None:
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth, timeout=PATIENCE) as session,
    ):
        plant_an_old_task(sim)
        sim.script("submit/imagine", Fault.close_after_reading())
        (outcome,) = await outcomes(session, ["a fox"])

        assert (outcome.error, len(sim.accepted)) == (None, 1)
        submits = [each.started for each in sim.requests if each.endpoint == "submit/imagine"]
    assert submits[1] - submits[0] >= 10


async def test_a_job_whose_submit_is_looked_for_holds_no_other_up() -> None:
    async with (
        Simulator(profile="novicezk", workers=20) as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth, timeout=PATIENCE) as session,
    ):
        sim.script("submit/imagine", Fault.close_after_reading(), times=9)
        await outcomes(session, [f"{number}" for number in range(12)], in_flight=12)

        submits = [each.started for each in sim.requests if each.endpoint == "submit/imagine"]
    assert len(submits) == 12
    assert max(submits) < 5


@pytest.mark.parametrize("profile", ["trueai", "new-api"])
async def test_where_no_list_can_prove_a_miss_it_is_reported(profile: str) -> None:
    async with (
        Simulator(profile=profile) as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth, timeout=PATIENCE) as session,
    ):
        sim.script("submit/imagine", Fault.accept_and_close())
        sim.script("submit/imagine", Fault.close_after_reading())
        found = await outcomes(session, ["a fox", "an owl"], in_flight=1)

    kinds = [type(outcome.error) for outcome in found]
    listed = type(None) if profile == "trueai" else SubmitUncertainError
    assert kinds == [listed, SubmitUncertainError]


async def test_a_killed_run_may_have_tried_again_a_moment_ago(tmp_path: Path) -> None:
    """Its record of the first try is old, but the last try has only just gone out."""
    path, now = tmp_path / "run.db", time.time()
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth, timeout=PATIENCE) as session,
    ):
        plant_an_old_task(sim)
        await asyncio.to_thread(leave, path, session, now - 300)

        async def arrive() -> None:
            await asyncio.sleep(8)
            await session.imagine("a fox", state="known")

        arriving = asyncio.create_task(arrive())
        (outcome,) = await outcomes(session, [FOX], journal=path)
        await arriving

        assert (outcome.error, len(sim.accepted)) == (None, 1)


async def test_the_patience_of_the_run_that_sent_it_counts(tmp_path: Path) -> None:
    """What a session with much patience sent may come long after one with little has begun."""
    path = tmp_path / "run.db"
    async with Simulator(profile="novicezk") as sim, proxied(sim, late(40.0)) as url:
        plant_an_old_task(sim)
        given = (url, sim.api_key, sim.auth)
        async with session_of(*given, 60.0) as session, BulkRun(session, [FOX], journal=path):
            await asyncio.sleep(1)
        async with session_of(*given, 5.0) as session:
            (outcome,) = await outcomes(session, [FOX], journal=path)
        await asyncio.sleep(60)

        assert (outcome.error, len(sim.accepted)) == (None, 1)


def session_of(url: str, key: str, auth: Any, patience: float) -> MJSession[Task]:
    return MJSession(url, key, auth=auth, timeout=Timeouts(submit=patience))


async def test_what_a_killed_run_never_sent_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth, timeout=PATIENCE) as session,
    ):
        plant_an_old_task(sim)
        await asyncio.to_thread(leave, path, session, time.time() - 300)
        (outcome,) = await outcomes(session, [FOX], journal=path)

        assert (outcome.error, len(sim.accepted)) == (None, 1)


def leave(path: Path, session: MJSession[Task], at: float) -> None:
    """Leave a journal behind as a process does that was killed while it sent."""
    kinds: list[tuple[Kind, dict[str, Any]]] = [
        (Kind.INTENT, {"state": "known", "prompt": "a fox"}),
        (Kind.SENDING, {}),
    ]
    with Journal(path, server=str(session._transport.origin)) as journal:
        journal.append([(Record("key:fox", "", kind, at, **more), None) for kind, more in kinds])
