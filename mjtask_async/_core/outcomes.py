"""The words of endings: final updates to errors, and why a key is refused."""

import re
from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

from ..errors import (
    AuthenticationError,
    MJTaskError,
    NeedsInputError,
    OutageError,
    TaskCancelledError,
    TaskError,
    TaskFailedError,
    TaskLostError,
    TaskTimeoutError,
)
from ..models import T, Task, TaskUpdate, UpdateKind
from .tracker import Track
from .words import explained


def error_of(update: TaskUpdate[T]) -> TaskError:
    """Make the error of an update that is no success."""
    task_id, task = update.task_id, update.task
    match update.kind:
        case UpdateKind.CANCELLED:
            return TaskCancelledError(f"task {task_id} was cancelled", task_id=task_id, task=task)
        case UpdateKind.LOST:
            message = f"the server no longer knows task {task_id}"
            return TaskLostError(message, task_id=task_id, task=task)
        case UpdateKind.TIMED_OUT:
            message = (
                f"task {task_id} ran into the limit {update.limit} at {_progress(update)}; "
                "it may still go on: watch its id again to see"
            )
            return TaskTimeoutError(message, task_id=task_id, task=task, limit=update.limit or "")
        case UpdateKind.NEEDS_INPUT:
            message = f"task {task_id} waits for a second request (submit/modal)"
            return NeedsInputError(message, task_id=task_id, task=task)
        case _:
            return TaskFailedError(_failure(task_id, task), task_id=task_id, task=task)


def _progress(update: TaskUpdate[T]) -> str:
    return "an unknown progress" if update.percent is None else f"{update.percent} %"


def _failure(task_id: str, task: Task | None) -> str:
    """Say why, and that a picture exists where one does: a relay's one-hour rule (Q34)."""
    reason = explained((task and task.fail_reason) or "no reason given")
    message = f"task {task_id} failed: {reason}"
    if task is not None and task.image_url:
        message += "; a picture exists all the same: see task.image_url"
    return message


def ended(
    track: Track[T], kind: UpdateKind, source: str, observed_at: float, limit: str | None
) -> TaskUpdate[T]:
    """Make the last update of a consumer that waits no longer; of the task it says nothing."""
    track.sequence += 1
    return TaskUpdate(
        track.task_id,
        kind,
        track.task,
        track.sequence,
        observed_at,
        source,
        limit,
        track.percent,
    )


def reached_within(tracks: Iterable[Track[Any]], since: float) -> bool:
    """Whether a poll for one of some tasks may have succeeded after ``since``.

    A task that was never seen, such as one added in the middle of an outage, says nothing.
    """
    seen = [each for each in tracks if each.task is not None or each.absent_since is not None]
    return any(each.outage_since is None or each.outage_since > since for each in seen)


def outage_of(
    tasks: Mapping[str, Task | None], seconds: Any, trouble: MJTaskError | None
) -> OutageError:
    """Make the error of a stream none of whose tasks can be asked for.

    Args:
        tasks: Its tasks, and their last sightings.
        seconds: For how long.
        trouble: What the last request said.
    """
    error = OutageError(
        f"no poll has succeeded for {seconds:g} s, the last said: {trouble}; "
        "the tasks themselves may go on: watch their ids again",
        ids=tuple(tasks),
        tasks=_seen(tasks),
    )
    error.__cause__ = trouble
    return error


def refusal_of(
    tasks: Mapping[str, Task | None],
    error: AuthenticationError,
    worked: bool,  # noqa: FBT001 -- a fact
) -> AuthenticationError:
    """Make a consumer's own error of a key that is refused, with its tasks.

    Args:
        tasks: Its tasks, and their last sightings.
        error: The last refusal.
        worked: Whether the server has accepted the key before; today's new-api says
            ``Invalid token`` for a spent one, too.
    """
    own = copy(error)
    own.args = (_refused(error, worked),)
    own.ids, own.tasks = tuple(tasks), _seen(tasks)
    own.__cause__ = error
    return own


def _refused(error: AuthenticationError, worked: bool) -> str:  # noqa: FBT001 -- a fact
    said = str(error.args[0])
    if _QUOTA.search(said):
        return f"{said}; {_SPENT}"
    if worked and error.status == _UNAUTHORIZED and _SAYS_NOTHING.search(said):
        return f"{said}; it has worked before, so its quota may be spent: {_SPENT}"
    return said


_UNAUTHORIZED = 401
_QUOTA = re.compile("额度|余额|quota (?:is )?(?:exhausted|not enough)", re.IGNORECASE)
_SAYS_NOTHING = re.compile(
    "invalid token|无效的令牌|無效的令牌|unauthorized|(?:: |401)$", re.IGNORECASE
)
_SPENT = "a spent key cannot even read its running tasks, another key of the same account can"


def unexpected(error: Exception) -> MJTaskError:
    """Make the error of a bug, or of one in the caller's own task type."""
    wrapped = MJTaskError(f"watching ended by an unexpected error: {error!r}")
    wrapped.__cause__ = error
    return wrapped


def _seen(tasks: Mapping[str, Task | None]) -> dict[str, Task]:
    return {task_id: task for task_id, task in tasks.items() if task is not None}
