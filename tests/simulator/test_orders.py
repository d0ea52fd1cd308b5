"""What the relays look at in an order, each as it does (contract 1.4, 1.5, 4.1 and Q22)."""

import json

import aiohttp
import pytest

from mjtask_async.simulator import Fault, Simulator, Step
from mjtask_async.simulator.families import Panic, relayed_action

from .conftest import JSON, calling, finished, press, words

A, A2, H = "new-api-2025", "new-api", "one-hub"
RELAYS = (A, A2, H)
PLAIN = {"Content-Type": "text/plain"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


# -- custom ids -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("custom_id", "action"),
    [
        ("MJ::JOB::upsample::2::x", "UPSCALE"),
        ("MJ::JOB::upsample_v6_2x_subtle::1::x::SOLO", "UPSCALE"),
        ("MJ::JOB::variation::1::x", "VARIATION"),
        ("MJ::JOB::low_variation::1::x::SOLO", "LOW_VARIATION"),
        ("MJ::JOB::high_variation::1::x::SOLO", "HIGH_VARIATION"),
        ("MJ::JOB::reroll::0::x::SOLO", "REROLL"),
        ("MJ::JOB::pan_up::1::x::SOLO", "PAN"),
        ("MJ::Outpaint::75::1::x::SOLO", "ZOOM"),
        ("MJ::CustomZoom::x", "CUSTOM_ZOOM"),
        ("MJ::Inpaint::1::x::SOLO", "INPAINT"),
        ("MJ::JOB::animate_high::1::x::SOLO", None),
        ("MJ::JOB::video_virtual_upscale::1::x", None),
        ("MJ::Job::PicReader::1", None),
        ("MJ::Picread::Retry", None),
        ("MJ::Job::PromptAnalyzer::1", None),
        ("MJ::BOOKMARK::x", None),
    ],
)
def test_a_relay_derives_an_action_of_its_own(custom_id: str, action: str | None) -> None:
    """Contract 8, column A/H, and 3.4."""
    assert relayed_action(custom_id) == action


@pytest.mark.parametrize(
    ("custom_id", "text"),
    [
        ("nocolons", "index out of range [1] with length 1"),
        ("MJ::JOB", "index out of range [2] with length 2"),
        ("MJ::JOB::upsample", "index out of range [3] with length 3"),
    ],
)
def test_a_custom_id_that_is_too_short_breaks_a_relay(custom_id: str, text: str) -> None:
    """Contract Q22."""
    with pytest.raises(Panic) as caught:
        relayed_action(custom_id)
    assert str(caught.value) == text


async def test_a_panic_is_two_objects_one_or_nothing() -> None:
    """Contract 4.1, E3 and Q22: A, H and A2."""
    async with calling(profile=A) as caller:
        reply = await press(caller, "nocolons")
        first, end = json.JSONDecoder().raw_decode(reply.text)
        assert (reply.status, first["error"]["type"]) == (500, "new_api_panic")
        assert json.loads(reply.text[end:])["description"] == "task_not_found "
    async with calling(profile=H) as caller:
        reply = await press(caller, "nocolons")
        assert (reply.status, json.loads(reply.body)["error"]["code"]) == (500, 500)
    async with calling(profile=A2) as caller:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await press(caller, "nocolons")
        assert caller.sim.requests[-1].status is None


async def test_after_a_panic_the_rows_without_an_id_are_looked_at() -> None:
    """Contract 4.1, E3: an upload's row is a success."""
    async with calling(profile=A) as caller:
        await caller.order("submit/upload-discord-images", base64Array=["AAAA"])
        reply = await press(caller, "nocolons")
        assert reply.text.endswith('"description":"do_request_failed ","type":"upstream_error"}')


