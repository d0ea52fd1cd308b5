from collections.abc import Iterator
from math import inf, nan

import msgspec
import pytest
from hypothesis import given, strategies as st

from mjtask_async import ConfigurationError, Task, TaskPhase, WatchLimits
from mjtask_async._core.limits import DEFAULTS, Expiry, Joined, check, resolve
from mjtask_async._core.tracker import Track, Tracker

from .support import look, polled, task

NONE = WatchLimits(total=None, queued=None, running=None, stalled=None, missing=None, outage=None)
NAMES = ("total", "queued", "running", "stalled", "missing", "outage")


def only(**limits: float) -> WatchLimits:
    return msgspec.structs.replace(NONE, **limits)


def track(phase: TaskPhase = TaskPhase.WAITING, **fields: float | None) -> Track[Task]:
    return msgspec.structs.replace(Track[Task]("1", phase=phase), **fields)


def check_at(limits: WatchLimits, known: Track[Task], now: float, joined: float = 0.0) -> Expiry:
    return check(limits, Joined(joined, joined), known, now)


# What a call gives


def test_the_defaults_are_those_of_the_documents() -> None:
    assert resolve(None, None) == WatchLimits(
        total=3600, queued=None, running=None, stalled=None, missing=60, outage=300
    )


def test_fields_left_out_take_the_watcher_s_values() -> None:
    own = resolve(WatchLimits(total=None, missing=5), None)

    assert own == WatchLimits(
        total=None, queued=None, running=None, stalled=None, missing=5, outage=300
    )
    assert resolve(WatchLimits(queued=7.5), None, own).missing == 5


def test_timeout_is_short_for_total() -> None:
    assert resolve(WatchLimits(queued=1), 20).total == 20


@pytest.mark.parametrize("total", [20, None])
def test_total_given_twice_is_a_mistake(total: float | None) -> None:
    with pytest.raises(ConfigurationError, match=r"either timeout= or limits\.total"):
        resolve(WatchLimits(total=total), 20)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, -1, -0.5, nan, True, "60"])
def test_a_limit_is_seconds_above_zero(name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=f"limit {name} is {value!r}; use"):
        resolve(WatchLimits(**{name: value}), None)


@pytest.mark.parametrize("timeout", [0, -1.0, nan])
def test_a_timeout_is_seconds_above_zero(timeout: float) -> None:
    with pytest.raises(ConfigurationError, match="the limit total"):
        resolve(None, timeout)


def test_a_limit_may_be_infinite() -> None:
    assert resolve(None, inf).total == inf
    assert check_at(only(total=inf), track(), 1e9).limits == ()


# Each limit


@pytest.mark.parametrize(
    ("limit", "known"),
    [
        ("total", track()),
        ("total", track(TaskPhase.RUNNING)),
        ("total", track(outage_since=1.0)),
        ("outage", track(outage_since=0.0)),
        ("missing", track(absent_since=0.0)),
        ("queued", track(TaskPhase.WAITING)),
        ("running", track(TaskPhase.RUNNING)),
        ("stalled", track(TaskPhase.WAITING)),
        ("stalled", track(TaskPhase.RUNNING)),
    ],
)
def test_a_limit_runs_out_at_its_time(limit: str, known: Track[Task]) -> None:
    limits = only(**{limit: 40.0})

    assert check_at(limits, known, 39.75) == Expiry(
        40.0 if known.outage_since is None or limit in {"total", "outage"} else 40.75
    )
    assert check_at(limits, known, 40.0).limits == (limit,)


@pytest.mark.parametrize(
    ("limit", "known"),
    [
        ("outage", track()),
        ("missing", track()),
        ("queued", track(TaskPhase.RUNNING)),
        ("queued", track(TaskPhase.NEEDS_INPUT)),
        ("running", track(TaskPhase.WAITING)),
        ("running", track(TaskPhase.NEEDS_INPUT)),
        ("stalled", track(TaskPhase.NEEDS_INPUT)),
    ],
)
def test_a_limit_whose_clock_does_not_run_never_runs_out(limit: str, known: Track[Task]) -> None:
    assert check_at(only(**{limit: 40.0}), known, 1000.0) == Expiry(1040.0)


