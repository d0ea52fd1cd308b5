"""The relays' answers beside answers of the real ones, request for request."""

import asyncio
from typing import Any

import aiohttp
import pytest

from mjtask_async.simulator import Step

from .conftest import Caller, calling
from .recordings import (
    PERIOD,
    Given,
    Plan,
    after,
    asked_ids,
    left_out,
    nothing,
    plan,
    plans,
    planted,
    recorded,
    refreshed,
    rejected,
    repeat,
    resend,
    seconds_ago,
    times,
    upstream,
)

OLD = "1795251000000001"
ACCOUNT = {"discordInstanceId": "1", "discordChannelId": "1"}
TAKEN = {"code": 1, "description": "提交成功", "result": "1795250961833005", "properties": ACCOUNT}
REFUSED = {"code": 4, "description": "x", "result": None, "properties": {}}
WAITING = "Waiting for window confirm"
RUNNING = Step(at=0, status="IN_PROGRESS", progress="37%")
FULL = Step(at=0, status="IN_PROGRESS", progress="100%")
SUCCESS = Step(at=0, status="SUCCESS")
DONE = refreshed(OLD, SUCCESS)
E1 = {"error": {"message": "no channel (request id: x)", "type": "new_api_error"}}


def says(answer: Any = None, status: int = 200, **more: Any) -> Plan:
    return plan(upstream("submit/imagine", answer, status, **more))


def with_result(code: int, result: Any, **properties: Any) -> dict[str, Any]:
    return {"code": code, "description": "x", "result": result, "properties": properties}


def queued_as(code: int) -> dict[str, Any]:
    return with_result(code, "1795250597000022", numberOfQueues=1, discordInstanceId="1")


PRETTY = '{\n  "code": 22,\n  "description": "queued",\n  "result": "1", "properties": {"numberOfQueues": 1}}'


async def custom_zoom(caller: Caller) -> str:
    await DONE(caller)
    answer = await caller.order(
        "submit/action", taskId=OLD, customId="MJ::CustomZoom::x", state="cz"
    )
    return str(answer["result"])


def zoomed(*, seen: bool, until: str | None = None) -> Given:
    """Press custom zoom, wait for MODAL or not, send the modal, wait for the newer row."""

    async def press(caller: Caller) -> str:
        task_id = await custom_zoom(caller)
        if seen:
            await caller.wait(task_id, "MODAL")
        await caller.order("submit/modal", taskId=task_id, prompt="a cat --zoom 2")
        if until:
            await caller.wait_newer(task_id, until)
        return task_id

    return press


def both_done(*, seen: bool) -> Given:
    press = zoomed(seen=seen, until="SUCCESS")

    async def wait(caller: Caller) -> str:
        task_id = str(await press(caller))
        await caller.wait(task_id)
        return task_id

    return wait


async def waiting(caller: Caller) -> str:
    task_id = await custom_zoom(caller)
    await caller.wait(task_id, "MODAL")
    return task_id


def made(endpoint: str, **order: Any) -> Given:
    async def make(caller: Caller) -> str:
        return str((await caller.order(endpoint, **order))["result"])

    return make


def exhausted(number: int, path: str = "/mj/task/list") -> Given:
    async def exhaust(caller: Caller) -> None:
        for _ in range(number):
            await caller.get(path)

    return exhaust


def hundred(*steps: Step) -> Given:
    async def plant(caller: Caller) -> None:
        for task_id in asked_ids(recorded("new-api-2025")["190-list-100-accept-encoding-gzip"]):
            caller.sim.plant(task_id, steps, fields={"properties": {"finalPrompt": "x"}})
        await asyncio.sleep(PERIOD)

    return plant


async def banned(caller: Caller) -> None:
    await caller.imagine()


async def expired(caller: Caller) -> None:
    await DONE(caller)
    await asyncio.sleep(90_000)


async def failed_by_the_hour(caller: Caller) -> None:
    steps = (RUNNING, Step(at=3610, status="SUCCESS"))
    await refreshed("1799000000000001", *steps, wait=3700)(caller)


async def notified(caller: Caller) -> None:
    caller.sim.plant("1795254000000001", [Step(at=1e6)])
    line = recorded("new-api-2025")["361-notify-ok"]
    await resend(caller, line)


