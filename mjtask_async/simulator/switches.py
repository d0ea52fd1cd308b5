"""What an operator may set up differently: switches of a simulated server."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Every switch, as `Simulator` takes them; the defaults are the servers' own unless said.

    Attributes:
        hops: How many relays of a kind stand in a row before the origin (contract Q27).
        id_prefix: What task ids begin with, such as ``"task_"`` or ``"0"`` (contract Q1).
        remix: The origin's account has remix on: variations, pans, rerolls and animations
            wait for a modal (contract 8, "if remix").
        seed_delay: Seconds that an image-seed takes. trueai gives up after 60, a relay
            after 30; infinity is a task without a seed.
        admin: Whether the key may cancel tasks on trueai.
        allowed_models: The models that a relay's token may use, such as ``"mj_imagine"``;
            None is all (contract Q17).
        rate_limit: Requests a minute and user on one-hub (contract 4.1, E9).
        forward_urls: Whether new-api rewrites picture links to its own address.
        auto_ban: Whether new-api disables its channel when upstream says code 3 (contract Q25).
        guard_images: Whether new-api checks a picture's link before it fetches it. Real
            servers do; here it is off, because the simulator's pictures are on loopback.
    """

    hops: int = 1
    id_prefix: str = ""
    remix: bool = False
    seed_delay: float = 0.0
    admin: bool = True
    allowed_models: Collection[str] | None = None
    rate_limit: int = 600
    forward_urls: bool = True
    auto_ban: bool = False
    guard_images: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        if not self.seed_delay >= 0:
            message = f"seed_delay must be 0 or more, not {self.seed_delay!r}"
            raise ValueError(message)
        for name in ("rate_limit", "hops"):
            if (value := getattr(self, name)) < 1:
                message = f"{name} must be 1 or more, not {value!r}"
                raise ValueError(message)


DEFAULTS = Switches()
"""A server as it comes."""
