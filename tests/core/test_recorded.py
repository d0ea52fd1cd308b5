"""Answers of real servers, and what they must be read as: one line each."""
# ruff: noqa: RUF001 -- the servers' own words

from datetime import UTC, datetime

import msgspec
import pytest

from mjtask_async import Submission, Task
from mjtask_async._core.answers import read_task, read_tasks
from mjtask_async._core.submit import outcome
from mjtask_async._core.tracker import fold
from mjtask_async.errors import MJTaskError, SubmitRejectedError
from mjtask_async.models import MediaUrl

from .support import RECORDED, RESELLERS, Sample, answer, decoder

EXPECTED = """
new-api-2025/001-submit-imagine-code1 => Submission 1795250597524001 1 None -
new-api-2025/002-submit-code22-rewritten => Submission 1795250597000022 1 1 -
new-api-2025/003-submit-code22-pretty-printed => Submission 1795250597000023 22 1 -
new-api-2025/008-submit-code24 => BannedPromptError 24
new-api-2025/010-submit-code9 => QueueFullError 9
new-api-2025/036-submit-upstream-200-html => SubmitUncertainError
new-api-2025/042-submit-upstream-401-empty => AuthenticationError
new-api-2025/047-submit-upstream-new-api-error => SubmitRejectedError None
new-api-2025/051-submit-302 => UnsupportedError
new-api-2025/053-submit-upstream-hang-60s => SubmitUncertainError
new-api-2025/060-imagine-empty-prompt => SubmitRejectedError 4
new-api-2025/064-imagine-number-prompt => SubmitRejectedError None
new-api-2025/093-action-customid-without-colons => SubmitUncertainError
new-api-2025/100-fetch-fresh-before-refresh => 1795250597524001 IMAGINE '' WAITING 0% - -
new-api-2025/108-fetch-1h-rule => 1795251000000009 IMAGINE 'FAILURE' FAILED 100% 0 - 上游任务超时（超过1小时）
new-api-2025/110-fetch-q9-in-progress-100 => 1795251000000003 IMAGINE 'IN_PROGRESS' RUNNING 100% 0 picture
new-api-2025/121-fetch-failure => 1795251000000002 IMAGINE 'FAILURE' FAILED 100% 0 picture 执行超时 5 分钟
new-api-2025/148-list-order => 1795251000000001 IMAGINE 'SUCCESS' SUCCEEDED 100% 3 picture | 1795251000000002 IMAGINE 'FAILURE' FAILED 100% 0 picture 执行超时 5 分钟
new-api-2025/157-submit-trailing-slash => SubmitRejectedError None
new-api-2025/158-fetch-double-slash-in-path => UnsupportedError
new-api-2025/205-auth-no-key => AuthenticationError
new-api-2025/211-auth-exhausted-status-exhausted => AuthenticationError
new-api-2025/329-q7-list-both-success => 1795253000000001 CUSTOM_ZOOM 'SUCCESS' SUCCEEDED 100% 0 picture | 1795253000000001 MODAL 'SUCCESS' SUCCEEDED 100% 0 picture
new-api-2025/335-imagine-code3-no-autoban => NoAccountError 3
new-api-2025/334-imagine-after-autoban => NoAccountError None
new-api-2025/386-fetch-user-db-error => ServerError
new-api-2025/392-fetch-html-escaping => 1795257000000003 IMAGINE '' WAITING 0% - -
new-api-2025/394-submit-bad-gzip => SubmitRejectedError None
new-api-2025/402-head-rate-limited => RateLimitedError
new-api/004-submit-code21-modal-like => Submission 1795250597000024 1 None modal
new-api/005-submit-code21-success-props => Submission 1795250597000025 1 None -
new-api/007-submit-code23 => QueueFullError 23
new-api/009-submit-code4 => SubmitRejectedError 4
new-api/012-submit-code4-with-id => SubmitRejectedError 4
new-api/020-submit-quota-not-enough => QuotaError 4
new-api/031-submit-upstream-200-result-envelope => QueueFullError -1
new-api/032-submit-upstream-502-html => SubmitUncertainError
new-api/034-submit-upstream-200-empty => SubmitUncertainError
new-api/035-submit-upstream-204 => SubmitUncertainError
new-api/038-submit-upstream-short-body => SubmitUncertainError
new-api/100-fetch-fresh-before-refresh => 1795255428537001 IMAGINE '' WAITING 0% - -
new-api/103-fetch-not-start => 1795251000000001 IMAGINE 'NOT_START' WAITING - 0 -
new-api/109-fetch-in-progress-preview => 1795251000000001 IMAGINE 'IN_PROGRESS' RUNNING 37% 0 picture
new-api/113-fetch-modal => 1795251000000006 IMAGINE 'MODAL' NEEDS_INPUT 0% 0 -
new-api/118-fetch-success-buttons => 1795251000000001 IMAGINE 'SUCCESS' SUCCEEDED 100% 3 picture
new-api/120-list-fresh => 1795255428537001 IMAGINE '' WAITING 0% - -
new-api/122-fetch-failure-no-reason => 1795251000000012 IMAGINE 'FAILURE' FAILED - 0 picture
new-api/130-list-all-unknown => nothing
new-api/134-list-ids-numbers => ProtocolError
new-api/150-list-empty-id => IMAGINE 'FAILURE' FAILED 100% - - 队列已满，请稍后尝试 | IMAGINE 'FAILURE' FAILED 100% - - 可能包含敏感词 | IMAGINE 'FAILURE' FAILED 100% - - 提示词不能为空 | IMAGINE 'FAILURE' FAILED 100% - - 提交失败，队列已满，请稍后重试 | IMAGINE 'FAILURE' FAILED 100% - - unknown | IMAGINE 'FAILURE' FAILED 100% - - | IMAGINE 'FAILURE' FAILED 100% - - | IMAGINE 'FAILURE' FAILED 100% - - empty_response_body | IMAGINE 'FAILURE' FAILED 100% - - empty_response_body | IMAGINE 'FAILURE' FAILED 100% - - empty_response_body | IMAGINE 'FAILURE' FAILED 100% - - empty_response_body | IMAGINE 'FAILURE' FAILED 100% - - empty_response_body | IMAGINE 'FAILURE' FAILED 100% - - | IMAGINE 'FAILURE' FAILED 100% - - | IMAGINE 'FAILURE' FAILED 100% - - task_status_not_success | IMAGINE 'FAILURE' FAILED 100% - -
new-api/154-fetch-unknown => TaskNotFoundError
new-api/178-unknown-route-get-task-list => UnsupportedError
new-api/204-auth-wrong-key => AuthenticationError
new-api/211-auth-banned-banned-user => AuthenticationError
new-api/211-auth-limited-model-limited-token-reads => AuthenticationError
new-api/223-imagine-number-prompt-zh => SubmitRejectedError None
new-api/224-simple-change-zh => NoAccountError 'model_not_found'
new-api/231-disk-overloaded-list => ServerError
new-api/237-cpu-overloaded-fetch => ServerError
new-api/309-upload => Submission http://127.0.0.1:3901/img/up1.png 1 None -
new-api/310-swap-ok => Submission 1795255651670031 1 None -
new-api/313-swap-code22-kept => Submission 1795252000000010 22 1 -
new-api/324-q7-list-after-modal => 1795253000000001 CUSTOM_ZOOM '' WAITING 0% - - | 1795253000000001 MODAL '' WAITING 0% - -
new-api/328-q7-list-at-success-tick => 1795253000000001 CUSTOM_ZOOM '' WAITING 0% - - | 1795253000000001 MODAL 'SUCCESS' SUCCEEDED 100% 0 picture
new-api/334-imagine-after-autoban => NoAccountError 'model_not_found'
new-api/384-submit-db-error => SubmitUncertainError
new-api/385-fetch-token-db-error => ServerError
new-api/400-unknown-route-web-rate-limited => RateLimitedError
new-api/501-fetch-video-fresh => 1795255651833032 VIDEO '' WAITING 0% - -
new-api/504-video-unknown-task => SubmitRejectedError 4
new-api/530-fetch-video-success => 1800000000026001 IMAGINE 'SUCCESS' SUCCEEDED 100% 0 picture
new-api/532-fetch-videourls-empty => 1800000000029001 IMAGINE 'IN_PROGRESS' RUNNING 50% 0 -
novicezk/002-auth-missing => AuthenticationError
novicezk/007-fetch-unknown => TaskNotFoundError
novicezk/008-fetch-empty-id => UnsupportedError
novicezk/011-fetch-enc-slash => ProtocolError
novicezk/020-fetch-not-start => 1700000000000001 IMAGINE 'NOT_START' WAITING - - -
novicezk/022-fetch-in-progress => 1700000000000003 IMAGINE 'IN_PROGRESS' RUNNING 46% - picture
novicezk/023-fetch-success => 1700000000000004 UPSCALE 'SUCCESS' SUCCEEDED 100% - picture
novicezk/025-fetch-all-null => 1700000000000006 None 'NOT_START' WAITING - - -
novicezk/027-fetch-status-null => 1700000000000008 None None WAITING - - -
novicezk/031-fetch-store-corrupt => ServerError
novicezk/033-fetch-store-other-id => ProtocolError
novicezk/034-list-three-one-unknown => 1700000000000001 IMAGINE 'NOT_START' WAITING - - - | 1700000000000005 DESCRIBE 'FAILURE' FAILED - - - [Banned prompt detected] x | 1700000000000003 IMAGINE 'IN_PROGRESS' RUNNING 46% - picture
novicezk/042-list-object-id => ProtocolError
novicezk/057-list-text-plain => ProtocolError
novicezk/062-list-accept-xml => ProtocolError
novicezk/064-list-get-405 => UnsupportedError
novicezk/065-imagine-no-account => NoAccountError 3
novicezk/066-imagine-empty-prompt => SubmitRejectedError 4
novicezk/070-imagine-banned => BannedPromptError 24
novicezk/078-imagine-malformed => SubmitRejectedError None
novicezk/080-imagine-text-plain => SubmitRejectedError None
novicezk/097-change-account-gone => NoAccountError 3
novicezk/098-change-parent-no-properties => SubmitUncertainError
novicezk/128-simple-change-unknown-parent => SubmitRejectedError 3
novicezk/147-404-submit-modal => UnsupportedError
novicezk/167-500-accept-html => SubmitUncertainError
novicezk/181-imagine-accepted => Submission 1795250801469954 1 None -
novicezk/222-live-describe-success => 1795251036329437 DESCRIBE 'SUCCESS' SUCCEEDED 100% - picture
novicezk/255-imagine-queued-1 => Submission 1795251087283569 22 1 -
novicezk/257-imagine-queue-full => QueueFullError 23
novicezk/288-live-success-lost-06-success => 1795252498948296 IMAGINE 'SUCCESS' SUCCEEDED 100% - picture
novicezk/289-live-success-lost-07-submitted => 1795252498948296 IMAGINE 'SUBMITTED' RUNNING 0% - picture
novicezk/290-live-success-lost-08-failure => 1795252498948296 IMAGINE 'FAILURE' FAILED - - picture 任务超时
novicezk/291-list-one-corrupt => ServerError
one-hub/02-auth-secret-sk => TaskNotFoundError
one-hub/04-auth-no-key => AuthenticationError
one-hub/20-submit-imagine-code1 => Submission 1795250648609481 1 None -
one-hub/21-submit-code22 => Submission 1760000000000001 1 1 -
one-hub/24-submit-code21-success => Submission 1760000000000004 1 None -
one-hub/100-list-normal => 1725070533100002 IMAGINE 'IN_PROGRESS' RUNNING 35% 0 picture | 1725070533100003 IMAGINE 'SUCCESS' SUCCEEDED 100% 3 picture | 1725070533100004 IMAGINE 'FAILURE' FAILED 100% 0 - 执行超时 5 分钟
one-hub/128-unknown-get => UnsupportedError
one-hub/153-modal-row-list => 1795251008501133 CUSTOM_ZOOM 'MODAL' NEEDS_INPUT - 0 -
one-hub/156-modal-inprogress-list => 1795251008501133 CUSTOM_ZOOM 'MODAL' NEEDS_INPUT - 0 - | 1795251008501133 MODAL 'IN_PROGRESS' RUNNING 30% 0 -
one-hub/158-modal-success-both-fetch => 1795251008501133 CUSTOM_ZOOM 'SUCCESS' SUCCEEDED 100% 0 picture
one-hub/158-modal-success-both-list => 1795251008501133 CUSTOM_ZOOM 'SUCCESS' SUCCEEDED 100% 0 picture | 1795251008501133 MODAL 'SUCCESS' SUCCEEDED 100% 0 picture
one-hub/160-rate-limit-429 => RateLimitedError
one-hub/171-quota-exhausted-fetch => AuthenticationError
"""


