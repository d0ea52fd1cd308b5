"""What became of a submit: accepted, refused, or uncertain.

The first row that fits decides. Never guess *refused*: sending again what was
accepted is paid for twice (contract 2.3, Q36).

1. *accepted*: code 1, 21 or 22 with a usable id (or links) below status 300.
2. *uncertain*: words that stand for "the task may run", whatever the status.
3. *refused*: the server's own codes below status 500, 3xx and 4xx other than 408,
   503 with an API's body, a web page with status 200.
4. *uncertain*: everything else.

*Not sent* is not decided here: it shows in the transport, not in an answer.
"""

import re
from collections.abc import Mapping
from typing import Any

from ..errors import (
    BannedPromptError,
    ConfigurationError,
    MJTaskError,
    NoAccountError,
    QueueFullError,
    QuotaError,
    SubmitRejectedError,
    SubmitUncertainError,
)
from ..models import Submission
from .answers import Envelope, code_of, excerpt, refusal, unsupported
from .decode import is_array, is_object, is_page
from .wire import Answer, clean_id
from .words import explained

_ACCEPTED = frozenset((1, 21, 22))
_REFUSED = frozenset((3, 4, 9, 23, 24, 30, -1))
_MAYBE_RUNNING = (
    b"insert_midjourney_task_failed",  # accepted and charged, though code 4
    b"copy_response_body_failed",
    b"do_request_failed",
    b"read_response_body_failed",
    b"unmarshal_response_body_failed",
    b"empty_response_body",
)
_RELAY_TROUBLE = 5
_RELAY_CODES = frozenset((4, _RELAY_TROUBLE, 30))
"""What a relay's own answer may have (contract 4.1, E2)."""
_NEEDS_MODAL = 21
_SATURATED = 30
_QUEUED_BEHIND = re.compile(r"前面还有\s*(\d{1,9})\s*个")
_QUEUE_WORDS = ("队列", "并发", "queue full")
_QUOTA_WORDS = ("quota", "额度", "余额")
_ACCOUNT_WORDS = ("无可用", "账号不可用", "渠道已被禁用", "no available channel", "model_not_found")


def outcome(
    answer: Answer, *, state: str, sent_at: float, wants_links: bool = False
) -> Submission | MJTaskError:
    """Judge the answer to a submit.

    Args:
        answer: What the server sent.
        state: What was sent as ``state``.
        sent_at: UNIX seconds at the start of the request.
        wants_links: Whether links were asked for (upload) and not a task.
    """
    envelope = Envelope(answer)
    accepted = _accepted(answer, envelope, state, wants_links=wants_links)
    if accepted is not None:
        return accepted
    if not _may_run(answer, envelope) and _is_refused(answer, envelope):
        return _refused(answer, envelope)
    words = explained(envelope.description) or excerpt(answer.body) or "an empty answer"
    return uncertain(words, state=state, sent_at=sent_at, **envelope.where)


def uncertain(words: str, *, state: str, sent_at: float, **where: Any) -> SubmitUncertainError:
    """Make the error of a submit that may have been accepted."""
    return SubmitUncertainError(
        f"the submit may have been accepted and charged: {words}; it was not sent again. "
        f"Look for a task with state {state!r} before you do: reconcile() does where it can",
        state=state,
        sent_at=sent_at,
        **where,
    )


def _accepted(
    answer: Answer, envelope: Envelope, state: str, *, wants_links: bool
) -> Submission | None:
    if answer.status >= 300 or not isinstance(envelope.code, int) or envelope.code not in _ACCEPTED:
        return None
    if "code" not in envelope.value:  # an error's own code says nothing of this kind
        return None
    result = envelope.value.get("result")
    ids, urls = ((), _links(result)) if wants_links else (_ids(result), ())
    if not ids and not urls:
        return None
    given = envelope.value.get("properties")
    properties = given if is_object(given) else {}
    return Submission(
        task_id=ids[0] if ids else None,
        task_ids=ids,
        code=envelope.code,
        description=envelope.description,
        state=state,
        queued_ahead=_queued_ahead(envelope.description, properties),
        needs_modal=_needs_modal(envelope, properties),
        urls=urls,
        properties=properties or None,
    )


