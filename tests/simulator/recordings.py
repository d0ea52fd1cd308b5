"""Answers of the real servers, and how to bring a simulator into the state to repeat them.

The lines in data/*.jsonl are as the servers sent them. Compared are status, headers, the
keys in their order and the types of the values; an empty list stands for any list.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from mjtask_async.simulator import Fault, Step

from .conftest import EPOCH, Caller, Reply, calling

DATA = Path(__file__).parent / "data"
PERIOD = 30.0
"""After so many seconds every relay has refreshed its rows."""
Given = Callable[[Caller], Awaitable["str | None"]]
"""Brings the state about; may return the id to ask for in place of the recorded one."""


class Plan(NamedTuple):
    """How to repeat one recorded answer."""

    given: Given
    arguments: Mapping[str, Any] = {}
    """What the simulator is started with."""
    headers: Mapping[str, str] = {}
    """What is sent besides the recorded headers."""


@cache
def recorded(profile: str) -> dict[str, dict[str, Any]]:
    """Return a server's lines by name."""
    lines: dict[str, dict[str, Any]] = {}
    for text in (DATA / f"{profile}.jsonl").read_text(encoding="utf-8").split("\n"):
        if text:
            line = json.loads(text)
            lines[line["name"]] = line
    return lines


def left_out(profile: str) -> dict[str, str]:
    """Return the names of the lines that are not repeated, each with the reason."""
    reasons: dict[str, dict[str, str]] = json.loads((DATA / "left_out.json").read_text("utf-8"))
    return reasons[profile]


async def repeat(profile: str, name: str, plan: Plan) -> None:
    """Send a recorded request to a simulator, and compare the answers."""
    line = recorded(profile)[name]
    arguments = {"profile": profile, "api_key": "sk-test", **plan.arguments}
    async with calling(**arguments) as caller:
        other = await plan.given(caller)
        compare(line["response"], await resend(caller, line, other, plan.headers))


async def resend(
    caller: Caller,
    line: dict[str, Any],
    other: str | None = None,
    more: Mapping[str, str] | None = None,
) -> Reply:
    """Send a recorded request, about another task if one is named."""
    request = line["request"]
    path, body = request["path"], request["body"]
    if other is not None:
        old = asked_ids(line)[0]
        path, body = path.replace(old, other), body and body.replace(old, other)
    sent = {**request["headers"], **(more or {})}
    headers = {name: value for name, value in sent.items() if name != "host"}
    return await caller.raw(request["method"], path, headers, body.encode() if body else None)


def asked_ids(line: dict[str, Any]) -> list[str]:
    """Return the task ids that a recorded request names."""
    request = line["request"]
    if request["path"].startswith(("/mj/task/list", "/mj/submit")):
        said = json.loads(request["body"])
        return said["ids"] if "ids" in said else [said["taskId"]]
    return [request["path"].split("/")[3]]


def compare(expected: dict[str, Any], reply: Reply) -> None:
    """Hold an answer against a recorded one."""
    assert reply.status == expected["status"]
    headers = {name.lower(): value for name, value in reply.headers.items()}
    named = dict(expected["headers"])
    assert headers.get("content-type") == named.pop("content-type", None)
    if "x-oneapi-request-id" in named:
        for name in ("content-length", "transfer-encoding", "connection"):
            named.pop(name, None)  # follow from the body's length, and from what the caller asked
    if not expected["body"]:
        named.pop("transfer-encoding", None)
    for name, value in named.items():
        assert name in headers
        if value != "present" and name not in {"content-length", "location"}:
            assert headers[name] == value
    if not headers.get("content-type", "").startswith("image/"):
        compare_bodies(expected["body"], reply.body.decode())


def compare_bodies(wanted: str, got: str) -> None:
    """Compare texts: JSON by its values, two JSON values each, anything else by its start."""
    values, others = json_values(wanted), json_values(got)
    if values is None:
        assert got[:15] == wanted[:15]
        return
    assert others is not None, got
    for one, other in zip_longest(values, others):
        if isinstance(one, list):
            assert len(one) == len(other)
        assert_alike(by_id(one), by_id(other), "")


def by_id(value: Any) -> Any:
    """Sort the rows of a list, whose order is the server's own affair; rows of one id stay."""
    return sorted(value, key=lambda row: str(row["id"])) if isinstance(value, list) else value


def json_values(text: str) -> list[Any] | None:
    """Read all JSON values of a text; None if there are none."""
    values: list[Any] = []
    rest = text
    while rest:
        try:
            value, end = json.JSONDecoder().raw_decode(rest)
        except ValueError:
            return None
        values.append(value)
        rest = rest[end:]
    return values or None


def assert_alike(wanted: Any, got: Any, where: str) -> None:
    """Check that two values have the same keys in the same order, and values of the same types."""
    assert type(got) is type(wanted), (where, wanted, got)
    if isinstance(wanted, dict):
        assert list(got) == list(wanted), where
        for name, value in wanted.items():
            assert_alike(value, got[name], f"{where}.{name}")
    elif isinstance(wanted, list) and where:
        for one, other in zip(wanted[:1], got[:1], strict=False):
            assert_alike(one, other, f"{where}[]")
    elif isinstance(wanted, list):
        for one, other in zip(wanted, got, strict=True):
            assert_alike(one, other, "row")


# -- states -------------------------------------------------------------------------------------


async def nothing(caller: Caller) -> None:
    del caller


def plan(given: Given = nothing, **arguments: Any) -> Plan:
    return Plan(given, arguments)


def plans(*names: str) -> dict[str, Plan]:
    """Repeat requests that need no state."""
    return dict.fromkeys(names, plan())


def planted(task_id: str, *steps: Step, wait: float = 0.0, **fields: Any) -> Given:
    async def plant(caller: Caller) -> None:
        caller.sim.plant(task_id, steps or [Step(at=1e6)], state="s", fields=fields)
        await asyncio.sleep(wait)

    return plant


def refreshed(task_id: str, *steps: Step, wait: float = PERIOD, **fields: Any) -> Given:
    """Plant a task, and let the relay learn of it."""
    properties = {"finalPrompt": "a cat --v 7"}
    return planted(task_id, *steps, wait=wait, **{"properties": properties, **fields})


def stored(*tasks: dict[str, Any]) -> Given:
    """Put tasks into the server's store as they are."""

    async def plant(caller: Caller) -> None:
        for task in tasks:
            caller.sim.plant(task["id"], [Step(at=0, fields=task)], fields=task)

    return plant


def upstream(endpoint: str, answer: Any = None, status: int = 200, **more: Any) -> Given:
    """Let a relay's upstream say what the recording's stub said."""
    text = answer if isinstance(answer, str) else json.dumps(answer, separators=(",", ":"))
    fault = Fault.upstream_says(status, "" if answer is None else text, **more)

    async def script(caller: Caller) -> None:
        caller.sim.script(endpoint, fault)

    return script


def after(*givens: Given) -> Given:
    """Bring one state about after the other; the last one names the task."""

    async def all_of_them(caller: Caller) -> str | None:
        named = None
        for given in givens:
            named = await given(caller)
        return named

    return all_of_them


def times(given: Given, number: int) -> Given:
    return after(*[given] * number)


async def rejected(caller: Caller) -> None:
    """Let a submit be rejected, and its row be finished."""
    caller.sim.script("submit/imagine", Fault.upstream_says(200, '{"code":23,"description":"x"}'))
    await caller.imagine()
    await asyncio.sleep(PERIOD)


def seconds_ago(seconds: float) -> int:
    return round((EPOCH - seconds) * 1000)
