"""A `Tracker` under everything servers may show, beside a naive model of design rules 7 and 11.

The model looks at every row of every poll in full, knows no table and no quiet rows, and is
told everything the tracker is told. Polls and sightings may cross: a poll is as old as its
request's start.
"""

import re

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from mjtask_async import Submission, Task, TaskPhase, TaskUpdate, UpdateKind
from mjtask_async._core.tracker import Tracker

from .support import look, polled

IDS = ("a", "b", "c")
ORDER = {TaskPhase.WAITING: 0, TaskPhase.NEEDS_INPUT: 1, TaskPhase.RUNNING: 2}
LAST = {TaskPhase.FAILED: 3, TaskPhase.CANCELLED: 3, TaskPhase.SUCCEEDED: 4}
STATUSES = [None, "", "NOT_START", "MODAL", "SUBMITTED", "IN_PROGRESS", "odd"]
STATUSES += ["MODAL", "MODAL", "IN_PROGRESS"]
ROWS = st.builds(
    Task,
    id=st.just(""),
    status=st.sampled_from([*STATUSES, *STATUSES, *STATUSES, "SUCCESS", "FAILURE", "CANCEL"]),
    progress=st.sampled_from([None, "", "fast", "0%", "10%", "50%", "100%", "100%"]),
    fail_reason=st.sampled_from([None, "", "no", "no"]),
    image_url=st.sampled_from([None, "u?rand=1", "u?rand=2", "v?rand=3", "w"]),
)
SHOWN = st.lists(ROWS, min_size=1, max_size=1) | st.lists(ROWS, max_size=2)
Rows = tuple[Task, ...]


