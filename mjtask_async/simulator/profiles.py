"""Which servers the simulator plays: each profile is data, joined from small parts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from .direct import Backend, Direct
from .exchange import Answer, Call, Place
from .gin import GinDoor, GinRules
from .kestrel import KestrelDoor
from .origin import OriginRules
from .origins import NOVICEZK, TRUEAI
from .relay import Relay, RelayRules
from .relays import (
    NEW_API,
    NEW_API_2025,
    NEW_API_2025_ROWS,
    NEW_API_ROWS,
    ONE_HUB,
    ONE_HUB_ROWS,
)
from .spring import SpringDoor
from .switches import Switches

DEFAULT = "new-api"


class Door(Protocol):
    """What stands between HTTP and a `Backend`: routes, keys, strictness, shapes."""

    def locate(self, method: str, raw_path: str) -> Place:
        """Tell which endpoint a request is for."""
        ...

    def answer(self, call: Call, place: Place) -> Answer:
        """Answer a call."""
        ...

    def ids(self, call: Call, place: Place) -> tuple[str, ...]:
        """Tell which task ids a call names."""
        ...


class DoorMaker(Protocol):
    """Builds a profile's door."""

    def __call__(
        self, key: str, backend: Backend, *, epoch: float, seed: int, switches: Switches
    ) -> Door:
        """Build it for one simulator."""
        ...


@dataclass(frozen=True, slots=True)
class Profile:
    """One server as it was seen.

    Attributes:
        name: What `Simulator` calls it.
        auth: How a client shows its key: ``"bearer"`` or ``"secret"``.
        origin: The server that runs the tasks.
        relay: What stands in front of the origin, or None.
        routes: The endpoints it has.
        door: Builds the front door.
        keep_alive: Seconds after which an idle connection is closed.
        connection_requests: After so many a connection is closed; None is never.
    """

    name: str
    auth: Literal["bearer", "secret"]
    origin: OriginRules
    relay: RelayRules | None
    routes: frozenset[str]
    door: DoorMaker
    keep_alive: float = 3600.0
    connection_requests: int | None = None


_TRUEAI_ROUTES = frozenset(
    (
        *("task/{id}/fetch", "task/list-by-condition", "task/list-by-ids", "task/list"),
        *("task/{id}/image-seed", "task/{id}/cancel", "submit/imagine", "submit/blend"),
        *("submit/describe", "submit/shorten", "submit/action", "submit/modal", "submit/edit"),
        *("submit/edits", "submit/retexture", "submit/video", "submit/upload-discord-images"),
        *("insight-face/swap", "insight-face/video-swap"),
    ),
)
_NOVICEZK_ROUTES = frozenset(
    (
        *("task/{id}/fetch", "task/list-by-condition", "task/list", "task/queue"),
        *("submit/imagine", "submit/blend", "submit/describe", "submit/change"),
        "submit/simple-change",
    ),
)


def _relay(
    name: str, auth: Literal["bearer", "secret"], rules: GinRules, rows: RelayRules
) -> Profile:
    def make(key: str, backend: Backend, *, epoch: float, seed: int, switches: Switches) -> Door:
        assert isinstance(backend, Relay)  # noqa: S101 -- a profile with a relay has one
        return GinDoor(rules, key, backend, epoch=epoch, seed=seed, switches=switches)

    return Profile(name, auth, TRUEAI, rows, rules.routes, make)


def _kestrel(key: str, backend: Backend, *, epoch: float, seed: int, switches: Switches) -> Door:
    del seed
    assert isinstance(backend, Direct)  # noqa: S101 -- it has no relay
    return KestrelDoor(_TRUEAI_ROUTES, key, backend, epoch=epoch, switches=switches)


def _spring(key: str, backend: Backend, *, epoch: float, seed: int, switches: Switches) -> Door:
    del seed, switches
    assert isinstance(backend, Direct)  # noqa: S101 -- it has no relay
    return SpringDoor(_NOVICEZK_ROUTES, key, backend, epoch=epoch)


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        _relay("new-api", "bearer", NEW_API, NEW_API_ROWS),
        _relay("new-api-2025", "bearer", NEW_API_2025, NEW_API_2025_ROWS),
        _relay("one-hub", "secret", ONE_HUB, ONE_HUB_ROWS),
        Profile("trueai", "secret", TRUEAI, None, _TRUEAI_ROUTES, _kestrel),
        Profile(
            *("novicezk", "secret", NOVICEZK, None, _NOVICEZK_ROUTES, _spring),
            keep_alive=60.0,
            connection_requests=100,
        ),
    )
}
"""The profiles by name."""


def profile_named(name: str) -> Profile:
    """Return a profile.

    Raises:
        ValueError: There is none of this name; the message lists them.
    """
    if name not in PROFILES:
        message = f"unknown profile {name!r}; the profiles are: {', '.join(sorted(PROFILES))}"
        raise ValueError(message)
    return PROFILES[name]
