"""One task's sightings become updates.

1. Nothing here knows limits or consumers. Times are the loop's seconds, given in.
2. Sightings merge in one order of advance: waiting < needs input < running by percent
   < final. `MOVES` is the machine: what a sighting in one phase does to a track in another.
3. Final is final. Servers were seen to take a SUCCESS back.
4. What shows less than we knew is doubted. A second poll in a row that shows it, too, is
   a genuine restart; an older sighting never is.
5. Progress ``""``, null or a text says nothing, like any field that is empty now. An
   ``imageUrl`` that differs by its ``rand=`` only is no change.
6. A row that has not changed since the last answer is passed over, unless its track is
   doubted: new, absent before, or in want of a second poll.
"""

import re
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Any, Generic

from msgspec import Struct
from msgspec.structs import replace

from ..models import Submission, T, Task, TaskPhase, TaskUpdate, UpdateKind
from .rows import Rows

WAITING, NEEDS_INPUT, RUNNING = TaskPhase.WAITING, TaskPhase.NEEDS_INPUT, TaskPhase.RUNNING
SUCCEEDED, FAILED, CANCELLED = TaskPhase.SUCCEEDED, TaskPhase.FAILED, TaskPhase.CANCELLED
TWICE = 2
"""So many polls in a row confirm what one poll may get wrong."""


class Move(Enum):
    """What a sighting does to a track."""

    AHEAD = auto()
    LEVEL = auto()
    """Same phase: the percent decides."""
    BEHIND = auto()
    END = auto()
    NOTHING = auto()


_ENDS = dict.fromkeys((SUCCEEDED, FAILED, CANCELLED), Move.END)
_OVER = dict.fromkeys(TaskPhase, Move.NOTHING)
MOVES: dict[TaskPhase, dict[TaskPhase, Move]] = {
    WAITING: {WAITING: Move.LEVEL, NEEDS_INPUT: Move.AHEAD, RUNNING: Move.AHEAD, **_ENDS},
    NEEDS_INPUT: {WAITING: Move.BEHIND, NEEDS_INPUT: Move.LEVEL, RUNNING: Move.AHEAD, **_ENDS},
    RUNNING: {WAITING: Move.BEHIND, NEEDS_INPUT: Move.BEHIND, RUNNING: Move.LEVEL, **_ENDS},
    SUCCEEDED: _OVER,
    FAILED: _OVER,
    CANCELLED: _OVER,
}
_ORDER = {WAITING: 0, NEEDS_INPUT: 1, RUNNING: 2, CANCELLED: 3, FAILED: 3, SUCCEEDED: 4}
_KINDS = {
    SUCCEEDED: UpdateKind.SUCCEEDED,
    FAILED: UpdateKind.FAILED,
    CANCELLED: UpdateKind.CANCELLED,
    NEEDS_INPUT: UpdateKind.NEEDS_INPUT,
}
_RAND = re.compile(r"[?&]rand=\d+")


class Look(Struct, frozen=True):
    """When and how sightings were made.

    Attributes:
        at: The loop's seconds at the start of the request.
        observed_at: The same instant in UNIX seconds.
        source: ``poll``, ``fetch``, ``webhook``, ``submit`` or ``given``.
    """

    at: float
    observed_at: float
    source: str


class Track(Struct, Generic[T]):
    """All that is known of one watched task.

    ``task`` is the most advanced sighting; the ``…_since`` fields are readings of `clock`,
    which stands still in an outage. ``unsettled`` says that the same row once more would
    tell something.
    """

    task_id: str
    task: T | None = None
    phase: TaskPhase = WAITING
    percent: int | None = None
    sequence: int = 0
    last: TaskUpdate[T] | None = None
    unsettled: bool = False
    at: float = float("-inf")
    modal_answered: bool = False
    modal_promised: bool = False
    polls_behind: int = 0
    polls_ended: int = 0
    polls_modal: int = 0
    phase_since: float = 0.0
    changed_since: float = 0.0
    absent_since: float | None = None
    outage_since: float | None = None
    outages: float = 0.0

    def clock(self, now: float) -> float:
        """Read ``now`` without the time in which no poll succeeded."""
        return (now if self.outage_since is None else self.outage_since) - self.outages

    @property
    def is_over(self) -> bool:
        """Whether the task has ended."""
        return MOVES[self.phase] is _OVER

    @property
    def needs_input(self) -> bool:
        """Whether two polls in a row, or more, showed MODAL and nothing else."""
        return self.phase is NEEDS_INPUT and self.polls_modal >= TWICE


def most_advanced(rows: Iterable[T]) -> T:
    """Choose among sightings of one task; of equals the last, which relays refresh first."""
    best: T | None = None
    for row in rows:
        if best is None or _advance(row) >= _advance(best):
            best = row
    assert best is not None  # noqa: S101 -- the caller's rows are never empty
    return best


