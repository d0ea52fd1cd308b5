"""Whole journeys on every profile that has buttons, and a change on novicezk."""

import asyncio

import pytest

from .conftest import calling

BUTTONED = ("trueai", "new-api", "new-api-2025", "one-hub")
RELAYS = BUTTONED[1:]
ZOOM = {"trueai": "ZOOM", **dict.fromkeys(RELAYS, "CUSTOM_ZOOM")}


@pytest.mark.parametrize("profile", BUTTONED)
async def test_from_a_prompt_to_the_seed_of_a_custom_zoom(profile: str) -> None:
    """Contract 8: imagine, U1, zoom, custom zoom with its modal, seed."""
    async with calling(profile=profile) as caller:
        grid = await caller.grid()
        upscaled = await caller.wait((await caller.press(grid, "U1"))["result"])
        assert (upscaled["action"], upscaled["prompt"]) == ("UPSCALE", "a cat")
        zoomed = await caller.wait((await caller.press(upscaled, "Zoom Out 2x"))["result"])
        assert zoomed["action"] == "ZOOM"
        asked = await caller.press(upscaled, "Custom Zoom", state="z")
        assert (asked["code"], asked["description"]) == (21, "Waiting for window confirm")
        assert asked["properties"] == {"finalPrompt": "a cat", "remix": True}
        waiting = await caller.wait(asked["result"], "MODAL")
        assert (waiting["action"], waiting["state"]) == (ZOOM[profile], "z")
        answer = await caller.order("submit/modal", taskId=waiting["id"], prompt="cat --zoom 1.8")
        assert (answer["code"], answer["result"]) == (1, waiting["id"])
        final = await caller.wait(waiting["id"])
        assert (final["promptEn"], final["progress"]) == ("cat --zoom 1.8", "100%")
        seed = await caller.get(f"/mj/task/{waiting['id']}/image-seed")
        assert seed.status == 200
        picture = await caller.raw("GET", final["imageUrl"], {})
        assert picture.body.startswith(b"\x89PNG")


@pytest.mark.parametrize("profile", RELAYS)
async def test_a_modal_leaves_two_rows_at_a_relay(profile: str) -> None:
    """Contract Q7: fetch returns the older one, which comes to its end a refresh later."""
    async with calling(profile=profile) as caller:
        upscaled = await caller.wait((await caller.press(await caller.grid(), "U1"))["result"])
        task_id = (await caller.press(upscaled, "Vary (Region)"))["result"]
        await caller.wait(task_id, "MODAL")
        await caller.order("submit/modal", taskId=task_id, prompt="a hat", maskBase64="AA==")
        older, newer = await caller.wait_newer(task_id, "SUCCESS")
        assert (older["status"], newer["status"]) == ("MODAL", "SUCCESS")
        assert (older["action"], newer["action"]) == ("INPAINT", "MODAL")
        assert (await caller.task(task_id))["status"] == "MODAL"
        await caller.wait(task_id, "SUCCESS")


async def test_a_task_stays_modal_until_a_worker_starts_it() -> None:
    """Contract 3.3 and 9."""
    async with calling(profile="trueai", workers=1) as caller:
        upscaled = await caller.wait((await caller.press(await caller.grid(), "U1"))["result"])
        task_id = (await caller.press(upscaled, "Custom Zoom"))["result"]
        await caller.order("submit/imagine", prompt="before it")
        assert (await caller.order("submit/modal", taskId=task_id))["code"] == 1
        again = await caller.order("submit/modal", taskId=task_id)
        assert (again["code"], again["description"]) == (4, "关联任务状态错误")
        await asyncio.sleep(10)
        assert (await caller.task(task_id))["status"] == "MODAL"
        assert (await caller.wait(task_id))["prompt"] == "a cat"


async def test_novicezk_goes_from_a_prompt_to_an_upscaled_picture() -> None:
    """Contract 1.3: it has submit/change in place of buttons."""
    async with calling(profile="novicezk") as caller:
        grid = await caller.grid()
        body = {"taskId": grid["id"], "action": "UPSCALE", "index": 2}
        upscaled = await caller.made("submit/change", **body)
        assert (upscaled["action"], upscaled["description"]) == ("UPSCALE", f"/up {grid['id']} U2")
        again = await caller.order("submit/change", **{**body, "taskId": upscaled["id"]})
        assert (again["code"], again["description"]) == (4, "关联任务不允许执行变化")
        picture = await caller.raw("GET", upscaled["imageUrl"], {})
        assert picture.body.startswith(b"\x89PNG")