def lines() -> dict[str, str]:
    pairs = (line.split(" => ") for line in EXPECTED.strip().splitlines())
    return {key.strip(): expected for key, expected in pairs}


def understood(sample: Sample) -> Submission | Task | list[Task] | MJTaskError:
    """Read an answer as the session does."""
    path = sample.endpoint.split()[1]
    try:
        if path.endswith("/fetch"):
            return read_task(sample.answer, decoder(), path.split("/")[-2])
        if "/task/list" in path:
            return read_tasks(sample.answer, decoder())
    except MJTaskError as error:
        return error
    wants_links = path.endswith("/upload-discord-images")
    return outcome(sample.answer, state="st", sent_at=0.0, wants_links=wants_links)


def summary(found: Submission | Task | list[Task] | MJTaskError) -> str:
    """Tell on one line what is interesting."""
    if isinstance(found, list):
        return " | ".join(map(summary, found)) or "nothing"
    if isinstance(found, Task):
        percent = "-" if found.percent is None else f"{found.percent}%"
        buttons = "-" if found.buttons is None else len(found.buttons)
        picture = "picture" if found.image_url else "-"
        facts = f"{found.action} {found.status!r} {found.phase} {percent} {buttons} {picture}"
        return f"{found.id} {facts} {found.fail_reason or ''}".strip()
    if isinstance(found, Submission):
        modal = "modal" if found.needs_modal else "-"
        ids = ",".join(found.task_ids) or ",".join(found.urls)
        return f"Submission {ids} {found.code} {found.queued_ahead} {modal}"
    code = f" {found.code!r}" if isinstance(found, SubmitRejectedError) else ""
    return f"{type(found).__name__}{code}"


