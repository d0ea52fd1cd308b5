"""The life of a task as a list of steps, drawn from chance or written by hand.

Contract section 9, "Origin state machine": a pause, SUBMITTED at 0 %, then
IN_PROGRESS in steps of 5 to 20 % every 2 to 6 s, then SUCCESS.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil
from random import Random
from types import EllipsisType
from typing import Any, NamedTuple

from ..models import TaskStatus

PAUSE = 1.2
"""Seconds between a worker's taking a task and its SUBMITTED."""
STEP_PERCENT = (5, 20)
STEP_SECONDS = (2.0, 6.0)
DONE = 100

Fields = Mapping[str, Any]
"""Parts of a task object, under their names on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What changes in a task at one moment; ``...`` leaves a value to the server.

    Left to itself, a server starts SUBMITTED at ``"0%"``, ends SUCCESS at ``"100%"``
    and FAILURE at ``""``, sets the times, shows a preview while a percentage grows
    and the picture on SUCCESS, and keeps everything else.

    Attributes:
        at: Seconds after planting.
        status: For example ``"IN_PROGRESS"``.
        progress: For example ``"10%"``.
        image_url: A link, or None.
        fail_reason: The words of a failure.
        fields: Anything else, under its name on the wire; has the last word.
    """

    at: float
    status: str | EllipsisType | None = ...
    progress: str | EllipsisType | None = ...
    image_url: str | EllipsisType | None = ...
    fail_reason: str | EllipsisType | None = ...
    fields: Fields = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Preview:
    """Stands for the link to a task's picture at a percentage."""

    percent: int
    at: float


class Moment(NamedTuple):
    """What changes in a task's wire fields at an absolute time."""

    at: float
    fields: dict[str, Any]


def draw_life(random: Random) -> list[Step]:
    """Draw a successful run, in seconds from the moment a worker takes the task."""
    at, percent = PAUSE, 0
    steps = [Step(at=at, status=TaskStatus.SUBMITTED)]
    while True:
        at += random.uniform(*STEP_SECONDS)
        percent += random.randint(*STEP_PERCENT)
        if percent >= DONE:
            return [*steps, Step(at=at, status=TaskStatus.SUCCESS)]
        steps.append(Step(at=at, status=TaskStatus.IN_PROGRESS, progress=f"{percent}%"))


def quick_life(random: Random) -> list[Step]:
    """Draw a run that ends soon and shows nothing on its way."""
    end = PAUSE + random.uniform(*STEP_SECONDS)
    return [
        Step(at=PAUSE, status=TaskStatus.SUBMITTED),
        Step(at=end, status=TaskStatus.SUCCESS),
    ]


def failing_life(reason: str) -> list[Step]:
    """Return the run of a task that its worker refuses at once."""
    return [Step(at=PAUSE, status=TaskStatus.FAILURE, fail_reason=reason)]


def check_steps(steps: Sequence[Step]) -> None:
    """Refuse steps that are out of order or in the past.

    Raises:
        ValueError: They are.
    """
    if not steps:
        message = "a planted task needs at least one step"
        raise ValueError(message)
    if steps[0].at < 0 or any(later.at < earlier.at for earlier, later in pairwise(steps)):
        message = "steps need growing times that start at 0 or later"
        raise ValueError(message)


def moments_of(steps: Iterable[Step], start: float, epoch: float) -> list[Moment]:
    """Turn steps into changes of wire fields at absolute times.

    Args:
        steps: In order of time.
        start: Seconds on the simulator's clock that the steps count from.
        epoch: UNIX seconds at the start of that clock.
    """
    moments: list[Moment] = []
    started = False
    for step in steps:
        at = start + step.at
        fields = _defaults(step, at, round((epoch + at) * 1000), started=started)
        fields.update(_stated(step))
        started = started or fields.get("startTime") is not None
        moments.append(Moment(at, fields))
    return moments


def as_snapshots(moments: Sequence[Moment], every: float) -> list[Moment]:
    """Let changes be seen at the first one's time and each ``every`` seconds after it."""
    first = moments[0].at
    seen: dict[float, dict[str, Any]] = {}
    for at, fields in moments:
        seen_at = first + every * ceil((at - first) / every - 1e-9)
        seen.setdefault(seen_at, {}).update(fields)
    return [Moment(at, fields) for at, fields in seen.items()]


def _defaults(step: Step, at: float, ms: int, *, started: bool) -> dict[str, Any]:
    match step.status:
        case TaskStatus.SUBMITTED:
            return {"progress": "0%", "startTime": ms}
        case TaskStatus.IN_PROGRESS:
            percent = _percent(step.progress)
            begun = {} if started else {"startTime": ms}
            return begun | ({"imageUrl": Preview(percent, at)} if percent else {})
        case TaskStatus.SUCCESS:
            return {"progress": "100%", "finishTime": ms, "imageUrl": Preview(100, at)}
        case TaskStatus.FAILURE:
            return {"progress": "", "finishTime": ms}
        case _:
            return {}


def _stated(step: Step) -> dict[str, Any]:
    said = {
        "status": str(step.status) if isinstance(step.status, str) else step.status,
        "progress": step.progress,
        "imageUrl": step.image_url,
        "failReason": step.fail_reason,
    }
    return {name: value for name, value in said.items() if value is not ...} | dict(step.fields)


def _percent(progress: str | EllipsisType | None) -> int:
    digits = progress.removesuffix("%") if isinstance(progress, str) else ""
    return min(int(digits), 100) if digits.isdecimal() else 0