@pytest.mark.parametrize("limit", ["missing", "queued", "running", "stalled"])
def test_only_total_and_outage_run_in_an_outage(limit: str) -> None:
    phase = TaskPhase.RUNNING if limit == "running" else TaskPhase.WAITING
    known = track(phase, outage_since=30.0, absent_since=0.0)

    assert check_at(only(**{limit: 40.0}), known, 1000.0) == Expiry(1010.0)
    assert check_at(only(**{limit: 30.5}), known, 1000.0) == Expiry(1001.0)
    assert check_at(only(total=1000.0), known, 999.75) == Expiry(1000.0)
    assert check_at(only(outage=970.0), known, 1000.0).limits == ("outage",)


@pytest.mark.parametrize("limit", ["missing", "queued", "stalled", "outage", "total"])
def test_no_clock_starts_before_the_consumer(limit: str) -> None:
    known = track(absent_since=0.0, outage_since=0.0 if limit == "outage" else None)
    limits = only(**{limit: 40.0})

    assert check_at(limits, known, 139.0, joined=100.0).limits == ()
    assert check_at(limits, known, 140.0, joined=100.0).limits == (limit,)


def test_of_several_the_first_to_run_out_counts() -> None:
    limits = only(total=50.0, queued=20.0, stalled=30.0)

    assert check_at(limits, track(), 10.0) == Expiry(20.0)
    assert check_at(limits, track(phase_since=15.0), 16.0) == Expiry(30.0)


def test_without_limits_there_is_nothing_to_look_at_but_a_frozen_row() -> None:
    assert check_at(NONE, track(), 50.0) == Expiry(230.0)


def test_a_row_frozen_at_100_percent_is_stalled_after_three_minutes() -> None:
    """Relays freeze rows at IN_PROGRESS with 100 % (contract Q9)."""
    known = track(TaskPhase.RUNNING, percent=100, changed_since=10.0)

    assert check_at(DEFAULTS, known, 189.0).limits == ()
    assert check_at(DEFAULTS, known, 190.0).limits == ("stalled",)


@pytest.mark.parametrize(
    "known",
    [track(TaskPhase.RUNNING, percent=99), track(TaskPhase.WAITING, percent=100)],
)
def test_any_other_row_may_stand_still(known: Track[Task]) -> None:
    assert check_at(NONE, known, 1000.0).limits == ()


def test_what_ends_the_waiting_for_certain_comes_before_what_may_not() -> None:
    known = track(TaskPhase.RUNNING, percent=100, absent_since=0.0)
    limits = only(total=300.0, stalled=200.0, missing=60.0)

    assert check_at(limits, known, 100.0) == Expiry(180.0, ("missing",))
    assert check_at(limits, known, 250.0) == Expiry(300.0, ("stalled", "missing"))
    assert check_at(limits, known, 300.0) == Expiry(inf, ("total", "stalled", "missing"))


@pytest.mark.parametrize("start", [n * 997.13 for n in range(50)])
def test_a_look_at_a_limit_is_never_due_at_once(start: float) -> None:
    """A sum of floats may fall short of its limit; looked at again, the time stood still."""
    looks = [check_at(only(total=0.1), track(), start, joined=start)]
    while not looks[-1].limits and len(looks) < 5:
        looks.append(check_at(only(total=0.1), track(), looks[-1].at, joined=start))

    assert looks[-1].limits == ("total",)


# Anything that may happen

SECONDS = st.floats(1.0, 40.0)
EVENTS = st.lists(
    st.tuples(
        st.floats(0.01, 30.0),
        st.sampled_from(["seen", "seen", "same", "missed", "failed", "failed"]),
        st.sampled_from(["NOT_START", "MODAL", "IN_PROGRESS"]),
    ),
    max_size=12,
)
LIMITS = st.builds(
    WatchLimits,
    **{name: st.none() | SECONDS for name in NAMES},
)


