"""novicezk's orders (contract 1.4, 1.5, 2.3 and 4.3, columns N)."""

import json
from typing import Any

import pytest

from mjtask_async.simulator import Step

from .conftest import Caller, calling

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def novicezk(**arguments: Any) -> Any:
    return calling(profile="novicezk", **arguments)


@pytest.mark.parametrize(
    ("endpoint", "order", "words"),
    [
        ("blend", {"base64Array": [PIXEL]}, "base64List参数错误"),
        ("describe", {"base64": " "}, "base64不能为空"),
        ("describe", {"base64": "iVBORw0KGgo="}, "base64格式错误"),
        ("change", {"action": "UPSCALE", "index": 1}, "taskId不能为空"),
        ("change", {"taskId": "17", "action": "BLEND"}, "action参数错误"),
        ("simple-change", {"content": "17  U1"}, "content参数错误"),
    ],
)
async def test_orders_are_checked(endpoint: str, order: dict[str, Any], words: str) -> None:
    """Contract 1.5: code 4 with status 200."""
    async with novicezk() as caller:
        answer = await caller.order(f"submit/{endpoint}", **order)
        assert (answer["code"], answer["description"]) == (4, words)


async def test_a_blend_says_of_how_many() -> None:
    async with novicezk() as caller:
        order = {"base64Array": [PIXEL, PIXEL], "dimensions": "LANDSCAPE"}
        task = await caller.made("submit/blend", **order)
        assert (task["action"], task["prompt"]) == ("BLEND", None)
        assert task["description"] == f"/blend {task['id']} 2"


async def test_a_describe_writes_over_the_prompt() -> None:
    """Contract 3.1."""
    async with novicezk() as caller:
        task = await caller.made("submit/describe", base64=PIXEL)
        assert task["prompt"] == task["promptEn"] == task["properties"]["finalPrompt"]
        assert task["prompt"].count("\n\n") == 3
        picture = await caller.raw("GET", task["imageUrl"], {})
        assert picture.body.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("content", "action", "words"),
    [("U12", "UPSCALE", "U1"), ("v3", "VARIATION", "V3"), ("r", "REROLL", "R")],
)
async def test_a_simple_change_is_read_in_either_case(
    content: str, action: str, words: str
) -> None:
    """Contract 1.5: U12 counts as U1."""
    async with novicezk() as caller:
        caller.sim.plant("17", [Step(at=0, status="SUCCESS")])
        answer = await caller.order("submit/simple-change", content=f"17 {content}")
        task = await caller.task(answer["result"])
        assert (task["action"], task["description"]) == (action, f"/up 17 {words}")


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("action", 1, 200),
        ("action", "upscale", 400),
        ("action", 9, 400),
        ("index", "2", 200),
        ("index", 1.7, 200),
        ("index", True, 400),
        ("index", [], 400),
        ("index", "x", 400),
        ("dimensions", "WIDE", 400),
        ("action", None, 500),
        ("index", None, 500),
        ("base64Array", [None], 500),
    ],
)
async def test_fields_are_read_as_jackson_reads_them(field: str, value: Any, status: int) -> None:
    """Contract 1.4 and 4.3: enum ordinals, numbers as texts; 500 for the caller's mistakes."""
    async with novicezk() as caller:
        caller.sim.plant("17", [Step(at=0, status="SUCCESS")])
        body = {"taskId": "17", "action": "UPSCALE", "index": 1, field: value}
        reply = await caller.post("/mj/submit/change", json.dumps(body))
        assert reply.status == status
        assert len(caller.sim.accepted) == (status == 200)


async def test_a_number_without_end_is_none() -> None:
    async with novicezk() as caller:
        reply = await caller.post("/mj/submit/change", '{"taskId":"17","index":1e999}')
        assert reply.status == 400


async def test_a_changed_task_names_its_parent() -> None:
    """Contract 3.5: referencedMessageId."""
    async with novicezk() as caller:
        grid = await caller.grid()
        body = {"taskId": grid["id"], "action": "VARIATION", "index": 9}
        task = await caller.task((await caller.order("submit/change", **body))["result"])
        said = task["properties"]
        assert said["referencedMessageId"] == grid["properties"]["messageId"]
        assert task["description"] == f"/up {grid['id']} V9"


async def listed(caller: Caller, what: str) -> list[str]:
    return [task["id"] for task in json.loads((await caller.get(f"/mj/task/{what}")).body)]


async def test_all_tasks_are_listed_and_those_under_way_are_queued() -> None:
    """Contract 1.3: list, newest first; queue."""
    async with novicezk() as caller:
        caller.sim.plant("17", [Step(at=0, status="SUCCESS")])
        caller.sim.plant("18", [Step(at=9, status="SUCCESS")])
        caller.sim.plant("19", [Step(at=9, status="SUCCESS")])
        assert await listed(caller, "list") == ["19", "18", "17"]
        assert await listed(caller, "queue") == ["18", "19"]
