import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from mjtask_async import Task
from mjtask_async._core.answers import (
    Envelope,
    code_of,
    excerpt,
    read_pushed,
    read_task,
    read_tasks,
    refusal,
)
from mjtask_async._core.wire import Answer
from mjtask_async.errors import (
    AuthenticationError,
    MJTaskError,
    ProtocolError,
    RateLimitedError,
    RequestError,
    ServerError,
    TaskNotFoundError,
    UnsupportedError,
)

from .support import JSON, answer, decoder

UNKNOWN = {"code": 4, "description": "task_no_found ", "type": "upstream_error"}
PAGE = b"<!doctype html><html>"


def fetched(body: object, status: int = 200, task_id: str = "1") -> Task:
    return read_task(answer(body, status), decoder(), task_id)


def listed(body: object, status: int = 200) -> list[Task]:
    return read_tasks(answer(body, status), decoder())


# Words


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (4, 4),
        (-1, -1),
        ("4", 4),
        ("-1", -1),
        ("model_not_found", "model_not_found"),
        ("--1", "--1"),
        ("-", "-"),
        ("٣", "٣"),
        ("1" * 9, 111111111),
        ("1" * 5000, "1" * 5000),
        ("", None),
        (None, None),
        (True, None),
        (1.0, None),
        ([], None),
    ],
    ids=repr,
)
def test_a_code_is_a_number_or_a_word(value: object, code: int | str | None) -> None:
    assert code_of(value) == code
    assert type(code_of(value)) is type(code)


@pytest.mark.parametrize(
    ("body", "code", "description", "kind"),
    [
        (UNKNOWN, 4, "task_no_found", "upstream_error"),
        (
            {"error": {"message": " Invalid token ", "type": "new_api_error", "code": ""}},
            None,
            "Invalid token",
            "new_api_error",
        ),
        ({"error": {"code": "model_not_found", "message": "m"}}, "model_not_found", "m", ""),
        ({"error": {"code": 500, "description": "Panic", "type": "t"}}, 500, "Panic", "t"),
        ({"timestamp": "t", "status": 400, "error": "Bad Request"}, None, "Bad Request", ""),
        ({"success": False, "code": -1, "message": "m"}, -1, "m", ""),
        ({"code": 1, "error": {"code": 4, "message": "m"}}, 1, "m", ""),
        ({"code": None, "error": {"code": 4}}, None, "", ""),
        ({"description": "d", "message": "m", "error": "e"}, None, "d", ""),
        ({"description": "", "message": " ", "error": "e"}, None, "e", ""),
        ({"description": 5, "message": ["m"]}, None, "", ""),
        ({"type": 5}, None, "", "5"),
        (b"Authorization header missing.", None, "Authorization header missing.", ""),
        (b'["a"]', None, '["a"]', ""),
        (PAGE, None, "", ""),
        (b"", None, "", ""),
        (b'{"code":5}{"code":4}', 5, "", ""),
    ],
)
def test_an_envelope_has_many_shapes(
    body: object, code: int | str | None, description: str, kind: str
) -> None:
    """Contract 4: E1 to E8, the Result of trueai-org, Spring's error, bare text."""
    envelope = Envelope(answer(body))

    assert (envelope.code, envelope.description, envelope.kind) == (code, description, kind)


@pytest.mark.parametrize(
    ("body", "found"), [({"error": {}}, True), ({"error": "e"}, False), ({}, False), (b"", False)]
)
def test_an_error_object_is_known(body: object, found: bool) -> None:  # noqa: FBT001
    assert Envelope(answer(body)).has_error_object == found


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", ""),
        (b" a\n\tb  c\x00d ", "a b c d"),
        (b"\xff\xfea", "\ufffd\ufffda"),
        ("é" * 300, "é" * 200),
        (b"a" * 300, "a" * 200),
        ("a\u202eb", "a b"),
    ],
)
def test_an_excerpt_is_short_and_on_one_line(body: Any, shown: str) -> None:
    raw = body if isinstance(body, bytes) else body.encode()

    assert excerpt(raw) == shown
    assert excerpt(raw, 1) == shown[:1]


