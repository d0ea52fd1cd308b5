"""The simulator's answers beside answers of the real servers, request for request.

The bodies in data/ are as the servers sent them. Compared are status, headers, the
keys in their order and the types of the values.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mjtask_async.simulator import Step

from .conftest import Caller, Reply, calling

DATA = Path(__file__).parent / "data"
PERIOD = 30.0
OLD = "1795251000000001"
FINAL = {"finalPrompt": "a cat --v 7"}

Given = Callable[[Caller], Awaitable[object]]


def recorded(profile: str) -> dict[str, dict[str, Any]]:
    lines = (DATA / f"{profile}.jsonl").read_text(encoding="utf-8").split("\n")
    return {line["name"]: line for line in map(json.loads, filter(None, lines))}


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return [(name, shape(item)) for name, item in value.items()]
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


def body_shape(body: str) -> Any:
    try:
        return shape(json.loads(body))
    except ValueError:
        return body[:15]


def compare(expected: dict[str, Any], reply: Reply) -> None:
    assert reply.status == expected["status"]
    headers = {name.lower(): value for name, value in reply.headers.items()}
    named = dict(expected["headers"])
    assert headers.get("content-type") == named.pop("content-type", None)
    for name, value in named.items():
        assert name in headers
        if value != "present" and name not in {"content-length", "location"}:
            assert headers[name] == value
    assert body_shape(reply.text) == body_shape(expected["body"])


async def nothing(caller: Caller) -> None:
    del caller


def planted(task_id: str, *steps: Step, wait: float = 0.0, **fields: Any) -> Given:
    async def plant(caller: Caller) -> None:
        caller.sim.plant(task_id, steps or [Step(at=1e6)], state="s", fields=fields)
        await asyncio.sleep(wait)

    return plant


def refreshed(*steps: Step, task_id: str = OLD, wait: float = PERIOD, **fields: Any) -> Given:
    fields = {"properties": FINAL, **fields}
    return planted(task_id, *steps, wait=wait, **fields)


async def rejected(caller: Caller) -> None:
    for _ in range(8):
        await caller.imagine("   ")
    await asyncio.sleep(PERIOD)
    await planted(OLD)(caller)


async def exhausted(caller: Caller) -> None:
    for _ in range(120):
        await caller.get("/mj/task/list")


RUNNING = Step(at=0, status="IN_PROGRESS", progress="37%")
NEW_API: dict[str, Given] = {
    "001-submit-imagine-code1": nothing,
    "100-fetch-fresh-before-refresh": planted("1795255428537001"),
    "103-fetch-not-start": refreshed(),
    "106-fetch-submitted": refreshed(Step(at=0, status="SUBMITTED")),
    "107-fetch-upstream-submittime-null-2nd-tick": refreshed(
        Step(at=0, status="SUBMITTED"), task_id="1795251000000007", wait=90, submitTime=None
    ),
    "109-fetch-in-progress-preview": refreshed(RUNNING),
    "113-fetch-modal": refreshed(
        Step(at=0, status="MODAL", progress="0%"), task_id="1795251000000006"
    ),
    "118-fetch-success-buttons": refreshed(Step(at=0, status="SUCCESS")),
    "120-list-fresh": planted("1795255428537001"),
    "121-fetch-failure": refreshed(
        RUNNING, Step(at=1, status="FAILURE", fail_reason="x"), task_id="1795251000000002"
    ),
    "122-fetch-failure-no-reason": refreshed(
        RUNNING, Step(at=1, status="FAILURE"), task_id="1795251000000012"
    ),
    "123-fetch-failure-null-reason": refreshed(
        RUNNING,
        Step(at=1, status="FAILURE", progress="0%", fail_reason=None),
        task_id="1795251000000013",
    ),
    "130-list-all-unknown": nothing,
    "134-list-ids-numbers": nothing,
    "136-list-ids-with-null": rejected,
    "150-list-empty-id": rejected,
    "154-fetch-unknown": nothing,
    "178-unknown-route-get-task-list": nothing,
    "182-v1-unknown": nothing,
    "201-auth-lowercase-bearer": planted("1795255428537001"),
    "202-auth-mj-api-secret-only": planted("1795255428537001"),
    "204-auth-wrong-key": nothing,
    "223-imagine-number-prompt-zh": nothing,
    "341-image-unknown": nothing,
    "353-fetch-rand": refreshed(
        Step(at=0, status="IN_PROGRESS", progress="100%"), task_id="1795251000000003"
    ),
    "400-unknown-route-web-rate-limited": exhausted,
    "530-fetch-video-success": refreshed(
        Step(at=0, status="SUCCESS", fields={"buttons": []}),
        task_id="1800000000026001",
        videoUrl="http://v/0.mp4",
        videoUrls=[{"url": "http://v/0.mp4", "thumbnail": "http://v/0.png"}],
    ),
    "531-fetch-video-preview": refreshed(
        Step(at=0, status="IN_PROGRESS", progress="50%", image_url=""),
        task_id="1800000000043001",
        videoUrl="http://v/p.mp4",
        videoUrls=[{"url": "http://v/p.mp4"}],
    ),
    "532-fetch-videourls-empty": refreshed(
        Step(at=0, status="IN_PROGRESS", progress="50%", image_url=""),
        task_id="1800000000029001",
        videoUrls=[],
    ),
}


@pytest.mark.parametrize("name", NEW_API)
async def test_new_api_answers_as_it_was_seen_to(name: str) -> None:
    line = recorded("new-api")[name]
    request = line["request"]
    async with calling(profile="new-api", api_key="sk-test") as caller:
        await NEW_API[name](caller)
        body = request["body"] and request["body"].encode()
        compare(line["response"], await caller.raw(**replayed(request), body=body))


async def test_new_api_forwards_a_refusal_as_it_was_seen_to() -> None:
    async with calling(profile="new-api") as caller:
        compare(recorded("new-api")["009-submit-code4"]["response"], await caller.imagine(" "))


HOOKED = {"notifyHook": "http://h", "discordInstanceId": "1", "nonce": "1"}
LIVE = Step(at=0, status="IN_PROGRESS", progress="93%")
RACED = Step(at=0, status="IN_PROGRESS", progress="15%", fields={"startTime": None})
HASHED = {"messageHash": "h", **HOOKED, "finalPrompt": "p", "progressMessageId": "1"}
BEATEN = [Step(at=0, status="SUCCESS"), Step(at=0, status="SUBMITTED")]


async def queued(caller: Caller, tasks: int) -> None:
    for _ in range(tasks):
        await caller.imagine()


def hooked(task_id: str, *steps: Step, **properties: Any) -> Given:
    return planted(task_id, *steps, properties=HOOKED | properties)


def bare(task_id: str, **fields: Any) -> Given:
    blank = {"prompt": None, "promptEn": None, "description": None, "state": None}
    more: dict[str, Any] = {"properties": {}, "action": None, "submitTime": None}
    return planted(task_id, **(blank | more | fields))


NOVICEZK: dict[str, Given] = {
    **dict.fromkeys(
        (
            *("001-auth-ok-unknown-id", "002-auth-missing", "005-auth-both"),
            *("006-auth-missing-submit", "007-fetch-unknown", "008-fetch-empty-id"),
            *("009-fetch-no-id", "010-fetch-trailing-slash", "011-fetch-enc-slash"),
            *("012-fetch-unicode", "016-fetch-enc-semicolon", "017-fetch-backslash"),
            *("019-fetch-badpct", "037-list-null-ids", "038-list-empty-ids"),
            *("042-list-object-id", "043-list-ids-string", "057-list-text-plain"),
            *("058-list-no-content-type", "060-list-multipart", "062-list-accept-xml"),
            *("064-list-get-405", "066-imagine-empty-prompt", "067-imagine-blank-prompt"),
            *("068-imagine-missing-prompt", "070-imagine-banned", "072-imagine-bad-base64"),
            *("076-imagine-object-prompt", "078-imagine-malformed", "079-imagine-no-body"),
            *("080-imagine-text-plain", "081-imagine-no-content-type", "082-imagine-form"),
            *("083-imagine-multipart", "152-404-swap", "154-404-cancel", "156-404-fast-prefix"),
            *("161-404-accept-html", "164-404-accept-plain", "166-404-post"),
            "181-imagine-accepted",
        ),
        nothing,
    ),
    "025-fetch-all-null": bare("1700000000000006"),
    "027-fetch-status-null": bare("1700000000000008", status=None),
    "033-fetch-store-other-id": bare("1700000000000014", id="OTHER"),
    "170-fetch-accept-html": bare("1700000000000003"),
    "182-live-00-not-start-null": hooked("1795250801469954"),
    "188-live-06-in-progress-93": hooked("1795250801469954", LIVE),
    "189-live-07-success-100": hooked("1795250801469954", LIVE, Step(at=0, status="SUCCESS")),
    "191-live-failure-embed": planted(
        "1795251019663556",
        *(Step(at=0, status="SUBMITTED"), Step(at=0, status="FAILURE", fail_reason="x")),
        properties=HOOKED,
        state=None,
    ),
    "199-live-race-00": planted("1795251025734052", properties=HOOKED, state=None),
    "202-live-race-03": planted("1795251025734052", RACED, properties=HOOKED, state=None),
    "203-live-race-04": planted(
        *("1795251025734052", RACED, Step(at=0, status="SUBMITTED")), properties=HOOKED, state=None
    ),
    "255-imagine-queued-1": lambda caller: queued(caller, 4),
    "257-imagine-queue-full": lambda caller: queued(caller, 13),
    "289-live-success-lost-07-submitted": planted(
        "1795252498948296", LIVE, *BEATEN, properties=HOOKED, state=None
    ),
    "290-live-success-lost-08-failure": planted(
        "1795252498948296",
        *(LIVE, *BEATEN, Step(at=0, status="FAILURE", fail_reason="任务超时")),
        properties=HOOKED,
        state=None,
    ),
}


@pytest.mark.parametrize("name", NOVICEZK)
async def test_novicezk_answers_as_it_was_seen_to(name: str) -> None:
    line = recorded("novicezk")[name]
    request = line["request"]
    async with calling(profile="novicezk", api_key="sk-test") as caller:
        await NOVICEZK[name](caller)
        body = request["body"] and request["body"].encode()
        compare(line["response"], await caller.raw(**replayed(request), body=body))


async def test_novicezk_without_an_account_answers_as_it_was_seen_to() -> None:
    line = recorded("novicezk")["065-imagine-no-account"]
    async with calling(profile="novicezk", workers=0) as caller:
        compare(line["response"], await caller.imagine())


def replayed(request: dict[str, Any]) -> dict[str, Any]:
    headers = {name: value for name, value in request["headers"].items() if name != "host"}
    return {"method": request["method"], "path": request["path"], "headers": headers}
