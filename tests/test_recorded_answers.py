"""What real servers answered, byte for byte, and what it has to become.

The files in data/ hold one answer a line. Left out are requests that no call of ours makes:
HEAD, OPTIONS, DELETE, multipart bodies, ``/mj/notify`` and webhooks. The expectations below
follow the contract: sections 2 to 4 and rule 6 for submits.
"""

import base64
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mjtask_async import (
    AuthenticationError,
    BannedPromptError,
    DownloadError,
    MJSession,
    MJTaskError,
    NoAccountError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    RateLimitedError,
    ServerError,
    Submission,
    SubmitRejectedError,
    SubmitUncertainError,
    Task,
    TaskNotFoundError,
    TaskPhase,
    UnsupportedError,
)

from .support_stub import DATA_URL, Reply, stubbed

DATA = Path(__file__).parent / "data"
PROFILES = ("new-api-2025", "new-api", "one-hub", "novicezk")
ID = "1700000000000001"

# What each answer has to become. Where servers differ, a name has its profile in front.
ERRORS: dict[tuple[type[MJTaskError], int | str | None], str] = {
    # Submits: refused (rule 6, third row)
    (QueueFullError, 23): "007-submit-code23 257-imagine-queue-full",
    (QueueFullError, 9): "010-submit-code9 314-swap-code9",
    (QueueFullError, -1): "031-submit-upstream-200-result-envelope",
    (BannedPromptError, 24): "008-submit-code24 070-imagine-banned",
    (QuotaError, 4): "020-submit-quota-not-enough",
    (NoAccountError, 3): """
        335-imagine-code3-no-autoban 065-imagine-no-account 097-change-account-gone
        101-change-reroll-no-index 104-change-index--1 105-change-index-2 107-change-index-1_7
        115-simple-change-reroll 130-describe-no-account 136-describe-bad-mime
    """,
    (NoAccountError, None): """
        new-api-2025/334-imagine-after-autoban 387-submit-ability-db-error
    """,
    (NoAccountError, "model_not_found"): """
        new-api/334-imagine-after-autoban 224-simple-change-zh
    """,
    (SubmitRejectedError, 3): "128-simple-change-unknown-parent",
    (SubmitRejectedError, 4): """
        009-submit-code4 012-submit-code4-with-id 060-imagine-empty-prompt
        062-imagine-null-prompt 071-imagine-null-body 073-imagine-no-content-type 312-swap-urls
        066-imagine-empty-prompt 067-imagine-blank-prompt 068-imagine-missing-prompt
        072-imagine-bad-base64 093-change-parent-not-start 094-change-parent-in-progress
        096-change-parent-upscale 117-simple-change-zero 120-simple-change-empty
        123-simple-change-trailing-space 124-simple-change-u-only 137-describe-not-base64
        140-blend-six 141-blend-missing 144-blend-bad-image 250-change-parent-is-upscale
        504-video-unknown-task
    """,
    (SubmitRejectedError, None): """
        064-imagine-number-prompt 067-imagine-index-string 069-imagine-empty-body
        086-change-numeric-taskid 087-change-string-index 047-submit-upstream-new-api-error
        157-submit-trailing-slash 394-submit-bad-gzip 223-imagine-number-prompt-zh
        076-imagine-object-prompt 078-imagine-malformed 079-imagine-no-body 080-imagine-text-plain
        081-imagine-no-content-type 082-imagine-form 090-change-lower-action
        091-change-empty-action 106-change-index-x 109-change-index-True
    """,
    # Submits: uncertain (second and last row)
    (SubmitUncertainError, 5): """
        032-submit-upstream-502-html 036-submit-upstream-200-html 038-submit-upstream-short-body
        041-submit-upstream-401-text 044-submit-result-number 049-submit-array-body
        053-submit-upstream-hang-60s new-api/051-submit-302
    """,
    (SubmitUncertainError, 4): "384-submit-db-error",
    (SubmitUncertainError, 1): "301-modal-no-taskid",
    (SubmitUncertainError, None): """
        034-submit-upstream-200-empty 035-submit-upstream-204 093-action-customid-without-colons
        094-action-customid-two-parts 095-action-upsample-no-index
        389-panic-user-without-rejected-rows 390-panic-no-taskid 088-change-null-action
        098-change-parent-no-properties 100-change-no-index 167-500-accept-html
    """,
    # Keys
    (AuthenticationError, None): """
        042-submit-upstream-401-empty 337-imagine-chained-upstream-401 207-auth-no-key-submit
        214-auth-limited-submit-forbidden 201-auth-lowercase-bearer 204-auth-wrong-key
        203-auth-wrong-bearer-right-secret
        205-auth-no-key 211-auth-badgroup-token-group-unknown 211-auth-banned-banned-user
        211-auth-disabled-status-disabled
        211-auth-empty-remain-quota-0-second-read-status-now-exhausted-
        211-auth-empty-remain-quota-0-status-enabled-first-read
        211-auth-exhausted-status-exhausted 211-auth-expired-expired-time-past-first-read
        211-auth-expired-second 211-auth-expiredst-status-expired
        new-api-2025/211-auth-iplimit-ip-limited 211-auth-limited-model-limited-token-reads
        215-auth-quota-used-by-own-task-then-poll new-api-2025/385-fetch-token-db-error
        388-fetch-sqlite-locked 04-auth-no-key 171-quota-exhausted-fetch 002-auth-missing
        006-auth-missing-submit
    """,
    (AuthenticationError, "access_denied"): "new-api/211-auth-iplimit-ip-limited",
    (RateLimitedError, None): """
        400-unknown-route-web-rate-limited 401-unknown-post-route-web-rate-limited
        403-v1-unknown-rate-limited 404-api-rate-limited 160-rate-limit-429
    """,
    # Reads
    (ServerError, 5): """
        161-image-seed-number 165-image-seed-empty 167-image-seed-html-504
    """,
    (ServerError, None): """
        386-fetch-user-db-error new-api/385-fetch-token-db-error
        028-fetch-store-status-CANCEL 029-fetch-store-unknown-field 031-fetch-store-corrupt
        264-redis-hangs 266-redis-down 291-list-one-corrupt
    """,
    (ServerError, "system_cpu_overloaded"): """
        237-cpu-overloaded-fetch 238-cpu-overloaded-default-threshold
    """,
    (ServerError, "system_disk_overloaded"): "231-disk-overloaded-list",
    (ProtocolError, 4): """
        134-list-ids-numbers 138-list-body-array 139-list-empty-body 140-list-broken-json
    """,
    (ProtocolError, None): """
        210-auth-channel-suffix-unknown-channel 011-fetch-enc-slash 017-fetch-backslash
        019-fetch-badpct 033-fetch-store-other-id 042-list-object-id 043-list-ids-string
        057-list-text-plain 058-list-no-content-type 062-list-accept-xml 170-fetch-accept-html
        172-root-mj
    """,
    (UnsupportedError, None): """
        new-api-2025/051-submit-302 158-fetch-double-slash-in-path 170-post-to-get-route
        171-get-to-post-route 178-unknown-route-get-task-list 180-unknown-route-no-auth
        182-v1-unknown 183-api-unknown 184-mj-root 185-fetch-encoded-slash 128-unknown-get
        008-fetch-empty-id 009-fetch-no-id 064-list-get-405 147-404-submit-modal
        149-404-submit-video 150-404-submit-upload-discord-images 151-404-submit-show
        152-404-swap 154-404-cancel 156-404-fast-prefix 161-404-accept-html 164-404-accept-plain
        166-404-post
    """,
}
NOT_FOUND = """
    153-fetch-empty-id-user-without-rows 154-fetch-unknown 209-auth-channel-suffix-root
    211-auth-bob-token-of-another-user 211-auth-poor-poor-user 162-image-seed-upstream-404
    02-auth-secret-sk 001-auth-ok-unknown-id 005-auth-both 007-fetch-unknown
    010-fetch-trailing-slash 012-fetch-unicode 016-fetch-enc-semicolon 254-account-fetch-unknown
"""
NO_PICTURE = """
    341-image-unknown 345-image-upstream-404 349-image-upstream-truncated 354-image-of-1h-failure
    520-image-blocked-port
"""
QUEUED = {"002-submit-code22-rewritten": 1, "003-submit-code22-pretty-printed": 1} | {
    "313-swap-code22-kept": 1,
    "21-submit-code22": 1,
    "255-imagine-queued-1": 1,
}
NEEDS_MODAL = {"004-submit-code21-modal-like"}
SEEDS = {"160-image-seed-ok": 1234567890, "169-image-seed-empty-id": 1234567890}
EMPTY = """
    130-list-all-unknown 131-list-ids-missing 149-list-ids-with-blanks 150-list-empty-id
    191-list-too-many-ids 383-list-db-error 037-list-null-ids 038-list-empty-ids
    271-task-queue-empty
"""
EXPLAINED = {
    "337-imagine-chained-upstream-401": "the relay's own key",
    "020-submit-quota-not-enough": "quota is spent",
    "204-auth-wrong-key": "may have spent its quota",
    "211-auth-expired-second": "expired",
    "171-quota-exhausted-fetch": "quota is spent",
    "334-imagine-after-autoban": "no channel",
    "211-auth-limited-model-limited-token-reads": "may not use this model",
    "007-submit-code23": "queue is full",
    "008-submit-code24": "banned word",
    "157-submit-trailing-slash": "redirected to",
    "172-root-mj": "redirected to",
}

