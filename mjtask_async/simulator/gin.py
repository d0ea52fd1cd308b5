"""The front door of the relays: routes, keys, strictness and answers of a gin server.

Facts that the members of the family (contract columns A, A2 and H) do not share are
data: `GinRules`.
"""

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from string import ascii_letters, digits
from typing import Any

from .dialects import as_array, as_object, go_json, read_first_json, read_json
from .direct import Backend
from .engine import Wire
from .exchange import (
    ENDPOINTS,
    UNKNOWN,
    Answer,
    Call,
    Place,
    not_built,
    path_of,
    place_of,
)
from .records import Picture

PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
JSON = {"Content-Type": "application/json"}
JSON_UTF8 = {"Content-Type": "application/json; charset=utf-8"}
HTML = {"Cache-Control": "no-cache", "Content-Type": "text/html; charset=utf-8"}
PAGE = (
    '<!doctype html><html lang="en"><head><title>New API</title></head>'
    '<body><div id="root"></div></body></html>\n'
)
LONGEST_WHOLE = 2048
"""Longer bodies are sent in chunks."""
WINDOW = 180.0
"""Seconds in which requests to unknown routes are counted."""
_TEXTS = ("prompt", "customId", "botType", "notifyHook", "action", "state", "taskId", "content")
_REQUEST_TYPES = {
    **dict.fromkeys((*_TEXTS, "maskBase64"), "string"),
    "index": "int",
    "base64Array": "[]string",
}
_KINDS = {
    bool: "bool",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_GO_KINDS = {"string": str, "int": int}

Words = Mapping[str, str]
"""An answer's text in each language that the server knows."""


@dataclass(frozen=True, slots=True)
class GinRules:
    """What sets a relay apart from its family.

    Attributes:
        routes: The endpoints it has.
        is_prefix: Whether a path segment may stand before ``/mj``.
        refuse: Looks at the credentials; returns status and words of a refusal, or None.
        headers: What every answer carries.
        error: Builds the object of shape E1 from code, message and request id.
        bad_request: What stands before Go's words about a body that does not fit.
        unknown_limit: So many requests to unknown routes are answered in `WINDOW` seconds.
        unknown_retry_after: The Retry-After header of the others, or None.
    """

    routes: frozenset[str]
    is_prefix: Callable[[str], bool]
    refuse: Callable[[Call, str], tuple[int, Words] | None]
    headers: Mapping[str, str]
    error: Callable[[str, str, str], Any]
    bad_request: Words
    unknown_limit: int
    unknown_retry_after: str | None


class GinDoor:
    """Answers one relay's calls.

    Args:
        rules: The relay.
        key: The only good API key.
        epoch: UNIX seconds at the start of the simulator's clock.
        seed: Of request ids.
    """

    def __init__(self, rules: GinRules, key: str, *, epoch: float, seed: int) -> None:
        self._rules = rules
        self._key = key
        self._epoch = epoch
        self._random = Random(f"{seed}:door")  # noqa: S311 -- a simulation
        self._unknown: deque[float] = deque()

    def locate(self, method: str, raw_path: str) -> Place:
        """Tell which endpoint a request is for."""
        return self._route(method, path_of(raw_path)) or Place(UNKNOWN)

    def answer(self, call: Call, place: Place, backend: Backend) -> Answer:
        """Answer a call."""
        if moved := self._moved(call):
            return moved
        request_id = self._request_id(call.now)
        answer = self._answer(call, place, backend, request_id)
        headers = {"X-Oneapi-Request-Id": request_id, **self._rules.headers}
        return Answer(
            answer.status,
            answer.body,
            {**(answer.headers or {}), **headers},
            chunked=len(answer.body) > LONGEST_WHOLE,
            picture=answer.picture,
        )

    def ids(self, call: Call, place: Place) -> tuple[str, ...]:
        """Tell which task ids a call names."""
        if place.task_id is not None:
            return (place.task_id,)
        if place.endpoint != "task/list-by-condition":
            return ()
        return tuple(_read_ids(call.body) or ())

    def _route(self, method: str, path: str) -> Place | None:
        head, *segments = path.split("/")
        if len(segments) > 1 and segments[0] != "mj" and self._rules.is_prefix(segments[0]):
            segments = segments[1:]
        if head or segments[:1] != ["mj"]:
            return None
        place = place_of(segments[1:])
        if not place or place.endpoint not in self._rules.routes:
            return None
        return place if ENDPOINTS[place.endpoint] == method else None

    def _moved(self, call: Call) -> Answer | None:
        """Redirect a path with one slash too many; the router does it before anything else."""
        path = path_of(call.path)
        if not path.endswith("/") or self._route(call.method, path):
            return None
        if not self._route(call.method, path[:-1]):
            return None
        raw, mark, query = call.path.partition("?")
        target = raw[:-1] + mark + query
        if call.method != "GET":
            return Answer(307, headers={"Location": target})
        body = f'<a href="{target}">Moved Permanently</a>.\n\n'
        return Answer(
            301, body.encode(), {"Location": target, "Content-Type": HTML["Content-Type"]}
        )

    def _answer(self, call: Call, place: Place, backend: Backend, request_id: str) -> Answer:
        if place.endpoint == UNKNOWN:
            return self._no_route(call)
        if place.endpoint == "image/{id}":
            return _image(*backend.image(place.task_id or "", call.now))
        if refusal := self._rules.refuse(call, self._key):
            status, words = refusal
            return self._error(status, "", words, call, request_id)
        return self._let_in(call, place, backend, request_id)

    def _let_in(self, call: Call, place: Place, backend: Backend, request_id: str) -> Answer:
        match place.endpoint:
            case "task/{id}/fetch":
                return _fetched(backend.fetch(place.task_id or "", call.now))
            case "task/list-by-condition":
                return _listed(call, backend)
            case "submit/imagine":
                return self._imagine(call, backend, request_id)
            case _:
                return not_built(place)

    def _imagine(self, call: Call, backend: Backend, request_id: str) -> Answer:
        kind = call.header("content-type")
        order: Wire = {}
        if kind.startswith("application/json"):
            try:
                order = unmarshal(call.body)
            except ValueError as error:
                words = {name: f"{text}{error}" for name, text in self._rules.bad_request.items()}
                return self._error(400, "", words, call, request_id)
        elif kind.startswith(("multipart/form-data", "application/x-www-form-urlencoded")):
            return refused(5, "read_request_body_failed")
        if not order.get("prompt"):
            return refused(4, "prompt_is_required")
        return Answer(200, _bytes(backend.imagine(order, call.now)), PLAIN)

    def _no_route(self, call: Call) -> Answer:
        while self._unknown and self._unknown[0] <= call.now - WINDOW:
            self._unknown.popleft()
        if len(self._unknown) >= self._rules.unknown_limit:
            wait = self._rules.unknown_retry_after
            return Answer(429, headers={"Retry-After": wait} if wait else None)
        self._unknown.append(call.now)
        path = path_of(call.path)
        if not path.startswith(("/v1", "/api", "/assets")):
            return Answer(200, PAGE.encode(), HTML)
        error = {"message": f"Invalid URL ({call.method} {path})", "type": "invalid_request_error"}
        body = go_json({"error": {**error, "param": "", "code": ""}})
        return Answer(404, _bytes(body), {"Cache-Control": "max-age=604800", **JSON_UTF8})

    def _error(self, status: int, code: str, words: Words, call: Call, request_id: str) -> Answer:
        """Answer in shape E1 (contract 4.1), in the caller's language."""
        chinese = call.header("accept-language").lower().startswith("zh")
        message = words.get("zh" if chinese else "en", words["zh"])
        body = go_json({"error": self._rules.error(code, message, request_id)})
        return Answer(status, _bytes(body), JSON_UTF8)

    def _request_id(self, now: float) -> str:
        moment = datetime.fromtimestamp(self._epoch + now, UTC)
        nanoseconds = self._random.randrange(10**9)
        tail = "".join(self._random.choices(ascii_letters + digits, k=8))
        return f"{moment:%Y%m%d%H%M%S}{nanoseconds:09}8268d9d6{tail}"


def refused(code: int, word: str) -> Answer:
    """Answer in shape E2 (contract 4.1); the blank before the quote is the servers' own."""
    body = {"code": code, "description": f"{word} ", "type": "upstream_error"}
    return Answer(400, go_json(body).encode(), JSON_UTF8)


def unmarshal(body: bytes) -> Wire:
    """Read a submit's body as strictly as Go does.

    Raises:
        ValueError: With Go's words.
    """
    text = body.decode(errors="replace")
    try:
        value = read_json(text)
    except json.JSONDecodeError as error:
        raise ValueError(_syntax_words(text, error)) from None
    if value is None:
        return {}
    if (order := as_object(value)) is None:
        raise ValueError(_type_words(value, "Go value of type dto.MidjourneyRequest"))
    for name, wanted in _REQUEST_TYPES.items():
        _check(order.get(name), name, wanted)
    return order


def _check(value: Any, name: str, wanted: str) -> None:
    if wanted == "[]string" and (items := as_array(value)) is not None:
        for item in items:
            _check(item, name, "string")
    elif value is not None and type(value) is not _GO_KINDS.get(wanted):
        place = f"Go struct field MidjourneyRequest.{name} of type {wanted}"
        raise ValueError(_type_words(value, place))


def _type_words(value: Any, place: str) -> str:
    kind = _KINDS[type(value)]
    shown = f"number {value}" if isinstance(value, float) else kind
    return f"json: cannot unmarshal {shown} into {place}"


def _syntax_words(text: str, error: json.JSONDecodeError) -> str:
    rest = text[error.pos :].lstrip()
    if not rest or error.msg.startswith("Unterminated"):
        return "unexpected end of JSON input"
    where = (
        "after top-level value" if error.msg == "Extra data" else "looking for beginning of value"
    )
    return f"invalid character '{rest[0]}' {where}"


def _fetched(text: str | None) -> Answer:
    return refused(4, "task_no_found") if text is None else Answer(200, _bytes(text), JSON)


def _listed(call: Call, backend: Backend) -> Answer:
    ids = _read_ids(call.body)
    if ids is None:
        answer = refused(4, "do_request_failed")
        return Answer(answer.status, answer.body, PLAIN)
    return Answer(200, _bytes(backend.find(ids, call.now)), JSON)


def _read_ids(body: bytes) -> list[str] | None:
    """Read ``{"ids": […]}`` whatever the content type says; a null id is an empty one."""
    try:
        condition = read_first_json(body.decode(errors="replace"))
    except ValueError:
        return None
    if condition is None:
        return []
    if (fields := as_object(condition)) is None:
        return None
    ids = as_array([] if fields.get("ids") is None else fields["ids"])
    if ids is None or not all(item is None or isinstance(item, str) for item in ids):
        return None
    return [item or "" for item in ids]


def _image(known: bool, picture: Picture | None) -> Answer:  # noqa: FBT001 -- unpacked
    if not known:
        return Answer(400, b'{"error":"midjourney_task_not_found"}', JSON_UTF8)
    if not picture:
        return Answer(500, b'{"error":"http_get_image_failed"}', JSON_UTF8)
    return Answer(200, headers={"Content-Type": "image/png"}, picture=picture)


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")
