import asyncio
import json
import re
from typing import Any

import pytest

from mjtask_async.simulator import Step, go_body

from .conftest import JSON, Reply, calling

LIST = "/mj/task/list-by-condition"
IMAGINE = "/mj/submit/imagine"
E2 = "application/json; charset=utf-8"


def error(reply: Reply) -> Any:
    return json.loads(reply.body)["error"]


async def test_every_answer_carries_a_request_id_and_the_version() -> None:
    """Contract 2.0: a client can tell A2 by X-New-Api-Version."""
    async with calling() as caller:
        replies = [await caller.fetch("1"), await caller.get("/mj/none"), await caller.imagine()]
        ids = {reply.headers["X-Oneapi-Request-Id"] for reply in replies}
        assert len(ids) == 3
        assert all(re.fullmatch(r"20231114221320\d{9}8268d9d6\w{8}", name) for name in ids)
        assert all(reply.headers["X-New-Api-Version"] for reply in replies)


async def test_reads_are_json_and_submits_are_plain_text() -> None:
    """Contract 2.0."""
    async with calling() as caller:
        submitted = await caller.imagine()
        task_id = json.loads(submitted.body)["result"]
        assert submitted.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert (await caller.fetch(task_id)).headers["Content-Type"] == "application/json"
        assert (await caller.find(task_id)).headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer sk-test"},
        {"Authorization": "bearer   sk-test"},
        {"Authorization": "Bearer test"},
        {"Authorization": "sk-test"},
        {"mj-api-secret": "sk-test"},
        {"mj-api-secret": "Bearer sk-test"},
        {"Authorization": "midjourney-proxy", "mj-api-secret": "test"},
    ],
)
async def test_a_good_key_is_known_in_many_forms(headers: dict[str, str]) -> None:
    """Contract 1.1, columns A and A2."""
    async with calling(api_key="sk-test") as caller:
        assert (await caller.raw("GET", "/mj/task/1/fetch", headers)).status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer sk-wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "BEARER sk-test"},
        {"Authorization": "Bearer sk-wrong", "mj-api-secret": "sk-test"},
        {"mj-api-secret": "wrong"},
    ],
)
async def test_every_other_key_is_an_invalid_token(headers: dict[str, str]) -> None:
    """Contract 1.1: one text for everything; a wrong Authorization hides a right secret."""
    async with calling(api_key="sk-test") as caller:
        reply = await caller.raw("POST", IMAGINE, headers | JSON, b'{"prompt":"cat"}')
        assert reply.status == 401
        assert error(reply)["message"].startswith("Invalid token (request id: ")
        assert list(error(reply)) == ["code", "message", "type"]
        assert not caller.sim.accepted


async def test_a_channel_may_be_chosen_by_admins_only() -> None:
    """Contract 1.1: the text is only Chinese and stays so."""
    async with calling(api_key="sk-test") as caller:
        reply = await caller.get("/mj/task/1/fetch", {"Authorization": "Bearer sk-test-99"})
        assert reply.status == 403
        assert error(reply)["message"].startswith("普通用户不支持指定渠道 (")


async def test_a_key_may_hold_hyphens() -> None:
    async with calling(api_key="sk-my-key") as caller:
        assert (await caller.fetch("1")).status == 400


async def test_errors_follow_the_callers_language() -> None:
    """Contract 1.1, column A2."""
    async with calling() as caller:
        headers = {"Authorization": "Bearer x", "Accept-Language": "zh-CN"}
        reply = await caller.get("/mj/task/1/fetch", headers)
        assert error(reply)["message"].startswith("无效的令牌 (")


async def test_a_path_segment_may_stand_before_mj() -> None:
    """Contract 1.2."""
    async with calling() as caller:
        for prefix in ("", "/mj-fast", "/anything"):
            assert (await caller.get(f"{prefix}{'/mj'}/task/1/fetch")).status == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/mj/task/list"),
        ("GET", "/mj/task/queue"),
        ("POST", "/mj/task/1/cancel"),
        ("POST", "/mj/task/1/fetch"),
        ("GET", LIST),
        ("HEAD", "/mj/task/1/fetch"),
        ("DELETE", "/mj/task/1/fetch"),
        ("GET", "/mj/task/a%2Fb/fetch"),
        ("GET", "//mj/task/1/fetch"),
        ("GET", "/a/b/mj/task/1/fetch"),
        ("GET", "/MJ/task/1/fetch"),
        ("GET", "/mj"),
        ("GET", "/"),
    ],
)
async def test_an_unknown_route_is_a_page_with_status_200(method: str, path: str) -> None:
    """Contract 4.1, E6: before the key is looked at."""
    async with calling() as caller:
        reply = await caller.raw(method, path, {})
        assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert method == "HEAD" or reply.body.startswith(b"<!doctype html>")
        assert caller.sim.requests[-1].endpoint == "unknown"


