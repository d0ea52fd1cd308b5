"""Answers to reads: models or errors, never by content type (contract 2 and 4)."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..errors import (
    AuthenticationError,
    ProtocolError,
    RateLimitedError,
    RequestError,
    ServerError,
    TaskNotFoundError,
    UnsupportedError,
)
from ..models import T
from .decode import TaskDecoder, first_value, is_object, is_page
from .rows import RowReader, Rows, rows_of
from .wire import Answer
from .words import explained, instead_of, quoted_request_id

_UNKNOWN_TASK = ("task_no_found", "task_not_found", "关联任务不存在")
_RELAY_TROUBLE, _UNKNOWN_PARENT = 5, 3
_A_DAY = 86_400
_CODE = re.compile(r"-?[0-9]{1,9}")
_SEED = re.compile(r"[0-9]{1,19}")


class Envelope:
    """The words of an answer that is no task, whatever shape they came in.

    Attributes:
        code: The server's code, or an error object's.
        description: Its words; empty where it has none.
        kind: The error's type, such as ``upstream_error`` or ``internal_error``.
        value: The JSON object; empty for anything else.
        where: The fields of an error about this answer.
    """

    def __init__(self, answer: Answer) -> None:
        self.value = _json_object(answer.body)
        error: Any = self.value.get("error")
        inner = error if is_object(error) else self.value
        own = self.value if "code" in self.value else inner
        self.code: int | str | None = code_of(own.get("code"))
        self.kind = str(inner.get("type") or "")
        self.description = self._words(inner, error) or self._plain(answer)
        self.where = self._where(answer)
        self._about_operator = _is_operators(answer, self.description)

    @property
    def has_error_object(self) -> bool:
        """Whether it is a relay's ``{"error": {…}}`` (E1, E3, E8)."""
        return isinstance(self.value.get("error"), dict)

    @property
    def said(self) -> str:
        """The words and what they mean; never empty."""
        words = explained(self.description) if self.description else "no words"
        if not self._about_operator:
            return words
        return f"{self.description} [the relay's own key is refused by the server behind it]"

    def _words(self, inner: Mapping[str, Any], error: Any) -> str:
        for words in (inner.get("description"), inner.get("message"), error):
            if isinstance(words, str) and words.strip():
                return words.strip()
        return ""

    def _where(self, answer: Answer) -> dict[str, Any]:
        """Name the answer; trueai-org's gateway says in its body how long to wait."""
        where = answer.where
        asked = self.value.get("retryAfter")
        if where["retry_after"] is None and isinstance(asked, int) and 0 < asked < _A_DAY:
            where["retry_after"] = float(asked)
        return where | {"code": self.code, "description": self.description}

    def _plain(self, answer: Answer) -> str:
        """Trueai-org's 401 and 403 are bare text."""
        if self.value or is_page(answer.body):
            return ""
        return excerpt(answer.body, 120)


def _is_operators(answer: Answer, words: str) -> bool:
    """Whether a 401 speaks of the operator's key: passed on, with another server's id (E4)."""
    quoted, own = quoted_request_id(words), answer.headers.get("x-oneapi-request-id")
    passed_on = answer.headers.get("content-type", "").startswith("text/plain")
    return answer.status == 401 and passed_on and None not in {quoted, own} and quoted != own


def code_of(value: object) -> int | str | None:
    """Read a code that may be a number, a number as text, or a word."""
    if isinstance(value, str):
        return int(value) if _CODE.fullmatch(value) else value or None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = first_value(body)
    except ValueError:
        return {}
    return value if is_object(value) else {}