Call = Callable[[MJSession[Task]], Awaitable[Any]]


def answers() -> Iterator[Any]:
    for profile in PROFILES:
        lines = (DATA / f"{profile}.jsonl").read_text(encoding="utf-8").split("\n")
        for line in filter(None, lines):
            one = json.loads(line)
            yield pytest.param(profile, one, id=f"{profile}-{one['name']}")


def has(names: str, profile: str, name: str) -> bool:
    return name in names.split() or f"{profile}/{name}" in names.split()


def reply_of(response: dict[str, Any]) -> Reply:
    raw = response.get("body_base64")
    body = base64.b64decode(raw) if raw else (response["body"] or "").encode()
    return Reply(response["status"], body, response["headers"])


def ids_of(request: dict[str, Any]) -> list[str]:
    try:
        ids = json.loads(request["body"])["ids"]
        return [each.strip() for each in ids if isinstance(each, str) and each] or [ID]
    except (TypeError, ValueError, KeyError):
        return [ID]


def fetched_id(path: str) -> str:
    """Take the id that was asked for, or one of ours where that was none."""
    task_id = path.removesuffix("/").removesuffix("/fetch").rpartition("/")[2]
    return task_id if task_id.isdecimal() else ID


SUBMITS: dict[str, Call] = {
    "submit/imagine": lambda s: s.imagine("x"),
    "submit/blend": lambda s: s.blend([DATA_URL] * 2),
    "submit/describe": lambda s: s.describe(DATA_URL),
    "submit/shorten": lambda s: s.shorten("x"),
    "submit/change": lambda s: s.change(ID, "UPSCALE", 1),
    "submit/simple-change": lambda s: s.change(ID, "UPSCALE", 1),
    "submit/action": lambda s: s.action(ID, "MJ::Picread::Retry"),
    "submit/modal": lambda s: s.modal(ID),
    "submit/edits": lambda s: s.edit("x", DATA_URL),
    "submit/video": lambda s: s.video("x"),
    "submit/upload-discord-images": lambda s: s.upload([DATA_URL]),
    "insight-face/swap": lambda s: s.swap_face(DATA_URL, DATA_URL),
}