def _advance(row: Task) -> tuple[int, int]:
    percent = row.percent
    return _ORDER[row.phase], -1 if percent is None else percent


def fold(rows: Iterable[T]) -> dict[str, T]:
    """Keep one row per id, the most advanced."""
    found: dict[str, T] = {}
    for row in rows:
        known = found.get(row.id)
        found[row.id] = row if known is None else most_advanced((known, row))
    return found


class Tracker(Generic[T]):
    """The watched tasks."""

    def __init__(self) -> None:
        self.tracks: dict[str, Track[T]] = {}
        self._doubted: set[str] = set()
        self._confirmed: list[TaskUpdate[T]] = []

    def add(self, task_id: str, now: float) -> Track[T]:
        """Start, or go on, tracking a task."""
        track = self.tracks.get(task_id)
        if track is None:
            track = self.tracks[task_id] = Track(task_id, phase_since=now, changed_since=now)
            self._doubted.add(task_id)
        return track

    def discard(self, task_id: str) -> None:
        """Forget a task."""
        self.tracks.pop(task_id, None)
        self._doubted.discard(task_id)

    def submitted(self, task_id: str, submission: Submission, look: Look) -> TaskUpdate[T] | None:
        """Merge a submit's own answer: the first update, unless more is known already."""
        track = self.tracks[task_id]
        if track.sequence:
            return None
        if submission.needs_modal and not track.modal_answered:
            track.phase = NEEDS_INPUT
            track.modal_promised = True  # a relay shows it with its next refresh only
        return _update(track, None, look)

    def answered(self, task_id: str, look: Look) -> TaskUpdate[T] | None:
        """Note that a modal was answered: from now on MODAL means waiting."""
        track = self.tracks[task_id]
        track.modal_answered, track.modal_promised = True, False
        track.polls_modal = 0
        if track.phase is not NEEDS_INPUT:
            return None
        track.phase = WAITING
        track.phase_since = track.changed_since = track.clock(look.at)
        return _update(track, track.task, look)

    def sight(self, task: T, look: Look) -> TaskUpdate[T] | None:
        """Merge one sighting from elsewhere than a poll."""
        track = self.tracks.get(task.id)
        if track is None:
            return None
        self._doubted.add(task.id)  # the next poll may show less, and what it showed before
        return _merge(track, task, look, (task,))

    def polled(self, rows: Rows[T], look: Look) -> list[TaskUpdate[T]]:
        """Merge a poll's answer."""
        for task_id in rows.absent:
            self._missed(task_id, look)
        fresh = dict.fromkeys(rows.changed)
        if self._doubted:
            fresh |= dict.fromkeys(sorted(self._doubted & rows.wanted - rows.absent))
        seen = [
            self._seen(track, rows.twins.get(task_id) or (rows.tasks[task_id],), look)
            for task_id in fresh
            if (track := self.tracks.get(task_id)) is not None
        ]
        return [update for update in seen if update is not None]

    def _missed(self, task_id: str, look: Look) -> None:
        track = self.tracks.get(task_id)
        if track is not None:
            _missed(track, look)
            self._doubted.add(task_id)

    def _seen(self, track: Track[T], rows: Sequence[T], look: Look) -> TaskUpdate[T] | None:
        if len(rows) == 1 and (percent := _moved_on(track, rows[0], look)) is not None:
            self._doubted.discard(track.task_id)
            return _advance_to(track, rows[0], percent, look)
        update = _polled(track, look, rows)
        (self._doubted.add if track.unsettled else self._doubted.discard)(track.task_id)
        news = update is not None or track.polls_modal == TWICE
        if news and track.needs_input and track.last is not None:
            self._confirmed.append(track.last)
        return update

    def take_confirmed(self) -> list[TaskUpdate[T]]:
        """Take the NEEDS_INPUT updates that a second poll in a row has confirmed."""
        confirmed, self._confirmed = self._confirmed, []
        return confirmed

    def found(self, task: T, look: Look) -> TaskUpdate[T] | None:
        """Merge a fetch of a task that the lists do not hold: it is not missing after all."""
        track = self.tracks.get(task.id)
        if track is not None:
            track.absent_since = None
        return self.sight(task, look)

    def unfinished(self) -> int:
        """Count the tasks that the server shows and that wait for nothing but the server."""
        return sum(
            track.task is not None and track.absent_since is None and track.phase is not NEEDS_INPUT
            for track in self.tracks.values()
        )

    def failed(self, ids: Iterable[str], now: float) -> None:
        """Note that a poll for ``ids``, begun at ``now``, did not succeed."""
        for task_id in ids:
            track = self.tracks.get(task_id)
            if track is not None and track.outage_since is None:
                track.outage_since = now
                self._doubted.add(task_id)


def _answered(track: Track[T], look: Look) -> None:
    if track.outage_since is not None:
        track.outages += max(look.at - track.outage_since, 0.0)
        track.outage_since = None


