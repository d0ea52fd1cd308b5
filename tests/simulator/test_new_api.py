"""What new-api does besides: links, keys, channels (contract columns A and A2)."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from mjtask_async.simulator import Fault, Simulator, Step

from .conftest import calling, finished, press, words

A, A2, H = "new-api-2025", "new-api", "one-hub"


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({}, "未提供令牌"),
        ({"Authorization": "bearer sk-test"}, "无效的令牌"),
        ({"Authorization": "Bearer  sk-test"}, "无效的令牌"),
        ({"Authorization": "Bearer wrong", "mj-api-secret": "sk-test"}, "无效的令牌"),
        ({"Authorization": "Bearer test"}, "task_no_found "),
        ({"mj-api-secret": "sk-test"}, "task_no_found "),
    ],
)
async def test_the_new_api_of_2025_speaks_chinese(headers: dict[str, str], text: str) -> None:
    """Contract 1.1, column A: case and blanks matter."""
    async with calling(profile=A, api_key="sk-test") as caller:
        reply = await caller.raw("GET", "/mj/task/1/fetch", {**headers, "Accept-Language": "en"})
        assert words(reply).partition(" (")[0] == text
        assert "X-New-Api-Version" not in reply.headers


async def test_the_new_api_of_2025_refreshes_every_15_seconds() -> None:
    """Contract 7, column A; its rows have 18 keys."""
    async with calling(profile=A) as caller:
        caller.sim.plant("17", [Step(at=n, status=f"S{n}") for n in range(200)])
        await asyncio.sleep(200)
        times = [change.at for change in caller.sim.changes("17")][1:]
        assert {round(b - a, 6) for a, b in pairwise(times)} == {15.0}
        assert len(await caller.task("17")) == 18


@pytest.mark.parametrize("profile", [A, A2])
async def test_new_api_may_disable_a_channel_without_an_account(profile: str) -> None:
    """Contract Q25: later 503 for everybody, 400 for what is about an old task."""
    async with calling(profile=profile, auto_ban=True) as caller:
        await finished(caller)
        caller.sim.script("submit/imagine", Fault.upstream_says(200, '{"code":3}'))
        assert json.loads((await caller.imagine()).body)["code"] == 3
        assert (await caller.imagine()).status == 503
        for reply in (
            await press(caller, "MJ::JOB::upsample::1::x"),
            await caller.get("/mj/task/17/image-seed"),
        ):
            assert words(reply) == "该任务所属渠道已被禁用 "
        assert (await caller.fetch("17")).status == 200


async def test_new_api_may_leave_links_alone() -> None:
    """Contract Q14: MjForwardUrlEnabled."""
    async with calling(forward_urls=False) as caller:
        assert "/attachments/" in (await caller.grid())["imageUrl"]


@pytest.mark.parametrize(
    ("link", "error"),
    [
        ("http://127.0.0.1:3901/x.png", "request blocked: port 3901 is not allowed"),
        ("http://127.0.0.1/x.png", "request blocked: private IP address not allowed: 127.0.0.1"),
        ("https://elsewhere/x.png", "http_get_image_failed"),
    ],
)
async def test_new_api_looks_at_a_link_before_it_fetches_it(link: str, error: str) -> None:
    """Contract 2.4: the guard against forged requests."""
    async with calling(guard_images=True) as caller:
        caller.sim.plant("17", [Step(at=0, status="SUCCESS", image_url=link)])
        await caller.wait("17")
        reply = await caller.get("/mj/image/17")
        assert json.loads(reply.body)["error"] == error
        assert reply.status == (500 if "failed" in error else 403)


async def test_21_and_22_become_1_but_for_two_windows() -> None:
    """Contract 2.3: not for Inpaint and CustomZoom."""
    async with calling(remix=True) as caller:
        grid = await caller.grid()
        answer = await caller.press(grid, "V1")
        assert (answer["code"], answer["properties"]["remix"]) == (1, True)
        assert answer["description"] == "Waiting for window confirm"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed_delay": -1}, "seed_delay must be 0 or more"),
        ({"rate_limit": 0}, "rate_limit must"),
        ({"hops": 0}, "hops must"),
    ],
)
def test_switches_have_ranges(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Simulator(**arguments)
