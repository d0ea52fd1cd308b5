"""What a soak knows beforehand: how each task ends, and what of it may be told when."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from mjtask_async import Task, TaskUpdate, UpdateKind, WatchLimits
from mjtask_async.simulator import Step

TOTAL, OUTAGE, MISSING, STUCK = 900.0, 300.0, 60.0, 180.0
LIMITS = WatchLimits(total=TOTAL, outage=OUTAGE, missing=MISSING)
LAG = 600.0
"""Seconds by which an end may be told late: an outage, after a ban or a relay's sleep."""
INTERVAL = 3.0

SUCCEEDED, FAILED, CANCELLED = UpdateKind.SUCCEEDED, UpdateKind.FAILED, UpdateKind.CANCELLED
LOST, TIMED_OUT, NEEDS_INPUT = UpdateKind.LOST, UpdateKind.TIMED_OUT, UpdateKind.NEEDS_INPUT
SHARED = frozenset((SUCCEEDED, FAILED, CANCELLED))
"""Ends of the task itself; the others are one consumer's alone."""


@dataclass(frozen=True, slots=True)
class Truth:
    """How a task ends; times are the loop's seconds.

    Attributes:
        kinds: Which ends are right. TIMED_OUT is right where the server never shows one.
        after: No such end can be known before.
        by: It can be seen from then on.
        asks: Whether it waits for input on its way.
    """

    kinds: frozenset[UpdateKind]
    after: float = 0.0
    by: float = 0.0
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Life:
    """A life to plant.

    Attributes:
        steps: What the server shows.
        kinds: Which ends are right.
        ends: Seconds after planting at which the end can be known.
        asks: Whether it waits for input.
        forgotten: Seconds after planting at which the origin loses it.
        hidden: Whether it belongs to another user of the relay.
        poison: Whether list calls that hold it fail.
    """

    steps: list[Step]
    kinds: frozenset[UpdateKind]
    ends: float
    asks: bool = False
    forgotten: float | None = None
    hidden: bool = False
    poison: bool = False

    def truth(self, now: float) -> Truth:
        """Say how it ends if it is planted now."""
        seen = MISSING if self.forgotten else 0.0
        return Truth(self.kinds, now + self.ends, now + self.ends + seen, self.asks)


def draw_life(chance: Random, *, relay: bool) -> Life:
    """Draw what happens to a task, and how it ends."""
    makers = [_ordinary, _restarted, _modal, _taken_back, _stuck, _frozen, _poison]
    weights = [80, 4, 4, 2, 2, 2, 1]
    makers += [_hidden, _refunded, _orphaned] if relay else [_forgotten]
    weights += [2, 2, 2] if relay else [3]
    return chance.choices(makers, weights)[0](chance)


def _running(chance: Random, at: float) -> list[Step]:
    steps, percent = [Step(at=at, status="SUBMITTED")], 0
    while (percent := percent + chance.randint(5, 30)) < 100:
        at += chance.uniform(2, 15)
        steps.append(Step(at=at, status="IN_PROGRESS", progress=f"{percent}%"))
    return steps


def _waiting(chance: Random) -> list[Step]:
    return [Step(at=0, status="NOT_START"), *_running(chance, chance.uniform(0, 20))]


def _ordinary(chance: Random) -> Life:
    steps, drawn = _waiting(chance), chance.random()
    at = steps[-1].at + chance.uniform(2, 15)
    if drawn < 0.85:
        return Life([*steps, Step(at=at, status="SUCCESS")], frozenset((SUCCEEDED,)), at)
    words, kind = ("no luck", FAILED) if drawn < 0.95 else ("取消任务", CANCELLED)
    return Life([*steps, Step(at=at, status="FAILURE", fail_reason=words)], frozenset((kind,)), at)


def _poison(chance: Random) -> Life:
    life = _ordinary(chance)
    return Life(life.steps, life.kinds, life.ends, poison=True)


def _restarted(chance: Random) -> Life:
    first = _waiting(chance)
    steps = [*first, *_running(chance, first[-1].at + 5)]
    at = steps[-1].at + 5
    return Life([*steps, Step(at=at, status="SUCCESS")], frozenset((SUCCEEDED,)), at)


def _modal(chance: Random) -> Life:
    modal = Step(at=chance.uniform(0, 10), status="MODAL")
    steps = [modal, *_running(chance, modal.at + chance.uniform(2, 40))]
    at = steps[-1].at + 5
    end = Step(at=at, status="SUCCESS")
    return Life([*steps, end], frozenset((SUCCEEDED,)), at, asks=True)


def _taken_back(chance: Random) -> Life:
    """SUCCESS, then SUBMITTED and FAILURE (contract Q12): it depends on when one looks."""
    steps = _waiting(chance)
    at = steps[-1].at + 5
    later = [
        Step(at=at, status="SUCCESS"),
        Step(at=at + chance.uniform(1, 30), status="SUBMITTED"),
        Step(at=at + 40, status="FAILURE", fail_reason="任务超时"),
    ]
    return Life([*steps, *later], frozenset((SUCCEEDED, FAILED)), at)


