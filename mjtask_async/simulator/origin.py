"""What an origin is made of: the rules of a family, orders, tasks and answers."""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..models import TaskAction
from .timeline import Moment

if TYPE_CHECKING:
    from .engine import Engine

ID_MARK = "\0id\0"
"""Stands for a new task's id in its description."""

Wire = dict[str, Any]
"""A JSON object as it stands on the wire."""


@dataclass(frozen=True, slots=True)
class OriginRules:
    """What sets a family of origins apart.

    Attributes:
        encode: Writes JSON as this family does.
        keys: The keys of a task object in order, with what a new task has there.
        properties: The keys of its ``properties``, in order.
        queue_full: Code, description and whether the account is named in ``properties``.
        account: What ``properties`` of an accepted submit say of the account.
        snapshot: Seconds between the moments at which a running task is stored; None is live.
        at_success: What a success writes besides, given the task and the CDN's address.
        present: What a task object says that follows from the rest of it.
        order: Sorts the tasks of a list answer, given the time and the number of ids asked for.
        submits: Its endpoints that take orders.
    """

    encode: Callable[[Any], str]
    keys: Mapping[str, Any]
    properties: tuple[str, ...]
    queue_full: tuple[int, str, bool]
    account: Mapping[str, str]
    snapshot: float | None
    at_success: "Callable[[Job, str], Wire]"
    present: Callable[[Wire], Wire]
    order: "Callable[[Job, float, int], Any]"
    submits: "Mapping[str, Submit]"


class Said(NamedTuple):
    """What an origin answers; ``None`` is an empty body."""

    status: int
    body: Any
    delay: float = 0.0
    """Seconds that pass before the answer."""


class Submit(Protocol):
    """Takes an order at one endpoint of an origin."""

    def __call__(self, engine: "Engine", order: Mapping[str, Any], now: float) -> Said:
        """Take it, or refuse it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A task that an origin is about to take on.

    Attributes:
        fields: What it begins with.
        properties: What its ``properties`` begin with besides.
        kind: Which buttons a success brings.
        success: What a success writes over everything else.
        quick: Whether it ends soon and without previews.
        unbounded: Whether it may wait in a full queue.
        picture: Whose picture it shows, and which of the four; None is a picture of its own.
    """

    fields: Wire
    properties: Wire = field(default_factory=dict[str, Any])
    kind: str = "grid"
    success: Wire = field(default_factory=dict[str, Any])
    quick: bool = False
    unbounded: bool = False
    picture: tuple[str, int] | None = None


@dataclass(slots=True)
class Job:
    """A task inside the origin: what it began with and everything that will happen to it."""

    id: str
    number: int
    hash: str
    first: Wire
    moments: list[Moment]
    draft: Draft
    texts: dict[int, str] = field(default_factory=dict[int, str])

    def index(self, now: float) -> int:
        """Count the moments that have come."""
        return bisect_right(self.moments, now, key=_time)

    def learn(self, now: float, fields: Wire) -> None:
        """Write fields, now that nothing else is to happen any more."""
        self.moments.append(Moment(now, fields))


def envelope(
    code: int, description: str, result: Any = None, properties: Wire | None = None
) -> Wire:
    """Return the answer to a submit (contract 2.3)."""
    return {
        "code": code,
        "description": description,
        "result": result,
        "properties": properties or {},
    }


def imagined(prompt: str, state: str | None) -> Wire:
    """Return the first fields of an imagine task."""
    return {
        "action": TaskAction.IMAGINE.value,
        "prompt": prompt,
        "promptEn": prompt,
        "description": f"/imagine {prompt}",
        "state": state,
    }


def _time(moment: Moment) -> float:
    return moment.at
