"""Reads to requests: addresses, paths, and what an id may look like (contract 1.2, 1.3)."""

import re
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from ..errors import ConfigurationError

Mode = Literal["fast", "relax", "turbo"]
MODES: tuple[Mode, ...] = ("fast", "relax", "turbo")
MAX_IDS = 1000
"""Ids in one list-by-condition call: the smallest limit seen is 32,765 (contract 2.2)."""
LARGEST_LIST = 64 * 2**20
"""Bytes of an answer that holds tasks."""
_BAD_IN_ID = re.compile(r"[/\\?#%\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff]")
_MODE_PREFIX = re.compile(r"/mj-(?:fast|relax|turbo)\Z")


class Request(Struct, frozen=True):
    """One call: ``path`` stands behind the server's prefix, ``limit`` bounds the answer's bytes."""

    method: str
    path: str
    body: bytes | None = None
    limit: int = 16 * 2**20

    @property
    def endpoint(self) -> str:
        """Name it in errors and logs."""
        return f"{self.method} /mj/{self.path}"


class Answer(Struct, frozen=True):
    """What came back; header names are looked up in lower case or in a mapping that does not care."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    endpoint: str = ""
    received_at: float = 0.0
    """UNIX seconds."""

    @property
    def where(self) -> dict[str, Any]:
        """The fields that every error about this answer carries."""
        return {
            "status": self.status,
            "endpoint": self.endpoint,
            "request_id": self.headers.get("x-oneapi-request-id"),
            "retry_after": retry_after(self.headers, self.received_at),
        }


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Read how many seconds a server asks to wait: ms variant, seconds or HTTP date.

    Args:
        headers: The answer's.
        now: UNIX seconds, for a date without a ``Date`` beside it.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    until = _unix(headers.get("retry-after", ""))
    if until is None:
        return None
    said = _unix(headers.get("date", ""))
    return max(0.0, until - (now if said is None else said))


def _unix(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def server_root(base_url: str, mode: str | None) -> str:
    """Turn what users paste into the address in front of every path, ``…/mj/``.

    Raises:
        ConfigurationError: It is no address of a server, or ``mode`` is unknown.
    """
    if mode is not None and mode not in MODES:
        raise ConfigurationError(f"mode is {mode!r}; use one of {', '.join(MODES)}, or None")
    parts = _address(base_url)
    path = parts.path.rstrip("/").removesuffix("/mj")
    if mode is not None:
        path = _MODE_PREFIX.sub("", path) + f"/mj-{mode}"
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/mj/", "", ""))


def base_path(root: str) -> str:
    """Tell which part of the address in front of every path is the server's own, in any mode."""
    return _MODE_PREFIX.sub("", urlsplit(root).path.removesuffix("/mj/"))


def _address(base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url.strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable:
        echoed = parts.scheme in {"http", "https"} and "@" not in base_url  # no key, no password
        shown = repr(str(base_url)) if echoed else "no http(s) address"
        raise ConfigurationError(
            f"base_url is {shown}; give the server's address, such as https://api.example.com"
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            "base_url holds a user name, a query or a fragment; give the plain address"
        )
    return parts


def clean_id(task_id: object) -> str:
    """Check and trim a task id, which in a web app comes from strangers.

    Raises:
        ConfigurationError: It is empty, or could lead the request elsewhere.
    """
    if not isinstance(task_id, str):
        raise ConfigurationError(f"a task id is a str, not {type(task_id).__name__}")
    trimmed = task_id.strip()
    if not trimmed or not trimmed.strip(".") or _BAD_IN_ID.search(trimmed):
        raise ConfigurationError(
            f"{task_id[:80]!r} is no task id: it is empty, only dots, or holds one of / \\ ? # %, "
            "a blank or a control character"
        )
    return trimmed


def clean_ids(task_ids: Iterable[object]) -> list[str]:
    """Check ids and drop repetitions, in the order given.

    Raises:
        ConfigurationError: One of them is no id, or a single str was given.
    """
    if isinstance(task_ids, str):
        raise ConfigurationError("give a list of ids, not a single str")
    return list(dict.fromkeys(clean_id(task_id) for task_id in task_ids))


def fetch(task_id: str) -> Request:
    """Ask for one task (contract 2.1)."""
    return Request("GET", f"task/{_segment(task_id)}/fetch")


def list_by_condition(ids: list[str]) -> Request:
    """Ask for many tasks; the ids are clean already (contract 2.2)."""
    body = msgspec.json.encode({"ids": ids})
    return Request("POST", "task/list-by-condition", body, limit=LARGEST_LIST)


def image_seed(task_id: str) -> Request:
    """Ask for a picture's seed (contract 2.4)."""
    return Request("GET", f"task/{_segment(task_id)}/image-seed")


def cancel(task_id: str) -> Request:
    """Ask to end a task (contract 2.4)."""
    return Request("POST", f"task/{_segment(task_id)}/cancel")


def list_recent() -> Request:
    """Ask for the server's list of tasks (contract 1.3)."""
    return Request("GET", "task/list", limit=LARGEST_LIST)


def queue() -> Request:
    """Ask for the tasks under way and waiting (contract 1.3)."""
    return Request("GET", "task/queue", limit=LARGEST_LIST)


def _segment(task_id: str) -> str:
    return quote(clean_id(task_id), safe=":@!$&()*+,;=~")