class Known:
    """All that the model knows of one task."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self.task: Task | None = None
        self.phase = TaskPhase.WAITING
        self.percent: int | None = None
        self.at = float("-inf")
        self.told = 0
        self.behind = self.ended = self.modal = 0
        self.confirmed = self.answered = self.promised = False
        self.failing = self.absent = False

    @property
    def is_over(self) -> bool:
        return self.phase in LAST

    def submitted(self, submission: Submission) -> bool:
        if self.told:
            return False
        if submission.needs_modal and not self.answered:
            self.phase, self.promised = TaskPhase.NEEDS_INPUT, True
        self.told = 1
        return True

    def polled(self, rows: Rows, at: float) -> bool:
        """Merge what one poll shows; whether that is news."""
        self.failing, self.absent = False, not rows
        if not rows:
            self.behind = self.ended = self.modal = 0
            self.confirmed = False
            return False
        best = rows[0]
        for row in rows[1:]:
            best = row if self.advance(row) >= self.advance(best) else best
        alone = all(row.phase is TaskPhase.NEEDS_INPUT for row in rows)
        self.modal = self.modal + 1 if alone else 0
        self.confirmed = self.confirmed and alone
        if best.phase is TaskPhase.NEEDS_INPUT and not alone:
            self.answered = True
        frozen = best.phase in ORDER and best.percent == 100 and bool(best.fail_reason)
        self.ended = self.ended + 1 if frozen else 0
        phase = TaskPhase.FAILED if self.ended >= 2 else self.read(best)
        return self.merge(best, phase, at, poll=True)

    def sighted(self, row: Task, at: float) -> bool:
        return self.merge(row, self.read(row), at, poll=False)

    def read(self, row: Task) -> TaskPhase:
        phase = row.phase
        if phase is TaskPhase.NEEDS_INPUT and self.answered:
            return TaskPhase.WAITING
        if phase is TaskPhase.WAITING and self.promised and not self.answered:
            return TaskPhase.NEEDS_INPUT
        self.promised = False
        return phase

    def merge(  # noqa: PLR0911 -- one rule after the other
        self, row: Task, phase: TaskPhase, at: float, *, poll: bool
    ) -> bool:
        if self.is_over:
            return False
        if phase in LAST or ORDER[phase] > ORDER[self.phase]:
            return self.accept(row, phase, at)
        if at < self.at:
            return False  # overtaken
        if phase is self.phase is TaskPhase.NEEDS_INPUT:
            self.behind, self.task, self.at = 0, row, at
            return False  # told once
        less = row.percent is not None and self.percent is not None and row.percent < self.percent
        more = row.percent is not None and self.percent is not None and row.percent > self.percent
        if ORDER[phase] < ORDER[self.phase] or less:
            self.behind += poll
            if self.behind >= 2:
                self.percent = None
                return self.accept(row, phase, at)
            return False
        if more:
            return self.accept(row, phase, at)
        self.behind = 0
        if self.task is not None and bare(filled(row, self.task)) == bare(self.task):
            self.at = at
            return False
        return self.accept(row, phase, at)

    def accept(self, row: Task, phase: TaskPhase, at: float) -> bool:
        if row.percent is not None:
            self.percent = max(row.percent, self.percent or 0)
        self.phase, self.task, self.at = phase, row, max(at, self.at)
        self.behind = 0
        self.told += 1
        return True

    @staticmethod
    def advance(row: Task) -> tuple[int, int]:
        return (ORDER | LAST)[row.phase], -1 if row.percent is None else row.percent


def filled(row: Task, known: Task) -> Task:
    """Let what is empty be as it was."""
    empty = [name for name in row.__struct_fields__ if getattr(row, name) in (None, "")]
    return replace(row, **{name: getattr(known, name) for name in empty})


def bare(row: Task) -> Task:
    return replace(row, image_url=re.sub(r"\?rand=\d", "", row.image_url or ""))


class Tracking(RuleBasedStateMachine):
    """Shows one tracker and the model the same."""

    def __init__(self) -> None:
        super().__init__()
        self.tracker: Tracker[Task] = Tracker()
        self.known: dict[str, Known] = {}
        self.heard: dict[str, list[TaskUpdate[Task]]] = {}
        self.shown: dict[str, Rows] = {}
        self.polled_at = dict.fromkeys(IDS, 0.0)
        self.now = 10.0

    @initialize()
    def begin(self) -> None:
        for task_id in IDS[:2]:
            self.add(task_id)

    def add(self, task_id: str) -> None:
        if task_id not in self.known:
            self.known[task_id] = Known(task_id)
            self.heard[task_id] = []
        self.tracker.add(task_id, self.now)

    @rule(task_id=st.sampled_from(IDS), needs_modal=st.booleans())
    def submit(self, task_id: str, needs_modal: bool) -> None:  # noqa: FBT001
        self.add(task_id)
        answer = Submission(task_id=task_id, needs_modal=needs_modal)
        update = self.tracker.submitted(task_id, answer, look(self.now, "submit"))
        news = self.known[task_id].submitted(answer)
        self.compare(task_id, update, news=news)

    @rule(task_id=st.sampled_from(IDS))
    def watch(self, task_id: str) -> None:
        self.add(task_id)

    @rule(task_id=st.sampled_from(IDS))
    def discard(self, task_id: str) -> None:
        self.tracker.discard(task_id)
        self.known.pop(task_id, None)

    @rule(
        task_id=st.sampled_from(IDS),
        row=ROWS,
        source=st.sampled_from(["webhook", "fetch", "given"]),
    )
    def sight(self, task_id: str, row: Task, source: str) -> None:
        """See a task elsewhere, later than its last poll: no two requests ask for it at once."""
        self.now += 1.0
        row = replace(row, id=task_id)
        merge = self.tracker.found if source == "fetch" else self.tracker.sight
        update = merge(row, look(self.now, source))
        if task_id in self.known:
            self.known[task_id].absent &= source != "fetch"
            news = self.known[task_id].sighted(row, self.now)
            self.compare(task_id, update, news=news)
        else:
            assert update is None

    @rule(
        ids=st.sets(st.sampled_from(IDS), min_size=1),
        shown=st.fixed_dictionaries({task_id: st.none() | SHOWN for task_id in IDS}),
        lag=st.sampled_from([0.0, 0.0, 1.5]),
        terse=st.booleans(),
    )
    def poll(
        self,
        ids: set[str],
        shown: dict[str, list[Task] | None],
        lag: float,
        terse: bool,  # noqa: FBT001
    ) -> None:
        """Ask for some tasks; None stands for the same answer again."""
        self.now += 1.0
        at = max(self.now - lag, *(self.polled_at[task_id] for task_id in ids))
        rows: list[Task] = []
        changed: list[Task] = []
        for task_id in sorted(ids):
            self.polled_at[task_id] = at
            drawn, last = shown[task_id], self.shown.get(task_id, ())
            now = last if drawn is None else tuple(replace(row, id=task_id) for row in drawn)
            rows.extend(now)
            changed.extend(now if now != last else ())
            self.shown[task_id] = now
        found = polled(self.tracker, sorted(ids), rows, look(at), changed if terse else None)
        updates = {update.task_id: update for update in found}
        confirmed = [update.task_id for update in self.tracker.take_confirmed()]

        assert len(found) == len(updates)
        for task_id in sorted(ids & set(self.known)):
            known = self.known[task_id]
            doubted = known.behind
            news = known.polled(self.shown[task_id], at)
            restart = news and doubted == 1
            known.confirmed &= known.phase is TaskPhase.NEEDS_INPUT
            self.compare(task_id, updates.pop(task_id, None), news=news, restart=restart)
            if known.modal >= 2 and known.phase is TaskPhase.NEEDS_INPUT and not known.confirmed:
                known.confirmed = True
                assert task_id in confirmed
                confirmed.remove(task_id)
        assert (updates, confirmed) == ({}, [])

    @rule(ids=st.sets(st.sampled_from(IDS), min_size=1))
    def fail(self, ids: set[str]) -> None:
        self.now += 1.0
        self.tracker.failed(sorted(ids), self.now)
        for task_id in ids & set(self.known):
            self.known[task_id].failing = True

    def compare(
        self, task_id: str, update: TaskUpdate[Task] | None, *, news: bool, restart: bool = False
    ) -> None:
        known, heard = self.known[task_id], self.heard[task_id]
        assert news == (update is not None)
        if update is None:
            return
        expected = {UpdateKind.PROGRESS: ORDER, UpdateKind.NEEDS_INPUT: ORDER}
        assert known.phase in expected.get(update.kind, LAST)
        assert (known.phase is TaskPhase.NEEDS_INPUT) == (update.kind is UpdateKind.NEEDS_INPUT)
        assert update.is_final == known.is_over
        assert not update.is_final or update.kind.value == known.phase.value
        assert (known.task, known.percent, known.told) == (
            update.task,
            update.percent,
            update.sequence,
        )
        if heard:
            last = heard[-1]
            assert not last.is_final  # final is final
            assert update.sequence == last.sequence + 1
            assert restart or (update.percent or 0) >= (last.percent or 0)
        heard.append(update)

    @invariant()
    def both_know_the_same(self) -> None:
        assert self.known.keys() == self.tracker.tracks.keys()
        for task_id, known in self.known.items():
            track = self.tracker.tracks[task_id]
            assert (known.phase, known.percent) == (track.phase, track.percent)
            assert known.is_over == track.is_over
            assert known.failing == (track.outage_since is not None)
            assert known.absent == (track.absent_since is not None)
            finals = [update for update in self.heard[task_id] if update.is_final]
            assert len(finals) == known.is_over

    def teardown(self) -> None:
        for task_id in IDS:
            self.tracker.discard(task_id)

        assert not any(value for value in vars(self.tracker).values())


def test_a_run_by_hand_confirms_a_modal_and_ends_once() -> None:
    run = Tracking()
    run.begin()
    nothing: dict[str, list[Task] | None] = dict.fromkeys(IDS)
    shown = nothing | {"a": [Task(id="", status="MODAL")], "b": [Task(id="", status="SUCCESS")]}
    for rows in (shown, nothing, nothing):
        run.poll({"a", "b"}, rows, lag=0.0, terse=True)
        run.both_know_the_same()
    run.sight("b", Task(id="", status="FAILURE"), "webhook")
    run.both_know_the_same()
    run.sight("a", Task(id="", status="SUBMITTED"), "webhook")
    run.poll({"a"}, shown, lag=1.5, terse=False)
    run.both_know_the_same()
    run.discard("a")
    run.sight("a", Task(id="", status="SUCCESS"), "fetch")
    run.teardown()


def test_a_run_by_hand_answers_a_modal_and_restarts() -> None:
    run = Tracking()
    run.submit("a", needs_modal=True)
    run.submit("a", needs_modal=False)
    waiting, modal = Task(id="", status=""), Task(id="", status="MODAL")
    half, less = (Task(id="", progress=text, status="IN_PROGRESS") for text in ("50%", "10%"))
    link, other = (replace(less, image_url=f"u?rand={number}") for number in (1, 2))
    reason = replace(less, progress="100%", fail_reason="no")
    shown = [[waiting], [modal, waiting], [modal], [half], [less], [less], [link], [other], []]
    for rows in [*shown, [replace(less, progress="20%")], [reason], [reason], [half]]:
        run.poll({"a"}, {"a": list(rows), "b": None, "c": None}, lag=0.0, terse=False)
        run.both_know_the_same()
    run.watch("b")
    run.sight("b", half, "given")
    run.poll({"b"}, {"a": None, "b": [less], "c": None}, lag=1.5, terse=True)
    run.fail({"b", "c"})
    run.both_know_the_same()
    run.teardown()


Tracking.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestTracking = Tracking.TestCase
