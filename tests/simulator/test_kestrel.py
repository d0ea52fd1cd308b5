"""The door of trueai-org's server (contract columns T)."""

import json
from typing import Any

import pytest

from mjtask_async.simulator import Step

from .conftest import calling

IMAGINE = "/mj/submit/imagine"


def trueai(**arguments: Any) -> Any:
    return calling(profile="trueai", api_key="sk-test", **arguments)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"mj-api-secret": "sk-test"}, 200),
        ({"Authorization": "sk-test"}, 200),
        ({"Authorization": "Bearer sk-test"}, 401),
        ({"Authorization": "Bearer sk-test", "mj-api-secret": "sk-test"}, 401),
        ({"mj-api-secret": "Bearer sk-test"}, 401),
        ({}, 401),
    ],
)
async def test_the_key_is_compared_as_it_is(headers: dict[str, str], status: int) -> None:
    """Contract 1.1, T and Q20: Authorization wins, compared verbatim, Bearer included."""
    async with trueai() as caller:
        reply = await caller.raw("GET", "/mj/task/list", headers)
        assert reply.status == status
        assert (reply.body == b"Authorization header missing.") is (status == 401)


async def test_an_unknown_id_is_204() -> None:
    """Contract 2.1, T."""
    async with trueai() as caller:
        reply = await caller.fetch("nope")
        assert (reply.status, reply.body) == (204, b"")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/mj/task/queue", 404),
        ("POST", "/mj/submit/change", 404),
        ("POST", "/fast/mj/submit/imagine", 404),
        ("GET", "/mj/task//fetch", 404),
        ("GET", "/", 404),
        ("GET", IMAGINE, 405),
        ("GET", "/mj/task/list/", 200),
    ],
)
async def test_routes_are_found_or_not(method: str, path: str, status: int) -> None:
    """Contract 1.2 and 1.3, T."""
    async with trueai() as caller:
        assert (await caller.raw(method, path, caller.key)).status == status


async def test_answers_are_json_with_a_charset_and_ascii_only() -> None:
    """Contract 2.0, T."""
    async with trueai() as caller:
        reply = await caller.imagine()
        assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
        assert reply.body.isascii()
        assert json.loads(reply.body)["description"] == "提交成功"


@pytest.mark.parametrize(
    ("prefix", "mode"),
    [("", None), ("/mj-fast", "FAST"), ("/mj-turbo", "TURBO"), ("/mj-relax", "RELAX")],
)
async def test_a_prefix_sets_the_mode(prefix: str, mode: str | None) -> None:
    """Contract 1.2, T."""
    async with trueai() as caller:
        reply = await caller.post(f"{prefix}/mj/submit/imagine", '{"prompt":"x"}')
        task = await caller.task(json.loads(reply.body)["result"])
        assert (task["mode"], task["requestMode"]) == (mode, mode)


async def test_a_prefix_has_top_priority() -> None:
    """Contract 1.2 and 1.5: accountFilter.modes otherwise."""
    async with trueai() as caller:
        body = '{"prompt":"x","botType":"niji","accountFilter":{"modes":["RELAX"]}}'
        replies = [await caller.post(path + IMAGINE, body) for path in ("", "/mj-turbo")]
        tasks = [await caller.task(json.loads(reply.body)["result"]) for reply in replies]
        assert [task["mode"] for task in tasks] == ["RELAX", "TURBO"]
        assert tasks[0]["botType"] == "NIJI_JOURNEY"


@pytest.mark.parametrize("body", ["{", "[]", '{"prompt":1}', '{"base64Array":[1]}'])
async def test_a_body_that_does_not_bind_is_a_result_with_status_200(body: str) -> None:
    """Contract 1.4 and 4.2: no strings given as numbers."""
    async with trueai() as caller:
        reply = await caller.post(IMAGINE, body)
        answer = json.loads(reply.body)
        assert (reply.status, answer["success"], answer["code"]) == (200, False, -1)
        assert list(answer) == ["success", "code", "message", "timestamp"]
        assert not caller.sim.accepted


@pytest.mark.parametrize(("field", "value"), [("base64Array", "x"), ("dimensions", "WIDE")])
async def test_arrays_and_enums_are_bound_strictly(field: str, value: object) -> None:
    """Contract 1.5: PORTRAIT, SQUARE or LANDSCAPE."""
    async with trueai() as caller:
        assert (await caller.order("submit/blend", **{field: value}))["code"] == -1


async def test_another_content_type_is_415() -> None:
    """Contract 4.2: ProblemDetails."""
    async with trueai() as caller:
        reply = await caller.post(IMAGINE, '{"prompt":"x"}', {"Content-Type": "text/plain"})
        assert reply.status == 415
        assert reply.headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize("endpoint", ["task/list-by-condition", "task/list-by-ids"])
async def test_ids_are_trimmed_and_told_apart(endpoint: str) -> None:
    """Contract 2.2, T: trimmed, blank dropped, distinct."""
    async with trueai() as caller:
        caller.sim.plant("17", [Step(at=0)])
        reply = await caller.post(f"/mj/{endpoint}", '{"ids":[" 17 ","17","",null]}')
        assert [task["id"] for task in json.loads(reply.body)] == ["17"]
        assert caller.sim.requests[-1].ids == ("17",)
        assert (await caller.post(f"/mj/{endpoint}", "{}")).body == b"[]"
        wrong = await caller.post(f"/mj/{endpoint}", '{"ids":[1]}')
        assert json.loads(wrong.body)["success"] is False
        assert caller.sim.requests[-1].ids == ()


async def test_the_newest_hundred_tasks_are_listed() -> None:
    """Contract 1.3."""
    async with trueai() as caller:
        for number in range(101):
            caller.sim.plant(str(number), [Step(at=0)])
        listed = json.loads((await caller.get("/mj/task/list")).body)
        assert [task["id"] for task in listed] == [str(number) for number in range(100, 0, -1)]