READS: dict[str, Call] = {
    "task/list": lambda s: s.list_recent(),
    "task/queue": lambda s: s.queue(),
    "image-seed": lambda s: s.image_seed(ID),
    "cancel": lambda s: s.cancel(ID),
}


def call_of(request: dict[str, Any], folder: Path) -> Call:
    """Choose the call of ours that would have got this answer."""
    path = request["path"].partition("/mj/")[2].strip("/")
    if path == "task/list-by-condition":
        return lambda s: s.list_by_condition(ids_of(request))
    if path.startswith("image/"):
        return lambda s: s.download(f"{s._transport.root}{path}", folder / "picture")
    known = READS | SUBMITS
    if call := known.get(path) or known.get(path.rpartition("/")[2]):
        return call
    if request["method"] == "GET" or path.endswith("/fetch"):
        return lambda s: s.fetch(fetched_id(path))
    return SUBMITS["submit/imagine"]


@pytest.mark.parametrize(("profile", "recorded"), list(answers()))
async def test_a_recorded_answer_becomes_what_the_contract_says(
    profile: str, recorded: dict[str, Any], tmp_path: Path
) -> None:
    name, response = recorded["name"], recorded["response"]
    async with stubbed(reply_of(response), attempts=1) as (stub, session):
        call = call_of(recorded["request"], tmp_path)
        try:
            result = await call(session)
        except MJTaskError as error:
            check_error(profile, name, error, response)
        else:
            check_result(name, result, recorded)
    assert len(stub.asked) == 1
    assert not os.listdir(tmp_path)  # noqa: PTH208 -- a download leaves nothing behind


