from collections.abc import Iterator
from itertools import pairwise, product

import pytest

from mjtask_async import Submission, Task, TaskPhase, TaskUpdate, UpdateKind
from mjtask_async._core.tracker import MOVES, Move, Track, Tracker, fold, most_advanced

from .support import look, polled, task

WAITING, RUNNING = TaskPhase.WAITING, TaskPhase.RUNNING
FINAL = {TaskPhase.SUCCEEDED, TaskPhase.FAILED, TaskPhase.CANCELLED}
FULL = {"prompt": "a cat", "image_url": "https://x/y.png"}
Step = Task | None
"""What a poll shows of the task; None: nothing."""


def watched(*steps: Step) -> tuple[Tracker[Task], list[TaskUpdate[Task] | None]]:
    """Poll a new track, ten seconds apart."""
    tracker: Tracker[Task] = Tracker()
    tracker.add("1", 0.0)
    return tracker, list(polls(tracker, *steps))


def polls(
    tracker: Tracker[Task], *steps: Step, start: float = 10.0
) -> Iterator[TaskUpdate[Task] | None]:
    last: Step = None
    for number, step in enumerate(steps):
        rows = [] if step is None else [step]
        changed = rows if step != last else []
        last = step
        found = polled(tracker, ["1"], rows, look(start + 10.0 * number), changed)
        yield found[0] if found else None


def told(*steps: Step) -> list[tuple[UpdateKind, int | None] | None]:
    """Say which update each poll gives: its kind and percent."""
    return [(each.kind, each.percent) if each else None for each in watched(*steps)[1]]


PROGRESS, NEEDS_INPUT = UpdateKind.PROGRESS, UpdateKind.NEEDS_INPUT
SUCCEEDED, FAILED, CANCELLED = UpdateKind.SUCCEEDED, UpdateKind.FAILED, UpdateKind.CANCELLED
ROW_5, ROW_50, ROW_10 = task(progress="5%"), task(progress="50%"), task(progress="10%")
MODAL = task("MODAL", "0%")
ENDED = task(progress="100%", fail_reason="no")


# The table


def test_every_pair_of_phases_has_a_move() -> None:
    pairs = {(known, shown) for known, row in MOVES.items() for shown in row}

    assert set(product(TaskPhase, TaskPhase)) == pairs


def test_what_is_over_never_moves() -> None:
    for known, shown in product(FINAL, TaskPhase):
        assert Move.NOTHING is MOVES[known][shown]


def test_what_is_open_can_end_at_once() -> None:
    for known, shown in product(set(TaskPhase) - FINAL, FINAL):
        assert Move.END is MOVES[known][shown]


def test_open_phases_stand_in_one_order() -> None:
    order = [WAITING, TaskPhase.NEEDS_INPUT, RUNNING]
    for low, high in pairwise(order):
        assert [MOVES[low][high], MOVES[high][low]] == [Move.AHEAD, Move.BEHIND]
    assert [MOVES[WAITING][RUNNING], MOVES[RUNNING][WAITING]] == [Move.AHEAD, Move.BEHIND]
    for phase in order:
        assert Move.LEVEL is MOVES[phase][phase]


# One sighting after the other


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (None, PROGRESS),
        ("", PROGRESS),
        ("NOT_START", PROGRESS),
        ("SUBMITTED", PROGRESS),
        ("never seen", PROGRESS),
        ("MODAL", NEEDS_INPUT),
        ("SUCCESS", SUCCEEDED),
        ("FAILURE", FAILED),
        ("CANCEL", CANCELLED),
    ],
)
def test_the_first_sighting_is_told(status: str | None, kind: UpdateKind) -> None:
    row = task(status, "0%")
    tracker, updates = watched(row)

    assert [TaskUpdate("1", kind, row, 1, 1_700_000_010.0, "poll", percent=0)] == updates
    assert tracker.tracks["1"].is_over == (kind.value in {phase.value for phase in FINAL})


def test_the_same_row_again_is_no_news() -> None:
    assert told(ROW_5, ROW_5, ROW_5) == [(PROGRESS, 5), None, None]


