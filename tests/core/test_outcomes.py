# ruff: noqa: RUF001 -- the servers' own words
import pytest

from mjtask_async import Task, TaskUpdate, UpdateKind
from mjtask_async._core.outcomes import error_of
from mjtask_async.errors import (
    NeedsInputError,
    TaskCancelledError,
    TaskError,
    TaskFailedError,
    TaskLostError,
    TaskTimeoutError,
)

from .support import task


def update(
    kind: UpdateKind, seen: Task | None, *, limit: str | None = None, percent: int | None = None
) -> TaskUpdate[Task]:
    return TaskUpdate("7", kind, seen, 3, 0.0, "poll", limit, percent)


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        ("CANCELLED", TaskCancelledError, "task 7 was cancelled"),
        ("LOST", TaskLostError, "the server no longer knows task 7"),
        ("NEEDS_INPUT", NeedsInputError, "task 7 waits for a second request (submit/modal)"),
        ("FAILED", TaskFailedError, "task 7 failed: no reason given"),
    ],
)
@pytest.mark.parametrize("seen", [None, task("X")])
def test_an_outcome_is_an_error(
    kind: str, error: type[TaskError], text: str, seen: Task | None
) -> None:
    found = error_of(update(UpdateKind(kind), seen))

    assert type(found) is error
    assert (str(found), found.task_id, found.task) == (text, "7", seen)


@pytest.mark.parametrize(
    ("percent", "progress"), [(None, "an unknown progress"), (0, "0 %"), (42, "42 %")]
)
def test_a_timeout_says_which_limit_and_how_far(percent: int | None, progress: str) -> None:
    found = error_of(update(UpdateKind.TIMED_OUT, task(), limit="queued", percent=percent))

    assert isinstance(found, TaskTimeoutError)
    assert (found.limit, found.task_id, found.task) == ("queued", "7", task())
    assert str(found) == (
        f"task 7 ran into the limit queued at {progress}; "
        "it may still go on: watch its id again to see"
    )


def test_a_timeout_without_a_limit_has_an_empty_one() -> None:
    found = error_of(update(UpdateKind.TIMED_OUT, None))

    assert isinstance(found, TaskTimeoutError)
    assert found.limit == ""


@pytest.mark.parametrize(
    ("reason", "picture", "text"),
    [
        (None, None, "task 7 failed: no reason given"),
        ("", "", "task 7 failed: no reason given"),
        ("banned", None, "task 7 failed: banned"),
        (
            "上游任务超时（超过1小时）",
            "https://x/1",
            (
                "task 7 failed: 上游任务超时（超过1小时） "
                "[a relay gives up on every task after an hour, finished or not]; "
                "a picture exists all the same: see task.image_url"
            ),
        ),
    ],
)
def test_a_failure_says_why_and_whether_there_is_a_picture(
    reason: str | None, picture: str | None, text: str
) -> None:
    """A relay fails finished tasks after an hour (contract Q34)."""
    seen = task("FAILURE", fail_reason=reason, image_url=picture)

    assert str(error_of(update(UpdateKind.FAILED, seen))) == text