def _ids(result: Any) -> tuple[str, ...]:
    """Read task ids: a text, a number, or several joined by commas (Q2); none if one is none."""
    if isinstance(result, int) and not isinstance(result, bool):
        result = str(result)
    if not isinstance(result, str):
        return ()
    try:
        return tuple(dict.fromkeys(clean_id(part) for part in result.split(",") if part.strip()))
    except ConfigurationError:
        return ()


def _links(result: Any) -> tuple[str, ...]:
    """Read an upload's links: an array of them, or a single one; none if one is none."""
    several = result if is_array(result) else [result]
    links = tuple(each for each in several if isinstance(each, str) and "://" in each)
    return links if len(links) == len(several) else ()


def _queued_ahead(description: str, properties: Mapping[str, Any]) -> int | None:
    count = code_of(properties.get("numberOfQueues"))
    if isinstance(count, int):
        return max(count, 0)
    match = _QUEUED_BEHIND.search(description)
    return int(match[1]) if match else None


def _needs_modal(envelope: Envelope, properties: Mapping[str, Any]) -> bool:
    """Relays turn code 21 into 1, so its words and properties count, too."""
    confirm = "confirm" in envelope.description.lower()
    return envelope.code == _NEEDS_MODAL or confirm or properties.get("remix") is True


def may_repeat(answer: Answer) -> bool:
    """Whether a refused credential is all that an answer speaks of, so that another may be tried."""
    return not _may_run(answer, Envelope(answer))


def _may_run(answer: Answer, envelope: Envelope) -> bool:
    if any(words in answer.body for words in _MAYBE_RUNNING):
        return True
    return envelope.code == _RELAY_TROUBLE and envelope.kind != "internal_error"


def _is_refused(answer: Answer, envelope: Envelope) -> bool:
    status = answer.status
    if envelope.code in _REFUSED and status < 500:
        return True
    if envelope.kind == "internal_error" and envelope.code in _RELAY_CODES:
        return True
    if status < 300:
        return status == 200 and is_page(answer.body)
    if status < 500:
        return status != 408
    return status == 503 and (
        envelope.has_error_object or envelope.value.keys() >= {"error", "retryAfter"}
    )


def _refused(answer: Answer, envelope: Envelope) -> MJTaskError:
    if answer.status < 300 and is_page(answer.body):
        return unsupported(answer)
    if answer.status in {401, 403}:  # whatever the code: it is about the key
        return refusal(answer)
    if answer.status == 429 and envelope.code not in _REFUSED - {_SATURATED}:
        return refusal(answer)
    if answer.status == 405 or (answer.status == 404 and "code" not in envelope.value):
        return refusal(answer)
    words = envelope.said if envelope.description else excerpt(answer.body) or "no words"
    if 300 <= answer.status < 400:
        words = f"redirected to {answer.headers.get('location', 'nowhere')}; set base_url to it"
    return _rejection(envelope)(f"the server refused the submit: {words}", **envelope.where)


def _rejection(envelope: Envelope) -> type[SubmitRejectedError]:
    """Choose the error: codes first, because a relay's words follow the caller's language."""
    words = f"{envelope.code} {envelope.description}".lower()
    if envelope.code == 23 or (envelope.code in {9, -1} and _any(_QUEUE_WORDS, words)):
        return QueueFullError
    if envelope.code == 24:
        return BannedPromptError
    if envelope.code == 4 and _any(_QUOTA_WORDS, words):
        return QuotaError
    if envelope.code != 4 or "渠道" in words:
        return NoAccountError if _any(_ACCOUNT_WORDS, words) else SubmitRejectedError
    return SubmitRejectedError


def _any(needles: tuple[str, ...], words: str) -> bool:
    return any(needle in words for needle in needles)