@pytest.mark.parametrize(
    ("profile", "status", "text"),
    [
        (A, 400, "Invalid request, unknown_action:MJ::Job::PicReader::all%d (request id"),
        (A2, 400, "Invalid request: Invalid Midjourney request: unknown_action:MJ::Job"),
        (H, 400, "unknown_action:MJ::Job::PicReader::all%d "),
    ],
)
async def test_an_unknown_action_is_refused(profile: str, status: int, text: str) -> None:
    """Contract Q22; the contract has A mangle a per cent sign, which is not played."""
    async with calling(profile=profile) as caller:
        reply = await press(caller, "MJ::Job::PicReader::all%d")
        assert (reply.status, words(reply).startswith(text)) == (status, True)
        empty = await press(caller, "")
        assert "custom_id_is_required" in words(empty)


# -- parents --------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", RELAYS)
async def test_a_parent_must_be_known_and_a_success(profile: str) -> None:
    """Contract 8, preconditions; a modal is exempt."""
    async with calling(profile=profile) as caller:
        caller.sim.plant("17", [Step(at=0, status="MODAL")])
        await caller.wait("17", "MODAL")
        button = "MJ::JOB::upsample::1::x"
        assert words(await press(caller, button, "nope")) == "task_not_found "
        assert words(await press(caller, button)) == "task_status_not_success "
        assert (await caller.order("submit/modal", taskId="17"))["code"] == 1


@pytest.mark.parametrize("profile", RELAYS)
async def test_a_change_needs_an_index_even_for_a_reroll(profile: str) -> None:
    """Contract 1.5."""
    async with calling(profile=profile) as caller:
        await finished(caller)
        form = {"taskId": "17", "action": "REROLL"}
        reply = await caller.post("/mj/submit/change", json.dumps(form))
        assert words(reply) == "index_is_required "
        assert (await caller.order("submit/change", **form, index=1))["code"] == 1


@pytest.mark.parametrize(
    ("profile", "status", "text"),
    [
        (A, 503, "当前分组 default 下对于模型 mj_ 无可用渠道 (request id"),
        (A2, 503, "No available channel for model mj_ under group default (distributor)"),
        (H, 400, "无法获取provider:当前分组 default 下对于模型 mj_ 无可用渠道 "),
    ],
)
async def test_a_simple_change_has_no_model(profile: str, status: int, text: str) -> None:
    """Contract Q21."""
    async with calling(profile=profile) as caller:
        reply = await caller.post("/mj/submit/simple-change", '{"content":"17 U1"}')
        assert (reply.status, words(reply).startswith(text)) == (status, True)


async def test_upstream_looks_at_a_change_itself() -> None:
    """Contract 2.3: an answer of upstream's comes through with its status (E4)."""
    async with calling(profile=A) as caller:
        body = '{"action":"UPSCALE","index":1}'
        reply = await caller.post("/mj/submit/change", body)
        assert (reply.status, json.loads(reply.body)["code"]) == (404, 3)
        await finished(caller)
        form = {"taskId": "17", "action": "VARIATION", "index": 1, "content": "nonsense"}
        answer = await caller.order("submit/simple-change", **form)
        assert (answer["code"], answer["description"]) == (4, "content参数错误")


# -- content types --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "endpoint", "headers", "text"),
    [
        (A, "imagine", PLAIN, "prompt_is_required "),
        (A, "imagine", FORM, "prompt_is_required "),
        (A2, "imagine", FORM, "read_request_body_failed "),
        (A2, "describe", FORM, "read_request_body_failed "),
        (H, "imagine", FORM, "prompt_is_required "),
        (H, "action", FORM, "custom_id_is_required "),
    ],
)
async def test_another_content_type_is_not_read(
    profile: str, endpoint: str, headers: dict[str, str], text: str
) -> None:
    """Contract 1.4."""
    async with calling(profile=profile) as caller:
        reply = await caller.post(f"/mj/submit/{endpoint}", '{"prompt":"x"}', headers)
        assert (reply.status, words(reply)) == (400, text)


