# ruff: noqa: RUF001 -- the servers' own words
import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from mjtask_async import Submission
from mjtask_async._core.submit import outcome, uncertain
from mjtask_async.errors import (
    AuthenticationError,
    BannedPromptError,
    MJTaskError,
    NoAccountError,
    QueueFullError,
    QuotaError,
    RateLimitedError,
    SubmitRejectedError,
    SubmitUncertainError,
    UnsupportedError,
)

from .support import JSON, answer

PAGE = b"<!doctype html>"
E1 = {"error": {"message": "m", "type": "new_api_error"}}
E8 = {"error": {"message": "busy", "type": "new_api_error", "code": "system_cpu_overloaded"}}
YARP = {"error": "Service Unavailable", "message": "m", "timestamp": "t", "retryAfter": 30}
SPRING = {"timestamp": "t", "status": 503, "error": "Service Unavailable", "path": "/mj"}
OK = {"code": 1, "description": "提交成功", "result": "123", "properties": {}}


def judged(body: object, status: int = 200, **headers: str) -> Submission | MJTaskError:
    made = answer(body, status, "POST /mj/submit/imagine", **headers)
    return outcome(made, state="st-1", sent_at=1000.0)


def accepted(body: object, status: int = 200) -> Submission:
    found = judged(body, status)

    assert isinstance(found, Submission)
    return found


# Accepted


def test_an_accepted_submit_gives_its_task() -> None:
    found = accepted(OK | {"properties": {"discordInstanceId": "5"}})

    assert found == Submission(
        task_id="123",
        task_ids=("123",),
        code=1,
        description="提交成功",
        state="st-1",
        properties={"discordInstanceId": "5"},
    )


@pytest.mark.parametrize("code", [1, 21, 22, "1", "22"], ids=repr)
@pytest.mark.parametrize("status", [200, 201, 299])
def test_three_codes_accept(code: int | str, status: int) -> None:
    assert accepted(OK | {"code": code}, status).code == int(code)


@pytest.mark.parametrize(
    ("result", "ids", "urls"),
    [
        ("123", ("123",), ()),
        (" 123 ", ("123",), ()),
        ("a,b, c ,", ("a", "b", "c"), ()),
        (123, ("123",), ()),
        (["https://x/1.png", "s3://b/2"], (), ("https://x/1.png", "s3://b/2")),
    ],
)
def test_a_result_is_ids_or_links(result: object, ids: tuple[str], urls: tuple[str]) -> None:
    """Contract 2.3: a str, several joined by commas, or an array of links."""
    wants_links = bool(urls)
    made = answer(OK | {"result": result}, 200)
    found = outcome(made, state="s", sent_at=0.0, wants_links=wants_links)

    assert isinstance(found, Submission)
    assert (found.task_ids, found.urls) == (ids, urls)
    assert found.task_id == next(iter(ids), None)


@pytest.mark.parametrize(
    ("fields", "ahead"),
    [
        ({"properties": {"numberOfQueues": 3}}, 3),
        ({"properties": {"numberOfQueues": 0}}, 0),
        ({"properties": {"numberOfQueues": "3"}}, 3),
        ({"properties": {"numberOfQueues": -3}}, 0),
        ({"properties": {"numberOfQueues": True}}, None),
        ({"properties": {"numberOfQueues": "many"}}, None),
        ({"description": "排队中，前面还有12个任务"}, 12),
        ({"description": "前面还有 1 个任务", "properties": {"numberOfQueues": 5}}, 5),
        ({"description": "前面还有 1 个任务", "properties": None}, 1),
        ({"description": "前面还有" + "1" * 5000 + "个任务"}, None),
        ({"description": "前面还有个任务"}, None),
        ({}, None),
    ],
)
def test_the_server_may_say_how_many_wait(fields: dict[str, Any], ahead: int | None) -> None:
    assert accepted(OK | fields).queued_ahead == ahead


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({"code": 21}, True),
        ({"description": "Waiting for window Confirm"}, True),
        ({"properties": {"remix": True}}, True),
        ({"properties": {"remix": False}}, False),
        ({"properties": {"remix": "yes"}}, False),
        ({"properties": ["remix"]}, False),
        ({"code": 22}, False),
        ({}, False),
    ],
)
def test_a_modal_shows_in_code_words_or_properties(
    fields: dict[str, Any],
    needs: bool,  # noqa: FBT001
) -> None:
    """Relays turn 21 into 1 (contract 2.3)."""
    assert accepted(OK | fields).needs_modal == needs


