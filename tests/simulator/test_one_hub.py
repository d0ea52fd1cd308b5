# ruff: noqa: RUF001 -- the servers' own words
"""What sets one-hub apart (contract columns H)."""

import asyncio
import json

import pytest

from mjtask_async.simulator import Fault, Step

from .conftest import calling, finished, words

A, A2, H = "new-api-2025", "new-api", "one-hub"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"mj-api-secret": "sk-test"}, 400),
        ({"mj-api-secret": "Bearer test"}, 400),
        ({"mj-api-secret": "test", "Authorization": "Bearer wrong"}, 400),
        ({"Authorization": "Bearer sk-test"}, 401),
        ({"mj-api-secret": "bearer test"}, 401),
        ({"mj-api-secret": "test#1"}, 403),
    ],
)
async def test_one_hub_knows_the_secret_only(headers: dict[str, str], status: int) -> None:
    """Contract 1.1, H."""
    async with calling(profile=H, api_key="sk-test") as caller:
        reply = await caller.raw("GET", "/mj/task/1/fetch", headers)
        assert reply.status == status
        assert (b"one_hub_error" in reply.body) is (status != 400)


async def test_one_hub_wants_a_speed_before_mj() -> None:
    """Contract 1.2, H: before the key is looked at; image takes any segment."""
    async with calling(profile=H) as caller:
        reply = await caller.raw("GET", "/fast/mj/task/1/fetch", {})
        assert (reply.status, words(reply)) == (400, "无效的加速模式")
        assert json.loads(reply.body)["type"] == "one_hub_error"
        assert words(await caller.get("/mj-relax/mj/task/1/fetch")) == "task_no_found "
        assert words(await caller.get("//mj/task/1/fetch")) == "task_no_found "
        assert (await caller.raw("GET", "/any/mj/image/1", {})).status == 400
        assert (await caller.raw("GET", "/a/b/mj/task/1/fetch", {})).body.startswith(b"<!doctype")


async def test_the_parents_mode_wins_over_the_prefix_on_one_hub() -> None:
    """Contract 1.2, H."""
    async with calling(profile=H) as caller:
        reply = await caller.post("/mj-relax/mj/submit/imagine", '{"prompt":"a --fastcat"}')
        grid = await caller.wait(json.loads(reply.body)["result"])
        form = {"taskId": grid["id"], "customId": grid["buttons"][0]["customId"]}
        reply = await caller.post("/mj-turbo/mj/submit/action", json.dumps(form))
        engine = caller.sim._desk.engine
        jobs = [engine.job(json.loads(reply.body)["result"]), engine.job(grid["id"])]
        assert [job and job.first["mode"] for job in jobs] == ["RELAX", "RELAX"]
        other = engine.job((await caller.order("submit/imagine", prompt="x"))["result"])
        assert other
        assert other.first["mode"] == "FAST"
        assert (grid["prompt"], grid["promptEn"]) == ("a --fastcat", "a cat")  # contract Q23


async def test_one_hub_asks_again_in_relax_mode() -> None:
    """Contract Q24: silently, after code 3 in fast mode; not from another mode."""
    no_account = '{"code":3,"description":"x","result":null,"properties":{}}'
    async with calling(profile=H) as caller:
        caller.sim.script("submit/imagine", Fault.upstream_says(200, no_account), times=2)
        answer = await caller.order("submit/imagine", prompt="x")
        job = caller.sim._desk.engine.job(answer["result"])
        assert job
        assert job.first["mode"] == "RELAX"
        reply = await caller.post("/mj-turbo/mj/submit/imagine", '{"prompt":"x"}')
        assert json.loads(reply.body)["code"] == 3


async def test_one_hub_refreshes_at_once_when_it_is_idle() -> None:
    """Contract 7, H: upstream's NOT_START first, then every 15 s; it falls idle at a tick."""
    async with calling(profile=H) as caller:
        for _ in range(2):
            task_id = json.loads((await caller.imagine()).body)["result"]
            submitted = caller.sim.now()
            assert (await caller.task(task_id))["status"] == "NOT_START"
            await caller.wait(task_id)
            times = [change.at - submitted for change in caller.sim.changes(task_id)]
            assert times[:3] == [0.0, 0.0, 15.0]
            assert all(time % 15 == 0 for time in times)
            await asyncio.sleep(100)


