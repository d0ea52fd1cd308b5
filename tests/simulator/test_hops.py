"""Relays behind relays (contract Q27)."""

import json

import pytest

from mjtask_async.simulator import Fault, Step

from .conftest import calling, finished, press

RELAYS = ("new-api", "new-api-2025", "one-hub")


@pytest.mark.parametrize("profile", RELAYS)
async def test_each_hop_adds_its_own_wait(profile: str) -> None:
    """Up to 15 s (30 s on A2) a hop; each has its own phase."""
    async with calling(profile=profile, hops=3) as caller:
        task_id = (await caller.order("submit/imagine", prompt="a cat"))["result"]
        task = await caller.wait(task_id)
        inner, middle, outer = caller.sim._desk.relays
        now = caller.sim.now()
        ends = [relay.changes(task_id, now)[-1].at for relay in (inner, middle, outer)]
        assert ends == sorted(ends)
        assert (task["status"], len(task["buttons"])) == ("SUCCESS", 9)
        picture = await caller.raw("GET", task["imageUrl"], {})
        assert picture.body.startswith(b"\x89PNG")


async def test_the_picture_leads_to_the_outer_relay() -> None:
    async with calling(hops=2) as caller:
        await finished(caller)
        link = (await caller.task("17"))["imageUrl"]
        assert link == f"{caller.sim.base_url}/mj/image/17"


async def test_a_picture_that_the_inner_relay_lost_is_gone() -> None:
    """Contract 2.4, image/{id}: upstream's status."""
    async with calling(hops=2) as caller:
        await finished(caller)
        caller.sim._desk.relays[0].forget("17", caller.sim.now(), row=True)
        assert (await caller.get("/mj/image/17")).status == 404


async def test_what_an_inner_relay_refuses_comes_through() -> None:
    """Contract 4.1, E4: the inner relay's row may still be unfinished or lost."""
    async with calling(hops=2) as caller:
        await finished(caller)
        caller.sim._desk.relays[0].forget("17", caller.sim.now(), row=True)
        reply = await press(caller, "MJ::JOB::upsample::1::x")
        assert (reply.status, reply.headers["Content-Type"]) == (400, "text/plain; charset=utf-8")
        assert json.loads(reply.body)["description"] == "task_not_found "


async def test_a_scripted_upstream_is_that_of_the_outer_relay() -> None:
    async with calling(hops=2) as caller:
        caller.sim.script("submit/imagine", Fault.upstream_says(502, "<html>"))
        assert (await caller.imagine()).status == 400
        caller.sim.plant("18", [Step(at=0)])
        caller.sim.forget("18", row=True)
        assert (await caller.fetch("18")).status == 400