@pytest.mark.parametrize("key", RECORDED)
def test_a_recorded_answer_is_understood(key: str) -> None:
    assert summary(understood(RECORDED[key])) == lines()[key]


def test_every_line_has_its_answer() -> None:
    assert lines().keys() == RECORDED.keys()


@pytest.mark.parametrize("key", RECORDED)
def test_no_recorded_answer_needs_leniency(key: str) -> None:
    made = decoder()
    body = RECORDED[key].answer.body
    if body.startswith((b'{"id":', b'[{"id":')):
        assert (made.many if body.startswith(b"[") else made.one)(body)
    assert made.misfits == 0


def recorded(key: str) -> Task:
    found = understood(RECORDED[key])

    assert isinstance(found, Task)
    return found


# What is interesting in some


def test_buttons_of_a_relay() -> None:
    """Contract 3.1: key order and types differ per server."""
    found = recorded("new-api/118-fetch-success-buttons")

    assert [(button.label, button.emoji) for button in found.buttons or ()] == [
        ("U1", ""),
        ("", "🔄"),
        (None, None),
    ]
    assert (
        found.button("U1").custom_id == "MJ::JOB::upsample::1::3dbbd469-36af-4a0f-8f02-df6c579e7011"
    )


def test_a_relay_s_scalars_are_empty_not_null() -> None:
    found = recorded("new-api/100-fetch-fresh-before-refresh")

    assert (found.status, found.state, found.start_time, found.finish_time) == ("", "", 0, 0)
    assert (found.started_at, found.finished_at, found.image_expires_at) == (None, None, None)
    assert (found.buttons, found.properties, found.video_urls) == (None, None, None)