def test_each_step_ahead_is_told_in_sequence() -> None:
    _, updates = watched(task("NOT_START"), ROW_5, ROW_50, task("SUCCESS", "100%"))

    assert [update.sequence for update in updates if update] == [1, 2, 3, 4]
    assert [update.percent for update in updates if update] == [None, 5, 50, 100]


@pytest.mark.parametrize("progress", ["Waiting to start", "fast", "5"])
def test_a_progress_that_says_nothing_keeps_the_percent(progress: str | None) -> None:
    """Discord's text may stand there (contract 3.2)."""
    assert told(ROW_5, task(progress=progress)) == [(PROGRESS, 5), (PROGRESS, 5)]


@pytest.mark.parametrize("empty", ["", None])
def test_a_field_that_is_empty_for_a_while_is_no_change(empty: str | None) -> None:
    """Relays turn null into "" (contract 3.2)."""
    row = task(progress="5%", image_url="u", prompt="a")
    bare = task(progress=empty, image_url=empty, prompt=empty)

    assert told(row, bare, row, bare) == [(PROGRESS, 5), None, None, None]


def test_a_percent_at_last_is_told() -> None:
    assert told(task(), task(progress="0%")) == [(PROGRESS, None), (PROGRESS, 0)]


def test_another_field_that_changes_is_told() -> None:
    assert told(ROW_5, task(progress="5%", image_url="u")) == [(PROGRESS, 5), (PROGRESS, 5)]


@pytest.mark.parametrize(
    ("first", "second", "changes"),
    [
        ("http://x/1?rand=1", "http://x/1?rand=22", False),
        ("http://x/1?a=1&rand=1", "http://x/1?a=1&rand=2", False),
        ("http://x/1", "http://x/1?rand=2", False),
        ("http://x/1?rand=1", "http://x/2?rand=1", True),
        ("http://x/1?rand=1", "http://x/1?rand=x", True),
        ("http://x/1?ran=1", "http://x/1?ran=2", True),
        (None, "http://x/1?rand=1", True),
        ("http://x/1", None, False),
    ],
)
def test_a_link_that_differs_by_its_rand_is_no_change(
    first: str | None,
    second: str | None,
    changes: bool,  # noqa: FBT001
) -> None:
    """A relay makes it up on every read (contract Q14)."""
    updates = told(task(progress="5%", image_url=first), task(progress="5%", image_url=second))

    assert changes == (updates[1] is not None)


def test_what_changes_beside_a_rand_is_told() -> None:
    row = task(progress="5%", image_url="u?rand=1", prompt="a")
    other = task(progress="5%", image_url="u?rand=2", prompt="b")

    assert told(row, other) == [(PROGRESS, 5), (PROGRESS, 5)]


def test_a_phase_ahead_keeps_the_higher_percent() -> None:
    assert told(task("NOT_START", "50%"), task("SUBMITTED", "0%")) == [
        (PROGRESS, 50),
        (PROGRESS, 50),
    ]


def test_a_phase_ahead_that_stays_at_less_is_a_restart() -> None:
    less = task("SUBMITTED", "0%")
    updates = told(task("NOT_START", "50%"), less, less, less, less)

    assert updates == [(PROGRESS, 50), (PROGRESS, 50), None, (PROGRESS, 0), None]


# Final is final


@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE", "CANCEL"])
@pytest.mark.parametrize("after", ["SUBMITTED", "FAILURE", "SUCCESS", "MODAL", ""])
def test_nothing_follows_a_final_update(status: str, after: str) -> None:
    """novicezk goes SUCCESS, SUBMITTED, FAILURE (contract Q12), relays after an hour (Q34)."""
    first, *others = told(task(status, "100%"), task(after, "0%"), task(after, "0%"), None, ENDED)

    assert first is not None
    assert others == [None] * 4