def test_bare_words_are_kept_short() -> None:
    assert Envelope(answer(b"x" * 500)).description == "x" * 120


# Fetches


def test_a_long_answer_is_no_word_of_an_unknown_task() -> None:
    padding = 4095 - len(json.dumps(UNKNOWN | {"x": ""}))

    with pytest.raises(TaskNotFoundError):
        fetched(UNKNOWN | {"x": "y" * padding}, 400)
    with pytest.raises(ProtocolError):
        fetched(UNKNOWN | {"x": "y" * (padding + 1)}, 400)


def test_a_fetch_gives_the_task() -> None:
    assert fetched({"id": "1", "status": "SUCCESS"}) == Task(id="1", status="SUCCESS")
    assert fetched({"id": " 1 "}).id == " 1 "


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"", 204),
        (b" \n", 200),
        (b"null", 200),
        (b" null ", 200),
        (UNKNOWN, 400),
        (UNKNOWN, 200),
        (UNKNOWN | {"description": "task_not_found "}, 400),
        ({"code": 3, "description": "关联任务不存在或已失效"}, 404),
    ],
)
def test_an_unknown_task_is_not_found(body: object, status: int) -> None:
    """Contract 2.1: each server says it in its own way."""
    with pytest.raises(TaskNotFoundError, match="does not know task 1;") as caught:
        fetched(body, status)

    assert caught.value.task_id == "1"


@pytest.mark.parametrize(
    ("body", "status", "error", "words"),
    [
        ({"id": "2"}, 200, ProtocolError, "asked for task 1, answered with another"),
        ({"id": ""}, 200, ProtocolError, "not an answer of this API"),
        ([{"id": "1"}], 200, ProtocolError, "not an answer of this API"),
        (b"[1", 200, ProtocolError, r"not an answer of this API: \[1"),
        ({"code": 1, "description": "d"}, 200, ProtocolError, "not an answer of this API: d"),
        ({"description": "task_no_found"}, 200, ProtocolError, "task_no_found"),
        (UNKNOWN, 300, ProtocolError, "redirected to nowhere"),
        (UNKNOWN | {"x": "y" * 5000}, 400, ProtocolError, "refuses the request: task_no_found"),
        (UNKNOWN, 500, ServerError, "task_no_found"),
        (UNKNOWN, 403, AuthenticationError, "task_no_found"),
        (UNKNOWN | {"description": "a task_no_found"}, 400, ProtocolError, "a task_no_found"),
        ({"code": 5, "description": "d"}, 200, ServerError, "the server is in trouble: d"),
        ({"success": False, "message": "操作失败"}, 200, ServerError, "操作失败"),
        (PAGE, 200, UnsupportedError, "no such endpoint"),
        (b"", 404, UnsupportedError, "no such endpoint"),
    ],
)
def test_what_is_no_task_is_an_error(
    body: object, status: int, error: type[RequestError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        fetched(body, status)

    assert (caught.value.status, caught.value.endpoint) == (status, "GET /mj/x")


# Lists


def test_a_list_gives_the_tasks() -> None:
    assert listed([]) == []
    assert listed([{"id": "1"}, {"id": "2"}]) == [Task(id="1"), Task(id="2")]
    assert listed([{"id": "1"}], 201) == [Task(id="1")]


def test_a_single_task_is_a_list_of_one() -> None:
    """One reseller's document shows it (contract Q6)."""
    assert listed({"id": "1", "status": "SUCCESS"}) == [Task(id="1", status="SUCCESS")]


@pytest.mark.parametrize(
    ("body", "status", "error", "words"),
    [
        (b"", 200, ProtocolError, "not an answer of this API: an empty body"),
        (b"", 204, ProtocolError, "an empty body"),
        (b"null", 200, ProtocolError, "null"),
        ({}, 200, ProtocolError, "{}"),
        ({"success": False, "message": "m"}, 200, ServerError, "m"),
        ({"success": None, "message": "m"}, 200, ProtocolError, "m"),
        (PAGE, 200, UnsupportedError, "no such endpoint"),
        ([{"id": "1"}], 301, ProtocolError, "redirected to nowhere"),
        ([{"id": "1"}], 500, ServerError, "in trouble"),
    ],
)
def test_what_is_no_list_is_an_error(
    body: object, status: int, error: type[RequestError], words: str
) -> None:
    with pytest.raises(error, match=words):
        listed(body, status)


# Refusals


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (300, b"", ProtocolError, "redirected to nowhere; set base_url to it"),
        (399, b"", ProtocolError, "redirected"),
        (400, b"", ProtocolError, "the server refuses the request: no words"),
        (400, {"code": 5, "description": "d"}, ServerError, "the server is in trouble: d"),
        (400, {"code": 4, "description": "d"}, ProtocolError, "the server refuses the request: d"),
        (401, b"bad", AuthenticationError, "the server does not accept the key: bad"),
        (402, b"", ProtocolError, "refuses"),
        (403, b"", AuthenticationError, "no words"),
        (404, b"", UnsupportedError, "no such endpoint"),
        (404, {"error": {"code": 5}}, UnsupportedError, "no such endpoint"),
        (404, {"code": 3, "description": "d"}, ProtocolError, "refuses the request: d"),
        (405, {"code": 3}, UnsupportedError, "no such endpoint"),
        (406, {"code": 5}, ProtocolError, "refuses"),
        (413, PAGE, ProtocolError, "refuses"),
        (422, b"", ProtocolError, "refuses"),
        (429, b"", RateLimitedError, "too many requests: no words"),
        (499, b"", ProtocolError, "refuses"),
        (500, {"code": 4}, ServerError, "in trouble"),
        (503, {"error": {"code": "system_cpu_overloaded", "message": "m"}}, ServerError, "m"),
        (599, b"", ServerError, "in trouble"),
    ],
)
def test_a_status_has_its_error(
    status: int, body: object, error: type[RequestError], words: str
) -> None:
    found = refusal(answer(body, status))

    assert type(found) is error
    assert words in str(found)
    assert found.where == answer(body, status).where


