"""novicezk's answers beside answers of the real one, request for request."""

import json
from typing import Any

import pytest

from mjtask_async.simulator import Step

from .conftest import Caller
from .recordings import (
    Given,
    Plan,
    after,
    left_out,
    plan,
    plans,
    planted,
    recorded,
    repeat,
    stored,
)

HOOKED = {"notifyHook": "http://h", "discordInstanceId": "1", "nonce": "1"}
GRID = "1700000000000020"
"""A task that may be changed, but for its account."""
CHANGED = {
    **HOOKED,
    "notifyHook": None,
    "finalPrompt": "p",
    "progressMessageId": "1",
    "referencedMessageId": "1",
}
SUCCESS = Step(at=0, status="SUCCESS")
LIVE = Step(at=0, status="IN_PROGRESS", progress="93%")
EARLY = Step(at=0, status="IN_PROGRESS", progress="46%", fields={"startTime": None})
BARE = {
    "status": "IN_PROGRESS",
    "progress": "0%",
    "properties": {**HOOKED, "finalPrompt": "p", "progressMessageId": "1"},
}
HASHLESS = {
    "notifyHook": "",
    "discordInstanceId": "",
    "messageHash": None,
    **dict.fromkeys(("nonce", "finalPrompt", "progressMessageId"), ""),
}
BEATEN = (SUCCESS, Step(at=0, status="SUBMITTED"))
LOST = Step(at=0, status="FAILURE", fail_reason="x")


def row(name: str) -> dict[str, Any]:
    """Return the task of a recorded fetch."""
    task: dict[str, Any] = json.loads(recorded("novicezk")[name]["response"]["body"])
    return task


def store(*names: str) -> Plan:
    """Put recorded tasks into the store, as was done with the real server's redis."""
    return plan(stored(*map(row, names)))


def hooked(task_id: str, *steps: Step, **fields: Any) -> Plan:
    more = {"properties": HOOKED, "state": None, **fields}
    return plan(planted(task_id, *steps, **more))


def bare(task_id: str, **fields: Any) -> Plan:
    blank = {"prompt": None, "promptEn": None, "description": None, "state": None}
    more: dict[str, Any] = {"properties": {}, "action": None, "submitTime": None}
    return plan(planted(task_id, **(blank | more | fields)))


def grid(*, account: str | None = None, **fields: Any) -> Given:
    """Plant a parent; its account may be one that is gone."""
    properties = {"discordInstanceId": account or "1118138338562560102"}
    return planted(GRID, SUCCESS, **{"properties": properties, **fields})


def submitted(number: int) -> Given:
    async def submit(caller: Caller) -> None:
        for _ in range(number):
            await caller.imagine()

    return submit


def described(**order: Any) -> Given:
    async def describe(caller: Caller) -> str:
        answer = await caller.order("submit/describe", base64="data:a/b;base64,AAAA", **order)
        task = await caller.wait(answer["result"])
        return str(task["id"])

    return describe


def stepped(action: str, *, final: bool = False, **order: Any) -> Plan:
    """Change a parent, and look at the new task at once or when it is done."""

    async def step(caller: Caller) -> str:
        await grid()(caller)
        answer = await caller.order("submit/change", taskId=GRID, action=action, **order)
        if final:
            await caller.wait(answer["result"])
        return str(answer["result"])

    return plan(step)


def parent(name: str) -> Plan:
    """Plant the parent that a recorded change names."""
    line = recorded("novicezk")[name]
    said = json.loads(line["request"]["body"])
    task_id = said.get("taskId") or said["content"].split(" ")[0]
    return plan(planted(task_id, SUCCESS))