@pytest.mark.parametrize("properties", [None, {}, [], "x", 5])
def test_properties_are_an_object_or_none(properties: object) -> None:
    assert accepted(OK | {"properties": properties}).properties is None


def test_an_accepted_submit_is_accepted_whatever_else_it_says() -> None:
    assert accepted(OK | {"description": "do_request_failed"}).task_id == "123"
    assert accepted(OK | {"error": {"code": 4, "message": "m"}}).task_id == "123"


# Uncertain


@pytest.mark.parametrize("result", [None, "", " , ", [], ["123"], {}, True, 1.5])
def test_code_1_without_an_id_is_uncertain(result: object) -> None:
    assert isinstance(judged(OK | {"result": result}), SubmitUncertainError)


@pytest.mark.parametrize(
    "words",
    [
        "insert_midjourney_task_failed",
        "copy_response_body_failed",
        "do_request_failed",
        "read_response_body_failed",
        "unmarshal_response_body_failed",
        "empty_response_body",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 404, 429, 500])
def test_some_words_mean_that_it_may_run(words: str, status: int) -> None:
    """They look like refusals (contract Q36)."""
    for code in (4, 5, None):
        body = {"code": code, "description": f"{words} ", "type": "upstream_error"}

        assert isinstance(judged(body, status), SubmitUncertainError)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"code": 5, "description": "bind", "type": "upstream_error"}, 400),
        ({"code": 5, "description": "d"}, 403),
        (b"", 200),
        (b"", 204),
        (b"{", 200),
        (b"ok", 200),
        ([], 200),
        ({"code": 0}, 200),
        ({"code": 2, "result": "123"}, 200),
        (OK, 600),
        (b"", 408),
        (b"", 500),
        ({"code": 4, "description": "d"}, 500),
        ({"success": False, "code": -1, "message": "操作失败"}, 500),
        (b"<html>", 502),
        (b"<html>", 503),
        (b"", 503),
        (SPRING, 503),
        ({"error": None}, 503),
        (E1, 500),
        (E1, 504),
        (PAGE, 201),
        ({"type": "internal_error", "code": 1, "result": None}, 200),
        ({"type": "internal_error"}, 500),
    ],
)
def test_what_may_have_been_accepted_is_uncertain(body: object, status: int) -> None:
    found = judged(body, status)

    assert type(found) is SubmitUncertainError
    assert (found.state, found.sent_at, found.status) == ("st-1", 1000.0, status)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"code": 5, "description": " odd "}, "charged: odd; it was not"),
        (b"", "charged: an empty answer;"),
        (b"<html>\n<b>", "charged: <html> <b>;"),
    ],
)
def test_an_uncertain_submit_says_what_to_look_for(body: object, words: str) -> None:
    found = str(judged(body, 500, x_oneapi_request_id="r"))

    assert words in found
    assert "Look for a task with state 'st-1' before you do" in found
    assert found.endswith("(POST /mj/submit/imagine: HTTP 500, request r)")


def test_an_uncertain_submit_without_an_answer_says_so() -> None:
    found = uncertain("cut off", state="s", sent_at=5.0, endpoint="POST /x")

    assert (found.state, found.sent_at, found.status, found.endpoint) == ("s", 5.0, None, "POST /x")


