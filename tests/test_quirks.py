# ruff: noqa: RUF001 -- the servers' own words
"""The quirks of contract 5 that show outside watching, each through the public surface."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mjtask_async import (
    AuthenticationError,
    ConfigurationError,
    DownloadError,
    ImageExpiredError,
    MJSession,
    NoAccountError,
    ProtocolError,
    QueueFullError,
    ServerError,
    SubmitRejectedError,
    SubmitUncertainError,
    Task,
    TaskFailedError,
    TaskNotFoundError,
    TaskPhase,
    TaskWatcher,
)
from mjtask_async.simulator import Simulator, Step

from .support_stub import PNG, Asked, Reply, accepted, novicezks, row, says, serving, stubbed

ID = "1700000000000001"
E2 = {"type": "upstream_error"}
WHOLE_PNG = PNG + b"IEND"


def e1(message: str, status: int, code: str | None = None) -> Reply:
    error = {"message": f"{message} (request id: R1)", "type": "new_api_error"}
    return says({"error": error if code is None else {"code": code, **error}}, status)


@pytest.mark.parametrize(
    "task_id", ["1700000000000123", "0741798445574458", "17000000000001234", "task_x-Y.z~"]
)
async def test_q1_ids_are_opaque(task_id: str) -> None:
    async with stubbed(accepted(task_id), says(row(task_id)), says([row(task_id)])) as (
        stub,
        session,
    ):
        submission = await session.imagine("a cat")
        assert submission.task_id == task_id
        assert (await session.fetch(task_id)).id == task_id
        assert [task.id for task in await session.list_by_condition([task_id])] == [task_id]
    assert stub.asked[1].path == f"task/{task_id}/fetch"
    assert stub.asked[2].json == {"ids": [task_id]}


async def test_q2_a_result_may_be_nothing_a_text_links_or_several_ids() -> None:
    replies = [accepted("1,2,3,4"), accepted(result=["https://host/a.png"]), accepted(result=None)]
    async with stubbed(*replies) as (_, session):
        submission = await session.action(ID, "MJ::Job::PicReader::all")
        assert submission.task_ids == ("1", "2", "3", "4")
        assert await session.upload([PNG]) == ["https://host/a.png"]
        with pytest.raises(SubmitUncertainError):
            await session.imagine("a cat")


async def test_q3_a_fresh_row_of_a_relay_waits() -> None:
    fresh = row(ID, status="", progress="0%", submitTime=1_700_000_000_000, startTime=0)
    async with stubbed(says(fresh)) as (_, session):
        task = await session.fetch(ID)
    assert (task.phase, task.percent, task.started_at) == (TaskPhase.WAITING, 0, None)
    assert task.submitted_at == datetime.fromtimestamp(1_700_000_000, UTC)


async def test_q4_buttons_and_properties_may_be_null() -> None:
    async with stubbed(says(row(ID, properties=None))) as (_, session):
        task = await session.fetch(ID)
    assert (task.buttons, task.properties) == (None, None)


async def test_q5_items_may_be_partial() -> None:
    async with stubbed(says([{"id": ID, "status": "SUCCESS"}])) as (_, session):
        assert await session.list_by_condition([ID]) == [Task(id=ID, status="SUCCESS")]


async def test_q6_a_list_may_be_an_object() -> None:
    replies = [
        says(row(ID)),
        says({"success": False, "code": -1, "message": "参数错误", "timestamp": "638"}),
        says({"timestamp": "2026", "status": 400, "error": "Bad Request", "path": "/mj"}, 400),
    ]
    async with stubbed(*replies, attempts=1) as (_, session):
        assert [task.id for task in await session.list_by_condition([ID])] == [ID]
        with pytest.raises(ServerError, match="参数错误"):
            await session.list_by_condition([ID])
        with pytest.raises(ProtocolError, match="Bad Request"):
            await session.list_by_condition([ID])


async def test_q7_of_duplicate_rows_the_most_advanced_counts() -> None:
    rows = [row(ID, status="MODAL", action="CUSTOM_ZOOM"), row(ID, action="MODAL")]
    async with stubbed(says(rows)) as (_, session):
        (task,) = await session.list_by_condition([ID])
        assert (task.status, task.action) == ("SUCCESS", "MODAL")
        async with TaskWatcher(session) as watcher:
            assert (await watcher.wait(ID)).action == "MODAL"


async def test_q7_a_relay_has_the_picture_of_a_modal_a_refresh_late(tmp_path: Path) -> None:
    late = says({"error": "http_get_image_failed"}, 500)
    async with stubbed(late, late, late, Reply(200, WHOLE_PNG)) as (stub, session):
        task = Task(id=ID, image_url=f"{stub.base_url}/mj/image/{ID}")
        await session.download(task, tmp_path / "a.png")
    async with stubbed(late) as (stub, session):
        for path, tries in ((f"/mj/image/{ID}", 13), ("/a.png", 1)):
            stub.asked.clear()
            with pytest.raises(DownloadError, match="HTTP 500"):
                await session.download(f"{stub.base_url}{path}", tmp_path / "b.png")
            assert len(stub.asked) == tries


async def test_q8_rows_without_an_id_are_nobodys_and_are_never_asked_for() -> None:
    async with stubbed(says([row(""), row(ID), row("")])) as (stub, session):
        assert [task.id for task in await session.list_by_condition([ID])] == [ID]
        for call in (session.fetch(""), session.list_by_condition([ID, " "])):
            with pytest.raises(ConfigurationError, match="no task id"):
                await call
    assert len(stub.asked) == 1


async def test_q14_a_link_that_differs_by_rand_only_is_no_news() -> None:
    async with Simulator(profile="new-api") as sim:
        sim.plant(ID, [Step(at=0, status="IN_PROGRESS", progress="50%", image_url="/p.png")])
        async with MJSession(sim.base_url, sim.api_key) as session, TaskWatcher(session) as w:
            await asyncio.sleep(60)
            links = {(await session.fetch(ID)).image_url for _ in range(2)}
            assert len(links) == 2
            async with w.watch(ID, timeout=60) as stream:
                updates = [update async for update in stream]
    assert [update.percent for update in updates[:-1]] == [50]


async def test_q14_query_strings_are_kept_verbatim(tmp_path: Path) -> None:
    async with stubbed(Reply(200, WHOLE_PNG)) as (stub, session):
        await session.download(f"{stub.base_url}/a.png?sig=%2Fx%3D&rand=1", tmp_path / "a.png")
    assert stub.asked[0].path == "/a.png?sig=%2Fx%3D&rand=1"


async def test_q15_links_lead_anywhere_and_expire(tmp_path: Path) -> None:
    async with (
        serving(Reply(200, WHOLE_PNG), Reply(404)) as cdn,
        stubbed(Reply(500)) as (_, session),
    ):
        url = f"{cdn.base_url}/a.png?ex=65f0a2c0&is=1&hm=2"
        task = Task(id=ID, status="SUCCESS", image_url=url)
        assert task.image_expires_at == datetime.fromtimestamp(0x65F0A2C0, UTC)
        await session.download(task, tmp_path / "a.png")
        with pytest.raises(ImageExpiredError, match="fetch the task again"):
            await session.download(task, tmp_path / "b.png")
    assert not {"authorization", "mj-api-secret"} & cdn.asked[0].headers.keys()


async def test_q16_another_accounts_task_is_not_found_and_the_error_says_so() -> None:
    unknown = says({"code": 4, "description": "task_no_found ", **E2}, 400)
    async with stubbed(unknown) as (_, session):
        with pytest.raises(TaskNotFoundError, match="one server and one account"):
            await session.fetch(ID)


async def test_q17_a_key_that_is_limited_to_models_cannot_read_on_new_api() -> None:
    refused = e1("This token has no access to model ", 403)
    async with stubbed(refused) as (_, session):
        with pytest.raises(AuthenticationError, match="cannot read tasks on new-api"):
            await session.fetch(ID)


async def test_q17_a_model_that_the_key_may_not_use_is_a_plain_refusal_on_one_hub() -> None:
    words = "无法获取provider:Model mj_imagine is not supported for current token "
    body = f'{{"code":5,"description":"{words}","type":"internal_error"}}'
    async with stubbed(Reply(404, body, {"Content-Type": "text/plain"})) as (stub, session):
        with pytest.raises(SubmitRejectedError, match="may not use this model") as caught:
            await session.imagine("a cat")
    assert (caught.value.code, caught.value.description) == (5, words.strip())
    assert len(stub.asked) == 1


async def test_q18_the_state_of_one_of_several_children_is_found() -> None:
    async with stubbed(says([{**novicezks("7", state="mine::1"), "buttons": []}])) as (_, session):
        found = await session.reconcile("mine")
    assert found.found is not None
    assert found.conclusive


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("并发数已达上限", QueueFullError),
        ("队列数已达上限", QueueFullError),
        ("用户今日绘图次数已达上限", SubmitRejectedError),
        ("服务暂不可用，请联系管理员", SubmitRejectedError),
    ],
)
async def test_q19_the_limits_of_trueai_are_refusals(words: str, kind: type[Exception]) -> None:
    limit = {"success": False, "code": -1, "message": words, "timestamp": "638"}
    async with stubbed(says(limit)) as (_, session):
        with pytest.raises(kind, match=words) as caught:
            await session.blend([PNG, PNG])
    assert type(caught.value) is kind
    assert getattr(caught.value, "code", None) == -1


@pytest.mark.parametrize("auth", ["auto", "bearer", "secret", "raw"])
async def test_q20_one_credential_goes_along_at_a_time(auth: str) -> None:
    def only_secret(asked: Asked) -> Reply:
        return says(row(ID)) if "mj-api-secret" in asked.headers else Reply(401)

    async with stubbed(only_secret, auth=auth) as (stub, session):
        for _ in range(2):
            if auth in {"bearer", "raw"}:
                with pytest.raises(AuthenticationError):
                    await session.fetch(ID)
            else:
                await session.fetch(ID)
    sent = [{"authorization", "mj-api-secret"} & asked.headers.keys() for asked in stub.asked]
    assert all(len(each) == 1 for each in sent)
    assert len(sent) == (3 if auth == "auto" else 2)  # it learns from a 401, once
    expected = {"bearer": "Bearer sk-test", "raw": "sk-test"}.get(auth)
    assert expected in {None, stub.asked[0].headers.get("authorization")}


async def test_q21_a_change_never_goes_to_simple_change() -> None:
    async with stubbed(accepted("7")) as (stub, session):
        await session.change(ID, "VARIATION", 2)
        await session.action(Task(id=ID), "V2")
    assert [asked.path for asked in stub.asked] == ["submit/change"] * 2


@pytest.mark.parametrize("custom_id", ["MJ::JOB", "MJ::JOB::upsample", "MJ::"])
async def test_q22_a_custom_id_over_which_relays_break_down_is_not_sent(custom_id: str) -> None:
    async with stubbed(Reply(None)) as (stub, session):
        with pytest.raises(ConfigurationError, match="customId"):
            await session.action(ID, custom_id)
    assert stub.asked == []


async def test_q22_a_closed_connection_is_never_sent_again() -> None:
    async with stubbed(Reply(None)) as (stub, session):
        with pytest.raises(SubmitUncertainError):
            await session.action(ID, "MJ::JOB::reroll::0::job::SOLO")
    assert len(stub.asked) == 1


async def test_q22_an_unknown_action_is_refused() -> None:
    replies = [
        e1("Invalid request, unknown_action:MJ::Job::PicReader::1", 400),
        says({"code": 4, "description": "unknown_action:x ", "type": "internal_error"}, 400),
    ]
    async with stubbed(*replies) as (_, session):
        for _ in range(2):
            with pytest.raises(SubmitRejectedError, match="does not know this button"):
                await session.action(ID, "MJ::Job::PicReader::1")


async def test_q23_a_prompt_goes_out_as_it_is() -> None:
    async with stubbed(accepted()) as (stub, session):
        await session.imagine("a <b> & 猫 --relaxing --fast")
    assert stub.asked[0].json["prompt"] == "a <b> & 猫 --relaxing --fast"


async def test_q24_what_a_relay_repeats_behind_our_back_is_one_submission() -> None:
    async with stubbed(accepted("7")) as (stub, session):
        submission = await session.imagine("a cat")
        assert session.statistics().submits == 1
    assert submission.task_ids == ("7",)
    assert len(stub.asked) == 1


async def test_q25_a_disabled_channel_is_nobodys_account() -> None:
    replies = [
        e1("当前分组 default 下对于模型 mj_imagine 无可用渠道", 503),
        e1("No available channel for model mj_imagine", 503, "model_not_found"),
        says({"code": 4, "description": "该任务所属渠道已被禁用 ", **E2}, 400),
    ]
    async with stubbed(*replies) as (stub, session):
        for _ in replies[:]:
            with pytest.raises(NoAccountError):
                await session.action(ID, "MJ::JOB::reroll::0::job::SOLO")
    assert len(stub.asked) == 3


async def test_q25_a_task_whose_channel_is_gone_fails_with_words_that_are_explained() -> None:
    reason = "获取渠道信息失败，请联系管理员，渠道ID：1"
    failed = row(ID, status="FAILURE", failReason=reason)
    async with stubbed(says([failed])) as (_, session), TaskWatcher(session) as watcher:
        with pytest.raises(TaskFailedError, match="disabled or deleted") as caught:
            await watcher.wait(ID)
    assert reason in str(caught.value)


async def test_q26_seeds_are_texts_or_numbers() -> None:
    replies = [
        says({"code": 1, "description": "成功", "result": "42"}),
        says({"code": 1, "description": "成功", "result": 42}),
        says(row(ID, seed="42")),
        says(row(ID, seed=42)),
    ]
    async with stubbed(*replies) as (_, session):
        assert [await session.image_seed(ID) for _ in range(2)] == [42, 42]
        assert [(await session.fetch(ID)).seed for _ in range(2)] == ["42", 42]


async def test_q27_a_refusal_from_behind_the_relay_speaks_of_the_operators_key() -> None:
    body = '{"error":{"message":"无效的令牌 (request id: INNER)","type":"new_api_error"}}'
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Oneapi-Request-Id": "OUTER"}
    own = {"Content-Type": "application/json", "X-Oneapi-Request-Id": "INNER"}
    async with stubbed(Reply(401, body, headers), Reply(401, body, own)) as (_, session):
        with pytest.raises(AuthenticationError, match="the relay's own key") as caught:
            await session.imagine("a cat")
        assert caught.value.request_id == "OUTER"
        with pytest.raises(AuthenticationError, match="the key is wrong"):
            await session.imagine("a cat")


async def test_q28_numbers_may_be_texts_and_texts_numbers() -> None:
    buttons = [{"customId": "MJ::x::y", "emoji": 7, "label": "U1", "style": "2", "type": 2.0}]
    odd = row(ID, submitTime="1700000000000", progress=50, buttons=buttons, status="IN_PROGRESS")
    async with stubbed(says({**odd, "id": int(ID)})) as (_, session):
        task = await session.fetch(ID)
    assert (task.submit_time, task.percent) == (1_700_000_000_000, 50)
    assert (task.button("U1").style, task.button("U1").type) == (2, 2)


async def test_q32_a_refusal_of_discord_comes_after_an_accepted_submit() -> None:
    failed = row(ID, status="FAILURE", failReason="Missing Access", progress="")
    replies = (accepted(ID), says([failed]))
    async with stubbed(*replies) as (_, session), TaskWatcher(session) as watcher:
        submission = await session.imagine("a cat")
        with pytest.raises(TaskFailedError, match="Missing Access") as caught:
            await watcher.wait(submission)
    assert caught.value.task_id == ID


@pytest.mark.parametrize("link", ["file:///etc/passwd", "javascript:alert(1)", "//host/a", "x"])
async def test_q35_a_link_is_untrusted(link: str, tmp_path: Path) -> None:
    async with stubbed(Reply(500)) as (stub, session):
        with pytest.raises(DownloadError, match="no http"):
            await session.download(Task(id=ID, image_url=link), tmp_path)
    assert stub.asked == []


@pytest.mark.parametrize(
    "reply",
    [
        says({"code": 4, "description": "insert_midjourney_task_failed ", **E2}, 400),
        says({"code": 5, "description": "do_request_failed ", **E2}, 400),
        Reply(200),
        accepted(result=None),
        accepted(result=["https://host/a.png"]),
    ],
)
async def test_q36_what_looks_like_a_refusal_may_run_and_is_found(reply: Reply) -> None:
    ran: list[Any] = []

    def answer(asked: Asked) -> Reply:
        if asked.method == "GET":
            return says([novicezks("7", state=ran[0]["state"])])
        ran.append(asked.json)
        return reply

    async with stubbed(answer) as (_, session):
        with pytest.raises(SubmitUncertainError) as caught:
            await session.imagine("a cat")
        found = await session.reconcile(caught.value.state, sent_at=caught.value.sent_at)
    assert len(ran) == 1
    assert found.found is not None
    assert (found.found.id, found.conclusive) == ("7", True)


async def test_q36_one_hubs_failures_before_forwarding_are_refusals() -> None:
    words = "无法获取provider:当前分组 default 下对于模型 mj_imagine 无可用渠道 "
    before = says({"code": 5, "description": words, "type": "internal_error"}, 400)
    async with stubbed(before) as (_, session):
        with pytest.raises(NoAccountError):
            await session.imagine("a cat")
