"""What must never be paid for twice, and what is kept of it (rule 6)."""

import asyncio

import pytest

from mjtask_async import AuthenticationError, SubmitUncertainError, UnsupportedError
from mjtask_async.simulator import Fault

from .support_stub import Reply, accepted, says, stubbed
from .support_watch import watching

MAYBE = [
    {"code": 4, "description": "insert_midjourney_task_failed ", "type": "upstream_error"},
    {"code": 5, "description": "d", "type": "upstream_error"},
]


@pytest.mark.parametrize("body", MAYBE)
async def test_a_401_that_may_have_run_is_not_tried_with_the_other_credential(
    body: dict[str, object],
) -> None:
    async with stubbed(says(body, 401), accepted(), auth="auto") as (stub, session):
        with pytest.raises(SubmitUncertainError):
            await session.imagine("a cat")
    assert len(stub.asked) == 1


async def test_a_plain_401_is_tried_with_the_other_credential() -> None:
    refused = says({"error": {"message": "无效的令牌", "type": "new_api_error"}}, 401)
    async with stubbed(refused, accepted(), auth="auto") as (stub, session):
        assert (await session.imagine("a cat")).task_id
    assert ["authorization" in asked.headers for asked in stub.asked] == [True, False]


async def test_a_401_stays_a_matter_of_the_key_whatever_its_code() -> None:
    body = {"code": 4, "description": "quota_not_enough ", "type": "upstream_error"}
    async with stubbed(says(body, 401)) as (_, session):
        with pytest.raises(AuthenticationError):
            await session.imagine("a cat")


async def test_the_statistics_keep_the_states_of_uncertain_submits() -> None:
    async with watching() as (sim, session, _):
        sim.script("submit/imagine", Fault.accept_and_close())
        with pytest.raises(SubmitUncertainError) as caught:
            await session.imagine("a cat")
        sim.script("submit/imagine", Fault.slow(30))
        cancelled = asyncio.create_task(session.imagine("a dog", state="mine"))
        await asyncio.sleep(1)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)

        statistics = session.statistics()
        assert statistics.uncertain == 2
        assert statistics.uncertain_states == (caught.value.state, "mine")


@pytest.mark.parametrize("profile", ["new-api", "new-api-2025", "one-hub"])
async def test_a_relay_is_asked_for_its_list_once(profile: str) -> None:
    async with watching(profile=profile) as (sim, session, _):
        found = [await session.reconcile(f"mj-{number}") for number in range(200)]

        assert not any(each.conclusive for each in found)
        assert len(sim.requests) == 1


async def test_the_words_of_an_endpoint_that_is_missing_are_kept() -> None:
    body = {"error": {"message": "Invalid URL (GET /v1/nope)", "type": "invalid_request_error"}}
    async with stubbed(says(body, 404)) as (_, session):
        for call in (session.fetch("1"), session.imagine("a cat")):
            with pytest.raises(UnsupportedError, match="Invalid URL") as caught:
                await call
            assert caught.value.description == "Invalid URL (GET /v1/nope)"


async def test_an_upload_with_a_link_missing_is_uncertain() -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(16)
    reply = says({"code": 1, "description": "ok", "result": ["https://x/1.png", None]})
    async with stubbed(reply) as (stub, session):
        with pytest.raises(SubmitUncertainError):
            await session.upload([png, png])
    assert len(stub.asked) == 1


async def test_a_code_inside_an_error_accepts_nothing() -> None:
    reply = says({"error": {"code": 1, "message": "m"}, "result": "7"})
    async with stubbed(reply, Reply(500)) as (_, session):
        with pytest.raises(SubmitUncertainError):
            await session.imagine("a cat")
