# ruff: noqa: RUF001 -- the server's own words
"""trueai-org's tasks, and what it makes of orders (contract columns T)."""

import asyncio
import json
from typing import Any

import pytest

from mjtask_async.simulator import Step

from .conftest import JSON, Caller, calling

PIXEL = "data:image/png;base64,iVBORw0KGgo="
UNKNOWN = "关联任务不存在或已失效"


def trueai(**arguments: Any) -> Any:
    return calling(profile="trueai", api_key="sk-test", **arguments)


async def upscaled(caller: Caller) -> dict[str, Any]:
    return await caller.wait((await caller.press(await caller.grid(), "U1"))["result"])


async def described(caller: Caller) -> dict[str, Any]:
    return await caller.made("submit/describe", base64=PIXEL, state="s")


# -- tasks ----------------------------------------------------------------------------------


async def test_a_task_has_the_keys_of_the_servers_class() -> None:
    """Contract 3.6: some eighty keys, what follows from others included."""
    async with trueai() as caller:
        task = await caller.grid()
        assert len(task) >= 75
        assert list(task)[:4] == ["id", "parentId", "action", "botType"]
        assert (task["isCompleted"], task["isDiscord"]) == (True, True)
        assert task["useTime"].endswith(" s")
        assert task["displays"]["submitTime"] == "2023-11-15 06:13:20"
        assert (task["state"], task["failReason"], task["seed"]) == ("", "", None)
        fresh = await caller.task((await caller.order("submit/imagine", prompt="x"))["result"])
        assert (fresh["useTime"], fresh["displays"]["startTime"]) == ("-", "")


async def test_a_cancelled_task_is_a_failure() -> None:
    """Contract 2.4: 200 without a body, for unknown and finished tasks, too."""
    async with trueai() as caller:
        task_id = (await caller.order("submit/imagine", prompt="x"))["result"]
        caller.sim.plant("17", [Step(at=0, status="SUCCESS")])
        for name in (task_id, "17", "nope"):
            reply = await caller.post(f"/mj/task/{name}/cancel", b"", {})
            assert (reply.status, reply.body) == (200, b"")
        await asyncio.sleep(300)
        task = await caller.task(task_id)
        assert (task["status"], task["failReason"], task["progress"]) == ("FAILURE", "取消任务", "")
        assert (await caller.task("17"))["status"] == "SUCCESS"


async def test_only_administrators_cancel() -> None:
    """Contract 2.4."""
    async with trueai(admin=False) as caller:
        reply = await caller.post("/mj/task/17/cancel", b"", {})
        assert (reply.status, reply.body.decode()) == (400, "演示模式，禁止操作")


@pytest.mark.parametrize(
    ("delay", "code", "took"), [(0.0, 1, 0.0), (20.0, 1, 20.0), (float("inf"), 3, 60.0)]
)
async def test_a_seed_comes_at_once_late_or_never(delay: float, code: int, took: float) -> None:
    """Contract 2.4 and Q26: a string; at most 60 s."""
    async with trueai(seed_delay=delay) as caller:
        caller.sim.plant("17", [Step(at=0, status="SUCCESS")])
        reply = await caller.get("/mj/task/17/image-seed")
        answer = json.loads(reply.body)
        assert (reply.status, answer["code"], caller.sim.now()) == (200, code, took)
        seed = (await caller.task("17"))["seed"]
        assert seed == answer["result"]
        assert seed is None or seed.isdecimal()
        await caller.get("/mj/task/17/image-seed")
        assert caller.sim.now() == (took if seed else 2 * took)


async def test_a_seed_needs_a_finished_task() -> None:
    """Contract 2.4: 404 code 3, 400 code 4."""
    async with trueai() as caller:
        caller.sim.plant("17", [Step(at=0, status="IN_PROGRESS", progress="1%")])
        replies = [await caller.get(f"/mj/task/{name}/image-seed") for name in ("nope", "17")]
        said = [(reply.status, json.loads(reply.body)["code"]) for reply in replies]
        assert said == [(404, 3), (400, 4)]


