# ruff: noqa: RUF001 -- the servers' own words
"""Every shape and code of an error (contract 2.3 and 4), as a read and as a submit gets it."""

import asyncio
import json
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from mjtask_async import (
    AuthenticationError,
    BannedPromptError,
    MJSession,
    MJTaskError,
    NoAccountError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    RateLimitedError,
    ServerError,
    SubmitRejectedError,
    SubmitUncertainError,
    Task,
    TaskNotFoundError,
    UnsupportedError,
)
from mjtask_async._core.answers import read_pushed, read_task, read_tasks
from mjtask_async._core.decode import TaskDecoder
from mjtask_async._core.submit import outcome
from mjtask_async._core.wire import Answer
from mjtask_async.models import Submission

from .support_stub import Reply, accepted, row, says, stubbed

ID = "1700000000000001"
HTML = {"Content-Type": "text/html; charset=utf-8"}
PAGE = "<!doctype html><html><head></head></html>"
E2 = {"type": "upstream_error"}


class Shape(NamedTuple):
    """An answer, and which error it is of a read and of a submit."""

    reply: Reply
    read: type[MJTaskError]
    submit: type[MJTaskError]
    code: int | str | None = None
    words: str = ""


def e1(message: str, status: int, **more: str) -> Reply:
    return says({"error": {"message": message, "type": "new_api_error", **more}}, status)


def e2(code: int, words: str, status: int = 400, kind: str = "upstream_error") -> Reply:
    return says({"code": code, "description": words, "type": kind}, status)


def result(message: str, status: int = 200) -> Reply:
    return says({"success": False, "code": -1, "message": message, "timestamp": "638"}, status)


PANIC = '{"error":{"message":"Panic detected, error: x","type":"new_api_panic"}}'
TWO = PANIC + '{"code":4,"description":"task_not_found ","type":"upstream_error"}'
OVERLOADED = e1("system cpu overloaded (current: 100.0%)", 503, code="system_cpu_overloaded")
YARP = {"error": "Service Unavailable", "message": "no node", "retryAfter": 30}
SPRING = {"timestamp": "2026-11-21T08:41:57.576+00:00", "error": "x", "path": "/mj"}
RJ, UNC = SubmitRejectedError, SubmitUncertainError
AUTH, SRV, PRO, UNS = AuthenticationError, ServerError, ProtocolError, UnsupportedError
NOT_FOUND, LIMIT, NO_ACCOUNT = TaskNotFoundError, RateLimitedError, NoAccountError