NEW_API_BOTH: dict[str, Plan] = {
    **plans(
        *("001-submit-imagine-code1", "130-list-all-unknown", "134-list-ids-numbers"),
        *("154-fetch-unknown", "178-unknown-route-get-task-list", "182-v1-unknown"),
        *("309-upload", "341-image-unknown"),
    ),
    "004-submit-code21-modal-like": says(with_result(21, "1", finalPrompt="a", remix=True)),
    "005-submit-code21-success-props": says(with_result(21, "1", status="SUCCESS", imageUrl="u")),
    "007-submit-code23": says(with_result(23, None, discordInstanceId="1")),
    "009-submit-code4": says(with_result(4, None)),
    "012-submit-code4-with-id": says(with_result(4, "1795250597000044")),
    "031-submit-upstream-200-result-envelope": says(
        {"success": False, "code": -1, "message": "并发数已达上限", "timestamp": "638"}
    ),
    "032-submit-upstream-502-html": says("<html>", 502),
    "034-submit-upstream-200-empty": says(None),
    "035-submit-upstream-204": says(None, 204),
    "080-change-ok": plan(DONE),
    "100-fetch-fresh-before-refresh": plan(),
    "103-fetch-not-start": plan(refreshed(OLD)),
    "106-fetch-submitted": plan(refreshed(OLD, Step(at=0, status="SUBMITTED"))),
    "107-fetch-upstream-submittime-null-2nd-tick": plan(
        refreshed(
            "1795251000000007", Step(at=0, status="SUBMITTED"), wait=3 * PERIOD, submitTime=None
        )
    ),
    "109-fetch-in-progress-preview": plan(refreshed(OLD, RUNNING)),
    "113-fetch-modal": plan(
        refreshed("1795251000000006", Step(at=0, status="MODAL", progress="0%"))
    ),
    "118-fetch-success-buttons": plan(DONE),
    "120-list-fresh": plan(),
    "121-fetch-failure": plan(
        refreshed("1795251000000002", RUNNING, Step(at=1, status="FAILURE", fail_reason="x"))
    ),
    "123-fetch-failure-null-reason": plan(
        refreshed(
            "1795251000000013",
            RUNNING,
            Step(at=1, status="FAILURE", progress="0%", fail_reason=None),
        )
    ),
    "136-list-ids-with-null": plan(after(times(rejected, 17), DONE)),
    "150-list-empty-id": plan(times(rejected, 17)),
    "161-image-seed-number": plan(after(DONE, upstream("task/{id}/image-seed", {"result": 1}))),
    "165-image-seed-empty": plan(after(DONE, upstream("task/{id}/image-seed"))),
    "211-auth-limited-model-limited-token-reads": plan(allowed_models={"mj_imagine"}),
    "310-swap-ok": plan(upstream("insight-face/swap", TAKEN)),
    "313-swap-code22-kept": plan(
        upstream("insight-face/swap", with_result(22, "1", numberOfQueues=1))
    ),
    "324-q7-list-after-modal": plan(zoomed(seen=False)),
    "328-q7-list-at-success-tick": plan(zoomed(seen=False, until="SUCCESS")),
    "334-imagine-after-autoban": plan(banned, auto_ban=True, workers=0),
    "345-image-upstream-404": plan(expired),
}

