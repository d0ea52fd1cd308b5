"""The front door of novicezk's server: a Spring application inside Tomcat (contract 4.3)."""

import re
from datetime import UTC, datetime
from typing import Any

from .dialects import as_array, as_object, jackson, read_first_json
from .direct import Direct, Errand
from .exchange import ENDPOINTS, UNKNOWN, Answer, Call, Place, path_of, place_of
from .origin import Wire

JSON = {"Content-Type": "application/json"}
VARY = {"Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
PHRASES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    415: "Unsupported Media Type",
    500: "Internal Server Error",
}
LONGEST_LINE = 8192
_GUARDED = ("/mj/submit/", "/mj/task/", "/mj/account/")
_MALFORMED = re.compile(r"%(?:2f|5c|(?![0-9a-f]{2}))|[^!-~]|\\", re.IGNORECASE)
_CLOSING = frozenset((400, 500))
_TEXTS = ("prompt", "state", "notifyHook", "base64", "taskId", "content")
_ENUMS = {
    "action": ("IMAGINE", "UPSCALE", "VARIATION", "REROLL", "DESCRIBE", "BLEND"),
    "dimensions": ("PORTRAIT", "SQUARE", "LANDSCAPE"),
}
_STYLE = (
    "body {font-family:Tahoma,Arial,sans-serif;} h1, h2, h3, b {color:white;background-color:#525D76;}"
    " h1 {font-size:22px;} h2 {font-size:16px;} h3 {font-size:14px;} p {font-size:12px;}"
    " a {color:black;} .line {height:1px;background-color:#525D76;border:none;}"
)


class SpringDoor:
    """Answers the calls of a server whose key is configured.

    Args:
        routes: The endpoints it has.
        key: The configured secret.
        backend: What stands behind it.
        epoch: UNIX seconds at the start of the simulator's clock.
    """

    def __init__(self, routes: frozenset[str], key: str, backend: Direct, *, epoch: float) -> None:
        self._routes = routes
        self._key = key
        self._backend = backend
        self._epoch = epoch

    def locate(self, method: str, raw_path: str) -> Place:
        """Tell which endpoint a request is for."""
        place = self._find(raw_path)
        if place and ENDPOINTS[place.endpoint] == ("GET" if method == "HEAD" else method):
            return place
        return Place(UNKNOWN)

    def answer(self, call: Call, place: Place) -> Answer:
        """Answer a call."""
        raw = call.path.partition("?")[0]
        if _MALFORMED.search(raw) or len(call.path) > LONGEST_LINE:
            return _tomcat(400)
        path = path_of(raw)
        if path == "/mj":
            return Answer(302, headers={"Location": f"http://{call.header('host')}/mj/"})
        if not path.startswith("/mj/"):
            return _tomcat(404)
        return self._guarded(call, place, path)

    def ids(self, call: Call, place: Place) -> tuple[str, ...]:
        """Tell which task ids a call names."""
        if place.task_id is not None:
            return (place.task_id,)
        if place.endpoint != "task/list-by-condition":
            return ()
        try:
            return tuple(_read_ids(_read_object(call.body)))
        except _Refusal:
            return ()

    def _find(self, raw_path: str) -> Place | None:
        path = path_of(raw_path).removesuffix("/")
        if not path.startswith("/mj/") or "//" in path:
            return None
        place = place_of(path.split("/")[2:])
        return place if place and place.endpoint in self._routes else None

    def _guarded(self, call: Call, place: Place, path: str) -> Answer:
        """Answer below ``/mj``: a wrong method precedes a wrong key, which precedes the rest."""
        found = self._find(call.path)
        if found and place.endpoint == UNKNOWN:
            allowed = {"Allow": ENDPOINTS[found.endpoint]}
            return self._error(405, call, path, allowed)
        if path.startswith(_GUARDED) and call.header("mj-api-secret") != self._key:
            return Answer(401)
        if not found:
            return self._error(404, call, path, VARY)
        return self._played(call, place, path)

    def _played(self, call: Call, place: Place, path: str) -> Answer:
        """Do what is asked; only then it shows whether the caller accepts JSON."""
        try:
            text = self._act(call, place)
        except _Refusal as refusal:
            return self._error(refusal.status, call, path, refusal.headers)
        if text is None:
            return Answer(200)
        if not _accepts_json(call):
            return self._error(406, call, path)
        return Answer(200, text.encode(errors="replace"), JSON, chunked=True)

    def _act(self, call: Call, place: Place) -> str | None:
        match place.endpoint:
            case "task/{id}/fetch":
                return self._backend.fetch(place.task_id or "", call.now)
            case "task/list-by-condition":
                return self._backend.find(_read_ids(_body(call)), call.now)
            case "task/list":
                return self._backend.newest(call.now, most=None)
            case "task/queue":
                return self._backend.queue(call.now)
            case endpoint:
                return self._submit(Errand(endpoint, _read_order(_body(call))), call.now)

    def _submit(self, errand: Errand, now: float) -> str | None:
        spoken = self._backend.submit(errand, now)
        if spoken.status != 200:
            raise _Refusal(spoken.status)
        return spoken.text

    def _error(
        self, status: int, call: Call, path: str, headers: dict[str, str] | None = None
    ) -> Answer:
        """Answer in the shape that the caller accepts: JSON, a page, or nothing at all."""
        extra, close = headers or {}, status in _CLOSING
        moment = datetime.fromtimestamp(self._epoch + call.now, UTC)
        if "text/html" in call.header("accept"):
            page = _whitelabel(status, moment)
            html = {**extra, "Content-Type": "text/html;charset=UTF-8"}
            return Answer(status, page.encode(), html, close=close)
        if not _accepts_json(call):
            return Answer(status, headers=extra, close=close)
        stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}+00:00"
        body = {"timestamp": stamp, "status": status, "error": PHRASES[status], "path": path}
        text = jackson(body).encode(errors="replace")
        return Answer(status, text, {**extra, **JSON}, chunked=True, close=close)