def test_a_final_sighting_counts_however_old_it_is() -> None:
    tracker, _ = watched(ROW_5)
    update = tracker.sight(task("SUCCESS"), look(1.0, "fetch"))

    assert update is not None
    assert (update.kind, update.percent) == (SUCCEEDED, 5)


@pytest.mark.parametrize("source", ["fetch", "webhook", "given"])
def test_a_final_sighting_from_anywhere_is_told_once(source: str) -> None:
    tracker, _ = watched(ROW_5)
    first = tracker.sight(task("FAILURE"), look(15.0, source))

    assert first is not None
    assert (FAILED, source) == (first.kind, first.source)
    assert tracker.sight(task("SUCCESS"), look(16.0, source)) is None
    assert list(polls(tracker, task("SUCCESS"))) == [None]


# Behind


def test_one_poll_that_shows_less_is_doubted() -> None:
    assert told(ROW_50, ROW_10, task(progress="50%", image_url="u")) == [
        (PROGRESS, 50),
        None,
        (PROGRESS, 50),
    ]


def test_two_polls_in_a_row_that_show_less_are_a_restart() -> None:
    assert told(ROW_50, ROW_10, ROW_10, ROW_10) == [(PROGRESS, 50), None, (PROGRESS, 10), None]


def test_a_restart_need_not_show_the_same_row_twice() -> None:
    assert told(ROW_50, ROW_5, ROW_10) == [(PROGRESS, 50), None, (PROGRESS, 10)]


@pytest.mark.parametrize("between", [ROW_50, None, task(), task(progress="60%")])
def test_polls_that_are_not_in_a_row_are_no_restart(between: Step) -> None:
    last = told(ROW_50, ROW_10, between, ROW_10)[-1]

    assert last is None


def test_a_restart_to_another_phase_is_told() -> None:
    waiting = task("NOT_START")

    assert told(ROW_50, waiting, waiting) == [(PROGRESS, 50), None, (PROGRESS, None)]


def test_a_restarted_task_goes_on() -> None:
    assert told(ROW_50, ROW_5, ROW_5, ROW_10, ROW_50)[-1] == (PROGRESS, 50)


@pytest.mark.parametrize("source", ["fetch", "webhook", "given"])
def test_only_polls_make_a_restart(source: str) -> None:
    tracker, _ = watched(ROW_50)
    for at in (11.0, 12.0, 13.0):
        assert tracker.sight(ROW_10, look(at, source)) is None
    assert list(polls(tracker, ROW_10, start=20.0)) == [None]


def test_a_quiet_row_takes_back_what_another_source_claimed() -> None:
    tracker, _ = watched(ROW_10)
    tracker.sight(ROW_50, look(11.0, "webhook"))
    updates = [polled(tracker, ["1"], [ROW_10], look(at), []) for at in (20.0, 30.0)]

    assert [[update.percent for update in found] for found in updates] == [[], [10]]


def test_a_poll_that_was_overtaken_is_looked_at_again() -> None:
    tracker, _ = watched(task("SUBMITTED"))
    tracker.sight(ROW_10, look(21.0, "webhook"))

    assert polled(tracker, ["1"], [ROW_50], look(20.0), [ROW_50]) == []
    (update,) = polled(tracker, ["1"], [ROW_50], look(23.0), [])
    assert update.percent == 50


def test_an_older_sighting_never_overwrites_a_newer_one() -> None:
    tracker, _ = watched(ROW_10)

    assert tracker.sight(task(progress="11%"), look(9.0, "fetch")) is None
    assert tracker.sight(task(progress="11%"), look(10.0, "fetch")) is not None


# Modal


def test_modal_is_told_once_and_confirmed_by_the_second_poll() -> None:
    tracker: Tracker[Task] = Tracker()
    tracker.add("1", 0.0)
    heard = [
        (update and update.kind, [each.kind for each in tracker.take_confirmed()])
        for update in polls(tracker, MODAL, MODAL, MODAL)
    ]

    assert heard == [(NEEDS_INPUT, []), (None, [NEEDS_INPUT]), (None, [])]
    assert tracker.tracks["1"].needs_input


