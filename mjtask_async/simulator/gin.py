# ruff: noqa: RUF001 -- the servers' own words
"""The front door of the relays: routes, keys, strictness and answers of a gin server.

Facts that the members of the family (contract columns A, A2 and H) do not share are
data: `GinRules`.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import itemgetter
from random import Random
from string import ascii_letters, digits
from typing import Any, Literal
from urllib.parse import urlsplit

from .accounts import Token
from .dialects import as_array, as_object, go_json, read_first_json
from .exchange import ENDPOINTS, MODES, UNKNOWN, Answer, Call, Place, path_of, place_of
from .forwarding import RelayRefusal
from .gin_orders import JSON_UTF8, PLAIN, Clerk, Objection, Panicked, refused
from .relay import Relay
from .switches import Switches

JSON = {"Content-Type": "application/json"}
HTML = {"Cache-Control": "no-cache", "Content-Type": "text/html; charset=utf-8"}
LONGEST_WHOLE = 2048
"""Longer bodies are sent in chunks."""
WINDOW = 180.0
"""Seconds in which requests to unknown routes are counted."""
MINUTE = 60.0
ALLOWED_PORTS = frozenset((80, 443, 8080, 8443))

Words = Mapping[str, str]
"""An answer's text in each language that the server knows."""
_TOO_FAST: Words = {"zh": "您的速率达到上限，请稍后再试。"}


@dataclass(frozen=True, slots=True)
class Complaint:
    """How a relay words an objection before it forwards anything.

    Attributes:
        words: The text, in which ``{}`` is what is wrong.
        status: Of the answer.
        code: ``error.code`` of shape E1, or the number of shape E2.
        kind: ``type`` of shape E2; empty is shape E1.
        plain: Whether it is sent as plain text.
    """

    words: Words
    status: int
    code: str | int = ""
    kind: str = ""
    plain: bool = False


@dataclass(frozen=True, slots=True)
class GinRules:
    """What sets a relay apart from its family.

    Attributes:
        routes: The endpoints it has.
        page: What unknown routes show.
        refuse: Looks at the credentials; returns status and words of a refusal, or None.
        spent: Says of a key that its quota is gone.
        headers: What every answer carries.
        error: Builds the object of shape E1 from code, message and request id.
        complaints: Words for a ``"body"``, an ``"action"``, a ``"channel"`` or a ``"model"``.
        forms: What becomes of an order that is not sent as JSON.
        panic: What follows a custom id that the relay cannot take apart (contract Q22).
        unknown_limit: So many requests to unknown routes are answered in `WINDOW` seconds.
        unknown_retry_after: The Retry-After header of the others, or None.
        mark: What stands in the middle of a request id.
        speeds: Whether the segment before ``/mj`` must name a speed.
        reads_models: Whether a token's models are looked at on reads, too (contract Q17).
        limits: Whether each user may send so many requests only (contract E9).
        guards: Whether it has a guard against forged picture links.
    """

    routes: frozenset[str]
    page: str
    refuse: Callable[[Call, str], tuple[int, Words] | None]
    spent: Callable[[Token], Words]
    headers: Mapping[str, str]
    error: Callable[[str, str, str], Any]
    complaints: Mapping[str, Complaint]
    forms: Literal["ignored", "refused", "bound"]
    panic: Literal["goes on", "hangs up", "answers"]
    unknown_limit: int
    unknown_retry_after: str | None = None
    mark: str = ""
    speeds: bool = False
    reads_models: bool = True
    limits: bool = False
    guards: bool = False