class _Refusal(Exception):  # noqa: N818 -- carries an answer, is no error of ours
    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers


def _body(call: Call) -> dict[str, Any]:
    if not call.body:
        raise _Refusal(400)
    kind = call.header("content-type").partition(";")[0].strip().lower()
    if not re.fullmatch(r"application/(?:[\w.-]+\+)?json", kind):
        raise _Refusal(415, {"Accept": "application/json, application/*+json"})
    return _read_object(call.body)


def _read_object(body: bytes) -> dict[str, Any]:
    """Read an object as Jackson does: text after it is ignored."""
    try:
        value = read_first_json(body.decode(errors="replace"))
    except ValueError:
        raise _Refusal(400) from None
    if (fields := as_object(value)) is None:
        raise _Refusal(400)
    return fields


def _read_ids(condition: dict[str, Any]) -> list[str]:
    return [item for item in _texts(condition.get("ids")) if item is not None]


def _read_order(fields: dict[str, Any]) -> Wire:
    """Read what any of the orders holds, each field as Jackson would."""
    order: Wire = {name: _text(fields.get(name)) for name in _TEXTS}
    images = _texts(fields.get("base64Array"))
    if None in images:
        raise _Refusal(500)
    order["base64Array"] = images
    order |= {name: _enum(fields.get(name), names) for name, names in _ENUMS.items()}
    return {**order, "index": _number(fields.get("index"))}


def _enum(value: Any, names: tuple[str, ...]) -> str | None:
    """Read an enum by its name or its ordinal (contract 1.4)."""
    if value is None or value in names:
        return None if value is None else str(value)
    if type(value) is int and 0 <= value < len(names):
        return names[value]
    raise _Refusal(400)


def _number(value: Any) -> int | None:
    """Read a whole number: ``"2"`` is 2 and 1.7 is 1 (contract 1.4)."""
    if value is None:
        return None
    try:
        return int(value if isinstance(value, str | float) or type(value) is int else "x")
    except (ValueError, OverflowError):
        raise _Refusal(400) from None


def _text(value: Any) -> str | None:
    """Read a scalar as a text; numbers and booleans become one (contract 1.4)."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        raise _Refusal(400)
    return jackson(value)


def _texts(value: Any) -> list[str | None]:
    if value is None or value == "":
        return []
    if (items := as_array(value)) is None:
        raise _Refusal(400)
    return [_text(item) for item in items]


def _accepts_json(call: Call) -> bool:
    accept = call.header("accept") or "*/*"
    kinds = {kind.partition(";")[0].strip() for kind in accept.split(",")}
    return bool(kinds & {"*/*", "application/*", "application/json"})


def _tomcat(status: int) -> Answer:
    title = f"HTTP Status {status} – {PHRASES[status]}"  # noqa: RUF001 -- Tomcat's own dash
    page = (
        f'<!doctype html><html lang="en"><head><title>{title}</title><style type="text/css">'
        f"{_STYLE}</style></head><body><h1>{title}</h1></body></html>"
    )
    headers = {"Content-Type": "text/html;charset=utf-8"}
    return Answer(status, page.encode(), headers, close=status in _CLOSING)


def _whitelabel(status: int, moment: datetime) -> str:
    return (
        "<html><body><h1>Whitelabel Error Page</h1><p>This application has no explicit mapping for"
        " /error, so you are seeing this as a fallback.</p>"
        f"<div id='created'>{moment:%a %b %d %H:%M:%S} UTC {moment:%Y}</div>"
        "<div>There was an unexpected error"
        f" (type={PHRASES[status]}, status={status}).</div></body></html>"
    )