def excerpt(body: bytes, length: int = 200) -> str:
    """Show the beginning of a body, on one line."""
    text = body[: 4 * length].decode(errors="replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:length]


def read_task(answer: Answer, decoder: TaskDecoder[T], task_id: str) -> T:
    """Read the answer to a fetch.

    Raises:
        TaskNotFoundError: The server does not know the task.
        RequestError: Anything else that is no task.
    """
    if _is_unknown(answer):
        raise TaskNotFoundError(_not_found(task_id), task_id=task_id)
    check(answer)
    task: T | None = _decoded(answer, decoder.one)
    if task is None:
        raise _foreign(answer)
    if task.id.strip() != task_id:
        message = f"asked for task {task_id}, answered with another"
        raise ProtocolError(message, excerpt=excerpt(answer.body), **answer.where)
    return task


def _not_found(task_id: str) -> str:
    return (
        f"the server does not know task {task_id}; ids belong to one server and one account, "
        "and a relay also says so on any trouble of its database"
    )


def _is_unknown(answer: Answer) -> bool:
    """Unknown ids: empty 200 or 204, ``null``, or the words of contract 2.1 in an envelope."""
    if answer.status < 300 and answer.body.strip() in {b"", b"null"}:
        return True
    if answer.status in {200, 400, 404} and len(answer.body) < 4096:
        envelope = Envelope(answer)
        return "code" in envelope.value and envelope.description.startswith(_UNKNOWN_TASK)
    return False


def read_seed(answer: Answer, task_id: str) -> int:
    """Read the answer to a question for a seed, which servers send as a text (Q26).

    Raises:
        TaskNotFoundError: The server does not know the task.
        RequestError: There is no seed, or no answer that helps.
    """
    envelope = Envelope(answer)
    unknown = answer.status == 404 and envelope.code == _UNKNOWN_PARENT
    if unknown or (answer.body.strip() and _is_unknown(answer)):
        raise TaskNotFoundError(_not_found(task_id), task_id=task_id)
    check(answer)
    seed = str(envelope.value.get("result"))
    if envelope.code == 1 and _SEED.fullmatch(seed):
        return int(seed)
    if isinstance(envelope.code, int) and envelope.code not in {1, _RELAY_TROUBLE, -1}:
        raise RequestError(f"no seed of task {task_id}: {envelope.said}", **envelope.where)
    raise _foreign(answer)


def read_tasks(answer: Answer, decoder: TaskDecoder[T]) -> list[T]:
    """Read the answer to a list call.

    Raises:
        RequestError: It is no list of tasks.
    """
    if answer.status != 200:
        check(answer)
    tasks: list[T] | None = _decoded(answer, decoder.many)
    if tasks is not None:
        return tasks
    single = _decoded(answer, decoder.one)  # only ever seen in a reseller's document
    if single is None:
        raise _foreign(answer)
    return [single]


def read_rows(
    answer: Answer,
    decoder: TaskDecoder[T],
    reader: RowReader[T],
    asked: tuple[str, ...],
    last: Rows[T] | None,
) -> Rows[T]:
    """Read the answer to a poll for the ids ``asked``.

    Raises:
        RequestError: It is no list of tasks.
    """
    if answer.status == 200:
        with suppress(ValueError):
            rows = reader.read(asked, answer.body, last)
            if rows is not None:
                return rows
    return rows_of(asked, read_tasks(answer, decoder))


def read_pushed(body: bytes, decoder: TaskDecoder[T]) -> T:
    """Read a task that a server posted by itself.

    Raises:
        ProtocolError: It is none.
    """
    try:
        task = decoder.one(body)
    except ValueError:
        task = None
    if task is None:
        message = f"what was pushed is no task: {excerpt(body)}"
        raise ProtocolError(message, excerpt=excerpt(body), endpoint="webhook")
    return task


def _decoded(answer: Answer, decode: Any) -> Any:
    try:
        return decode(answer.body)
    except ValueError as error:
        raise _foreign(answer) from error


def read_nothing(answer: Answer) -> None:
    """Read the answer to a cancel: an empty one, whatever became of the task.

    Raises:
        RequestError: It is anything else.
    """
    check(answer)
    if answer.body.strip() and Envelope(answer).code != 1:
        raise _foreign(answer)


def check(answer: Answer) -> None:
    """Raise the error that an answer outside 2xx stands for.

    Raises:
        RequestError: The status is 300 or above.
    """
    if answer.status >= 300:
        raise refusal(answer)


def _foreign(answer: Answer) -> RequestError:
    """Tell what an answer below 300 is that is no task."""
    if is_page(answer.body):
        return unsupported(answer)
    envelope = Envelope(answer)
    if envelope.code == _RELAY_TROUBLE or envelope.value.get("success") is False:
        return ServerError(f"the server is in trouble: {envelope.said}", **envelope.where)
    words = explained(envelope.description) or excerpt(answer.body) or "an empty body"
    message = f"not an answer of this API: {words}"
    return ProtocolError(message, excerpt=excerpt(answer.body), **envelope.where)


def refusal(answer: Answer) -> RequestError:
    """Make the error of an answer from status 300 on (contract 4)."""
    status, envelope = answer.status, Envelope(answer)
    where = envelope.where
    if status in {401, 403}:
        return AuthenticationError(f"the server does not accept the key: {envelope.said}", **where)
    if status == 429:
        return RateLimitedError(f"too many requests: {envelope.said}", **where)
    if status >= 500 or (status == 400 and envelope.code == _RELAY_TROUBLE):
        return ServerError(f"the server is in trouble: {envelope.said}", **where)
    if status == 405 or (status == 404 and "code" not in envelope.value):
        return unsupported(answer)
    if status < 400:
        message = f"redirected to {answer.headers.get('location', 'nowhere')}; set base_url to it"
    else:
        message = f"the server refuses the request: {envelope.said}"
    return ProtocolError(message, excerpt=excerpt(answer.body), **where)


def unsupported(answer: Answer) -> UnsupportedError:
    """Make the error of an endpoint that a server does not have: which, and what to use."""
    instead = instead_of(answer.endpoint) or "use another server for it"
    path = answer.endpoint.partition("/mj/")[2] or answer.endpoint
    message = f"this server has no such endpoint, {path}: {instead}; or check base_url"
    envelope = Envelope(answer)
    said = f"; the server says: {envelope.description}" if envelope.description else ""
    return UnsupportedError(message + said, **envelope.where)