@pytest.mark.parametrize("between", [task("NOT_START"), task("SUBMITTED"), None])
def test_modal_in_polls_not_in_a_row_is_not_confirmed(between: Step) -> None:
    tracker, _ = watched(MODAL, between, MODAL)

    assert tracker.take_confirmed() == []
    assert not tracker.tracks["1"].needs_input


def test_modal_that_comes_back_by_a_restart_is_confirmed_at_once() -> None:
    tracker, _ = watched(MODAL)
    tracker.sight(task("SUBMITTED"), look(11.0, "webhook"))
    heard = [update and update.kind for update in polls(tracker, MODAL, MODAL, start=20.0)]

    assert heard == [None, NEEDS_INPUT]
    assert [update.kind for update in tracker.take_confirmed()] == [NEEDS_INPUT]


@pytest.mark.parametrize("progress", ["10%", "", "0%"])
def test_modal_is_told_once_whatever_its_progress(progress: str) -> None:
    tracker, updates = watched(task("MODAL", "5%"), task("MODAL", progress), MODAL, MODAL)

    assert [update is not None for update in updates] == [True, False, False, False]
    assert len(tracker.take_confirmed()) == 1
    assert track_of(tracker).percent == 5


def test_a_changed_modal_row_is_kept_but_not_told() -> None:
    tracker, updates = watched(MODAL, task("MODAL", "0%", prompt="b"))

    assert updates[1] is None
    assert [task("MODAL", "0%", prompt="b")] == [each.task for each in tracker.take_confirmed()]


def test_modal_beside_another_row_is_answered_already() -> None:
    """A relay keeps the old row after the modal (contract Q7)."""
    tracker: Tracker[Task] = Tracker()
    tracker.add("1", 0.0)
    rows = [task("MODAL", ""), task("", "0%", action="MODAL")]
    found = [polled(tracker, ["1"], rows, look(at)) for at in (10.0, 20.0)]

    assert [[update.kind for update in updates] for updates in found] == [[PROGRESS], []]
    assert tracker.take_confirmed() == []
    assert tracker.tracks["1"].modal_answered
    assert [update and update.kind for update in polls(tracker, MODAL, MODAL, start=30.0)] == [
        PROGRESS,
        None,
    ]
    assert tracker.take_confirmed() == []


def test_a_modal_that_is_answered_counts_as_waiting() -> None:
    tracker: Tracker[Task] = Tracker()
    tracker.add("1", 0.0).modal_answered = True

    assert [update and update.kind for update in polls(tracker, MODAL, MODAL, ROW_5)] == [
        PROGRESS,
        None,
        PROGRESS,
    ]


def test_of_two_rows_the_more_advanced_counts() -> None:
    done = task("SUCCESS", "100%")
    for rows in ([MODAL, done], [done, MODAL]):
        tracker: Tracker[Task] = Tracker()
        tracker.add("1", 0.0)
        (update,) = polled(tracker, ["1"], rows, look(10.0))

        assert (update.kind, update.task) == (SUCCEEDED, done)


# Frozen


def test_a_reason_at_100_percent_twice_is_a_failure() -> None:
    """A relay freezes such a row for ever (contract Q10)."""
    _, updates = watched(ENDED, ENDED)

    assert [update and update.kind for update in updates] == [PROGRESS, FAILED]
    assert (updates[1] and updates[1].task) == ENDED


@pytest.mark.parametrize("between", [task(progress="100%"), None, task("SUBMITTED", "99%")])
def test_a_reason_at_100_percent_not_in_a_row_is_none(between: Step) -> None:
    assert all(update is None or update[0] is PROGRESS for update in told(ENDED, between, ENDED))


@pytest.mark.parametrize("row", [task(progress="99%", fail_reason="no"), task(progress="100%")])
def test_neither_a_reason_nor_100_percent_alone_is_a_failure(row: Task) -> None:
    assert [(PROGRESS, row.percent), None, None] == told(row, row, row)


