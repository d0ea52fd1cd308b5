"""Who may see a relay's task, and who pays for it (contract 1.1 and Q16)."""

import asyncio
import json
from collections.abc import Mapping

import pytest

from mjtask_async.simulator import Fault

from .conftest import Caller, Reply, calling, finished, press, words

A, A2, H = "new-api-2025", "new-api", "one-hub"
RELAYS = (A, A2, H)
ACTION = "MJ::JOB::upsample::1::x"
UPSTREAMS_NO = '{"code":4,"description":"no","result":null}'


def show(caller: Caller, key: str) -> Mapping[str, str]:
    """Write the headers that show a key."""
    is_secret = caller.sim.auth == "secret"
    return {"mj-api-secret": key} if is_secret else {"Authorization": f"Bearer {key}"}


async def fetch(caller: Caller, task_id: str, key: str) -> Reply:
    return await caller.raw("GET", f"/mj/task/{task_id}/fetch", show(caller, key))


async def imagined(caller: Caller) -> str:
    task_id: str = json.loads((await caller.imagine()).body)["result"]
    return task_id


SPENT = {
    A: [
        "[sk-sim***tor] 该令牌额度已用尽 !token.UnlimitedQuota && token.RemainQuota = 0",
        "该令牌额度已用尽 TokenStatusExhausted[sk-sim***tor]",
        "该令牌额度已用尽 TokenStatusExhausted[sk-sim***tor]",
    ],
    A2: ["Invalid token"] * 3,
    H: ["令牌额度已用尽"] * 3,
}


@pytest.mark.parametrize("profile", RELAYS)
async def test_a_submit_that_spends_the_key_is_accepted_and_nothing_after_it(profile: str) -> None:
    async with calling(profile=profile) as caller:
        caller.sim.set_quota(2)
        await imagined(caller)
        task_id = await imagined(caller)
        refused = [await caller.fetch(task_id), await caller.find(task_id), await caller.imagine()]

        assert [reply.status for reply in refused] == [401] * 3
        assert [words(reply).partition(" (request id")[0] for reply in refused] == SPENT[profile]
        assert len(caller.sim.accepted) == 2


@pytest.mark.parametrize("profile", RELAYS)
async def test_a_spent_key_stays_so_and_another_of_the_account_sees_the_task(profile: str) -> None:
    async with calling(profile=profile) as caller:
        caller.sim.set_quota(1)
        caller.sim.add_key("sk-another")
        task_id = await imagined(caller)
        await asyncio.sleep(600)

        assert (await caller.fetch(task_id)).status == 401
        assert json.loads((await fetch(caller, task_id, "sk-another")).body)["status"] == "SUCCESS"
        assert (await fetch(caller, task_id, "sk-unknown")).status == 401


@pytest.mark.parametrize("profile", RELAYS)
async def test_a_spent_key_may_be_given_more(profile: str) -> None:
    async with calling(profile=profile) as caller:
        caller.sim.set_quota(0)
        caller.sim.add_key("sk-another")
        caller.sim.set_quota(0, key="sk-another")
        assert (await caller.find("1")).status == 401
        assert (await fetch(caller, "1", "sk-another")).status == 401
        caller.sim.set_quota(None)

        assert (await caller.find("1")).status == 200
        assert (await fetch(caller, "1", "sk-another")).status == 401
        with pytest.raises(ValueError, match="no such key"):
            caller.sim.set_quota(1, key="sk-unknown")


async def test_what_is_refused_or_free_is_not_charged() -> None:
    """Contract 2.3 and 8."""
    async with calling(profile=A) as caller:
        await finished(caller)
        caller.sim.set_quota(1)
        caller.sim.set_account_quota(0)
        free = json.loads((await press(caller, "MJ::Inpaint::1::x::SOLO")).body)
        caller.sim.set_account_quota(1)
        caller.sim.script("submit/imagine", Fault.upstream_says(200, UPSTREAMS_NO))
        refused = json.loads((await caller.imagine()).body)

        assert [free["code"], refused["code"]] == [21, 4]
        assert (await caller.find("17")).status == 200


@pytest.mark.parametrize("endpoint", ["submit/imagine", "insight-face/swap"])
@pytest.mark.parametrize("profile", RELAYS)
async def test_a_user_who_cannot_pay_goes_on_polling(profile: str, endpoint: str) -> None:
    async with calling(profile=profile) as caller:
        caller.sim.set_account_quota(1)
        task_id = await imagined(caller)
        swap = {"sourceBase64": "aGk=", "targetBase64": "aGk="}
        reply = await caller.post(f"/mj/{endpoint}", json.dumps({"prompt": "cat", **swap}))

        assert (reply.status, words(reply)) == (
            400,
            "user quota is not enough " if profile == H else "quota_not_enough ",
        )
        assert len(caller.sim.accepted) == 1
        assert (await caller.wait(task_id))["status"] == "SUCCESS"


@pytest.mark.parametrize("profile", RELAYS)
async def test_a_hidden_task_belongs_to_somebody_else(profile: str) -> None:
    async with calling(profile=profile) as caller:
        await finished(caller)
        caller.sim.hide("17")
        change = {"taskId": "17", "action": "UPSCALE", "index": 1}
        hidden = [
            await caller.fetch("17"),
            await caller.get("/mj/task/17/image-seed"),
            await caller.post("/mj/submit/change", json.dumps(change)),
            await press(caller, ACTION),
            await caller.post("/mj/submit/modal", '{"taskId":"17"}'),
        ]

        assert [words(reply) for reply in hidden] == [
            *("task_no_found ", "task_no_found "),
            *("task_not_found ", "task_not_found ", "task_not_found "),
        ]
        assert await caller.tasks("17") == []
        assert not caller.sim.accepted
        assert (await caller.raw("GET", "/mj/image/17", {})).status == 200


@pytest.mark.parametrize("profile", RELAYS)
async def test_a_task_that_is_hidden_no_more_is_as_before(profile: str) -> None:
    async with calling(profile=profile) as caller:
        await finished(caller)
        caller.sim.hide("17")
        caller.sim.hide("17", hidden=False)

        assert (await caller.fetch("17")).status == 200
        assert json.loads((await press(caller, ACTION)).body)["code"] == 1