# -- orders ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "order", "words"),
    [
        ("imagine", {"prompt": " "}, "提示词不能为空"),
        ("imagine", {"prompt": "x", "base64Array": ["!"]}, "base64格式错误"),
        ("imagine", {"prompt": "x", "notifyHook": "h" * 2001}, "notifyHook 长度不能超过 2000"),
        ("blend", {"base64Array": [PIXEL]}, "base64List参数错误"),
        ("blend", {"base64Array": [PIXEL] * 6}, "base64List参数错误"),
        ("blend", {"base64Array": [PIXEL, "!"]}, "base64格式错误"),
        ("describe", {}, "base64 或 link 参数错误"),
        ("describe", {"base64": "!"}, "base64格式错误"),
        ("edits", {"image": PIXEL}, "提示词不能为空"),
        ("edits", {"prompt": "x", "image": "!"}, "image 参数错误"),
        ("video", {}, "提示词不能为空"),
        ("video", {"prompt": "x", "motion": "mid"}, "motion 参数错误"),
        ("video", {"prompt": "x", "batchSize": 3}, "batchSize 参数错误"),
        ("upload-discord-images", {"base64Array": []}, "base64 参数错误"),
        ("action", {"taskId": "1"}, "参数错误"),
        ("modal", {}, "参数错误"),
    ],
)
async def test_orders_are_checked(endpoint: str, order: dict[str, Any], words: str) -> None:
    """Contract 1.5, T: code 4 with status 200."""
    async with trueai() as caller:
        answer = await caller.order(f"submit/{endpoint}", **order)
        assert (answer["code"], answer["description"]) == (4, words)
        assert not caller.sim.accepted


async def test_a_limit_leaks_as_a_result_from_all_but_imagine() -> None:
    """Contract 4.2: only imagine converts it to code 4."""
    async with trueai() as caller:
        answer = await caller.order("submit/shorten", prompt="x", state="s" * 256)
        assert (answer["success"], answer["code"]) == (False, -1)


async def test_a_swap_needs_two_faces() -> None:
    """Contract 1.5: each as base64 or URL."""
    async with trueai() as caller:
        answer = await caller.order("insight-face/swap", sourceBase64=PIXEL)
        assert (answer["code"], answer["description"]) == (4, "target 参数错误")
        task = await caller.made("insight-face/swap", sourceBase64=PIXEL, targetUrl="http://x/y")
        assert (task["action"], task["botType"]) == ("SWAP_FACE", "INSIGHT_FACE")
        seen = {change.progress for change in caller.sim.changes(task["id"])}
        assert seen == {None, "0%", "100%"}


async def test_an_upload_answers_with_links() -> None:
    """Contract 2.3 and Q2: result is an array."""
    async with trueai() as caller:
        answer = await caller.order("submit/upload-discord-images", base64Array=[PIXEL, PIXEL])
        assert len(answer["result"]) == 2
        picture = await caller.raw("GET", answer["result"][0], {})
        assert picture.body.startswith(b"\x89PNG")


async def test_a_describe_has_its_lines_in_the_english_prompt() -> None:
    """Contract 3.1 and 8: buttons PicReader 1 to 4 and Retry, with a corrupt emoji."""
    async with trueai() as caller:
        task = await described(caller)
        assert (task["prompt"], task["promptEn"][:3]) == (None, "1️⃣")
        assert task["properties"]["finalPrompt"] == task["promptEn"]
        last = task["buttons"].pop()
        assert (last["customId"], last["emoji"]) == ("MJ::Picread::Retry", "\u1f504")
        again = await caller.made("submit/action", taskId=task["id"], customId=last["customId"])
        assert (again["action"], len(again["buttons"])) == ("DESCRIBE", 5)


async def test_a_line_of_a_describe_waits_for_a_modal() -> None:
    """Contract 8: PicReader 1 to 4."""
    async with trueai() as caller:
        task = await described(caller)
        answer = await caller.press(task, "2️⃣")
        assert answer["code"] == 21
        assert answer["properties"]["finalPrompt"].startswith("stormy sea")
        await caller.order("submit/modal", taskId=answer["result"])
        assert (await caller.wait(answer["result"]))["action"] == "IMAGINE"
        form = {"taskId": task["id"], "customId": "MJ::Job::PicReader::5"}
        assert (await caller.order("submit/action", **form))["code"] == 4


