"""What a journal's records say each job still needs."""

import copy
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mjtask_async import JournalError, QuotaError, SubmitRejectedError, errors
from mjtask_async._core.failures import Failure, error_of, failure_of
from mjtask_async._core.replay import (
    MODAL,
    MOVES,
    JobState,
    Kind,
    Need,
    Phase,
    Record,
    StepState,
    fold,
)

FAILURE = Failure("SubmitRejectedError", "no", {"status": 200})


def records(*kinds: Kind, step: str = "") -> list[Record]:
    return [record(kind, at, step=step) for at, kind in enumerate(kinds, 1)]


def record(kind: Kind, at: float = 0.0, *, step: str = "") -> Record:
    about: dict[Kind, dict[str, Any]] = {
        Kind.INTENT: {"state": f"s{at}", "index": 3, "prompt": "" if step else "a fox"},
        Kind.ACCEPTED: {"task_id": "1", "needs_modal": True},
        Kind.REJECTED: {"error": FAILURE},
        Kind.FAILED: {"error": FAILURE},
        Kind.PLACING: {"paths": ("a.png",)},
    }
    return Record("j", step, kind, at, **about.get(kind, {}))


SENT = (Kind.INTENT, Kind.SENDING)
TAKEN = (*SENT, Kind.ACCEPTED)
DONE = (*TAKEN, Kind.SUCCEEDED)


@pytest.mark.parametrize(
    ("kinds", "phase", "need"),
    [
        ((), Phase.NEW, Need.SUBMIT),
        ((Kind.INTENT,), Phase.INTENDED, Need.SUBMIT),
        (SENT, Phase.SENDING, Need.RECONCILE),
        ((*SENT, Kind.REFUSED), Phase.INTENDED, Need.SUBMIT),
        ((*SENT, Kind.UNCERTAIN), Phase.UNCERTAIN, Need.RECONCILE),
        ((*SENT, Kind.UNCERTAIN, Kind.ACCEPTED), Phase.ACCEPTED, Need.WATCH),
        ((*SENT, Kind.UNCERTAIN, Kind.INTENT), Phase.INTENDED, Need.SUBMIT),
        (TAKEN, Phase.ACCEPTED, Need.WATCH),
        ((*SENT, Kind.REJECTED), Phase.REJECTED, Need.NOTHING),
        (DONE, Phase.SUCCEEDED, Need.NOTHING),
        ((*TAKEN, Kind.FAILED), Phase.FAILED, Need.NOTHING),
        ((*DONE, Kind.PLACING, Kind.PLACED), Phase.SUCCEEDED, Need.NOTHING),
    ],
)
def test_a_step_needs_what_its_records_lack(
    kinds: tuple[Kind, ...], phase: Phase, need: Need
) -> None:
    step = fold(records(*kinds)).get("j", JobState()).step("")

    assert (step.phase, step.need) == (phase, need)


def test_a_job_holds_what_its_records_said() -> None:
    kinds = (*DONE, Kind.PLACING, Kind.PLACED, Kind.ENDED)
    job = fold([*records(*kinds), *records(*SENT, Kind.REJECTED, step="U1")])["j"]

    assert (job.index, job.prompt, job.ended, list(job.steps)) == (3, "a fox", True, ["", "U1"])
    assert job.step("") == StepState(
        Phase.SUCCEEDED, "s1", 2.0, "1", needs_modal=True, paths=("a.png",), placed=True
    )
    assert job.step("U1").error == FAILURE


def test_names_that_are_planned_again_are_not_taken_yet() -> None:
    kinds = (*DONE, Kind.PLACING, Kind.PLACED, Kind.PLACING)

    assert fold(records(*kinds))["j"].step("").placed is False


def test_jobs_are_kept_apart() -> None:
    other = Record("k", "", Kind.INTENT, state="t")

    assert set(fold([*records(*SENT), other])) == {"j", "k"}


@given(st.lists(st.sampled_from([*MOVES]), max_size=12))
def test_a_record_that_does_not_fit_changes_nothing(kinds: list[Kind]) -> None:
    step = StepState()
    for kind in kinds:
        before = copy.copy(step)
        if step.phase in MOVES[kind][0]:
            step.apply(record(kind))
            assert step.phase is MOVES[kind][1]
        else:
            with pytest.raises(JournalError, match=f"damaged: {kind} follows"):
                step.apply(record(kind))
            assert step == before


def test_nothing_is_submitted_without_an_intent() -> None:
    for kind, (sources, target) in MOVES.items():
        if target is Phase.SENDING:
            assert kind is Kind.SENDING
            assert sources == frozenset((Phase.INTENDED,))


def test_the_last_wish_for_buttons_counts() -> None:
    intent = Record("j", "", Kind.INTENT, then=("U1",))
    wanted = Record("j", "", Kind.WANTED, then=("V1",))

    assert fold([intent])["j"].then == ("U1",)
    assert fold([intent, wanted])["j"].then == ("V1",)
    assert fold([Record("j", "", Kind.INTENT)])["j"].then is None


def test_a_step_comes_no_further_if_its_second_request_was_refused() -> None:
    job = fold([*records(*TAKEN), *records(*SENT, Kind.REJECTED, step=MODAL)])["j"]

    assert job.refusal("") == FAILURE
    assert job.refusal("U1") is None


def test_errors_come_back_as_they_were() -> None:
    error = QuotaError("spent", status=400, endpoint="POST /x", code=4, description="quota")

    copied = error_of(failure_of(error))

    assert type(copied) is QuotaError
    assert (str(copied), vars(copied)) == (str(error), vars(error))


def test_every_error_of_ours_can_be_written_down() -> None:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.MJTaskError):
            assert type(error_of(failure_of(kind("words")))) is kind
    assert str(error_of(failure_of(errors.MJTaskError()))) == ""


@pytest.mark.parametrize("kind", ["NewerError", "Task", "annotations"])
def test_an_unknown_error_keeps_its_words(kind: str) -> None:
    error = error_of(Failure(kind, "words", {}))

    assert (type(error), str(error)) == (errors.MJTaskError, f"{kind}: words")


def test_a_field_that_an_error_no_longer_has_is_dropped() -> None:
    error = error_of(Failure("SubmitRejectedError", "no", {"status": 200, "colour": "red"}))

    assert isinstance(error, SubmitRejectedError)
    assert (error.status, hasattr(error, "colour")) == (200, False)