async def test_too_many_unknown_routes_are_limited_for_three_minutes() -> None:
    """Contract 4.4: 429, empty, Retry-After 180."""
    async with calling() as caller:
        statuses = [(await caller.get("/nowhere")).status for _ in range(121)]
        assert statuses == [200] * 120 + [429]
        limited = await caller.get("/nowhere")
        assert (limited.body, limited.headers["Retry-After"]) == (b"", "180")
        assert (await caller.fetch("1")).status == 400
        await asyncio.sleep(181)
        assert (await caller.get("/nowhere")).status == 200


async def test_a_trailing_slash_is_redirected_before_the_key_is_looked_at() -> None:
    """Contract 2.1: 301 for GET, 307 for POST, relative, without a request id."""
    async with calling() as caller:
        got = await caller.raw("GET", "/mj/task/1/fetch/?a=b", {})
        posted = await caller.raw("POST", f"{IMAGINE}/", JSON, b'{"prompt":"cat"}')
        assert (got.status, got.headers["Location"]) == (301, "/mj/task/1/fetch?a=b")
        assert got.body.startswith(b'<a href="/mj/task/1/fetch')
        assert (posted.status, posted.headers["Location"], posted.body) == (307, IMAGINE, b"")
        assert "X-Oneapi-Request-Id" not in {**got.headers, **posted.headers}
        assert (await caller.get("/mj/nothing/")).status == 200


async def test_the_empty_id_is_an_id() -> None:
    """Contract 2.1: it is the user's oldest rejected submit."""
    async with calling() as caller:
        assert (await caller.fetch("")).status == 400
        await caller.imagine("   ")
        assert json.loads((await caller.fetch("")).body)["failReason"] == "提示词不能为空"


async def test_long_answers_are_chunked_and_short_ones_are_not() -> None:
    """Contract 2.2."""
    async with calling(queue_size=20) as caller:
        ids = [json.loads((await caller.imagine()).body)["result"] for _ in range(10)]
        assert "Content-Length" in (await caller.find(*ids[:2])).headers
        assert (await caller.find(*ids)).headers["Transfer-Encoding"] == "chunked"


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ("{}", []),
        ("null", []),
        ('{"ids":null}', []),
        ('{"ids":["1",null]} and more', ["1", ""]),
        ('{"ids":["1"],"other":2}', ["1"]),
    ],
)
async def test_a_list_takes_what_go_would_decode(body: str, ids: list[str]) -> None:
    """Contract 1.4 and 2.2; the content type does not matter."""
    async with calling() as caller:
        reply = await caller.post(LIST, body, {"Content-Type": "text/plain"})
        assert (reply.status, reply.body) == (200, b"[]")
        assert list(caller.sim.requests[-1].ids) == ids


