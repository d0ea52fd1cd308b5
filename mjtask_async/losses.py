"""Tasks that the lists no longer hold, and who waits to hear whether they are lost.

1. A task is fetched for all who wait, once at a time.
2. A fetch that neither finds it nor says that there is none is put off like a failed poll.
"""

from collections import Counter
from typing import Generic

from .consumers import Expired
from .models import T


class Losses(Generic[T]):
    """What is not known to be lost yet."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Expired[T]]] = {}
        self._failures: Counter[str] = Counter()
        self._again_at: dict[str, float] = {}

    def __contains__(self, task_id: str) -> bool:
        """Whether anybody waits to hear of a task."""
        return task_id in self._waiting

    def again_at(self, task_id: str) -> float:
        """When a task may be fetched again, in the loop's seconds."""
        return self._again_at.get(task_id, float("-inf"))

    def add(self, expired: Expired[T]) -> bool:
        """Let one more wait; whether it is the first, for whom to fetch the task."""
        is_first = expired.track.task_id not in self._waiting
        waiting = self._waiting.setdefault(expired.track.task_id, [])
        if all(each.joined is not expired.joined for each in waiting):
            waiting.append(expired)
        return is_first

    def waiting(self, task_id: str) -> list[Expired[T]]:
        """List who waits to hear of a task."""
        return self._waiting.get(task_id, [])

    def take(self, task_id: str) -> list[Expired[T]]:
        """Take all who wait to hear of a task."""
        return self._waiting.pop(task_id, [])

    def failed(self, task_id: str) -> int:
        """Count one more fetch that told nothing; say how many there are."""
        self._failures[task_id] += 1
        return self._failures[task_id]

    def put_off(self, task_id: str, until: float) -> None:
        """Fetch a task no earlier than ``until``."""
        self._again_at[task_id] = until

    def forget(self, task_id: str) -> None:
        """Forget a task."""
        self._waiting.pop(task_id, None)
        self._again_at.pop(task_id, None)
        del self._failures[task_id]