OLD_STORE = ("020-fetch-not-start", "021-fetch-submitted", "022-fetch-in-progress")
STORE = (*OLD_STORE, "023-fetch-success", "024-fetch-failure")
NO_STATE = (
    *("001-auth-ok-unknown-id", "002-auth-missing", "005-auth-both", "006-auth-missing-submit"),
    *("007-fetch-unknown", "008-fetch-empty-id", "009-fetch-no-id", "010-fetch-trailing-slash"),
    *("011-fetch-enc-slash", "012-fetch-unicode", "016-fetch-enc-semicolon", "017-fetch-backslash"),
    *("019-fetch-badpct", "037-list-null-ids", "038-list-empty-ids", "042-list-object-id"),
    *("043-list-ids-string", "057-list-text-plain", "058-list-no-content-type"),
    *("060-list-multipart", "062-list-accept-xml", "064-list-get-405", "066-imagine-empty-prompt"),
    *("067-imagine-blank-prompt", "068-imagine-missing-prompt", "070-imagine-banned"),
    *("072-imagine-bad-base64", "076-imagine-object-prompt", "078-imagine-malformed"),
    *("079-imagine-no-body", "080-imagine-text-plain", "081-imagine-no-content-type"),
    *("082-imagine-form", "083-imagine-multipart", "088-change-null-action"),
    *("090-change-lower-action", "091-change-empty-action", "106-change-index-x"),
    *("109-change-index-True", "117-simple-change-zero", "120-simple-change-empty"),
    *("123-simple-change-trailing-space", "124-simple-change-u-only"),
    *("128-simple-change-unknown-parent", "137-describe-not-base64", "140-blend-six"),
    *("141-blend-missing", "144-blend-bad-image", "147-404-submit-modal", "149-404-submit-video"),
    *("150-404-submit-upload-discord-images", "151-404-submit-show", "152-404-swap"),
    *("154-404-cancel", "156-404-fast-prefix", "161-404-accept-html", "164-404-accept-plain"),
    *("166-404-post", "167-500-accept-html", "172-root-mj", "181-imagine-accepted"),
    *("190-scenario-mj-error", "219-imagine-accepted-image-upload-refused"),
    *("221-describe-accepted", "224-describe-accepted-unknown-mime", "228-imagine-parent"),
)
GONE = (
    *("097-change-account-gone", "101-change-reroll-no-index", "104-change-index--1"),
    *("105-change-index-2", "107-change-index-1_7", "115-simple-change-reroll"),
)
KEY = {"mj-api-secret": "sk-test"}
"""For lines of a server that asks for no secret."""
RACE = "1795251025734052"
WOLF = "1795252498948296"
FIRST = "1795250801469954"
NOVICEZK: dict[str, Plan] = {
    **plans(*NO_STATE),
    **{name: store(name) for name in STORE},
    **dict.fromkeys(
        ("034-list-three-one-unknown", "048-list-unknown-fields", "061-list-gzip-accept"),
        store(*STORE),
    ),
    **dict.fromkeys(
        ("065-imagine-no-account", "130-describe-no-account", "136-describe-bad-mime"),
        plan(workers=0),
    ),
    "025-fetch-all-null": bare("1700000000000006"),
    "027-fetch-status-null": bare("1700000000000008", status=None),
    "033-fetch-store-other-id": bare("1700000000000014", id="OTHER"),
    "093-change-parent-not-start": store("020-fetch-not-start"),
    "094-change-parent-in-progress": store("022-fetch-in-progress"),
    "096-change-parent-upscale": plan(planted("1700000000000004", SUCCESS, action="UPSCALE")),
    **dict.fromkeys(GONE, plan(grid(account="1012983546824114217"))),
    "098-change-parent-no-properties": plan(
        planted("1700000000000021", Step(at=0, status="SUCCESS", fields={"properties": {}}))
    ),
    "100-change-no-index": plan(grid()),
    "170-fetch-accept-html": bare("1700000000000003"),
    "182-live-00-not-start-null": hooked(FIRST, state="s"),
    "185-live-03-in-progress-0": hooked(
        FIRST,
        Step(at=0, status="IN_PROGRESS", progress="0%", fields={"properties": HASHLESS}),
        state="s",
    ),
    "188-live-06-in-progress-93": hooked(FIRST, LIVE, state="s"),
    "189-live-07-success-100": hooked(FIRST, LIVE, SUCCESS, state="s"),
    **{
        name: hooked(task_id, Step(at=0, status="SUBMITTED"), LOST)
        for name, task_id in (
            ("191-live-failure-embed", "1795251019663556"),
            ("195-live-failure-discord-429", "1795251022740133"),
            ("196-live-failure-discord-500", "1795251023276654"),
            ("272-live-failure-timeout", "1795251925888643"),
        )
    },
    "198-live-failure-discord-drop": hooked("1795251024305901", LOST),
    "199-live-race-00": hooked(RACE),
    "200-live-race-01": hooked(RACE, Step(at=0, fields={**BARE, "progress": None})),
    "201-live-race-02": hooked(RACE, Step(at=0, fields={**BARE, "properties": HASHLESS})),
    "202-live-race-03": hooked(RACE, EARLY),
    "203-live-race-04": hooked(RACE, EARLY, Step(at=0, status="SUBMITTED")),
    **dict.fromkeys(
        ("204-live-race-05", "205-live-race-06"),
        hooked(RACE, EARLY, Step(at=0, status="SUBMITTED"), LIVE),
    ),
    "206-live-race-07": hooked(RACE, EARLY, Step(at=0, status="SUBMITTED"), SUCCESS),
    **dict.fromkeys(
        ("210-live-odd-progress-03", "211-live-odd-progress-04"),
        hooked("1795251028816138", LIVE),
    ),
    "216-live-odd-progress-09": hooked("1795251028816138", LIVE, SUCCESS),
    "222-live-describe-success": plan(described(state="d")),
    "230-live-change-upscale-first": stepped("UPSCALE", index=2, state="u"),
    "233-live-change-variation-first": stepped("VARIATION", index=1),
    "234-live-change-variation-last": stepped("VARIATION", index=1, final=True),
    "236-live-change-reroll-first": plan(
        planted("1795251047809644", Step(at=0, status="SUBMITTED"), properties=CHANGED, state=None)
    ),
    "241-change-accepted-simple-r": parent("241-change-accepted-simple-r"),
    "243-live-change-simple-r-last": stepped("REROLL", final=True),
    "244-change-accepted-index-0": parent("244-change-accepted-index-0"),
    "245-live-change-index-0-first": stepped("UPSCALE", index=0),
    "248-live-change-index-5-first": stepped("VARIATION", index=5),
    "250-change-parent-is-upscale": plan(planted("1795251045853471", SUCCESS, action="UPSCALE")),
    "255-imagine-queued-1": plan(submitted(4)),
    "257-imagine-queue-full": plan(submitted(13)),
    "258-task-queue": plan(
        after(
            planted(WOLF, LIVE, *BEATEN, Step(at=1e6), properties=HOOKED, state=None),
            *(
                planted(f"q{n}", Step(at=0, status="SUBMITTED"), Step(at=1e6), state=None)
                for n in range(2)
            ),
            *(planted(f"w{n}", Step(at=1e6), state=None) for n in range(10)),
        )
    )._replace(headers=KEY),
    "271-task-queue-empty": plan()._replace(headers=KEY),
    "282-live-success-lost-00-not-start": hooked(WOLF),
    "286-live-success-lost-04-in-progress": hooked(WOLF, EARLY),
    "288-live-success-lost-06-success": hooked(
        WOLF, LIVE, Step(at=0, status="SUCCESS", fields={"startTime": None})
    ),
    "289-live-success-lost-07-submitted": hooked(WOLF, LIVE, *BEATEN),
    "290-live-success-lost-08-failure": hooked(WOLF, LIVE, *BEATEN, LOST),
}


@pytest.mark.parametrize("name", NOVICEZK)
async def test_novicezk_answers_as_it_was_seen_to(name: str) -> None:
    await repeat("novicezk", name, NOVICEZK[name])


def test_every_line_is_repeated_or_left_out_with_a_reason() -> None:
    skipped = left_out("novicezk")
    assert not NOVICEZK.keys() & skipped.keys()
    assert NOVICEZK.keys() | skipped.keys() == recorded("novicezk").keys()
