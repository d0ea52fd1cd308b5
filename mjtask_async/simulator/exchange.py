"""One HTTP exchange as plain values: what was asked, and what is answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from .records import Picture

UNKNOWN = "unknown"
"""The endpoint of a request to a route that the server lacks."""

ENDPOINTS: Mapping[str, str] = {
    "task/{id}/fetch": "GET",
    "task/list-by-condition": "POST",
    "task/list-by-ids": "POST",
    "task/list": "GET",
    "task/queue": "GET",
    "task/{id}/image-seed": "GET",
    "task/{id}/cancel": "POST",
    "submit/imagine": "POST",
    "submit/blend": "POST",
    "submit/describe": "POST",
    "submit/shorten": "POST",
    "submit/change": "POST",
    "submit/simple-change": "POST",
    "submit/action": "POST",
    "submit/modal": "POST",
    "submit/edit": "POST",
    "submit/edits": "POST",
    "submit/retexture": "POST",
    "submit/video": "POST",
    "submit/upload-discord-images": "POST",
    "insight-face/swap": "POST",
    "insight-face/video-swap": "POST",
    "notify": "POST",
    "image/{id}": "GET",
}
"""Every endpoint of contract 1.3 with its method."""

MODES: Mapping[str, str] = {"mj-fast": "FAST", "mj-turbo": "TURBO", "mj-relax": "RELAX"}
"""The speeds of the prefixes (contract 1.2)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request's path leads."""

    endpoint: str
    task_id: str | None = None
    prefix: str = ""
    """The segment before ``/mj``."""

    @property
    def mode(self) -> str | None:
        """The speed that the prefix asks for."""
        return MODES.get(self.prefix)


@dataclass(frozen=True, slots=True)
class Call:
    """A request, read whole; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    now: float

    def header(self, name: str) -> str:
        """Return a header's value, or an empty text."""
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; ``picture`` stands for a body that is drawn when it is sent."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] | None = None
    chunked: bool = False
    close: bool = False
    picture: Picture | None = None
    delay: float = 0.0
    """Seconds on the simulator's clock that pass before it."""
    hang_up: bool = False
    """Whether the connection is closed without a byte in its place."""


def place_of(segments: list[str]) -> Place | None:
    """Find the endpoint behind the segments that follow ``/mj``; an id may be any one segment."""
    tail = "/".join(segments)
    if tail in ENDPOINTS and "{id}" not in tail:
        return Place(tail)
    for at, segment in enumerate(segments):
        pattern = "/".join([*segments[:at], "{id}", *segments[at + 1 :]])
        if pattern in ENDPOINTS:
            return Place(pattern, segment)
    return None


def path_of(raw_path: str) -> str:
    """Cut the query off and undo the percent encoding."""
    return unquote(raw_path.partition("?")[0], errors="replace")
