"""One simulated server without its HTTP: calls in, answers out."""

from typing import TYPE_CHECKING

from .direct import Direct
from .engine import Engine
from .exchange import Answer, Call, Place
from .profiles import Profile
from .relay import Relay

if TYPE_CHECKING:
    from .direct import Backend

ATTACHMENTS = "attachments"
"""The endpoint of the pictures on the origin's CDN, which needs no key."""
_GONE = b"This content is no longer available."


class Desk:
    """A profile at work: its origin, its relay if it has one, and its front door.

    Args:
        profile: What to play.
        key: The only good API key.
        seed: Of everything drawn.
        workers: How many tasks the origin runs at once.
        queue_size: How many more may wait there.
        epoch: UNIX seconds at the start of the simulator's clock.
    """

    def __init__(
        self,
        profile: Profile,
        key: str,
        *,
        seed: int = 0,
        workers: int = 3,
        queue_size: int = 10,
        epoch: float = 0.0,
    ) -> None:
        sizes = {"workers": workers, "queue_size": queue_size}
        self.engine = Engine(profile.origin, seed=seed, epoch=epoch, **sizes)
        self._relay = Relay(self.engine, profile.relay, seed=seed) if profile.relay else None
        self.backend: Backend = self._relay or Direct(self.engine)
        self.door = profile.door(key, epoch=epoch, seed=seed)

    def move(self, cdn: str, address: str) -> None:
        """Say with what the links to pictures begin: the origin's and the relay's."""
        self.engine.cdn = cdn
        if self._relay:
            self._relay.address = address

    def locate(self, method: str, path: str) -> Place:
        """Tell which endpoint a request is for."""
        if path.startswith(f"/{ATTACHMENTS}/"):
            return Place(ATTACHMENTS)
        return self.door.locate(method, path)

    def answer(self, call: Call, place: Place) -> Answer:
        """Answer a call."""
        if place.endpoint != ATTACHMENTS:
            return self.door.answer(call, place, self.backend)
        if picture := self.engine.picture(call.path, call.now):
            return Answer(200, headers={"Content-Type": "image/png"}, picture=picture)
        return Answer(404, _GONE, {"Content-Type": "text/plain;charset=UTF-8"})

    def ids(self, call: Call, place: Place) -> tuple[str, ...]:
        """Tell which task ids a call names."""
        return () if place.endpoint == ATTACHMENTS else self.door.ids(call, place)