@pytest.mark.parametrize(
    ("profile", "endpoint", "status"),
    [(A, "describe", 415), (A, "blend", 415), (H, "shorten", 400), (H, "modal", 400)],
)
async def test_some_orders_are_forwarded_as_they_are(
    profile: str, endpoint: str, status: int
) -> None:
    """Contract 1.4: upstream answers 415 then, which one-hub keeps back."""
    async with calling(profile=profile) as caller:
        assert (await caller.post(f"/mj/submit/{endpoint}", "{}", PLAIN)).status == status
        for body in ("[]", "{"):
            wrong = await caller.post(f"/mj/submit/{endpoint}", body, PLAIN)
            assert words(wrong) == "read_request_body_failed "


async def test_one_hub_complains_of_a_body_in_shape_e2() -> None:
    """Contract 1.4: code 4 bind_request_body_failed."""
    async with calling(profile=H) as caller:
        reply = await caller.post("/mj/submit/imagine", '{"prompt":1}')
        assert (reply.status, json.loads(reply.body)["code"]) == (400, 4)
        assert words(reply) == "bind_request_body_failed "


@pytest.mark.parametrize("path", ["insight-face/swap", "notify"])
async def test_swap_and_notify_do_so_on_new_api(path: str) -> None:
    """Contract 4.1: bind_request_body_failed only on notify and swap."""
    async with calling(profile=A) as caller:
        assert words(await caller.post(f"/mj/{path}", "[]")) == "bind_request_body_failed "


# -- models ---------------------------------------------------------------------------------


async def test_a_token_may_be_limited_to_models() -> None:
    """Contract Q17: new-api refuses reads, too; one-hub says 404 in plain text."""
    limited = {"allowed_models": ["mj_imagine"]}
    for profile in (A, A2):
        async with calling(profile=profile, **limited) as caller:
            assert (await caller.imagine()).status == 200
            assert (await caller.fetch("1")).status == 403
            assert (await caller.find("1")).status == 403
            assert (await caller.post("/mj/submit/shorten", '{"prompt":"x"}')).status == 403
    async with calling(profile=H, **limited) as caller:
        task_id = json.loads((await caller.imagine()).body)["result"]
        assert (await caller.fetch(task_id)).status == 200
        reply = await caller.post("/mj/insight-face/swap", "{}")
        assert (reply.status, reply.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
        assert words(reply) == (
            "无法获取provider:Model swap_face is not supported for current token "
        )


# -- what upstream says ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "status", "body", "seen"),
    [
        (A, 401, '{"error":{}}', 401),
        (A2, 503, "null", 503),
        (A2, 500, "", 500),
        (H, 401, '{"error":{}}', 400),
        (H, 500, "", 400),
        (H, 201, "{}", 201),
        (A, 200, "[", 400),
        (A, 200, '{"result":5}', 400),
    ],
)
async def test_upstreams_answer_comes_through_or_not(
    profile: str, status: int, body: str, seen: int
) -> None:
    """Contract 4.1, E4 and E5: one-hub passes nothing on from 400 upwards."""
    async with calling(profile=profile) as caller:
        caller.sim.script("submit/imagine", Fault.upstream_says(status, body))
        assert (await caller.imagine()).status == seen
        assert not caller.sim.accepted
        assert (await caller.imagine()).status == 200


async def test_a_relay_gives_upstream_up() -> None:
    """Contract 2.3: 60 s for a submit, 30 s for a seed."""
    async with calling(seed_delay=31) as caller:
        caller.sim.script("submit/imagine", Fault.upstream_says(200, "{}", after=61))
        reply = await caller.imagine()
        assert (reply.status, words(reply), caller.sim.now()) == (400, "do_request_failed ", 60.0)
        await finished(caller)
        before = caller.sim.now()
        late = await caller.get("/mj/task/17/image-seed")
        assert words(late) == "do_request_failed "
        assert caller.sim.now() - before == 30.0


