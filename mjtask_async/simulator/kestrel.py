# ruff: noqa: RUF001 -- the server's own words
"""The front door of trueai-org's server: an ASP.NET application (contract 4.2, column T)."""

from typing import Any

from .dialects import as_array, as_object, dotnet, read_json
from .direct import NEWEST, Direct, Errand, Spoken
from .exchange import ENDPOINTS, MODES, UNKNOWN, Answer, Call, Place, path_of, place_of
from .forwarding import UNSUPPORTED
from .origin import Wire
from .switches import Switches

JSON = {"Content-Type": "application/json; charset=utf-8"}
PROBLEM = {"Content-Type": "application/problem+json; charset=utf-8"}
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
NO_KEY = b"Authorization header missing."
_LISTS = frozenset(("task/list-by-condition", "task/list-by-ids"))
_UNREAD = frozenset(("task/{id}/cancel", "task/{id}/image-seed"))


class KestrelDoor:
    """Answers the calls of a server with one user and guest mode off.

    Args:
        routes: The endpoints it has.
        key: The user's token.
        backend: What stands behind it.
        epoch: UNIX seconds at the start of the simulator's clock.
        switches: What its operator set up.
    """

    def __init__(
        self,
        routes: frozenset[str],
        key: str,
        backend: Direct,
        *,
        epoch: float,
        switches: Switches,
    ) -> None:
        self._routes = routes
        self._key = key
        self._backend = backend
        self._epoch = epoch
        self._admin = switches.admin

    def locate(self, method: str, raw_path: str) -> Place:
        """Tell which endpoint a request is for."""
        place = self._find(raw_path)
        fits = place and ENDPOINTS[place.endpoint] == method
        return place if place and fits else Place(UNKNOWN)

    def answer(self, call: Call, place: Place) -> Answer:
        """Answer a call."""
        if place.endpoint == UNKNOWN:
            found = self._find(call.path)
            return Answer(405, headers={"Allow": ENDPOINTS[found.endpoint]}) if found else _LOST
        if (call.header("authorization") or call.header("mj-api-secret")) != self._key:
            return Answer(401, NO_KEY)
        if ENDPOINTS[place.endpoint] == "GET":
            return self._shown(call, place)
        if place.endpoint == "task/{id}/cancel" and not self._admin:
            return Answer(400, "演示模式，禁止操作".encode(), PLAIN)
        return self._taken(call, place)

    def ids(self, call: Call, place: Place) -> tuple[str, ...]:
        """Tell which task ids a call names."""
        if place.task_id is not None:
            return (place.task_id,)
        if place.endpoint not in _LISTS:
            return ()
        return tuple(_read_ids(_read_object(call.body) or {}) or ())

    def _find(self, raw_path: str) -> Place | None:
        path = path_of(raw_path).removesuffix("/")
        head, *segments = path.split("/")
        prefix = segments.pop(0) if segments[:1] and segments[0] in MODES else ""
        if head or segments[:1] != ["mj"] or "" in segments:
            return None
        place = place_of(segments[1:])
        if not place or place.endpoint not in self._routes:
            return None
        return Place(place.endpoint, place.task_id, prefix)

    def _shown(self, call: Call, place: Place) -> Answer:
        task_id, backend = place.task_id or "", self._backend
        match place.endpoint:
            case "task/{id}/fetch":
                text = backend.fetch(task_id, call.now)
                return Answer(204) if text is None else _json(200, text)
            case "task/list":
                return _json(200, backend.newest(call.now, most=NEWEST))
            case endpoint:
                return _said(backend.submit(Errand(endpoint, {"taskId": task_id}), call.now))

    def _taken(self, call: Call, place: Place) -> Answer:
        if place.endpoint in _UNREAD:
            errand = Errand(place.endpoint, {"taskId": place.task_id})
            return _said(self._backend.submit(errand, call.now))
        kind = call.header("content-type").partition(";")[0].strip().lower()
        films = place.endpoint == "insight-face/video-swap"
        if kind != ("multipart/form-data" if films else "application/json"):
            return Answer(415, UNSUPPORTED.encode(), PROBLEM)
        order = {} if films else _read_object(call.body)
        if order is None:
            return self._misread(call.now)
        return self._ordered(call, place, order)

    def _ordered(self, call: Call, place: Place, order: Wire) -> Answer:
        if place.endpoint in _LISTS:
            ids = _read_ids(order)
            if ids is None:
                return self._misread(call.now)
            return _json(200, self._backend.find(ids, call.now))
        if place.mode:
            asked = as_object(order.get("accountFilter")) or {}
            order = order | {"accountFilter": asked | {"modes": [place.mode]}}
        return _said(self._backend.submit(Errand(place.endpoint, order), call.now))

    def _misread(self, now: float) -> Answer:
        """Answer in the Result envelope that the body makes no sense."""
        ticks = round((self._epoch + now + 62_135_596_800) * 10_000_000)
        said = {"success": False, "code": -1, "message": "The JSON value could not be converted."}
        return _json(200, dotnet({**said, "timestamp": str(ticks)}))


_LOST = Answer(404)


def _read_object(body: bytes) -> Wire | None:
    try:
        return as_object(read_json(body.decode(errors="replace")))
    except ValueError:
        return None


def _read_ids(order: Wire) -> list[str] | None:
    """Read the ids: trimmed, blank ones dropped, each once; None if they do not fit."""
    said: Any = order.get("ids")
    ids = as_array([] if said is None else said)
    if ids is None or not all(isinstance(item, str | None) for item in ids):
        return None
    return list(dict.fromkeys(item.strip() for item in ids if item and item.strip()))


def _said(spoken: Spoken) -> Answer:
    if spoken.text is None:
        return Answer(spoken.status, delay=spoken.delay)
    body = spoken.text.encode(errors="replace")
    return Answer(spoken.status, body, JSON, chunked=True, delay=spoken.delay)


def _json(status: int, text: str) -> Answer:
    return Answer(status, text.encode(errors="replace"), JSON, chunked=True)
