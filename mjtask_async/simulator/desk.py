"""One simulated server without its HTTP: calls in, answers out."""

from typing import TYPE_CHECKING, Any

from .direct import Direct, Spoken
from .engine import Engine
from .exchange import Answer, Call, Place
from .profiles import Profile
from .relay import Relay
from .switches import DEFAULTS, Switches

if TYPE_CHECKING:
    from .direct import Backend
    from .profiles import Door

ATTACHMENTS = "attachments"
"""The endpoint of the pictures on the origin's CDN, which needs no key."""
_KINDS = {False: {"Content-Type": "image/png"}, True: {"Content-Type": "video/mp4"}}
_GONE = b"This content is no longer available."


class Desk:
    """A profile at work: its origin, its relay if it has one, and its front door.

    Args:
        profile: What to play.
        key: The only good API key.
        seed: Of everything drawn.
        epoch: UNIX seconds at the start of the simulator's clock.
        workers: How many tasks the origin runs at once.
        queue_size: How many more may wait there.
        switches: What its operator set up.
    """

    def __init__(
        self,
        profile: Profile,
        key: str,
        seed: int,
        epoch: float,
        *,
        workers: int = 3,
        queue_size: int = 10,
        switches: Switches = DEFAULTS,
    ) -> None:
        sizes = {"workers": workers, "queue_size": queue_size}
        self.connection_requests: int | None = profile.connection_requests
        self.engine: Engine = Engine(
            profile.origin, seed=seed, epoch=epoch, switches=switches, **sizes
        )
        self.relays: list[Relay] = []
        self.backend: Backend = Direct(self.engine)
        for hop in range(switches.hops if profile.relay else 0):
            self._put_in_front(profile, f"{seed}{':' * hop}", switches)
        more: dict[str, Any] = {"epoch": epoch, "seed": seed, "switches": switches}
        self.door: Door = profile.door(key, self.backend, **more)

    def _put_in_front(self, profile: Profile, seed: str, switches: Switches) -> None:
        assert profile.relay  # noqa: S101 -- asked before
        relay = Relay(self.backend, profile.relay, seed=seed, switches=switches)
        self.relays.append(relay)
        self.backend = relay

    def move(self, cdn: str, address: str) -> None:
        """Say with what the links to pictures begin: the origin's and the relay's."""
        self.engine.cdn = cdn
        for hop, relay in enumerate(reversed(self.relays)):
            relay.address = f"{address}/hop{hop}" if hop else address

    def locate(self, method: str, path: str) -> Place:
        """Tell which endpoint a request is for."""
        if path.startswith(f"/{ATTACHMENTS}/"):
            return Place(ATTACHMENTS)
        return self.door.locate(method, path)

    def answer(self, call: Call, place: Place, upstream: Spoken | None = None) -> Answer:
        """Answer a call; ``upstream`` is what a relay's upstream says in the origin's stead."""
        if self.relays:
            self.relays[-1].forwarder.scripted = upstream
        if place.endpoint != ATTACHMENTS:
            return self.door.answer(call, place)
        if picture := self.engine.picture(call.path, call.now):
            return Answer(200, headers=_KINDS[picture.film], picture=picture)
        return Answer(404, _GONE, {"Content-Type": "text/plain;charset=UTF-8"})

    def ids(self, call: Call, place: Place) -> tuple[str, ...]:
        """Tell which task ids a call names."""
        return () if place.endpoint == ATTACHMENTS else self.door.ids(call, place)