def test_videos_of_a_relay_of_today() -> None:
    found = recorded("new-api/530-fetch-video-success")

    assert found.video_url == "http://127.0.0.1:3901/v/0.mp4"
    assert found.video_urls == (
        MediaUrl(url="http://127.0.0.1:3901/v/0.mp4", thumbnail=None),
        MediaUrl(url="http://127.0.0.1:3901/v/1.mp4", thumbnail=None),
    )


def test_characters_that_go_escapes_are_themselves() -> None:
    assert recorded("new-api-2025/392-fetch-html-escaping").prompt == '<a> & "b" \u2028 😀\nline'


def test_a_description_is_the_prompt_of_a_describe() -> None:
    found = recorded("novicezk/222-live-describe-success")

    assert found.prompt == found.prompt_en == (found.properties or {})["finalPrompt"]


def test_a_picture_survives_a_lost_success() -> None:
    """Contract Q12: SUCCESS, then SUBMITTED, then FAILURE with the picture."""
    links = {
        recorded(f"novicezk/{name}").image_url
        for name in (
            "288-live-success-lost-06-success",
            "289-live-success-lost-07-submitted",
            "290-live-success-lost-08-failure",
        )
    }

    assert len(links) == 1


@pytest.mark.parametrize(
    ("key", "phase"),
    [
        ("new-api/324-q7-list-after-modal", "WAITING"),
        ("new-api/328-q7-list-at-success-tick", "SUCCEEDED"),
        ("one-hub/156-modal-inprogress-list", "RUNNING"),
        ("one-hub/158-modal-success-both-list", "SUCCEEDED"),
    ],
)
def test_two_rows_of_one_id_fold_into_the_more_advanced(key: str, phase: str) -> None:
    """Contract Q7."""
    found = understood(RECORDED[key])

    assert isinstance(found, list)
    (one,) = fold(found).values()
    assert (one.phase, one.action) == (phase, "MODAL")