def _missed(track: Track[T], look: Look) -> None:
    _answered(track, look)
    track.polls_behind = track.polls_ended = track.polls_modal = 0
    if track.absent_since is None:
        track.absent_since = track.clock(look.at)


def _moved_on(track: Track[T], row: T, look: Look) -> int | None:
    """Tell the common case, running and further than before, by its percent."""
    if track.phase is not RUNNING or row.status != "IN_PROGRESS" or track.percent is None:
        return None
    settled = not track.unsettled and track.absent_since is None and track.outage_since is None
    percent = row.percent
    further = percent is not None and track.percent < percent < 100
    return percent if further and settled and look.at >= track.at else None


def _advance_to(track: Track[T], row: T, percent: int, look: Look) -> TaskUpdate[T]:
    track.percent = percent
    track.task = row
    track.at = look.at
    track.changed_since = look.at - track.outages
    return _update(track, row, look)


def _polled(track: Track[T], look: Look, rows: Sequence[T]) -> TaskUpdate[T] | None:
    _answered(track, look)
    row = most_advanced(rows)
    track.absent_since = None
    update = _merge(track, row, look, rows)
    asks = row.phase is NEEDS_INPUT
    overtaken = look.at < track.at
    less = _by_percent(track, row) is Move.BEHIND
    track.unsettled = bool(track.polls_behind or track.polls_ended or asks or overtaken or less)
    return update


def _merge(track: Track[T], row: T, look: Look, rows: Sequence[T]) -> TaskUpdate[T] | None:
    phase = _phase(track, row, look, rows)
    move = MOVES[track.phase][phase]
    if look.at < track.at and move not in {Move.AHEAD, Move.END}:
        return None
    if move is Move.LEVEL and phase is not NEEDS_INPUT:
        move = _by_percent(track, row)
    if move is Move.BEHIND and look.source == "poll":
        track.polls_behind += 1
        if track.polls_behind >= TWICE:
            return _accept(track, row, phase, look, restart=True)
    if move in {Move.BEHIND, Move.NOTHING}:
        return None
    track.polls_behind = 0
    if move is Move.LEVEL and track.phase is NEEDS_INPUT and track.last is not None:
        track.task = row  # told once
        track.at = max(track.at, look.at)
        track.last = replace(track.last, task=row)
        return None
    if move is Move.LEVEL and not _changed(track, row):
        track.at = max(track.at, look.at)
        return None
    return _accept(track, row, phase, look)


def _phase(track: Track[T], row: T, look: Look, rows: Sequence[T]) -> TaskPhase:
    """Read the phase, with what only several polls or rows can tell."""
    phase = row.phase
    if look.source == "poll":
        alone = all(each.phase is NEEDS_INPUT for each in rows)
        track.polls_modal = track.polls_modal + 1 if alone else 0
        track.modal_answered |= phase is NEEDS_INPUT and not alone
        ended = phase in {WAITING, NEEDS_INPUT, RUNNING} and row.percent == 100 and row.fail_reason
        track.polls_ended = track.polls_ended + 1 if ended else 0
        if track.polls_ended >= TWICE:
            return FAILED
    if phase is NEEDS_INPUT and track.modal_answered:
        return WAITING
    if phase is WAITING and track.modal_promised and not track.modal_answered:
        return NEEDS_INPUT
    track.modal_promised = False
    return phase


def _by_percent(track: Track[T], row: T) -> Move:
    percent, known = row.percent, track.percent
    if percent is None or known is None or percent == known:
        return Move.LEVEL
    return Move.AHEAD if percent > known else Move.BEHIND


def _changed(track: Track[T], row: T) -> bool:
    known = track.task
    if known is None:
        return True
    return row != known and any(
        _says_more(name, getattr(known, name), getattr(row, name)) for name in row.__struct_fields__
    )


def _says_more(name: str, ours: Any, theirs: Any) -> bool:
    if theirs in (None, "", ours):
        return False
    if name != "image_url" or "rand=" not in theirs:
        return True
    return _RAND.sub("", ours or "") != _RAND.sub("", theirs)


def _accept(
    track: Track[T], row: T, phase: TaskPhase, look: Look, *, restart: bool = False
) -> TaskUpdate[T]:
    percent = row.percent
    if percent is not None:
        known = None if restart else track.percent
        track.percent = percent if known is None else max(known, percent)
    elif restart:
        track.percent = None
    track.polls_behind = 0
    track.task = row
    track.at = max(track.at, look.at)
    track.changed_since = track.clock(look.at)
    if phase is not track.phase:
        track.phase = phase
        track.phase_since = track.changed_since
    return _update(track, row, look)


def _update(track: Track[T], task: T | None, look: Look) -> TaskUpdate[T]:
    track.sequence += 1
    track.last = TaskUpdate(
        track.task_id,
        _KINDS.get(track.phase, UpdateKind.PROGRESS),
        task,
        track.sequence,
        look.observed_at,
        look.source,
        percent=track.percent,
    )
    return track.last
