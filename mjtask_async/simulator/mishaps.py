# ruff: noqa: RUF001 -- the servers' own words
"""The faults of contract 9 by name: answers of servers, proxies and networks that go wrong."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from .dialects import as_array, as_object, go_json
from .faults import Fault

HTML = {"Content-Type": "text/html; charset=utf-8"}
JSON = {"Content-Type": "application/json; charset=utf-8"}
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
_PAGE = "<!doctype html><html><head><title>%s</title></head></html>"


def e1(message: str, **code: str) -> str:
    """Write an error object of a relay."""
    words = {"message": f"{message} (request id: 20261121000000)", "type": "new_api_error"}
    return go_json({"error": {**words, **code}})


def e2(code: int, description: str) -> str:
    """Write a relay's envelope of an error."""
    return go_json({"code": code, "description": f"{description} ", "type": "upstream_error"})


_PANIC = go_json({"error": {"message": "Panic detected, error: EOF", "type": "new_api_panic"}})


def _each(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    """Change every task of an answer; what is no task stays."""

    def altered(body: bytes) -> bytes:
        try:
            value = json.loads(body)
        except ValueError:
            return body
        rows = as_array(value)
        if rows is None:
            return go_json(_changed(change, value)).encode(errors="replace")
        return go_json([_changed(change, row) for row in rows]).encode(errors="replace")

    return altered


def _changed(change: Callable[[dict[str, Any]], Any], value: Any) -> Any:
    task = as_object(value)
    return value if task is None or "id" not in task else change(task)


def _unknown_fields(task: dict[str, Any]) -> dict[str, Any]:
    return {**task, "relaxed": True, "costs": [1.5, {"currency": None}]}


def _partial(task: dict[str, Any]) -> dict[str, Any]:
    kept = ("id", "status", "progress", "imageUrl", "failReason")
    return {name: task[name] for name in kept if name in task}


def _number(task: dict[str, Any]) -> dict[str, Any]:
    return {**task, "id": int(task["id"])} if str(task["id"]).isdecimal() else task


def _nulls_but(*kept: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def nulled(task: dict[str, Any]) -> dict[str, Any]:
        return {name: value if name in kept else None for name, value in task.items()}

    return nulled


def _bare(body: bytes) -> bytes:
    try:
        rows = as_array(json.loads(body))
    except ValueError:
        return body
    return go_json(rows[0]).encode() if rows and len(rows) == 1 else body


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _second_value(body: bytes) -> bytes:
    return body + e2(5, "do_request_failed").encode()


MISHAPS: Mapping[str, Fault] = {
    "closed before the body is read": Fault.close_before_reading(),
    "closed after the body is read": Fault.close_after_reading(),
    "closed in place of an answer": Fault.accept_and_close(),
    "reset before the body is read": Fault.close_before_reading(resets=True),
    "reset in place of an answer": Fault.accept_and_close(resets=True),
    "reset in an answer": Fault.truncate(0.5, resets=True),
    "slow": Fault.slow(20.0),
    "truncated": Fault.truncate(0.5),
    "half the JSON": Fault.alter(_half),
    "empty 200": Fault.answer(200),
    "204": Fault.answer(204),
    "a page, 200": Fault.answer(200, _PAGE % "New API", HTML),
    "a page, 502": Fault.answer(502, _PAGE % "502 Bad Gateway", HTML),
    "a page, 504": Fault.answer(504, _PAGE % "504 Gateway Time-out", HTML),
    "429": Fault.answer(429),
    "429 with words": Fault.answer(429, e1("您的速率达到上限，请稍后再试。"), JSON),
    "E3": Fault.answer(500, _PANIC + e2(5, "do_request_failed"), PLAIN),
    "503 E1": Fault.answer(503, e1("无可用渠道", code="model_not_found"), JSON),
    "503 E8": Fault.answer(503, e1("system cpu overloaded", code="system_cpu_overloaded"), JSON),
    "code 5": Fault.answer(400, e2(5, "do_request_failed"), JSON),
    "database hiccup": Fault.answer(401, e1("Invalid token", code=""), JSON),
    "no tasks": Fault.answer(200, "[]", JSON),
    "task not found": Fault.answer(400, e2(4, "task_no_found"), JSON),
    "two values": Fault.alter(_second_value),
    "a bare object": Fault.alter(_bare),
    "partial items": Fault.alter(_each(_partial)),
    "unknown fields": Fault.alter(_each(_unknown_fields)),
    "ids as numbers": Fault.alter(_each(_number)),
    "nulls": Fault.alter(_each(_nulls_but("id"))),
    "nulls but the status": Fault.alter(
        _each(_nulls_but("id", "status", "imageUrl", "failReason"))
    ),
}
"""By name; each is for one request."""