@pytest.mark.parametrize(("size", "code"), [(10, 1), (2, 9)])
async def test_all_lines_of_a_describe_are_imagined_at_once(size: int, code: int) -> None:
    """Contract Q2 and Q18: comma-joined ids, states with a number."""
    async with trueai(workers=1, queue_size=size) as caller:
        task = await described(caller)
        form = {"taskId": task["id"], "customId": "MJ::Job::PicReader::all", "state": "mine"}
        answer = await caller.order("submit/action", **form)
        assert answer["code"] == code
        ids = (answer["result"] or "").split(",") if code == 1 else []
        states = [(await caller.task(name))["state"] for name in ids]
        assert states == [f"mine::{n}" for n in range(1, 5) if ids]


async def test_a_shorten_answers_in_the_description() -> None:
    """Contract 3.1; the buttons are shown and refused (contract 8)."""
    async with trueai() as caller:
        task = await caller.made("submit/shorten", prompt="a very long cat")
        assert task["description"].startswith("Shortened prompts")
        assert (task["imageUrl"], len(task["buttons"])) == (None, 5)
        answer = await caller.press(task, "1️⃣")
        assert (answer["code"], answer["description"]) == (4, "未知的 Action 类型")


async def test_a_video_has_links_and_is_upscaled() -> None:
    """Contract 3.1 and 8."""
    async with trueai() as caller:
        task = await caller.made("submit/video", prompt="it moves", image=PIXEL, index=0)
        assert task["videoUrls"][0]["url"] == task["videoUrl"]
        film = await caller.raw("GET", task["videoUrl"], {})
        assert (film.headers["Content-Type"], film.body[4:8]) == ("video/mp4", b"ftyp")
        scaled = await caller.wait((await caller.press(task, "U1"))["result"])
        assert (scaled["action"], len(scaled["videoUrls"])) == ("UPSCALE", 1)
        more = {"prompt": "on", "action": "extend", "taskId": task["id"]}
        assert (await caller.order("submit/video", **more))["code"] == 1
        reply = await caller.post("/mj/submit/video", json.dumps(more | {"taskId": "nope"}), JSON)
        assert (reply.status, json.loads(reply.body)["code"]) == (404, 3)
        grid = await caller.order("submit/imagine", prompt="a cat --video")
        assert (await caller.task(grid["result"]))["action"] == "VIDEO"


@pytest.mark.parametrize("endpoint", ["action", "modal"])
async def test_an_unknown_parent_is_404(endpoint: str) -> None:
    """Contract 2.3, code 3 (b), T."""
    async with trueai() as caller:
        body = '{"taskId":"nope","customId":"MJ::JOB::upsample::1::x"}'
        reply = await caller.post(f"/mj/submit/{endpoint}", body)
        answer = json.loads(reply.body)
        assert (reply.status, answer["code"], answer["description"]) == (404, 3, UNKNOWN)


async def test_a_parent_must_be_a_success() -> None:
    """Contract 8, preconditions."""
    async with trueai() as caller:
        caller.sim.plant("17", [Step(at=9, status="SUCCESS")])
        form = {"taskId": "17", "customId": "MJ::JOB::upsample::1::x"}
        assert (await caller.order("submit/action", **form))["description"] == "关联任务状态错误"
        assert (await caller.order("submit/modal", taskId="17"))["code"] == 4