@pytest.mark.parametrize("order", ["submit/imagine", "insight-face/swap"])
async def test_a_sleeping_one_hub_refreshes_at_once_after_anybodys_submit(order: str) -> None:
    """Contract Q33: awake 14 ms after a submit, and from then on every 15 s."""
    async with calling(profile=H) as caller:
        caller.sim.plant(
            "17", [Step(at=n * 10, status="IN_PROGRESS", progress=f"{n}%") for n in range(9)]
        )
        await caller.fetch("17")
        caller.sim.stop_refreshing(wakes=True)
        await asyncio.sleep(52)
        assert (await caller.task("17"))["progress"] == "0%"
        swap = {"sourceBase64": "aGk=", "targetBase64": "aGk="}
        await caller.order(order, prompt="x", **swap)
        at = caller.sim.now()
        assert (await caller.task("17"))["progress"] == "5%"
        await asyncio.sleep(16)
        assert [change.at - at for change in caller.sim.changes("17")[-2:]] == [0.0, 15.0]


async def test_a_refused_submit_and_a_seed_wake_no_one_hub() -> None:
    """Contract Q33: nothing was stored."""
    async with calling(profile=H) as caller:
        await finished(caller)
        later = Step(at=10, status="IN_PROGRESS", progress="9%")
        caller.sim.plant("18", [Step(at=0, status="IN_PROGRESS", progress="7%"), later])
        caller.sim.stop_refreshing(wakes=True)
        caller.sim.script("submit/imagine", Fault.upstream_says(500, "no"))
        await caller.imagine()
        await caller.get("/mj/task/17/image-seed")
        await asyncio.sleep(60)
        assert (await caller.task("18"))["progress"] == "7%"


async def test_a_sleeping_new_api_keeps_its_grid() -> None:
    """Contract 7: only one-hub refreshes at once."""
    async with calling(profile=A) as caller:
        caller.sim.plant("17", [Step(at=0, status="IN_PROGRESS", progress="7%")])
        caller.sim.stop_refreshing(wakes=True)
        await asyncio.sleep(40)
        await caller.imagine()
        await asyncio.sleep(15)
        [_, change] = caller.sim.changes("17")
        assert 40 < change.at < 55


async def test_one_hub_passes_links_through() -> None:
    """Contract 3.1 and Q14."""
    async with calling(profile=H) as caller:
        link = (await caller.grid())["imageUrl"]
        assert "/attachments/" in link
        assert "?ex=" in link


@pytest.mark.parametrize(("limit", "burst", "pause"), [(600, 100, 0.1), (119, 10, 1.0)])
async def test_one_hub_limits_each_user_by_a_bucket(limit: int, burst: int, pause: float) -> None:
    """Contract 4.1, E9: 600 is 100 at once, then 10 a second."""
    async with calling(profile=H, rate_limit=limit) as caller:
        statuses = [(await caller.fetch("1")).status for _ in range(burst + 1)]
        assert statuses == [400] * burst + [429]
        reply = await caller.find("1")
        assert words(reply).startswith("您的速率达到上限，请稍后再试。")
        assert "Retry-After" not in reply.headers
        await asyncio.sleep(pause)
        assert (await caller.fetch("1")).status == 400
        assert (await caller.get("/mj/image/1")).status == 400


async def test_a_small_limit_is_a_window_of_a_minute() -> None:
    """Contract 4.1, E9: from the first request."""
    async with calling(profile=H, rate_limit=2) as caller:
        assert [(await caller.fetch("1")).status for _ in range(3)] == [400, 400, 429]
        await asyncio.sleep(59)
        assert (await caller.fetch("1")).status == 429
        await asyncio.sleep(1)
        assert (await caller.fetch("1")).status == 400