def test_a_waiting_row_with_a_reason_at_100_percent_twice_is_a_failure() -> None:
    row = task("", "100%", fail_reason="no")

    assert told(row, row) == [(PROGRESS, 100), (FAILED, 100)]


# Submissions


def submission(*, needs_modal: bool = False) -> Submission:
    return Submission(task_id="1", needs_modal=needs_modal)


def test_the_submit_s_answer_is_the_first_update() -> None:
    tracker: Tracker[Task] = Tracker()
    tracker.add("1", 5.0)
    update = tracker.submitted("1", submission(), look(5.0, "submit"))

    assert TaskUpdate("1", PROGRESS, None, 1, 1_700_000_005.0, "submit") == update
    assert update is tracker.tracks["1"].last
    assert [update and update.kind for update in polls(tracker, task(""))] == [PROGRESS]


def test_a_submit_s_answer_says_nothing_of_a_known_task() -> None:
    tracker, _ = watched(ROW_5)

    assert tracker.submitted("1", submission(needs_modal=True), look(15.0, "submit")) is None
    assert RUNNING is tracker.tracks["1"].phase


def test_a_promised_modal_lasts_until_the_server_shows_it() -> None:
    """A relay has status "" until its next refresh (contract Q3)."""
    tracker: Tracker[Task] = Tracker()
    tracker.add("1", 5.0)
    first = tracker.submitted("1", submission(needs_modal=True), look(5.0, "submit"))
    fresh = task("", "0%")
    heard = [update and update.kind for update in polls(tracker, fresh, fresh, MODAL, MODAL)]

    assert NEEDS_INPUT is (first and first.kind)
    assert heard == [None] * 4
    assert [update.task for update in tracker.take_confirmed()] == [MODAL]


def test_a_promised_modal_ends_when_the_task_runs() -> None:
    tracker: Tracker[Task] = Tracker()
    tracker.add("1", 5.0)
    tracker.submitted("1", submission(needs_modal=True), look(5.0, "submit"))
    heard = [update and update.kind for update in polls(tracker, ROW_5, task(""), task(""))]

    assert heard == [PROGRESS, None, PROGRESS]
    assert WAITING is tracker.tracks["1"].phase


def test_no_promise_is_made_once_the_modal_is_answered() -> None:
    tracker: Tracker[Task] = Tracker()
    tracker.add("1", 5.0).modal_answered = True
    update = tracker.submitted("1", submission(needs_modal=True), look(5.0, "submit"))

    assert PROGRESS is (update and update.kind)


# Clocks


def track_of(tracker: Tracker[Task]) -> Track[Task]:
    return tracker.tracks["1"]


def test_changes_and_phases_have_clocks() -> None:
    tracker, _ = watched(task("SUBMITTED"), ROW_5, ROW_5)
    track = track_of(tracker)

    assert (track.phase_since, track.changed_since, track.at) == (10.0, 20.0, 20.0)


def test_a_level_sighting_is_as_new_as_it_is() -> None:
    tracker, _ = watched(task(image_url="u?rand=1"), task(image_url="u?rand=2"))

    assert (track_of(tracker).changed_since, track_of(tracker).at) == (10.0, 20.0)


def test_absence_counts_from_the_first_poll_that_misses() -> None:
    tracker, _ = watched(ROW_5, None, None)

    assert track_of(tracker).absent_since == 20.0

    list(polls(tracker, ROW_5, start=40.0))

    assert track_of(tracker).absent_since is None


def test_a_fetch_that_finds_the_task_ends_its_absence() -> None:
    tracker, _ = watched(None)
    update = tracker.found(ROW_5, look(15.0, "fetch"))

    assert (update and update.kind, update and update.source) == (PROGRESS, "fetch")
    assert track_of(tracker).absent_since is None


def test_the_clock_stands_still_in_an_outage() -> None:
    tracker, _ = watched(ROW_5)
    track = track_of(tracker)
    tracker.failed(["1", "unknown"], 20.0)
    tracker.failed(["1"], 25.0)

    assert (track.outage_since, track.clock(30.0)) == (20.0, 20.0)

    list(polls(tracker, ROW_5, start=40.0))

    assert (track.outage_since, track.clock(40.0), track.clock(45.0)) == (None, 20.0, 25.0)