def _stuck(chance: Random) -> Life:
    """At 100 % for ever (contract Q9)."""
    steps = _waiting(chance)
    at = steps[-1].at + 5
    step = Step(at=at, status="IN_PROGRESS", progress="100%")
    return Life([*steps, step], frozenset((TIMED_OUT,)), at + STUCK)


def _frozen(chance: Random) -> Life:
    """Without an end (contract Q31)."""
    steps = _waiting(chance)
    return Life(steps[: chance.randint(1, len(steps))], frozenset((TIMED_OUT,)), 0.0)


def _forgotten(chance: Random) -> Life:
    """Lost by the server."""
    at = chance.uniform(5, 40)
    return Life(_frozen(chance).steps, frozenset((LOST,)), at, forgotten=at)


def _orphaned(chance: Random) -> Life:
    """Lost by the origin: the relay's row is never refreshed again (contract Q11)."""
    return Life(_frozen(chance).steps, frozenset((TIMED_OUT,)), 0.0, forgotten=20.0)


def _hidden(chance: Random) -> Life:
    """Another user's."""
    return Life(_ordinary(chance).steps, frozenset((LOST,)), MISSING, hidden=True)


def _refunded(chance: Random) -> Life:
    """A reason to fail, without failing (contract Q10): the relay freezes it at 100 %."""
    steps = _waiting(chance)
    at = steps[-1].at + 5
    step = Step(at=at, status="IN_PROGRESS", progress="50%", fail_reason="no luck")
    return Life([*steps, step], frozenset((FAILED,)), at)


class Times(NamedTuple):
    """A consumer's: when it began to watch, when it heard, and how long it waits."""

    joined: float
    heard: float
    total: float


@dataclass
class Ledger:
    """What was promised and what came of it.

    Attributes:
        truths: How each task ends.
        broken: Promises that were not kept, by name, with what shows it.
        kinds: How often each kind of end was told, NEEDS_INPUT among them.
        shared: The ends of tasks that consumers heard.
        overview: The ends of tasks that the overview heard.
        submits: What submits came to.
        excuses: How often faults explain what should not be: by chance it is, rarely.
        explains_loss: Says whether faults explain that a task seems lost.
        lag: The most seconds by which an end was told late.
    """

    truths: dict[str, Truth] = field(default_factory=dict[str, Truth])
    broken: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    kinds: Counter[UpdateKind] = field(default_factory=Counter[UpdateKind])
    shared: set[str] = field(default_factory=set[str])
    overview: Counter[str] = field(default_factory=Counter[str])
    submits: Counter[str] = field(default_factory=Counter[str])
    excuses: Counter[str] = field(default_factory=Counter[str])
    explains_loss: Callable[[str, float], bool] = lambda *_: False
    lag: float = 0.0

    def expect(self, promise: str, kept: object, what: object) -> None:
        """Note a promise that is not kept."""
        if not kept:
            self.broken.setdefault(promise, []).append(str(what))

    def judge(
        self, task_id: str, kind: UpdateKind, limit: str | None, times: Times, *, at_once: bool
    ) -> None:
        """Hold an end against the truth.

        Args:
            task_id: The task's id.
            kind: The end.
            limit: Of TIMED_OUT.
            times: The consumer's.
            at_once: Whether it heard as soon as it could.
        """
        self.kinds[kind] += 1
        truth, (joined, now, total) = self.truths[task_id], times
        what = f"{task_id} {kind} {limit} of {truth} joined {joined:.1f} told {now:.1f}"
        if kind is TIMED_OUT and limit == "total":
            self.expect("wrong", total < TOTAL or TIMED_OUT in truth.kinds, what)
            late = abs(now - joined - total) if at_once else 0.0
            self.expect("early or late", late < 2 * INTERVAL, what)
            return
        if kind is LOST and kind not in truth.kinds:
            self.excuses["LOST"] += 1
            self.expect("wrong", self.explains_loss(task_id, joined), what)
            return
        self.expect("wrong", kind in truth.kinds, what)
        self.expect("early or late", now >= truth.after - INTERVAL, what)
        if kind is TIMED_OUT or not at_once:
            return
        lag = now - max(truth.by, joined + (MISSING if kind is LOST else 0.0))
        self.lag = max(self.lag, lag)
        self.expect("early or late", lag <= LAG, what)

    def judge_modal(self, task_id: str) -> None:
        """Hold a need for input against the truth."""
        self.kinds[NEEDS_INPUT] += 1
        self.expect("wrong", self.truths[task_id].asks, f"{task_id} needs no input")

    def compare(self) -> None:
        """Hold what consumers heard against what the overview heard."""
        twice = [key for key, count in self.overview.items() if count > 1]
        self.expect("overview", not twice, f"twice: {twice[:3]}")
        missed = self.shared - self.overview.keys()
        self.expect("overview", not missed, f"{len(missed)} unheard: {sorted(missed)[:3]}")


def key_of(update: TaskUpdate[Task]) -> str:
    """Name an end, without holding any part of it."""
    return f"{update.task_id} {update.kind} {update.sequence} {update.observed_at}"