SHAPES = {
    # 4.1
    "E1 401": Shape(e1("无效的令牌", 401), AUTH, AUTH, None, "the key is wrong"),
    "E1 401 A2": Shape(e1("Invalid token", 401, code=""), AUTH, AUTH, None, "spent its quota"),
    "E1 403": Shape(e1("用户已被封禁", 403), AUTH, AUTH, None, "banned"),
    "E1 403 IP": Shape(
        e1("您的 IP 不在令牌允许访问的列表中", 403, code="access_denied"),
        AUTH,
        AUTH,
        "access_denied",
        "other IP",
    ),
    "E1 400": Shape(e1("Invalid request, json: x", 400), PRO, RJ, None, "Invalid request"),
    "E1 503": Shape(e1("无可用渠道", 503), SRV, NO_ACCOUNT, None, "no channel"),
    "E1 503 A2": Shape(e1("x", 503, code="model_not_found"), SRV, NO_ACCOUNT, "model_not_found"),
    "E1 500": Shape(e1("Database error", 500), SRV, UNC, None, "Database error"),
    "E2 4": Shape(e2(4, "prompt_is_required "), PRO, RJ, 4, "the prompt is empty"),
    "E2 5": Shape(e2(5, "do_request_failed "), SRV, UNC, 5, "do_request_failed"),
    "E2 5 internal": Shape(e2(5, "x", kind="internal_error"), SRV, RJ, 5),
    "E2 5 internal, no channel": Shape(
        e2(5, "无可用渠道", kind="internal_error"), SRV, NO_ACCOUNT, 5
    ),
    "E2 5 other words": Shape(e2(5, "new words "), SRV, UNC, 5),
    "E2 30": Shape(e2(30, "busy", 429), LIMIT, LIMIT, 30, "busy"),
    "E2 not found": Shape(e2(4, "task_no_found "), NOT_FOUND, RJ, 4),
    "E3": Shape(Reply(500, TWO), SRV, UNC, None, "Panic detected"),
    "E3 H": Shape(
        says({"error": {"code": 500, "description": "Panic"}}, 500), SRV, UNC, 500, "Panic"
    ),
    "E3 A2": Shape(Reply(None), MJTaskError, UNC),
    "E4 404": Shape(
        says({"code": 3, "description": "关联任务不存在或已失效"}, 404), NOT_FOUND, RJ, 3
    ),
    "E4 null": Shape(Reply(200, "null"), NOT_FOUND, UNC),
    "E5 200": Shape(Reply(200), NOT_FOUND, UNC),
    "E5 204": Shape(Reply(204), NOT_FOUND, UNC),
    "E5 swap": Shape(e2(5, "empty_response_body", 200), SRV, UNC, 5),
    "E6": Shape(Reply(200, PAGE, HTML), UNS, UNS, None, "base_url"),
    "E6 429": Shape(Reply(429), LIMIT, LIMIT),
    "E7": Shape(e1("Invalid URL (GET /v1/nope)", 404, code=""), UNS, UNS),
    "E8": Shape(OVERLOADED, SRV, RJ, "system_cpu_overloaded", "busy"),
    "E9": Shape(e1("您的速率达到上限，请稍后再试。", 429), LIMIT, LIMIT, None, "too many requests"),
    # 4.2
    "trueai result": Shape(result("并发数已达上限"), SRV, QueueFullError, -1, "run at once"),
    "trueai result, else": Shape(result("state too long"), SRV, RJ, -1, "state too long"),
    "trueai 500": Shape(result("操作失败", 500), SRV, UNC, -1, "操作失败"),
    "trueai 401": Shape(Reply(401, "Authorization header missing."), AUTH, AUTH, None, "no key"),
    "trueai 403": Shape(Reply(403, "未登录"), AUTH, AUTH, None, "does not know this key"),
    "trueai 403 IP": Shape(Reply(403), AUTH, AUTH),
    "trueai 415": Shape(says({"title": "Unsupported Media Type", "status": 415}, 415), PRO, RJ),
    "trueai gateway": Shape(says(YARP, 503), SRV, RJ, None, "no node"),
    # 4.3
    "novicezk 401": Shape(Reply(401), AUTH, AUTH),
    "novicezk 400": Shape(says(SPRING | {"status": 400}, 400), PRO, RJ),
    "novicezk 404": Shape(says(SPRING | {"status": 404}, 404), UNS, UNS),
    "novicezk 405": Shape(says(SPRING | {"status": 405}, 405), UNS, UNS),
    "novicezk 406": Shape(Reply(406), PRO, RJ),
    "novicezk 500": Shape(says(SPRING | {"status": 500}, 500), SRV, UNC),
    "novicezk Tomcat": Shape(Reply(404, PAGE, HTML), UNS, UNS),
    # 4.4
    "proxy 502": Shape(Reply(502, PAGE, HTML), SRV, UNC),
    "proxy 504": Shape(Reply(504, PAGE, HTML), SRV, UNC),
    "proxy 520": Shape(Reply(520), SRV, UNC),
    "proxy 408": Shape(Reply(408), PRO, UNC),
    "redirect": Shape(Reply(301, "", {"Location": "https://x/"}), PRO, RJ, None, "https://x/"),
    "text": Shape(Reply(200, "plain words"), PRO, UNC),
    "truncated": Shape(Reply(200, '{"code":1,"result":"17'), PRO, UNC),
    "503 without an API's body": Shape(Reply(503, PAGE, HTML), SRV, UNC),
}


@pytest.mark.parametrize("name", SHAPES)
async def test_a_shape_becomes_its_error(name: str) -> None:
    shape = SHAPES[name]
    async with stubbed(shape.reply, attempts=1) as (stub, session):
        with pytest.raises(shape.read) as read:
            await session.fetch(ID)
        with pytest.raises(shape.submit) as submitted:
            await session.imagine("a cat", state="mine")
    assert type(submitted.value) is shape.submit
    assert getattr(submitted.value, "code", None) == shape.code
    assert shape.words in str(submitted.value)
    if shape.read not in {MJTaskError, TaskNotFoundError}:
        assert type(read.value) is shape.read
        assert getattr(read.value, "status", None) == shape.reply.status
        assert shape.words in str(read.value)
    assert [asked.method for asked in stub.asked].count("POST") == 1