def test_a_quiet_row_ends_an_outage_and_an_absence() -> None:
    tracker, _ = watched(ROW_5)
    tracker.failed(["1"], 20.0)
    polled(tracker, ["1"], [ROW_5], look(30.0), [])
    track = track_of(tracker)

    assert (track.outage_since, track.outages) == (None, 10.0)

    polled(tracker, ["1"], [], look(40.0), [])
    polled(tracker, ["1"], [ROW_5], look(50.0), [])

    assert track.absent_since is None


def test_outages_add_up() -> None:
    tracker, _ = watched(ROW_5)
    for start in (20.0, 40.0):
        tracker.failed(["1"], start)
        list(polls(tracker, ROW_5, start=start + 5.0))

    assert track_of(tracker).clock(60.0) == 50.0


def test_an_outage_ends_when_a_poll_misses_the_task() -> None:
    tracker, _ = watched(ROW_5)
    tracker.failed(["1"], 20.0)
    list(polls(tracker, None, start=30.0))
    track = track_of(tracker)

    assert (track.outage_since, track.absent_since) == (None, 20.0)


def test_an_answer_older_than_the_failure_gives_no_time_back() -> None:
    tracker, _ = watched(ROW_5)
    tracker.failed(["1"], 20.0)
    list(polls(tracker, ROW_50, start=19.0))

    assert track_of(tracker).outages == 0.0


# Who is tracked


def test_adding_a_task_again_goes_on_with_it() -> None:
    tracker, _ = watched(ROW_5)

    assert tracker.add("1", 50.0) is track_of(tracker)
    assert track_of(tracker).sequence == 1


def test_nobody_hears_of_a_task_that_is_not_tracked() -> None:
    tracker, _ = watched(ROW_5)
    tracker.discard("1")
    tracker.discard("1")

    assert tracker.sight(ROW_50, look(15.0)) is None
    assert tracker.found(ROW_50, look(15.0)) is None
    assert polled(tracker, ["1"], [ROW_50], look(20.0)) == []
    assert polled(tracker, ["1"], [], look(20.0)) == []
    tracker.failed(["1"], 30.0)
    assert tracker.tracks == {}


def test_a_task_watched_again_is_told_what_nobody_else_is() -> None:
    tracker, _ = watched(ROW_5)
    tracker.discard("1")
    tracker.add("1", 15.0)

    (update,) = polled(tracker, ["1"], [ROW_5], look(20.0), [])

    assert update.sequence == 1


def test_rows_that_nobody_asked_for_say_nothing() -> None:
    tracker, _ = watched(ROW_5)
    tracker.add("2", 0.0)

    assert polled(tracker, ["2"], [ROW_50, task(id="3")], look(20.0)) == []
    assert track_of(tracker).percent == 5


# Rows of one task


@pytest.mark.parametrize(
    ("less", "more"),
    [
        *pairwise(
            [
                task(None),
                task("", "0%"),
                task("NOT_START", "1%"),
                task("MODAL"),
                task("MODAL", "5%"),
                task("SUBMITTED"),
                task("SUBMITTED", "0%"),
                task("IN_PROGRESS", "1%"),
                task("FAILURE"),
                task("CANCEL", "0%"),
                task("SUCCESS"),
                task("SUCCESS", "100%"),
            ]
        )
    ],
)
def test_rows_stand_in_one_order_of_advance(less: Task, more: Task) -> None:
    assert more == most_advanced((less, more)) == most_advanced((more, less))


def test_of_equal_rows_the_last_counts() -> None:
    first, second = task(progress="5%", prompt="a"), task(progress="5%", prompt="b")

    assert second == most_advanced((first, second))


def test_folding_keeps_one_row_per_id() -> None:
    rows = [ROW_5, task(id="2"), ROW_50, ROW_10]

    assert {"1": ROW_50, "2": task(id="2")} == fold(rows)