A: dict[str, Plan] = {
    **NEW_API_BOTH,
    **plans(
        *("060-imagine-empty-prompt", "062-imagine-null-prompt", "064-imagine-number-prompt"),
        *("067-imagine-index-string", "069-imagine-empty-body", "071-imagine-null-body"),
        *("073-imagine-no-content-type", "086-change-numeric-taskid", "087-change-string-index"),
        *("131-list-ids-missing", "138-list-body-array", "139-list-empty-body"),
        *("140-list-broken-json", "145-list-multipart", "149-list-ids-with-blanks"),
        *("153-fetch-empty-id-user-without-rows", "157-submit-trailing-slash"),
        *("158-fetch-double-slash-in-path", "170-post-to-get-route", "171-get-to-post-route"),
        *("172-head-fetch", "173-options-no-origin", "177-delete", "180-unknown-route-no-auth"),
        *("183-api-unknown", "184-mj-root", "185-fetch-encoded-slash"),
        *("201-auth-lowercase-bearer", "203-auth-wrong-bearer-right-secret"),
        *("205-auth-no-key", "207-auth-no-key-submit", "307-describe", "312-swap-urls"),
        *("344-image-head", "380-chained-submit", "390-panic-no-taskid"),
    ),
    "002-submit-code22-rewritten": says(queued_as(22)),
    "003-submit-code22-pretty-printed": says(PRETTY),
    "008-submit-code24": says(
        {
            "code": 24,
            "description": "可能包含敏感词",
            "properties": {"promptEn": "", "bannedWord": ""},
        }
    ),
    "010-submit-code9": says(with_result(9, None)),
    "036-submit-upstream-200-html": says("<html>"),
    "041-submit-upstream-401-text": says("Authorization header missing.", 401),
    "042-submit-upstream-401-empty": says(None, 401),
    "044-submit-result-number": says({**TAKEN, "result": 5}),
    "047-submit-upstream-new-api-error": says(E1, 503),
    "049-submit-array-body": says([]),
    "053-submit-upstream-hang-60s": plan(upstream("submit/shorten", after=70.0)),
    "063-imagine-blank-prompt": says(TAKEN),
    "083-change-no-taskid": plan(upstream("submit/change", TAKEN)),
    "091-simple-change-with-change-fields": plan(DONE),
    "092-action-upsample": plan(DONE),
    **dict.fromkeys(
        (
            *("093-action-customid-without-colons", "094-action-customid-two-parts"),
            "095-action-upsample-no-index",
        ),
        plan(rejected),
    ),
    "099-action-no-taskid": plan(upstream("submit/action", TAKEN)),
    "100-fetch-fresh-before-refresh": plan(planted("1795250597524001")),
    "108-fetch-1h-rule": plan(
        refreshed("1795251000000009", RUNNING, wait=3 * PERIOD, submitTime=seconds_ago(3700))
    ),
    "110-fetch-q9-in-progress-100": plan(refreshed("1795251000000003", FULL)),
    "120-list-fresh": plan(planted("1795250597524001")),
    "148-list-order": plan(
        after(
            planted("1795251000000001", SUCCESS),
            refreshed("1795251000000002", Step(at=0, status="FAILURE", fail_reason="x")),
        )
    ),
    "160-image-seed-ok": plan(DONE),
    "167-image-seed-html-504": plan(after(DONE, upstream("task/{id}/image-seed", "<html>", 504))),
    "169-image-seed-empty-id": plan(
        after(
            rejected,
            upstream("task/{id}/image-seed", {"code": 1, "result": "1", "properties": {}}),
        )
    ),
    "190-list-100-accept-encoding-gzip": plan(hundred(SUCCESS)),
    "194-list-order-insertion-9-1-5-asked-5-9-1": plan(
        after(*(planted(f"179700000000000{number}") for number in (9, 1, 5)))
    ),
    "199-fetch-video-keys-dropped": plan(
        refreshed("1797000000000062", SUCCESS, videoUrl="http://v", videoUrls=[{"url": "u"}])
    ),
    "202-auth-mj-api-secret-only": plan(planted("1795250597524001")),
    "214-auth-limited-submit-forbidden": plan(allowed_models={"mj_imagine"}),
    "301-modal-no-taskid": plan(upstream("submit/modal", {**TAKEN, "result": None})),
    "314-swap-code9": plan(upstream("insight-face/swap", {"code": 9, "description": "x"})),
    "319-describe-text-plain": plan(upstream("submit/describe", TAKEN)),
    "321-q7-fetch-after-action": plan(custom_zoom),
    "326-q7-list-while-running": plan(zoomed(seen=False, until="IN_PROGRESS")),
    "329-q7-list-both-success": plan(both_done(seen=False)),
    "335-imagine-code3-no-autoban": plan(workers=0),
    "337-imagine-chained-upstream-401": says(E1, 401),
    "351-fetch-server-address-with-slash": plan(DONE, server_address="http://relay/"),
    "352-fetch-server-address": plan(DONE, server_address="http://relay"),
    "354-image-of-1h-failure": plan(failed_by_the_hour),
    "361-notify-ok": plan(planted("1795254000000001")),
    "362-fetch-after-notify": plan(notified),
    "367-notify-other-user": plan(planted("1795254000000001")),
    "389-panic-user-without-rejected-rows": plan(planted("1795251354709038", SUCCESS)),
    "391-fetch-after-abandoned-submit": plan(planted("1795257000000001")),
    "392-fetch-html-escaping": plan(planted("1795257000000003", prompt='<a> & "b" \u2028')),
    **dict.fromkeys(
        (
            *("400-unknown-route-web-rate-limited", "401-unknown-post-route-web-rate-limited"),
            *("402-head-rate-limited", "403-v1-unknown-rate-limited"),
        ),
        plan(exhausted(60)),
    ),
}