# Refused


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"code": 23, "description": "队列已满"}, 200, QueueFullError),
        ({"code": 23}, 429, QueueFullError),
        ({"code": 9, "description": "提交失败，队列已满，请稍后重试"}, 200, QueueFullError),
        ({"code": 9, "description": "Queue Full"}, 200, QueueFullError),
        ({"code": 9, "description": "提交失败，系统异常"}, 200, SubmitRejectedError),
        ({"success": False, "code": -1, "message": "并发数已达上限"}, 200, QueueFullError),
        ({"success": False, "code": -1, "message": "state too long"}, 200, SubmitRejectedError),
        ({"code": 3, "description": "队列"}, 200, SubmitRejectedError),
        ({"code": 24, "description": "可能包含敏感词"}, 200, BannedPromptError),
        ({"code": 24, "description": "quota 无可用"}, 200, BannedPromptError),
        ({"code": 4, "description": "quota_not_enough "}, 400, QuotaError),
        ({"code": 4, "description": "user quota is not enough "}, 400, QuotaError),
        ({"code": 4, "description": "额度"}, 200, QuotaError),
        ({"code": 4, "description": "余额不足"}, 200, QuotaError),
        ({"code": 3, "description": "quota"}, 200, SubmitRejectedError),
        ({"code": 4, "description": "prompt不能为空"}, 200, SubmitRejectedError),
        ({"code": 4, "description": "无可用"}, 200, SubmitRejectedError),
        ({"code": 4, "description": "该任务所属渠道已被禁用 "}, 400, NoAccountError),
        ({"code": 4, "description": "渠道"}, 400, SubmitRejectedError),
        ({"code": 3, "description": "无可用的账号实例"}, 200, NoAccountError),
        ({"code": 3, "description": "账号不可用: 5"}, 200, NoAccountError),
        ({"code": 3, "description": "关联任务不存在或已失效"}, 404, SubmitRejectedError),
        ({"code": 30, "description": "d"}, 200, SubmitRejectedError),
        ({"code": 30, "description": "d"}, 429, RateLimitedError),
        ({"code": 3, "description": "d"}, 401, AuthenticationError),
        ({"code": 4, "description": "quota_not_enough "}, 401, AuthenticationError),
        ({"code": 4, "description": "额度"}, 403, AuthenticationError),
        ({"code": 24, "description": "d"}, 403, AuthenticationError),
        ({"code": 4, "description": "quota"}, 429, QuotaError),
        ({"code": 4, "description": "d"}, 408, SubmitRejectedError),
        (
            {"code": 5, "description": "当前分组 无可用渠道", "type": "internal_error"},
            400,
            NoAccountError,
        ),
        (
            {"code": 5, "description": "无法获取provider:", "type": "internal_error"},
            404,
            SubmitRejectedError,
        ),
        ({"code": 4, "description": "d", "type": "internal_error"}, 500, SubmitRejectedError),
        ({"code": 30, "description": "d", "type": "internal_error"}, 500, SubmitRejectedError),
        (OK, 300, SubmitRejectedError),
        (E1, 400, SubmitRejectedError),
        (E1, 401, AuthenticationError),
        (E1, 403, AuthenticationError),
        (E1, 404, UnsupportedError),
        (E1, 405, UnsupportedError),
        (E1, 429, RateLimitedError),
        (E1, 503, SubmitRejectedError),
        (E8, 503, SubmitRejectedError),
        (YARP, 503, SubmitRejectedError),
        ({"error": {"code": "model_not_found", "message": "m"}}, 503, NoAccountError),
        ({"error": {"message": "No available channel for"}}, 503, NoAccountError),
        ({"code": "x", "description": "d"}, 404, SubmitRejectedError),
        (b"", 301, SubmitRejectedError),
        (b"", 400, SubmitRejectedError),
        (b"", 404, UnsupportedError),
        (b"", 405, UnsupportedError),
        (b"", 415, SubmitRejectedError),
        (b"", 429, RateLimitedError),
        (b"", 401, AuthenticationError),
        (PAGE, 200, UnsupportedError),
        (PAGE, 400, SubmitRejectedError),
    ],
)
def test_a_refusal_has_its_error(body: object, status: int, error: type[MJTaskError]) -> None:
    found = judged(body, status)

    assert type(found) is error


def test_a_refusal_carries_the_server_s_words() -> None:
    found = judged({"code": 23, "description": " 队列已满 "}, 200, x_oneapi_request_id="r")

    assert isinstance(found, QueueFullError)
    assert (found.code, found.description, found.request_id) == (23, "队列已满", "r")
    assert str(found) == (
        "the server refused the submit: 队列已满 [the server's queue is full: try later] "
        "(POST /mj/submit/imagine: HTTP 200, request r)"
    )


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "the server refused the submit: no words ("),
        (b"<html>Bad", 400, "the server refused the submit: <html>Bad ("),
        (b"moved", 300, "refused the submit: redirected to nowhere; set base_url to it ("),
    ],
)
def test_a_refusal_without_words_says_what_there_is(body: bytes, status: int, words: str) -> None:
    assert words in str(judged(body, status))


def test_a_redirected_submit_names_its_target() -> None:
    assert "redirected to https://h/mj;" in str(judged(b"", 308, location="https://h/mj"))