class History:
    """What has happened to a task, told to a `Tracker`, and clocks kept by hand."""

    def __init__(self, start: float, events: list[tuple[float, str, str]]) -> None:
        self.tracker: Tracker[Task] = Tracker()
        self.track = self.tracker.add("1", start)
        self.outages: list[tuple[float, float]] = []
        self.failing: float | None = None
        self.absent: float | None = None
        self.phase = TaskPhase.WAITING
        self.phase_since = self.changed_since = start
        self.number = 0
        self.events = [(start, event, status) for _, event, status in events]
        for place, (delay, event, status) in enumerate(events):
            begun = self.events[place - 1][0] if place else start
            self.events[place] = (begun + delay, event, status)

    def advance(self, now: float) -> None:
        """Let happen what has happened by ``now``."""
        while self.events and self.events[0][0] <= now:
            self.happen(*self.events.pop(0))

    def happen(self, at: float, event: str, status: str) -> None:
        if event == "failed":
            self.tracker.failed(["1"], at)
            self.failing = at if self.failing is None else self.failing
            return
        if self.failing is not None:
            self.outages.append((self.failing, at))
            self.failing = None
        row = self.track.task or task(status, "0%")
        if event == "seen":
            self.number += 1
            row = task(status, f"{self.number}%", prompt=str(self.number))
        rows = [] if event == "missed" else [row]
        self.absent = None if rows else at if self.absent is None else self.absent
        if polled(self.tracker, ["1"], rows, look(at)):
            self.changed_since = at
            if self.track.phase is not self.phase:
                self.phase, self.phase_since = self.track.phase, at

    def used(self, name: str, joined: float, now: float) -> float | None:
        """Say how many seconds of a limit are used; None: its clock does not run."""
        starts: dict[str, float | None] = {
            "missing": self.absent,
            "queued": self.phase_since if self.phase is TaskPhase.WAITING else None,
            "running": self.phase_since if self.phase is TaskPhase.RUNNING else None,
            "stalled": None if self.phase is TaskPhase.NEEDS_INPUT else self.changed_since,
        }
        if name == "total":
            return now - joined
        if name == "outage":
            return None if self.failing is None else now - max(self.failing, joined)
        since = starts[name]
        if since is None:
            return None
        since = max(since, joined)
        open_end = [] if self.failing is None else [(self.failing, now)]
        gone = sum(max(0.0, end - max(begin, since)) for begin, end in self.outages + open_end)
        return now - since - gone


def looks(limits: WatchLimits, history: History, joined: Joined) -> Iterator[tuple[float, Expiry]]:
    """Look again whenever told to, and only then."""
    now = joined.at
    turns = 0
    while True:
        turns += 1
        assert turns < 5000
        expiry = check(limits, joined, history.track, now)
        yield now, expiry
        if expiry.limits or expiry.at > joined.at + 500.0:
            break
        assert expiry.at > now
        now = expiry.at
        history.advance(now)


@given(limits=LIMITS, events=EVENTS, start=st.floats(0, 1e6), wait=st.floats(0, 50.0))
def test_a_limit_fires_at_its_time_and_never_before(
    limits: WatchLimits, events: list[tuple[float, str, str]], start: float, wait: float
) -> None:
    history = History(start, events)
    begun = start + wait
    history.advance(begun)
    allowed = {name: value for name in NAMES if (value := getattr(limits, name)) is not None}
    for now, expiry in looks(limits, history, Joined(begun, history.track.clock(begun))):
        used = {name: history.used(name, begun, now) for name in allowed}
        for name in expiry.limits:
            assert (used.pop(name) or 0.0) >= allowed[name] - 1e-6
        slack = 0.0 if history.failing is None else 1.0
        for name, spent in used.items():
            left = allowed[name] - (spent or 0.0)
            assert left > -1e-6  # none that has run out goes unnoticed
            if spent is not None:
                late = 0.0 if name in {"total", "outage"} else slack
                assert expiry.at <= now + max(left, late) + 1e-6


@given(
    joined=st.floats(0, 1e7),
    limit=st.floats(1e-3, 179.0),
    name=st.sampled_from(["total", "stalled", "queued"]),
)
def test_looking_again_when_told_to_comes_to_an_end(joined: float, limit: float, name: str) -> None:
    known = track(phase_since=joined, changed_since=joined)
    limits = only(**{name: limit})
    now, looked = joined, 0
    while not (expiry := check_at(limits, known, now, joined)).limits and looked < 5:
        now, looked = expiry.at, looked + 1

    assert expiry.limits == (name,)
    assert now == pytest.approx(joined + limit)