def check_error(profile: str, name: str, error: MJTaskError, response: dict[str, Any]) -> None:
    if isinstance(error, TaskNotFoundError):
        assert has(NOT_FOUND, profile, name)
        return
    if isinstance(error, DownloadError):
        assert has(NO_PICTURE, profile, name)
        assert error.status in {response["status"], None}
        return
    code = getattr(error, "code", "none at all")
    names = ERRORS.get((type(error), code), "")
    assert has(names, profile, name), f"{type(error).__name__} {code!r}: {error}"
    assert error.status == response["status"]  # type: ignore[attr-defined]
    assert EXPLAINED.get(name, "") in str(error)
    if said := words_of(response):
        assert error.description == said.strip()  # type: ignore[attr-defined]
        assert said.strip() in str(error)


def words_of(response: dict[str, Any]) -> str:
    try:
        value, _ = json.JSONDecoder().raw_decode(response["body"])
    except (TypeError, ValueError):
        return ""
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, dict):
        return str(error["message"])
    return str(value.get("description") or value.get("message") or error or "")


def check_result(name: str, result: Any, recorded: dict[str, Any]) -> None:
    value = json.loads(recorded["response"]["body"])
    if isinstance(result, Submission):
        check_submission(name, result, value)
    elif isinstance(result, Task):
        check_task(result, value)
    elif isinstance(result, int):
        assert result == SEEDS[name]
    elif not result:
        assert has(EMPTY, "", name) or {row["id"] for row in value} == {""}
    elif isinstance(result[0], Task):
        check_list(result, value, recorded["request"])
    else:
        assert result == value["result"]  # an upload's links


def check_submission(name: str, submission: Submission, value: dict[str, Any]) -> None:
    assert submission.task_id == value["result"]
    assert submission.task_ids == (value["result"],)
    assert submission.code == value["code"]
    assert submission.description == value["description"]
    assert submission.properties == (value["properties"] or None)
    assert submission.queued_ahead == QUEUED.get(name)
    assert submission.needs_modal == (name in NEEDS_MODAL)
    assert submission.answers_modal == (name == "154-modal")


PHASES = {
    None: TaskPhase.WAITING,
    "": TaskPhase.WAITING,
    "NOT_START": TaskPhase.WAITING,
    "SUBMITTED": TaskPhase.RUNNING,
    "IN_PROGRESS": TaskPhase.RUNNING,
    "MODAL": TaskPhase.NEEDS_INPUT,
    "SUCCESS": TaskPhase.SUCCEEDED,
    "FAILURE": TaskPhase.FAILED,
}


def check_task(task: Task, value: dict[str, Any]) -> None:
    """Hold every field of a task against the JSON it came from."""
    assert task.phase is PHASES[value["status"]]
    for field in msgspec.structs.fields(Task):
        found: Any = getattr(task, field.name)
        wanted: Any = value.get(field.encode_name)
        if isinstance(found, tuple):  # buttons and links have fields of their own
            parts = [msgspec.to_builtins(part) for part in found]
            pairs = zip(parts, wanted, strict=True)
            wanted = [{key: number(part.get(key)) for key in own} for own, part in pairs]
            found = parts
        assert found == wanted, field.name


def number(value: Any) -> Any:
    """Relays pass a button's type on as it comes: ``"2"`` is 2 (Q28)."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def check_list(tasks: list[Task], value: list[dict[str, Any]], request: dict[str, Any]) -> None:
    """One task per id, in the order asked, and of several rows the most advanced."""
    if request["method"] == "POST":
        known = {row["id"] for row in value}
        assert [task.id for task in tasks] == [each for each in ids_of(request) if each in known]
    order = [None, "", "NOT_START", "MODAL", "SUBMITTED", "IN_PROGRESS", "FAILURE", "SUCCESS"]
    for task in tasks:
        rows = [row for row in value if row["id"] == task.id]
        check_task(task, max(reversed(rows), key=lambda row: order.index(row["status"])))


def test_every_expectation_is_about_an_answer_that_is_there() -> None:
    there = {(p.values[0], p.values[1]["name"]) for p in answers()}
    names = [
        *ERRORS.values(),
        NOT_FOUND,
        NO_PICTURE,
        EMPTY,
        " ".join([*QUEUED, *SEEDS, *EXPLAINED]),
    ]
    for expected in " ".join(names).split():
        profile, slash, name = expected.rpartition("/")
        assert any(n == name and (not slash or p == profile) for p, n in there), expected
