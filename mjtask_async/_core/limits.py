"""How long a consumer waits: which of its limits have run out, and when another could.

Every clock but ``total`` stands still while no poll succeeds, and starts no
earlier than the consumer began to watch.
"""

from math import nextafter
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import asdict

from ..errors import ConfigurationError
from ..models import WatchLimits
from .tracker import NEEDS_INPUT, RUNNING, WAITING, Track

DEFAULTS = WatchLimits(total=3600, queued=None, running=None, stalled=None, missing=60, outage=300)
STUCK_AT_100 = 180.0
"""Seconds: relays freeze rows at IN_PROGRESS with 100 % (contract Q9)."""
_RECHECK = 1.0


class Joined(Struct, eq=False):
    """When a consumer began to watch a task.

    Attributes:
        at: The loop's seconds.
        clock: The same instant on the task's own clock (`Track.clock`).
        entry: Which note of when to look at its limits again is the valid one.
        due: When that is.
    """

    at: float
    clock: float
    entry: int = 0
    due: float = float("inf")


class Expiry(Struct, frozen=True):
    """A consumer's limits.

    Attributes:
        at: The next instant to look at those that have not run out.
        limits: Those that have; first what ends the waiting for certain, then what may not.
    """

    at: float
    limits: tuple[str, ...] = ()


def resolve(
    given: WatchLimits | None, timeout: float | None, base: WatchLimits = DEFAULTS
) -> WatchLimits:
    """Fill the fields that were left out from ``base``.

    Raises:
        ConfigurationError: A limit is no positive number of seconds, or total comes twice.
    """
    if given is not None and not isinstance(given, WatchLimits):
        raise ConfigurationError(f"limits is {given!r}; use WatchLimits(total=…)")
    fields = asdict(base)
    if given is not None:
        fields |= {name: value for name, value in asdict(given).items() if value is not UNSET}
    if timeout is not None:
        if given is not None and given.total is not UNSET:
            raise ConfigurationError("give either timeout= or limits.total; they are the same")
        fields["total"] = timeout
    for name, value in fields.items():
        if value is not None and not is_seconds(value):
            raise ConfigurationError(f"the limit {name} is {value!r}; use seconds above 0, or None")
    return WatchLimits(**fields)


def is_seconds(value: Any) -> bool:
    """Whether a value is a number of seconds to wait: above 0."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def check(limits: WatchLimits, joined: Joined, track: Track[Any], now: float) -> Expiry:
    """Say which limits of a consumer have run out by ``now``, and when to look again.

    Args:
        limits: Its limits, resolved.
        joined: When it began to watch the task.
        track: What is known of the task.
        now: The loop's seconds.
    """
    soonest, over = float("inf"), dict[str, None]()
    for name, allowed, used in _clocks(limits, joined, track, now):
        if used is not None and used >= allowed:
            over[name] = None
            continue
        left = allowed - (used or 0.0)
        stands = track.outage_since is not None and name not in {"total", "outage"}
        soonest = min(soonest, max(left, _RECHECK) if stands else left)
    at = max(now + soonest, nextafter(now, float("inf")))  # never at ``now`` again
    return Expiry(at, tuple(over))


def _clocks(
    limits: WatchLimits, joined: Joined, track: Track[Any], now: float
) -> list[tuple[str, float, float | None]]:
    """List limit, allowed seconds, and seconds used (None: its clock is not running)."""
    clock = track.clock(now)

    def used(since: float | None, running: bool = True) -> float | None:  # noqa: FBT001, FBT002
        return None if since is None or not running else clock - max(since, joined.clock)

    phase = track.phase
    frozen = phase is RUNNING and track.percent == 100
    outage = None if track.outage_since is None else now - max(track.outage_since, joined.at)
    every = [
        ("total", limits.total, now - joined.at),
        ("queued", limits.queued, used(track.phase_since, phase is WAITING)),
        ("running", limits.running, used(track.phase_since, phase is RUNNING)),
        ("stalled", limits.stalled, used(track.changed_since, phase is not NEEDS_INPUT)),
        ("stalled", STUCK_AT_100, used(track.changed_since, frozen)),
        ("outage", limits.outage, outage),
        ("missing", limits.missing, used(track.absent_since)),
    ]
    return [(name, value, spent) for name, value, spent in every if isinstance(value, (int, float))]
