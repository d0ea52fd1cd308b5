"""What a simulator tells of the past: requests, accepted tasks, visible changes."""

from dataclasses import dataclass
from typing import NamedTuple


class Change(NamedTuple):
    """One change of what the API says of a task."""

    at: float
    """Seconds on the simulator's clock."""
    status: str | None
    progress: str | None


class Picture(NamedTuple):
    """A task's picture at a percentage; the same values are always the same picture."""

    key: str
    percent: int
    tile: int | None = None
    """Which of the grid's four pictures; None is the whole grid."""
    film: bool = False
    """Whether it is a video."""


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One HTTP request; times are seconds on the simulator's clock.

    Attributes:
        method: As sent.
        path: As sent, with the query.
        endpoint: ``"submit/imagine"``, ``"task/{id}/fetch"`` and so on; ``"attachments"`` for
            a picture from the origin's CDN, ``"unknown"`` for a route the server lacks.
        ids: The task ids asked for, as sent; empty when the body was not read.
        started: When the request arrived.
        concurrent: How many API requests were under way, this one included; pictures do not count.
        status: What was answered; None while under way and when nothing was answered.
        finished: When the answer was complete; None while under way.
    """

    method: str
    path: str
    endpoint: str
    ids: tuple[str, ...]
    started: float
    concurrent: int
    status: int | None = None
    finished: float | None = None


@dataclass(frozen=True, slots=True)
class AcceptedTask:
    """A task that the origin took on, whoever learned of it."""

    id: str
    prompt: str
    state: str | None
    at: float
    """Seconds on the simulator's clock."""
    action: str = "IMAGINE"
    """What the origin calls the task."""