@pytest.mark.parametrize(
    "body", ["", "{", '["1"]', '"1"', '{"ids":[1]}', '{"ids":"1"}', '{"ids":{}}', '{"ids":0}']
)
async def test_a_list_refuses_what_go_would_not_decode(body: str) -> None:
    """Contract 1.4."""
    async with calling() as caller:
        reply = await caller.post(LIST, body)
        assert (reply.status, reply.headers["Content-Type"]) == (400, "text/plain; charset=utf-8")
        assert json.loads(reply.body)["description"] == "do_request_failed "
        assert caller.sim.requests[-1].ids == ()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "unexpected end of JSON input"),
        ('{"prompt":"cat', "unexpected end of JSON input"),
        ('{"prompt":}', "invalid character '}' looking for beginning of value"),
        ('{"prompt":NaN}', "invalid character 'N' looking for beginning of value"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("[" * 100_000, "exceeded max depth"),
        (
            "[1]",
            "json: cannot unmarshal array into Go value of type dto.MidjourneyRequest",
        ),
        (
            '{"prompt":1.5}',
            "json: cannot unmarshal number 1.5 into Go struct field MidjourneyRequest.prompt of type string",
        ),
        (
            '{"prompt":"x","index":"1"}',
            "json: cannot unmarshal string into Go struct field MidjourneyRequest.index of type int",
        ),
        (
            '{"prompt":"x","index":true}',
            "json: cannot unmarshal bool into Go struct field MidjourneyRequest.index of type int",
        ),
        (
            '{"prompt":"x","base64Array":"y"}',
            "json: cannot unmarshal string into Go struct field MidjourneyRequest.base64Array of type []string",
        ),
        (
            '{"prompt":"x","base64Array":["y",{}]}',
            "json: cannot unmarshal object into Go struct field MidjourneyRequest.base64Array of type string",
        ),
    ],
)
async def test_a_submit_refuses_what_go_would_not_decode(body: str, words: str) -> None:
    """Contract 1.4: 400 in shape E1."""
    async with calling() as caller:
        reply = await caller.post(IMAGINE, body)
        message = f"Invalid request: Invalid Midjourney request: {words} (request id: "
        assert reply.status == 400
        assert error(reply)["message"].startswith(message)
        assert not caller.sim.accepted


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", "null"),
        ("application/json", '{"prompt":null,"index":2,"base64Array":["x"]}'),
        ("application/json", '{"prompt":""}'),
        ("Application/JSON", '{"prompt":"cat"}'),
        ("text/plain", '{"prompt":"cat"}'),
        ("", '{"prompt":"cat"}'),
    ],
)
async def test_a_submit_without_a_prompt_is_refused(content_type: str, body: str) -> None:
    """Contract 1.4: a body of another type is not parsed."""
    async with calling() as caller:
        headers = {"Content-Type": content_type} if content_type else {}
        reply = await caller.post(IMAGINE, body, headers)
        assert (reply.status, reply.headers["Content-Type"]) == (400, E2)
        assert json.loads(reply.body) == {
            "code": 4,
            "description": "prompt_is_required ",
            "type": "upstream_error",
        }


@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=X", "application/x-www-form-urlencoded"]
)
async def test_a_form_cannot_be_read(kind: str) -> None:
    """Contract 1.4, A2."""
    async with calling() as caller:
        reply = await caller.post(IMAGINE, "prompt=cat", {"Content-Type": kind})
        answer = json.loads(reply.body)
        assert (reply.status, answer["code"]) == (400, 5)
        assert answer["description"] == "read_request_body_failed "


async def test_an_image_needs_no_key() -> None:
    """Contract 1.3."""
    async with calling() as caller:
        caller.sim.plant("17", [Step(at=0, status="SUCCESS")])
        caller.sim.plant("18", [Step(at=0, status="SUCCESS", image_url="http://elsewhere/x")])
        await asyncio.sleep(30)
        image = await caller.raw("GET", "/mj/image/17", {})
        lost = await caller.raw("GET", "/mj/image/18", {})
        unknown = await caller.raw("GET", "/any/mj/image/19", {})
        assert (image.status, image.headers["Content-Type"]) == (200, "image/png")
        assert image.body.startswith(b"\x89PNG")
        assert (lost.status, json.loads(lost.body)) == (500, {"error": "http_get_image_failed"})
        assert unknown.status == 400
        assert json.loads(unknown.body) == {"error": "midjourney_task_not_found"}


def test_text_that_is_no_utf8_does_not_break_the_door() -> None:
    assert go_body.unmarshal(b'{"prompt":"\xff"}') == {"prompt": "\ufffd"}


async def test_a_lone_surrogate_does_not_break_the_answer() -> None:
    async with calling() as caller:
        task_id = json.loads((await caller.imagine(r"\ud800")).body)["result"]
        assert json.loads((await caller.fetch(task_id)).body)["prompt"] == "?"


async def test_the_asterisk_of_options_leads_nowhere() -> None:
    async with calling() as caller:
        door = caller.sim._desk.door
        assert door.locate("OPTIONS", "*").endpoint == "unknown"