def test_an_overloaded_relay_says_when_to_come_back() -> None:
    found = judged(E8, 503, retry_after="7")

    assert isinstance(found, SubmitRejectedError)
    assert (found.code, found.retry_after) == ("system_cpu_overloaded", 7.0)


# Anything, against the rules as they are written

MAY_RUN = [
    "insert_midjourney_task_failed",
    "copy_response_body_failed",
    "do_request_failed",
    "read_response_body_failed",
    "unmarshal_response_body_failed",
    "empty_response_body",
]
CODES = [1, 21, 22, 3, 4, 5, 9, 23, 24, 30, -1, 0, 2, 500, "1", "4", "5", "x", "", None, True, 1.0]
RESULTS: list[object] = ["1", "1,2", "", None, 5, 0, True, [], ["http://x/1"], ["1"], {}, 1.5]
WORDS = ["", "d", "quota", "无可用", "队列", "confirm", *MAY_RUN]
TYPES = ["internal_error", "upstream_error", "new_api_error", None, 5]
INNER = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from(CODES),
        "message": st.sampled_from(WORDS),
        "description": st.sampled_from(WORDS),
        "type": st.sampled_from(TYPES),
    },
)
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from(CODES),
        "result": st.sampled_from(RESULTS),
        "description": st.sampled_from(WORDS),
        "type": st.sampled_from(TYPES),
        "error": INNER | st.sampled_from([None, "Bad", ""]),
        "retryAfter": st.just(30),
        "success": st.booleans(),
        "properties": st.sampled_from([None, {}, {"remix": True}, []]),
    },
)
PIECES = st.sampled_from([b"", PAGE, b" <html>", b"null", b"[]", b"ok", b"{}", b'{"code":'])
BODIES = st.builds(lambda value, tail: json.dumps(value).encode() + tail, OBJECTS, PIECES) | PIECES
STATUSES = st.sampled_from(
    [
        200,
        201,
        204,
        299,
        300,
        301,
        307,
        400,
        401,
        403,
        404,
        405,
        408,
        413,
        415,
        429,
        500,
        502,
        503,
        504,
        599,
    ]
)


def first_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.JSONDecoder().raw_decode(body.decode().lstrip())[0]
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def by_the_rules(status: int, body: bytes) -> str:
    """Read the table of rule 6 from the top; the first row that fits decides."""
    value = first_object(body)
    has_error = isinstance(value.get("error"), dict)
    error = value["error"] if has_error else {}
    said = value["code"] if "code" in value else error.get("code")
    code = {str(number): number for number in CODES if type(number) is int}.get(
        str(said) if type(said) in {int, str} else ""
    )
    kind = (error if has_error else value).get("type")
    result = value.get("result")
    usable = type(result) is int or (isinstance(result, str) and result.strip(", ") != "")
    rows = [
        ("accepted", status < 300 and code in {1, 21, 22} and usable),
        ("uncertain", any(words.encode() in body for words in MAY_RUN)),
        ("uncertain", code == 5 and kind != "internal_error"),
        ("refused", status < 500 and code in {3, 4, 9, 23, 24, 30, -1}),
        ("refused", code in {4, 5, 30} and kind == "internal_error"),
        ("refused", 300 <= status < 500 and status != 408),
        ("refused", status == 503 and has_error),
        ("refused", status == 503 and "error" in value and "retryAfter" in value),
        ("refused", status == 200 and body.lstrip().startswith(b"<")),
        ("uncertain", True),
    ]
    return next(outcome for outcome, fits in rows if fits)


@settings(max_examples=700)
@given(status=STATUSES, body=BODIES)
def test_each_answer_has_the_outcome_of_the_rules(status: int, body: bytes) -> None:
    found = judged(body, status)

    kinds = {Submission: "accepted", SubmitUncertainError: "uncertain"}
    assert kinds.get(type(found), "refused") == by_the_rules(status, body)
    assert isinstance(found, Submission | MJTaskError)


@given(
    status=st.integers(200, 599),
    body=st.binary(max_size=40) | JSON | st.dictionaries(st.sampled_from([*OK, "error"]), JSON),
)
def test_any_answer_is_judged(status: int, body: object) -> None:
    found = judged(body, status)

    assert isinstance(found, Submission | MJTaskError)
    assert str(found)