CODES: list[tuple[int, str, type[MJTaskError]]] = [
    (3, "无可用的账号实例", NoAccountError),
    (3, "账号不可用: 1012", NoAccountError),
    (3, "关联任务不存在或已失效", SubmitRejectedError),
    (4, "关联任务不允许执行变化", SubmitRejectedError),
    (4, "quota_not_enough ", QuotaError),
    (4, "user quota is not enough ", QuotaError),
    (4, "该任务所属渠道已被禁用 ", NoAccountError),
    (9, "提交失败，队列已满，请稍后重试", QueueFullError),
    (9, "提交失败，系统异常", SubmitRejectedError),
    (23, "anything", QueueFullError),
    (24, "可能包含敏感词", BannedPromptError),
    (30, "busy", SubmitRejectedError),
    (-1, "Queue full", QueueFullError),
]


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(("code", "words", "kind"), CODES)
async def test_a_code_becomes_its_error_with_code_and_words_kept(
    code: int, words: str, kind: type[MJTaskError], status: int
) -> None:
    reply = says({"code": code, "description": words, "result": None, "properties": {}}, status)
    async with stubbed(reply) as (stub, session):
        with pytest.raises(kind) as caught:
            await session.imagine("a cat")
        assert session.statistics().uncertain == 0
    assert type(caught.value) is kind
    error: Any = caught.value
    assert (error.code, error.description) == (code, words.strip())
    assert words.strip() in str(error)
    assert error.endpoint == "POST /mj/submit/imagine"
    assert len(stub.asked) == 1


@pytest.mark.parametrize("reply", [Reply(429), OVERLOADED, e2(30, "busy", 429)])
async def test_what_was_certainly_not_taken_is_sent_again_after_a_pause(reply: Reply) -> None:
    loop = asyncio.get_running_loop()
    async with stubbed(reply, reply, accepted("7")) as (stub, session):
        started = loop.time()
        assert (await session.imagine("a cat", state="mine")).task_id == "7"
        assert 10 <= loop.time() - started <= 30
        assert session.statistics().retries == 2
    assert [body["state"] for body in stub.bodies] == ["mine"] * 3


async def test_how_long_trueais_gateway_asks_to_wait_stands_in_its_body() -> None:
    async with stubbed(says(YARP, 503), says(row(ID))) as (_, session):
        loop = asyncio.get_running_loop()
        started = loop.time()
        await session.fetch(ID)
        assert loop.time() - started >= 30
    async with stubbed(says(YARP, 503)) as (_, session):
        with pytest.raises(SubmitRejectedError) as caught:
            await session.imagine("a cat")
    assert caught.value.retry_after == 30


async def test_a_submit_that_was_not_sent_is_tried_again_and_reported_as_no_answer() -> None:
    async with MJSession("http://127.0.0.1:1", "k", attempts=3) as session:
        with pytest.raises(MJTaskError, match="no connection"):
            await session.imagine("a cat")
        assert session.statistics().submits == 3
        assert session.statistics().uncertain == 0


# Whatever comes (acceptance 5)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
WIRE_NAMES = st.sampled_from(
    [
        "id",
        "code",
        "description",
        "result",
        "properties",
        "error",
        "message",
        "type",
        "success",
        "status",
        "progress",
        "buttons",
        "imageUrl",
        "submitTime",
        "seed",
        "videoUrls",
        "retryAfter",
    ]
)
OBJECTS = st.dictionaries(WIRE_NAMES, JSON | st.just("1") | st.just(1))
BODIES = st.binary() | (JSON | OBJECTS | st.lists(OBJECTS)).map(lambda v: json.dumps(v).encode())
ODD = [
    b"[" * 100_000,
    b'{"id":"1","properties":' + b'{"a":' * 100_000,
    b'{"code":1,"result":' + b"9" * 5000 + b"}",
    b'{"code":"' + b"9" * 5000 + b'","result":"1"}',
    b'{"error":"x","retryAfter":1' + b"0" * 400 + b"}",
    b'{"id":"1","prompt":"\xff"}',
    b'{"id":"\\ud800"}',
    b'\xef\xbb\xbf{"id":"1"}',
    b'{"id":"1","submitTime":1e999}',
    b'{"id":"1","prompt":"a\nb"}',
]
STATUSES = st.sampled_from([200, 201, 204, 301, 400, 401, 403, 404, 405, 408, 429, 500, 503])


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(body=BODIES, status=STATUSES)
def test_any_answer_is_a_task_a_submission_or_an_error_of_ours(body: bytes, status: int) -> None:
    check_any(body, status)


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_odd_answers_are_a_task_a_submission_or_an_error_of_ours(body: bytes) -> None:
    for status in (200, 400, 503):
        check_any(body, status)


def check_any(body: bytes, status: int) -> None:
    answer = Answer(status, {"content-type": "text/plain"}, body, "GET /mj/task/1/fetch")
    decoder = TaskDecoder(Task)
    for read in (
        lambda: read_task(answer, decoder, "1"),
        lambda: read_tasks(answer, decoder),
        lambda: read_pushed(body, decoder),
        lambda: outcome(answer, state="s", sent_at=0.0),
        lambda: outcome(answer, state="s", sent_at=0.0, wants_links=True),
    ):
        try:
            found: Any = read()
        except MJTaskError:
            continue
        assert isinstance(found, (Task, list, Submission, MJTaskError))