def test_a_refusal_carries_what_the_headers_say() -> None:
    found = refusal(answer(b"", 429, x_oneapi_request_id="abc", retry_after="7"))

    assert (found.request_id, found.retry_after) == ("abc", 7.0)


def test_a_redirect_names_its_target() -> None:
    found = refusal(answer(b"<html>moved", 301, location="https://h/mj/"))

    assert "redirected to https://h/mj/;" in str(found)
    assert isinstance(found, ProtocolError)
    assert found.excerpt == "<html>moved"


def test_a_protocol_error_shows_the_answer() -> None:
    with pytest.raises(ProtocolError) as caught:
        listed(b"[1,")

    assert caught.value.excerpt == "[1,"


# Pushed


def test_a_pushed_task_is_read() -> None:
    assert read_pushed(b'{"id":"1","status":"SUCCESS"}', decoder()).status == "SUCCESS"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"x", b'{"id":""}', b'{"code":1}'])
def test_a_push_that_is_no_task_is_an_error(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_pushed(body, decoder())


# Anything

BODIES = (
    st.binary(max_size=40)
    | JSON
    | st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("id", "code", "description", "error", "message", "success", "type", "result"), JSON
        ),
    )
)
STATUSES = st.integers(200, 599) | st.sampled_from([200, 204, 301, 400, 401, 404, 429, 503])
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "date", "location", "x-oneapi-request-id"]),
    st.text(max_size=12) | st.sampled_from(["5", "-5", "nan", "inf", "1e999", "0"]),
)


@settings(max_examples=300)
@given(status=STATUSES, headers=HEADERS, body=BODIES)
def test_any_answer_is_read_or_an_error_of_ours(
    status: int, headers: dict[str, str], body: object
) -> None:
    made = Answer(status, headers, answer(body).body)
    with suppress(MJTaskError):
        assert isinstance(read_task(made, decoder(), "1"), Task)
    with suppress(MJTaskError):
        assert all(isinstance(found, Task) for found in read_tasks(made, decoder()))