A2: dict[str, Plan] = {
    **NEW_API_BOTH,
    **plans(
        *("204-auth-wrong-key", "223-imagine-number-prompt-zh", "224-simple-change-zh"),
        *("500-video-ok", "504-video-unknown-task", "510-edits-ok"),
    ),
    "100-fetch-fresh-before-refresh": plan(planted("1795255428537001")),
    "120-list-fresh": plan(planted("1795255428537001")),
    "122-fetch-failure-no-reason": plan(
        refreshed("1795251000000012", RUNNING, Step(at=1, status="FAILURE"))
    ),
    "136-list-ids-with-null": plan(after(times(rejected, 16), DONE)),
    "150-list-empty-id": plan(times(rejected, 16)),
    "162-image-seed-upstream-404": plan(
        after(DONE, upstream("task/{id}/image-seed", with_result(3, None), 404))
    ),
    "201-auth-lowercase-bearer": plan(planted("1795255428537001")),
    "202-auth-mj-api-secret-only": plan(planted("1795255428537001")),
    "353-fetch-rand": plan(refreshed("1795251000000003", FULL)),
    "400-unknown-route-web-rate-limited": plan(exhausted(120)),
    "501-fetch-video-fresh": plan(made("submit/video", prompt="it moves")),
    "511-fetch-edits-fresh": plan(made("submit/edits", prompt="a hat", image="AAAA")),
    "520-image-blocked-port": plan(DONE, guard_images=True),
    "530-fetch-video-success": plan(
        refreshed(
            "1800000000026001",
            Step(at=0, status="SUCCESS", fields={"buttons": []}),
            videoUrl="http://v/0.mp4",
            videoUrls=[{"url": "http://v/0.mp4", "thumbnail": "http://v/0.png"}],
        )
    ),
    "531-fetch-video-preview": plan(
        refreshed("1800000000043001", RUNNING, videoUrl="u", videoUrls=[{"url": "u"}])
    ),
    "532-fetch-videourls-empty": plan(refreshed("1800000000029001", RUNNING, videoUrls=[])),
}
SILENT = ("093-action-customid-without-colons", "094-action-customid-two-parts")

H: dict[str, Plan] = {
    **plans("02-auth-secret-sk", "04-auth-no-key", "128-unknown-get"),
    "20-submit-imagine-code1": says(with_result(1, "1", discordInstanceId="1")),
    "21-submit-code22": says(queued_as(22)),
    "24-submit-code21-success": says(with_result(21, "1", status="SUCCESS", imageUrl="u")),
    "100-list-normal": plan(
        after(
            planted("1725070533100002", RUNNING, properties={}),
            planted("1725070533100003", SUCCESS, properties={}),
            refreshed("1725070533100004", Step(at=0, status="FAILURE", fail_reason="x")),
        )
    ),
    "153-modal-row-fetch": plan(waiting),
    "153-modal-row-list": plan(waiting),
    "154-modal": plan(
        after(upstream("submit/modal", with_result(1, "1", discordInstanceId="1")), waiting)
    ),
    "156-modal-inprogress-fetch": plan(zoomed(seen=True, until="IN_PROGRESS")),
    "156-modal-inprogress-list": plan(zoomed(seen=True, until="IN_PROGRESS")),
    "158-modal-success-both-fetch": plan(both_done(seen=True)),
    "158-modal-success-both-list": plan(both_done(seen=True)),
    "160-rate-limit-429": plan(exhausted(100, "/mj/task/1/fetch")),
}
PLANS = {"new-api-2025": A, "new-api": A2, "one-hub": H}


@pytest.mark.parametrize(
    ("profile", "name"), [(profile, name) for profile in PLANS for name in PLANS[profile]]
)
async def test_a_relay_answers_as_it_was_seen_to(profile: str, name: str) -> None:
    await repeat(profile, name, PLANS[profile][name])


@pytest.mark.parametrize("name", SILENT)
async def test_a_relay_hangs_up_as_it_was_seen_to(name: str) -> None:
    """Contract Q22, A2: not a single byte."""
    async with calling(profile="new-api", api_key="sk-test") as caller:
        await nothing(caller)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await resend(caller, recorded("new-api")[name])


def test_every_line_is_repeated_or_left_out_with_a_reason() -> None:
    for profile, repeated in PLANS.items():
        done = {*repeated, *(SILENT if profile == "new-api" else ())}
        skipped = left_out(profile)
        assert not done & skipped.keys()
        assert done | skipped.keys() == recorded(profile).keys()
        assert all(reason.endswith(".") for reason in skipped.values())


def test_at_least_150_answers_are_repeated() -> None:
    """Here alone, without those of novicezk."""
    assert sum(len(repeated) for repeated in PLANS.values()) >= 150