@pytest.mark.parametrize(
    ("custom_id", "action", "code"),
    [
        ("MJ::JOB::upsample_v7_2x_subtle::1::x::SOLO", "UPSCALE_HD", 1),
        ("MJ::JOB::variation::1::x", "VARIATION", 1),
        ("MJ::JOB::high_variation::1::x::SOLO", "VARIATION", 1),
        ("MJ::JOB::pan_left::1::x::SOLO", "PAN", 1),
        ("MJ::Outpaint::50::1::x::SOLO", "ZOOM", 1),
        ("MJ::CustomZoom::x", "ZOOM", 21),
        ("MJ::Inpaint::1::x::SOLO", "VARIATION", 21),
        ("MJ::JOB::animate_high::1::x::SOLO", "VIDEO", 1),
        ("MJ::JOB::reroll::0::x::SOLO", "IMAGINE", 1),
    ],
)
async def test_a_custom_id_is_dispatched_by_its_beginning(
    custom_id: str, action: str, code: int
) -> None:
    """Contract 8, column T; a rerolled upscale becomes an imagine."""
    async with trueai() as caller:
        parent = await upscaled(caller)
        answer = await caller.order("submit/action", taskId=parent["id"], customId=custom_id)
        task = await caller.task(answer["result"])
        assert (answer["code"], task["action"]) == (code, action)
        assert (task["prompt"] == "") is ("Inpaint" in custom_id)
        assert task["parentId"] == parent["id"]


@pytest.mark.parametrize("custom_id", ["x", "MJ::BOOKMARK::1", "MJ::JOB::video::1::x::manual"])
async def test_an_unknown_custom_id_is_refused(custom_id: str) -> None:
    """Contract 8: code 4."""
    async with trueai() as caller:
        caller.sim.plant("17", [Step(at=0, status="SUCCESS")])
        answer = await caller.order("submit/action", taskId="17", customId=custom_id)
        assert (answer["code"], answer["description"]) == (4, "未知的 Action 类型")


async def test_a_swap_is_not_rerolled() -> None:
    """Contract 8."""
    async with trueai() as caller:
        caller.sim.plant("17", [Step(at=0, status="SUCCESS")], fields={"action": "SWAP_FACE"})
        form = {"taskId": "17", "customId": "MJ::JOB::reroll::0::x::SOLO"}
        assert (await caller.order("submit/action", **form))[
            "description"
        ] == "该任务不支持重新生成"


@pytest.mark.parametrize(
    ("remix", "enabled", "code"), [(False, False, 1), (True, False, 21), (False, True, 21)]
)
async def test_remix_makes_a_variation_wait(*, remix: bool, enabled: bool, code: int) -> None:
    """Contract 8, "if remix": the account has it on, or the request says so."""
    async with trueai(remix=remix) as caller:
        grid = await caller.grid()
        assert (await caller.press(grid, "V1", enableRemix=enabled))["code"] == code
        assert (await caller.press(grid, "U1", enableRemix=enabled))["code"] == 1


async def test_upscales_may_wait_in_a_full_queue() -> None:
    """Contract 7: the upscale queue is unbounded; a modal needs room."""
    async with trueai(workers=1, queue_size=1) as caller:
        task = await upscaled(caller)
        waiting = (await caller.press(task, "Custom Zoom"))["result"]
        grid = await caller.grid()
        await caller.imagine()
        await caller.imagine()
        assert (await caller.order("submit/imagine", prompt="x"))["code"] == 9
        assert (await caller.press(grid, "U2"))["code"] == 22
        assert (await caller.order("submit/modal", taskId=waiting))["code"] == 9


async def test_without_an_account_nothing_waits_for_a_modal_either() -> None:
    """Contract 2.3, code 3 (a)."""
    async with trueai(workers=0) as caller:
        caller.sim.plant("17", [Step(at=0, status="SUCCESS")])
        form = {"taskId": "17", "customId": "MJ::CustomZoom::x"}
        assert (await caller.order("submit/action", **form))["code"] == 3


async def test_an_upscaled_picture_is_a_quarter_of_the_grid() -> None:
    async with trueai() as caller:
        grid = await caller.grid()
        links = [grid["imageUrl"]]
        for label in ("U1", "U2"):
            task = await caller.wait((await caller.press(grid, label))["result"])
            links.append(task["imageUrl"])
        pictures = {(await caller.raw("GET", link, {})).body for link in links}
        assert len(pictures) == 3
