"""Whether a submit that may have been accepted was: what a server's list of tasks tells.

A task with the submit's ``state`` proves that it was. That none is listed proves something
on novicezk's server only: trueai-org's shows the newest 100 of all users and blanks
``state`` on success, relays have no list (contract 1.3, 3.1).
"""

import re
from collections.abc import Sequence
from typing import Any, cast

from ..models import Reconciled, T
from .decode import first_value

_NOVICEZK_KEYS = frozenset(
    (
        *("id", "properties", "action", "status", "prompt", "promptEn", "description", "state"),
        *("submitTime", "startTime", "finishTime", "imageUrl", "progress", "failReason"),
    )
)
_A_MINUTE = 60.0


def is_novicezks(body: bytes) -> bool:
    """Whether a list is novicezk's: it sends all of its keys, always, and no others."""
    try:
        rows = first_value(body)
    except ValueError:
        return False
    if not isinstance(rows, list):
        return False
    each = cast("Sequence[Any]", rows)
    return all(isinstance(row, dict) and row.keys() == _NOVICEZK_KEYS for row in each)


def reconciled(
    tasks: Sequence[T],
    state: str,
    *,
    is_complete: bool,
    sent_at: float | None,
    now: float,
    patience: float,
) -> Reconciled[T]:
    """Look for a submit among a server's tasks.

    Args:
        tasks: The server's list.
        state: What the submit carried.
        is_complete: Whether the server lists all tasks it has, with their states.
        sent_at: UNIX seconds at the start of the submit, if known.
        now: UNIX seconds.
        patience: Seconds after which the submit can no longer arrive.
    """
    found = _with_state(tasks, state)
    if found is not None:
        return Reconciled(found, conclusive=True)
    if not is_complete or sent_at is None or now - sent_at < patience:
        return Reconciled(None, conclusive=False)
    oldest = min((task.submit_time or now * 1000 for task in tasks), default=now * 1000)
    return Reconciled(None, conclusive=oldest / 1000 < sent_at - _A_MINUTE)


def _with_state(tasks: Sequence[T], state: str) -> T | None:
    """Find the task, or the first of several that one button started (Q18)."""
    numbered = re.compile(re.escape(state) + r"::[0-9]{1,2}")
    exact = [task for task in tasks if task.state == state]
    several = [task for task in tasks if numbered.fullmatch(task.state or "")]
    return next(iter(exact + several[::-1]), None)