class GinDoor:
    """Answers one relay's calls.

    Args:
        rules: The relay.
        key: The first good API key.
        relay: What stands behind it.
        epoch: UNIX seconds at the start of the simulator's clock.
        seed: Of request ids.
        switches: What its operator set up.
    """

    def __init__(
        self,
        rules: GinRules,
        key: str,
        relay: Relay,
        *,
        epoch: float,
        seed: int,
        switches: Switches,
    ) -> None:
        self._rules = rules
        relay.account.add(key)
        self._relay = relay
        self._epoch = epoch
        self._switches = switches
        self._clerk = Clerk(relay, forms=rules.forms, models=switches.allowed_models)
        self._bucket = Bucket(switches.rate_limit)
        self._random = Random(f"{seed}:door")  # noqa: S311 -- a simulation
        self._unknown: deque[float] = deque()

    def locate(self, method: str, raw_path: str) -> Place:
        """Tell which endpoint a request is for."""
        return self._route(method, path_of(raw_path)) or Place(UNKNOWN)

    def answer(self, call: Call, place: Place) -> Answer:
        """Answer a call."""
        if moved := self._moved(call):
            return moved
        request_id = self._request_id(call.now)
        answer = self._answer(call, place, request_id)
        headers = {"X-Oneapi-Request-Id": request_id, **self._rules.headers}
        return replace(
            answer,
            headers={**(answer.headers or {}), **headers},
            chunked=len(answer.body) > LONGEST_WHOLE,
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
        if self._rules.speeds and segments[:1] == [""]:
            segments = segments[1:]  # a slash too many does not matter there
        prefix = ""
        if segments[:1] != ["mj"] and segments[1:2] == ["mj"] and segments[0]:
            prefix, *segments = segments
        if head or segments[:1] != ["mj"]:
            return None
        place = place_of(segments[1:])
        if not place or place.endpoint not in self._rules.routes:
            return None
        fits = ENDPOINTS[place.endpoint] == method
        return replace(place, prefix=prefix) if fits else None

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

    def _answer(self, call: Call, place: Place, request_id: str) -> Answer:
        rules = self._rules
        if place.endpoint == UNKNOWN:
            return self._no_route(call)
        if place.endpoint == "image/{id}":
            return self._image(place.task_id or "", call.now)
        if rules.speeds and place.prefix not in {"", *MODES}:
            return _one_hub_error(4, "无效的加速模式")
        if refusal := self._refusal(call):
            status, words = refusal
            return self._error(status, "", words, call, request_id)
        if rules.limits and not self._bucket.takes(call.now):
            return self._error(429, "", _TOO_FAST, call, request_id)
        return self._let_in(call, place, request_id)

    def _refusal(self, call: Call) -> tuple[int, Words] | None:
        """Look for the key that a call shows, and at its quota: a spent one cannot even read."""
        refusals: list[tuple[int, Words]] = []
        for token in self._relay.account.tokens.values():
            refusal = self._rules.refuse(call, token.key)
            if refusal is None:
                self._relay.account.payer = token
                return (401, self._rules.spent(token)) if token.credit == 0 else None
            refusals.append(refusal)
        return max(refusals, key=itemgetter(0))  # who is known, but not allowed, hears that

    def _let_in(self, call: Call, place: Place, request_id: str) -> Answer:
        try:
            if place.endpoint.startswith("task/"):
                return self._read(call, place)
            return self._clerk.take(call, place)
        except Objection as objection:
            return self._complain(objection, call, request_id)
        except Panicked as panicked:
            return self._panic(panicked)

    def _read(self, call: Call, place: Place) -> Answer:
        if self._rules.reads_models and self._switches.allowed_models is not None:
            raise Objection("model", "")
        match place.endpoint:
            case "task/{id}/fetch":
                text = self._relay.fetch(place.task_id or "", call.now)
                if text is None:
                    return refused(RelayRefusal(4, "task_no_found"))
                return Answer(200, _bytes(text), JSON)
            case "task/list-by-condition":
                return self._listed(call)
            case _:
                return self._clerk.seed(place.task_id or "", call.now)

    def _listed(self, call: Call) -> Answer:
        ids = _read_ids(call.body)
        if ids is None:
            return replace(refused(RelayRefusal(4, "do_request_failed")), headers=PLAIN)
        return Answer(200, _bytes(self._relay.find(ids, call.now)), JSON)

    def _image(self, task_id: str, now: float) -> Answer:
        link, picture = self._relay.image(task_id, now)
        if link is None:
            return _image_error(400, "midjourney_task_not_found")
        if self._rules.guards and self._switches.guard_images and (words := _blocked(link)):
            return _image_error(403, words)
        if not picture and self._relay.is_upstreams(link):
            return _image_error(404, "This content is no longer available.")
        if not picture:
            return _image_error(500, "http_get_image_failed")
        return Answer(200, headers={"Content-Type": "image/png"}, picture=picture)

    def _no_route(self, call: Call) -> Answer:
        while self._unknown and self._unknown[0] <= call.now - WINDOW:
            self._unknown.popleft()
        if len(self._unknown) >= self._rules.unknown_limit:
            wait = self._rules.unknown_retry_after
            return Answer(429, headers={"Retry-After": wait} if wait else None)
        self._unknown.append(call.now)
        path = path_of(call.path)
        if not path.startswith(("/v1", "/api", "/assets")):
            return Answer(200, self._rules.page.encode(), HTML)
        error = {"message": f"Invalid URL ({call.method} {path})", "type": "invalid_request_error"}
        body = go_json({"error": {**error, "param": "", "code": ""}})
        return Answer(404, _bytes(body), {"Cache-Control": "max-age=604800", **JSON_UTF8})

    def _complain(self, objection: Objection, call: Call, request_id: str) -> Answer:
        complaint = self._rules.complaints[objection.about]
        words = {name: text.format(objection.detail) for name, text in complaint.words.items()}
        if not complaint.kind:
            return self._error(complaint.status, str(complaint.code), words, call, request_id)
        body = {"code": complaint.code, "description": f"{words['zh']} ", "type": complaint.kind}
        headers = PLAIN if complaint.plain else JSON_UTF8
        return Answer(complaint.status, _bytes(go_json(body)), headers)

    def _panic(self, panicked: Panicked) -> Answer:
        if self._rules.panic == "hangs up":
            return Answer(500, hang_up=True)
        words = f"Panic detected, error: runtime error: {panicked.words}."
        words += " Please submit a issue here: https://example.com/issues"
        if self._rules.panic == "answers":
            error = {"code": 500, "description": words, "type": "one_hub_panic"}
            return Answer(500, _bytes(go_json({"error": error})), JSON_UTF8)
        first = go_json({"error": {"message": words, "type": "new_api_panic"}})
        return Answer(500, _bytes(first) + panicked.second.body, JSON_UTF8)

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
        return f"{moment:%Y%m%d%H%M%S}{nanoseconds:09}{self._rules.mark}{tail}"


class Bucket:
    """So many requests a minute: tokens that come back, or a window that passes (contract E9)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._speed = limit // 60
        self._most = 10 * self._speed if self._speed else limit
        self._left = float(self._most)
        self._at = 0.0

    def takes(self, now: float) -> bool:
        """Tell whether a request may pass, and count it."""
        if self._speed:
            self._left = min(self._most, self._left + (now - self._at) * self._speed)
            self._at = now
        elif self._left == self._most or now - self._at >= MINUTE:
            self._left, self._at = float(self._most), now
        allowed = self._left >= 1
        self._left -= allowed
        return allowed


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


def _blocked(link: str) -> str | None:
    """Say why a link is not fetched (contract 2.4, ``image/{id}``)."""
    parts = urlsplit(link)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    if port not in ALLOWED_PORTS:
        return f"request blocked: port {port} is not allowed"
    if parts.hostname == "127.0.0.1":
        return "request blocked: private IP address not allowed: 127.0.0.1"
    return None


def _image_error(status: int, words: str) -> Answer:
    return Answer(status, _bytes(go_json({"error": words})), JSON_UTF8)


def _one_hub_error(code: int, words: str) -> Answer:
    body = {"code": code, "description": words, "type": "one_hub_error"}
    return Answer(400, _bytes(go_json(body)), JSON_UTF8)


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")
