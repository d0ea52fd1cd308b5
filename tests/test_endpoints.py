# ruff: noqa: RUF001 -- the servers' own words
"""Every method and its request, and what each server's answers make of it (contract 1.3, 2)."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mjtask_async import (
    AuthenticationError,
    ConfigurationError,
    MJSession,
    ProtocolError,
    RequestError,
    ServerError,
    Submission,
    SubmitUncertainError,
    Task,
    TaskNotFoundError,
    TaskWatcher,
    UnsupportedError,
    UpdateKind,
)
from mjtask_async.models import Button, Timeouts

from .support_stub import (
    BUTTONS,
    DATA_URL,
    PNG,
    Asked,
    Reply,
    accepted,
    novicezks,
    row,
    says,
    serving,
    stubbed,
)

Session = MJSession[Task]
LINK = "https://host/a.png"
ID = "1700000000000001"
CUSTOM_ID = "MJ::JOB::upsample::2::job"
PAGE = Reply(200, "<!doctype html><html></html>", {"Content-Type": "text/html; charset=utf-8"})

SUBMITS: list[tuple[str, Callable[[Session], Awaitable[Any]], dict[str, Any]]] = [
    (
        "submit/imagine",
        lambda s: s.imagine("a cat", images=[PNG, LINK], bot="MID_JOURNEY", state="s"),
        {"prompt": "a cat", "base64Array": [DATA_URL, LINK], "botType": "MID_JOURNEY"},
    ),
    (
        "submit/blend",
        lambda s: s.blend([PNG, DATA_URL], state="s"),
        {"base64Array": [DATA_URL] * 2, "dimensions": "SQUARE"},
    ),
    ("submit/describe", lambda s: s.describe(PNG, state="s"), {"base64": DATA_URL}),
    ("submit/describe", lambda s: s.describe(LINK, state="s"), {"link": LINK}),
    ("submit/shorten", lambda s: s.shorten("a cat", state="s"), {"prompt": "a cat"}),
    (
        "submit/change",
        lambda s: s.change(ID, "UPSCALE", 3, state="s"),
        {"taskId": ID, "action": "UPSCALE", "index": 3},
    ),
    (
        "submit/action",
        lambda s: s.action(ID, CUSTOM_ID, state="s"),
        {"taskId": ID, "customId": CUSTOM_ID},
    ),
    (
        "submit/action",
        lambda s: s.action(ID, Button(custom_id=CUSTOM_ID), state="s"),
        {"taskId": ID, "customId": CUSTOM_ID},
    ),
    (
        "submit/modal",
        lambda s: s.modal(ID, prompt="a cat --zoom 1.8", mask=PNG, state="s"),
        {"taskId": ID, "prompt": "a cat --zoom 1.8", "maskBase64": DATA_URL},
    ),
    (
        "insight-face/swap",
        lambda s: s.swap_face(PNG, DATA_URL, state="s"),
        {"sourceBase64": DATA_URL, "targetBase64": DATA_URL},
    ),
    (
        "submit/edits",
        lambda s: s.edit("a hat", LINK, mask=PNG, state="s"),
        {"prompt": "a hat", "image": LINK, "maskBase64": DATA_URL},
    ),
    (
        "submit/edits",
        lambda s: s.edit("a hat", PNG, state="s"),
        {"prompt": "a hat", "image": DATA_URL},
    ),
    (
        "submit/video",
        lambda s: s.video("fly", image=PNG, end_image=LINK, motion="low", loop=True, state="s"),
        {"prompt": "fly", "image": DATA_URL, "endImage": LINK, "motion": "low", "loop": True},
    ),
    (
        "submit/video",
        lambda s: s.video("on", action="extend", task_id=ID, index=0, state="s"),
        {"prompt": "on", "action": "extend", "taskId": ID, "index": 0},
    ),
]
IDS = [f"{path}-{n}" for n, (path, _, _) in enumerate(SUBMITS)]


@pytest.mark.parametrize(("path", "call", "body"), SUBMITS, ids=IDS)
async def test_a_submit_is_one_request_with_its_fields(
    path: str, call: Callable[[Session], Awaitable[Any]], body: dict[str, Any]
) -> None:
    async with stubbed(accepted("7")) as (stub, session):
        submission = await call(session)
    (asked,) = stub.asked
    assert (asked.method, asked.path) == ("POST", path)
    assert asked.json == {**body, "state": "s"}
    assert (submission.task_id, submission.task_ids, submission.state) == ("7", ("7",), "s")
    assert asked.headers["content-type"] == "application/json"


async def test_a_state_of_ours_is_new_each_time() -> None:
    async with stubbed(accepted()) as (stub, session):
        states = [(await session.shorten("x")).state for _ in range(2)]
    assert [body["state"] for body in stub.bodies] == states
    assert states[0] != states[1]


async def test_pictures_come_from_files_off_the_loop(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    async with stubbed(accepted()) as (stub, session):
        await session.describe(path)
        await session.swap_face(LINK, path)
    assert stub.bodies[0]["base64"] == DATA_URL
    assert (stub.bodies[1]["sourceUrl"], stub.bodies[1]["targetBase64"]) == (LINK, DATA_URL)


async def test_the_mode_is_a_prefix_of_every_path() -> None:
    async with (
        serving(accepted()) as stub,
        MJSession(f"{stub.base_url}/mj-fast/mj/", "sk-test", mode="relax") as session,
    ):
        await session.imagine("a cat")
    assert [asked.path for asked in stub.asked] == ["/mj-relax/mj/submit/imagine"]


# Uploads


async def test_an_upload_gives_links() -> None:
    reply = says({"code": 1, "description": "ok", "result": [LINK, LINK + "2"], "properties": {}})
    async with stubbed(reply) as (stub, session):
        assert await session.upload([PNG]) == [LINK, LINK + "2"]
    (asked,) = stub.asked
    assert asked.path == "submit/upload-discord-images"
    assert asked.json["base64Array"] == [DATA_URL]


@pytest.mark.parametrize("result", [None, [], "7", [7], {}])
async def test_an_upload_without_links_is_uncertain(result: Any) -> None:
    reply = says({"code": 1, "description": "ok", "result": result})
    async with stubbed(reply) as (stub, session):
        with pytest.raises(SubmitUncertainError):
            await session.upload([PNG])
    assert len(stub.asked) == 1


# Buttons


def fetching(task: dict[str, Any]) -> Callable[[Asked], Reply]:
    """Answer a fetch with a task, and accept anything else."""
    return lambda asked: says(task) if asked.path.endswith("/fetch") else accepted("8")


async def test_a_label_on_a_bare_id_fetches_the_task_first() -> None:
    async with stubbed(fetching(row(ID, buttons=BUTTONS))) as (stub, session):
        await session.action(ID, "U2")
        await session.action(f" {ID} ", "⬅")
    assert [asked.path for asked in stub.asked] == [f"task/{ID}/fetch", "submit/action"] * 2
    assert stub.asked[1].json["customId"] == CUSTOM_ID
    assert stub.asked[3].json["customId"] == "MJ::JOB::pan_left::1::job::SOLO"


async def test_a_label_on_a_task_is_one_request() -> None:
    async with stubbed(fetching(row(ID, buttons=BUTTONS))) as (stub, session):
        task = await session.fetch(ID)
        await session.action(task, "Vary (Strong)")
        await session.action(task, task.button("🔄"))
    assert [asked.path for asked in stub.asked[1:]] == ["submit/action"] * 2
    assert [asked.json["customId"] for asked in stub.asked[1:]] == [
        "MJ::JOB::high_variation::1::job::SOLO",
        "MJ::JOB::reroll::0::job::SOLO",
    ]


async def test_a_task_without_buttons_goes_to_change() -> None:
    bare = novicezks(ID, status="SUCCESS")
    async with stubbed(fetching(bare)) as (stub, session):
        await session.action(ID, "U1", state="s")
        await session.action(Task(id=ID), "🔄", state="s")
    assert [asked.path for asked in stub.asked] == [
        f"task/{ID}/fetch",
        "submit/change",
        "submit/change",
    ]
    assert stub.asked[1].json == {"taskId": ID, "action": "UPSCALE", "index": 1, "state": "s"}
    assert stub.asked[2].json == {"taskId": ID, "action": "REROLL", "index": 1, "state": "s"}


@pytest.mark.parametrize("buttons", [BUTTONS, [], None])
async def test_a_button_that_is_not_there_is_refused_before_anything_is_submitted(
    buttons: Any,
) -> None:
    async with stubbed(fetching(row(ID, buttons=buttons))) as (stub, session):
        with pytest.raises(ConfigurationError, match=r"Vary .Region.") as caught:
            await session.action(ID, "Vary (Region)")
    assert [asked.path for asked in stub.asked] == [f"task/{ID}/fetch"]
    words = "'U1', 'U2', 'U3', 'U4', '🔄'" if buttons else "none" if buttons == [] else "no buttons"
    assert words in str(caught.value)


async def test_the_task_of_a_label_may_be_unknown() -> None:
    unknown = says({"code": 4, "description": "task_no_found ", "type": "upstream_error"}, 400)
    async with stubbed(unknown) as (stub, session):
        with pytest.raises(TaskNotFoundError):
            await session.action(ID, "U1")
    assert len(stub.asked) == 1


async def test_what_a_label_is_pressed_with_is_checked_before_the_task_is_fetched() -> None:
    async with stubbed(accepted()) as (stub, session):
        wrongs: list[dict[str, Any]] = [{"state": "x" * 300}, {"notify_hook": "ftp://x"}]
        for wrong in wrongs:
            with pytest.raises(ConfigurationError):
                await session.action(ID, "U1", **wrong)
        for button in (5, "", " ", Button(label="U1")):
            with pytest.raises(ConfigurationError):
                await session.action(ID, button)  # type: ignore[arg-type]
    assert stub.asked == []


async def test_a_label_is_found_through_blanks_on_a_server_without_buttons() -> None:
    async with stubbed(says(row(ID)), accepted()) as (stub, session):
        await session.action(ID, " U1 ")
    assert stub.asked[1].path == "submit/change"


# Modals


async def test_an_uncertain_modal_says_where_to_look() -> None:
    async with stubbed(Reply(200, "")) as (stub, session):
        with pytest.raises(SubmitUncertainError, match="makes no task of its own") as caught:
            await session.modal(ID, prompt="x", state="mine")
    assert caught.value.state == "mine"
    assert len(stub.asked) == 1


async def test_waiting_for_a_modals_submission_counts_modal_as_waiting() -> None:
    """Seen on relays and trueai: the row shows MODAL until a worker starts it (Q7)."""
    asks, runs = row(ID, status="MODAL"), row(ID, status="IN_PROGRESS", progress="50%")
    done = row(ID, imageUrl=LINK)
    replies = [accepted(ID), *[says([asks])] * 5, says([runs]), says([done])]
    async with stubbed(*replies) as (stub, session), TaskWatcher(session) as watcher:
        submission = await session.modal(ID, prompt="x")
        assert submission.answers_modal
        task = await watcher.wait(submission)
    assert task.image_url == LINK
    assert len(stub.asked) == 8


async def test_waiting_through_the_duplicate_rows_of_a_relay() -> None:
    fresh = row(ID, status="", progress="0%", action="MODAL")
    asks, done = row(ID, status="MODAL", action="CUSTOM_ZOOM"), row(ID, action="MODAL")
    replies = [accepted(ID), says([asks, fresh]), says([asks]), says([asks]), says([asks, done])]
    async with stubbed(*replies) as (_, session), TaskWatcher(session) as watcher:
        task = await watcher.wait(await session.modal(ID, prompt="x"))
    assert task.action == "MODAL"


@pytest.mark.parametrize(("code", "asks_again"), [(1, False), (21, True)])
async def test_a_modal_asks_again_by_its_code_only(code: int, asks_again: bool) -> None:  # noqa: FBT001
    async with stubbed(accepted(ID, code, properties={"remix": True})) as (_, session):
        submission = await session.modal(ID, prompt="x")
    assert (submission.answers_modal, submission.needs_modal) == (True, asks_again)


async def test_a_modals_submission_ends_the_question_for_who_watches_already() -> None:
    asks, done = row(ID, status="MODAL"), row(ID)
    shown = [asks]

    def answer(asked: Asked) -> Reply:
        return says(shown) if asked.path.startswith("task/") else accepted(ID)

    async with stubbed(answer) as (_, session), TaskWatcher(session) as watcher:
        async with watcher.watch(ID) as stream:
            assert (await anext(stream)).kind is UpdateKind.NEEDS_INPUT
            await asyncio.sleep(10)
            waiting = asyncio.create_task(watcher.wait(await session.modal(ID, prompt="x")))
            update = await anext(stream)
            assert (update.kind, update.source) == (UpdateKind.PROGRESS, "submit")
            await asyncio.sleep(30)
            shown[:] = [done]
            assert [each.kind async for each in stream] == [UpdateKind.SUCCEEDED]
        assert (await waiting).status == "SUCCESS"


# Reads


SEEDS: list[tuple[Any, int, int | type[Exception]]] = [
    ({"code": 1, "description": "成功", "result": "1234567890"}, 200, 1234567890),
    ({"code": 1, "result": 77, "properties": None}, 200, 77),
    ({"code": 3, "description": "关联任务不存在或已失效"}, 404, TaskNotFoundError),
    ({"code": 3, "description": "not there"}, 404, TaskNotFoundError),
    (
        {"code": 4, "description": "task_no_found ", "type": "upstream_error"},
        400,
        TaskNotFoundError,
    ),
    ({"code": 3, "description": "未找到 seed", "result": None}, 200, RequestError),
    ({"code": 9, "description": "seed error"}, 200, RequestError),
    ({"code": 4, "description": "关联任务状态错误"}, 400, ProtocolError),
    ({"code": 5, "description": "do_request_failed ", "type": "upstream_error"}, 400, ServerError),
    ({"code": 5, "description": "empty_response_body", "result": ""}, 200, ServerError),
    ({"success": False, "code": -1, "message": "操作失败"}, 200, ServerError),
    ({"code": 1, "result": ""}, 200, ProtocolError),
    ({"code": 1, "result": "abc"}, 200, ProtocolError),
    ([], 200, ProtocolError),
]


@pytest.mark.parametrize(("value", "status", "expected"), SEEDS)
async def test_a_seed_is_a_number_or_an_error(
    value: Any, status: int, expected: int | type[Exception]
) -> None:
    async with stubbed(says(value, status), attempts=1) as (stub, session):
        if isinstance(expected, int):
            assert await session.image_seed(ID) == expected
        else:
            with pytest.raises(expected) as caught:
                await session.image_seed(ID)
            assert type(caught.value) is expected
    assert [asked.path for asked in stub.asked] == [f"task/{ID}/image-seed"]


async def test_a_seed_has_its_own_patience() -> None:
    late = Reply(None)
    async with stubbed(late, timeout=Timeouts(seed=7), attempts=1) as (_, session):
        with pytest.raises(RequestError):
            await session.image_seed(ID)
        with pytest.raises(RequestError):
            await session.image_seed(ID, timeout=1)


async def test_lists_come_from_the_server_as_they_are() -> None:
    rows = [novicezks("2"), novicezks("1", status="SUCCESS")]
    async with stubbed(says(rows)) as (stub, session):
        assert [task.id for task in await session.list_recent()] == ["2", "1"]
        assert [task.id for task in await session.queue()] == ["2", "1"]
    assert [(asked.method, asked.path) for asked in stub.asked] == [
        ("GET", "task/list"),
        ("GET", "task/queue"),
    ]


async def test_a_cancel_says_nothing() -> None:
    async with stubbed(Reply(200), says({"code": 1, "description": "ok"})) as (stub, session):
        await session.cancel(ID)
        await session.cancel(ID)
    assert (stub.asked[0].method, stub.asked[0].path) == ("POST", f"task/{ID}/cancel")


@pytest.mark.parametrize(
    ("reply", "expected", "words"),
    [
        (Reply(400, "演示模式，禁止操作"), ProtocolError, "administrator"),
        (Reply(403, "未登录"), AuthenticationError, "does not know this key"),
        (PAGE, UnsupportedError, "stop watching"),
        (says({"code": 9, "description": "no"}), ProtocolError, "no"),
    ],
)
async def test_a_cancel_may_be_refused(reply: Reply, expected: type[Exception], words: str) -> None:
    async with stubbed(reply) as (_, session):
        with pytest.raises(expected, match=words):
            await session.cancel(ID)


# Endpoints that a server lacks

LACKING = [
    pytest.param(PAGE, id="a relay's page"),
    pytest.param(Reply(404), id="trueai's empty 404"),
    pytest.param(says({"timestamp": "x", "status": 404, "error": "Not Found"}, 404), id="novicezk"),
    pytest.param(Reply(405), id="405"),
]
ALL: list[tuple[str, Callable[[Session], Awaitable[Any]], str]] = [
    ("submit/change", lambda s: s.change(ID, "UPSCALE", 1), "use action"),
    ("submit/action", lambda s: s.action(ID, CUSTOM_ID), "use change"),
    ("submit/shorten", lambda s: s.shorten("x"), "a server of trueai or a relay"),
    ("submit/modal", lambda s: s.modal(ID, prompt="x"), "imagine"),
    ("submit/edits", lambda s: s.edit("x", PNG), "modal"),
    ("submit/video", lambda s: s.video("x"), "--video"),
    ("submit/upload-discord-images", lambda s: s.upload([PNG]), "blend"),
    ("insight-face/swap", lambda s: s.swap_face(PNG, PNG), "a server of trueai or a relay"),
    ("image-seed", lambda s: s.image_seed(ID), "a server of trueai or a relay"),
    ("task/list", lambda s: s.list_recent(), "list_by_condition"),
    ("task/queue", lambda s: s.queue(), "list_by_condition"),
    ("cancel", lambda s: s.cancel(ID), "stop watching"),
]


@pytest.mark.parametrize("reply", LACKING)
@pytest.mark.parametrize(("path", "call", "instead"), ALL, ids=[each[0] for each in ALL])
async def test_a_missing_endpoint_is_named_with_what_to_use_instead(
    path: str, call: Callable[[Session], Awaitable[Any]], instead: str, reply: Reply
) -> None:
    async with stubbed(reply) as (stub, session):
        with pytest.raises(UnsupportedError, match=path) as caught:
            await call(session)
    assert instead in str(caught.value)
    assert caught.value.endpoint.endswith(path)
    assert len(stub.asked) == 1


# What may have been accepted (rule 6)

UNCERTAIN = [
    pytest.param(Reply(None), id="cut off"),
    pytest.param(Reply(200, '{"code":1,"resu', cut=9), id="cut off in the answer"),
    pytest.param(Reply(200, '{"code":1,"resu'), id="half a JSON"),
    pytest.param(says({"code": 5, "description": "do_request_failed "}, 400), id="code 5"),
    pytest.param(
        says({"code": 4, "description": "insert_midjourney_task_failed "}, 400), id="insert failed"
    ),
    pytest.param(Reply(502, "<html>"), id="502"),
    pytest.param(Reply(504, "<html>"), id="504"),
    pytest.param(Reply(408), id="408"),
    pytest.param(Reply(200), id="empty 200"),
    pytest.param(Reply(204), id="204"),
    pytest.param(says({"code": 1, "result": None}), id="no id"),
    pytest.param(says({"code": 1, "result": "a/b"}), id="no usable id"),
    pytest.param(says({"code": 1, "result": True}), id="no id but true"),
    pytest.param(
        says({"success": False, "code": -1, "message": "操作失败"}, 500), id="trueai's 500"
    ),
]
ONE_EACH = {path: call for path, call, _ in SUBMITS} | {
    "submit/upload-discord-images": lambda s: s.upload([PNG])
}


@pytest.mark.parametrize("reply", UNCERTAIN)
@pytest.mark.parametrize("path", ONE_EACH)
async def test_what_may_have_been_accepted_is_sent_once(path: str, reply: Reply) -> None:
    async with stubbed(reply) as (stub, session):
        with pytest.raises(SubmitUncertainError) as caught:
            await ONE_EACH[path](session)
        assert session.statistics().uncertain == 1
    (asked,) = stub.asked
    assert caught.value.state == asked.json["state"]
    assert caught.value.sent_at == pytest.approx(time.time(), abs=60)
    assert "reconcile" in str(caught.value)


async def test_a_picture_submit_that_is_cancelled_is_remembered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    arrived = asyncio.Event()

    def note(asked: Asked) -> Reply:
        del asked
        arrived.set()
        waiting.cancel()
        return Reply(None)

    async with stubbed(note) as (_, session):
        waiting = asyncio.create_task(session.blend([PNG, PNG], state="mine"))
        with caplog.at_level(logging.WARNING), pytest.raises(asyncio.CancelledError):
            await waiting
        assert session.statistics().uncertain == 1
    assert "mine" in caplog.text


# Reconciling

SENT_AT = 1_700_000_000.0
OLD = novicezks("1", state="other", submitTime=int((SENT_AT - 61) * 1000))
YOUNG = novicezks("1", state="other", submitTime=int((SENT_AT - 59) * 1000))
TRUEAI = {**OLD, "botType": "MID_JOURNEY", "buttons": []}


async def reconciled(rows: Any, sent_at: float | None = SENT_AT) -> tuple[str | None, bool]:
    async with stubbed(rows if isinstance(rows, Reply) else says(rows)) as (_, session):
        found = await session.reconcile("mine", sent_at=sent_at)
    return (found.found.id if found.found else None), found.conclusive


@pytest.mark.parametrize("keys", [{}, {"buttons": []}], ids=["novicezk", "trueai"])
async def test_a_task_that_is_found_is_conclusive_anywhere(keys: dict[str, Any]) -> None:
    rows = [{**OLD, **keys}, {**novicezks("2", state="mine"), **keys}]
    assert await reconciled(rows) == ("2", True)
    assert await reconciled(rows, sent_at=None) == ("2", True)


async def test_the_first_of_several_tasks_of_one_button_is_found() -> None:
    """Q18: children of PicReader::all carry ``{state}::{i}``; the list is newest first."""
    rows = [novicezks(str(n), state=f"mine::{n}") for n in (3, 2, 1)]
    assert await reconciled(rows) == ("1", True)
    assert await reconciled([novicezks("1", state="mine::else"), OLD]) == (None, True)


async def test_a_miss_is_conclusive_on_novicezk_whose_store_is_old_enough() -> None:
    assert await reconciled([OLD, novicezks("2", state="", submitTime=None)]) == (None, True)


@pytest.mark.parametrize(
    ("rows", "sent_at"),
    [
        pytest.param([YOUNG], SENT_AT, id="emptied meanwhile"),
        pytest.param([], SENT_AT, id="empty"),
        pytest.param([OLD], None, id="nobody knows when"),
        pytest.param([TRUEAI], SENT_AT, id="trueai"),
        pytest.param([OLD, TRUEAI], SENT_AT, id="a mixture"),
        pytest.param(OLD, SENT_AT, id="no list"),
        pytest.param(PAGE, SENT_AT, id="a relay"),
        pytest.param(Reply(404), SENT_AT, id="no such endpoint"),
    ],
)
async def test_a_miss_is_not_conclusive_elsewhere(rows: Any, sent_at: float | None) -> None:
    assert await reconciled(rows, sent_at) == (None, False)


async def test_a_submit_that_may_still_arrive_is_not_yet_missing() -> None:
    now = time.time()
    rows = [novicezks("1", submitTime=int((now - 600) * 1000))]
    async with stubbed(says(rows), timeout=Timeouts(submit=90)) as (_, session):
        early = await session.reconcile("mine", sent_at=now - 175)
        late = await session.reconcile("mine", sent_at=now - 185)
    assert (early.conclusive, late.conclusive) == (False, True)


async def test_trouble_while_reconciling_is_an_error() -> None:
    async with stubbed(Reply(502), attempts=1) as (_, session):
        with pytest.raises(ServerError):
            await session.reconcile("mine")
        with pytest.raises(ConfigurationError, match="state"):
            await session.reconcile("")


# Submissions


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (accepted("7"), Submission("7", ("7",), 1, "Submit success", "s")),
        (
            accepted("7", 22, description="排队中，前面还有3个任务"),
            Submission("7", ("7",), 22, "排队中，前面还有3个任务", "s", queued_ahead=3),
        ),
        (
            accepted("7", 22, properties={"numberOfQueues": 2}),
            Submission("7", ("7",), 22, "Submit success", "s", 2, properties={"numberOfQueues": 2}),
        ),
        (accepted("7", 21), Submission("7", ("7",), 21, "Submit success", "s", needs_modal=True)),
        (
            accepted("7", description="Waiting for window confirm"),
            Submission("7", ("7",), 1, "Waiting for window confirm", "s", needs_modal=True),
        ),
        (
            accepted("7", properties={"remix": True}),
            Submission(
                "7",
                ("7",),
                1,
                "Submit success",
                "s",
                needs_modal=True,
                properties={"remix": True},
            ),
        ),
        (
            accepted("1, 2,3,4,2"),
            Submission("1", ("1", "2", "3", "4"), 1, "Submit success", "s"),
        ),
        (says({"code": "1", "result": 7}), Submission("7", ("7",), 1, "", "s")),
    ],
)
async def test_a_submission_tells_what_the_server_said(reply: Reply, expected: Submission) -> None:
    async with stubbed(reply) as (_, session):
        assert await session.imagine("a cat", state="s") == expected
