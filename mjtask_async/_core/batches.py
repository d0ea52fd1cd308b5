"""Ids in stable batches.

An id keeps its place while it can, so that an answer can be held against the last one, and
so that a tick over many ids looks at batches only: each look at an old id is a cache miss.
"""

from itertools import islice
from math import ceil
from typing import Any

from msgspec import Struct


class Batch(Struct, eq=False):
    """Ids that are asked for together.

    Attributes:
        ids: In the order in which they came.
        busy: Whether a request for all of them is unanswered.
        answer: The last answer for just these ids, if nothing else has told of any since.
    """

    ids: dict[str, None]
    busy: bool = False
    answer: Any = None
    _line: tuple[str, ...] | None = None

    @property
    def line(self) -> tuple[str, ...]:
        """The ids as a tuple, the same one until an id comes or goes."""
        if self._line is None:
            self._line = tuple(self.ids)
        return self._line

    def add(self, task_id: str) -> None:
        """Take an id in."""
        self.ids[task_id] = None
        self._line = self.answer = None

    def discard(self, task_id: str) -> None:
        """Let an id go."""
        del self.ids[task_id]
        self._line = self.answer = None


class Batches:
    """All ids that are polled at the ticks.

    Attributes:
        homes: Where each id is.
    """

    def __init__(self, size: int) -> None:
        self.homes: dict[str, Batch] = {}
        self._size = size
        self._all: list[Batch] = []

    def add(self, task_id: str) -> None:
        """Put a new id into the last batch, unless that is full or being asked for."""
        if not self._all or self._all[-1].busy or len(self._all[-1].ids) >= self._size:
            self._all.append(Batch({}))
        self._move(task_id, self._all[-1])

    def discard(self, task_id: str) -> Batch | None:
        """Let an id go; give the batch it was in."""
        home = self.homes.pop(task_id, None)
        if home is not None:
            home.discard(task_id)
        return home

    def forget_answers(self) -> None:
        """Forget the last answers: another request has told of some ids."""
        for batch in self._all:
            batch.answer = None

    def free(self) -> list[Batch]:
        """Give the batches that are not being asked for, as few as possible.

        While one fewer would do, the last is poured into the holes of the others.
        """
        self._all = [batch for batch in self._all if batch.ids or batch.busy]
        free = [batch for batch in self._all if not batch.busy]
        count = sum(len(batch.ids) for batch in free)
        while len(free) > ceil(count / self._size):
            last = free.pop()
            self._all.remove(last)
            holes = (batch for batch in free for _ in range(self._size - len(batch.ids)))
            for task_id, home in zip(last.line, list(islice(holes, len(last.ids))), strict=True):
                self._move(task_id, home)
        return free

    def _move(self, task_id: str, home: Batch) -> None:
        home.add(task_id)
        self.homes[task_id] = home