def test_only_a_relay_has_an_upstream() -> None:
    with pytest.raises(ValueError, match="trueai has no upstream"):
        Simulator(profile="trueai").script("submit/imagine", Fault.upstream_says(200))


@pytest.mark.parametrize(("profile", "status"), [(A, 404), (A2, 200), (H, 400)])
async def test_a_seed_that_upstream_does_not_know(profile: str, status: int) -> None:
    """Contract 2.4: upstream's status; always 200 on A2; code 5 on H."""
    async with calling(profile=profile) as caller:
        await finished(caller)
        caller.sim.forget("17")
        assert (await caller.get("/mj/task/17/image-seed")).status == status
        assert words(await caller.get("/mj/task/18/image-seed")) == "task_no_found "


async def test_a_swap_is_written_anew() -> None:
    """Contract 2.4 and 3.1: another key order, a start at the submit."""
    async with calling() as caller:
        faces = {"sourceBase64": "AAAA", "targetBase64": "AAAA"}
        reply = await caller.post("/mj/insight-face/swap", json.dumps(faces))
        answer = json.loads(reply.body)
        assert list(answer) == ["code", "description", "properties", "result"]
        task = await caller.task(answer["result"])
        assert (task["action"], task["prompt"]) == ("SWAP_FACE", "InsightFace")
        assert task["startTime"] == task["submitTime"] > 0
        caller.sim.script("insight-face/swap", Fault.upstream_says(200))
        empty = await caller.post("/mj/insight-face/swap", json.dumps(faces))
        assert json.loads(empty.body)["description"] == "empty_response_body"


@pytest.mark.parametrize("profile", RELAYS)
async def test_an_upload_leaves_a_success_without_an_id(profile: str) -> None:
    """Contract Q8."""
    async with calling(profile=profile) as caller:
        await caller.order("submit/upload-discord-images", base64Array=["AAAA"])
        [row] = await caller.tasks("")
        assert (row["action"], row["status"], row["progress"]) == ("UPLOAD", "SUCCESS", "100%")


@pytest.mark.parametrize("profile", [A, H])
async def test_anybody_may_say_how_a_task_is(profile: str) -> None:
    """Contract Q35."""
    async with calling(profile=profile) as caller:
        caller.sim.plant("17", [Step(at=1e6)])
        said = {"id": "17", "status": "SUCCESS", "progress": "100%", "imageUrl": "http://evil/"}
        reply = await caller.post("/mj/notify", json.dumps(said), JSON)
        assert (reply.status, reply.body) == (200, b"")
        assert (await caller.task("17"))["status"] == "SUCCESS"
        wrong = await caller.post("/mj/notify", '{"id":"18"}')
        assert words(wrong) == "midjourney_task_not_found "


async def test_an_edit_and_a_video_are_not_looked_at_on_new_api() -> None:
    """Contract 1.5: {} is forwarded; a video's parent must exist and be a success."""
    async with calling() as caller:
        assert (await caller.order("submit/edits"))["description"] == "提示词不能为空"
        await finished(caller)
        form = {"prompt": "on", "action": "extend", "taskId": "17"}
        answer = await caller.order("submit/video", **form)
        task = await caller.task(answer["result"])
        assert (task["action"], task["prompt"]) == ("VIDEO", "planted")
        final = await caller.wait(answer["result"])
        assert final["videoUrl"] == final["videoUrls"][0]["url"]
        wrong = await caller.post("/mj/submit/video", json.dumps(form | {"taskId": "x"}))
        assert words(wrong) == "task_not_found "


async def test_a_relays_buttons_are_unusable_where_it_has_no_action_for_them() -> None:
    """Contract Q22: a described picture's buttons are shown all the same."""
    async with calling() as caller:
        task = await caller.made("submit/describe", base64="AAAA")
        assert len(task["buttons"]) == 5
        reply = await press(caller, task["buttons"][0]["customId"], task["id"])
        assert "unknown_action" in words(reply)
