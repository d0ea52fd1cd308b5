"""What a demo counts, as functions of what was recorded. Times are seconds."""

import math
import statistics
from collections.abc import Iterable, Sequence

from ..simulator import Change


def loop_polls(flights: Iterable[float], interval: float) -> int:
    """Count the requests of a loop per task that fetches it every ``interval`` until it has ended.

    Args:
        flights: For each task, from its acceptance until its end was visible.
        interval: Between two requests for one task; the first comes one interval after the submit.
    """
    return sum(max(1, math.ceil(flight / interval)) for flight in flights)


def delays(changes: Iterable[Change], seen: Iterable[Change]) -> list[float]:
    """Pair each sighting with the moment at which what it shows had become visible.

    ``seen`` says when the client saw a state, by the simulator's clock like ``changes``.

    A change that a later one replaced before it was seen has no sighting and does not count.
    """
    visible: dict[tuple[str | None, str | None], float] = {}
    for change in changes:
        visible.setdefault(change[1:], change.at)
    return [sight.at - visible[sight[1:]] for sight in seen if sight[1:] in visible]


def median(values: Sequence[float]) -> str:
    """Render the median of some seconds."""
    return f"{statistics.median(values):.2f} s" if values else "nothing to measure"