def test_rejected_submits_share_the_empty_id() -> None:
    """Contract Q8; answers are matched by id, and nobody asks for the empty one."""
    sixteen = read_tasks(RECORDED["new-api/150-list-empty-id"].answer, decoder())

    assert {found.id for found in sixteen} == {""}


# What resellers publish

PIG = Task(
    id="1730621826053455",
    action="IMAGINE",
    custom_id="",
    bot_type="",
    prompt="pig --v 6.1",
    prompt_en="pig --v 6.1",
    description="Submit success",
    state="",
    submit_time=1730621826053,
    start_time=1730621828024,
    finish_time=1730621855817,
    image_url=(
        "https://cdnmjp.oneabc.org/attachments/1300842274347028520/1302547211321741343/"
        "kennedyhernandez46715_74108_pig_3785da15-4f70-4034-9128-f3ff1ac634fa.png"
        "?ex=6728831f&is=6727319f&hm=f6d701914d608e4da9298d2290b3616317264a70635fbf08a37ca6c1bb671b50&"
    ),
    status="SUCCESS",
    progress="100%",
    fail_reason="",
    mask_base64="",
    properties={"finalPrompt": "pig --v 6.1", "finalZhPrompt": ""},
)
JOB = "3785da15-4f70-4034-9128-f3ff1ac634fa"
PIG_BUTTONS = [
    *[(f"MJ::JOB::upsample::{n}::{JOB}", "", f"U{n}", 2, 2) for n in (1, 2, 3, 4)],
    (f"MJ::JOB::reroll::0::{JOB}::SOLO", "\U0001f504", "", 2, 2),
    *[(f"MJ::JOB::variation::{n}::{JOB}", "", f"V{n}", 2, 2) for n in (1, 2, 3, 4)],
]


@pytest.mark.parametrize(
    "name", ["anyapi-fetch", "unnamed-list", "zhongzhuan-fetch", "zhongzhuan-fetch-indented"]
)
def test_four_resellers_publish_the_same_pig(name: str) -> None:
    """One of them as the answer to a list call (contract 2.2), one as YAML."""
    fetched = read_task(answer(RESELLERS[name]), decoder(), "1730621826053455")
    (listed,) = read_tasks(answer(RESELLERS[name]), decoder())
    buttons = [(b.custom_id, b.emoji, b.label, b.type, b.style) for b in fetched.buttons or ()]

    assert fetched == listed
    assert msgspec.structs.replace(fetched, buttons=None) == PIG
    assert buttons == PIG_BUTTONS


def test_the_pig_s_link_has_expired() -> None:
    assert PIG.image_expires_at == datetime(2024, 11, 4, 8, 17, 35, tzinfo=UTC)
    assert PIG.submitted_at == datetime(2024, 11, 3, 8, 17, 6, 53000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("crazyrouter-fetch-running", "task_1234567890 IMAGINE 'IN_PROGRESS' RUNNING 65% 0 -"),
        ("crazyrouter-fetch-success", "task_1234567890 IMAGINE 'SUCCESS' SUCCEEDED 100% 8 picture"),
        (
            "crazyrouter-list",
            (
                "task_1234567890 IMAGINE 'SUCCESS' SUCCEEDED 100% - picture"
                " | task_0987654321 IMAGINE 'IN_PROGRESS' RUNNING 40% - -"
            ),
        ),
    ],
)
def test_a_reseller_s_hand_written_example_is_understood(name: str, expected: str) -> None:
    """Ids of their own, buttons without a type, rows of five fields (contract Q5)."""
    made = decoder()

    assert summary(read_tasks(answer(RESELLERS[name]), made)) == expected
    assert made.misfits == 0


def test_all_published_examples_are_read() -> None:
    assert len(RESELLERS) == 7
