"""List answers, read so that rows which have not changed cost next to nothing.

1. A row is compared as bytes with the row in its place in the last answer for these ids;
   one run over memory is many times cheaper than comparing two structs field by field.
2. What differs is decoded in one call; when more than half does, the whole body is.
3. The rows are views of one body, and each answer replaces the last: nothing is pinned.
"""

from collections.abc import Sequence
from itertools import compress
from operator import ne
from typing import Generic

import msgspec
from msgspec import Struct

from ..models import T
from .decode import TaskDecoder


class Rows(Struct, Generic[T], frozen=True, eq=False):
    """One answer.

    Attributes:
        body: Its bytes.
        raws: Its rows as views of ``body``; none where they are not to be compared.
        tasks: The tasks, in the answer's order.
        changed: Those that differ from the last answer's.
    """

    body: bytes
    raws: Sequence[msgspec.Raw]
    tasks: list[T]
    changed: list[T]


class RowReader(Generic[T]):
    """Reads list answers with the help of the last one."""

    def __init__(self, decoder: TaskDecoder[T]) -> None:
        self._decoder = decoder
        self._splitter = msgspec.json.Decoder(list[msgspec.Raw])

    def read(self, body: bytes, last: Rows[T] | None) -> Rows[T] | None:
        """Read an answer, or give None for a JSON value that is no list.

        Args:
            body: The answer's bytes.
            last: The last answer for the same ids, if there is one.

        Raises:
            ValueError: The body holds no JSON.
        """
        if last is None:
            return self._whole(body, self._split(body))
        if body == last.body:
            return Rows(last.body, last.raws, last.tasks, [])
        raws = self._split(body)
        if not raws or len(raws) != len(last.raws):
            return self._whole(body, raws)
        places = list(compress(range(len(raws)), map(ne, raws, last.raws)))
        if 2 * len(places) > len(raws):
            return self._whole(body, raws)
        return self._changed(body, raws, last, places)

    def _split(self, body: bytes) -> list[msgspec.Raw]:
        try:
            return self._splitter.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return []

    def _whole(self, body: bytes, raws: list[msgspec.Raw]) -> Rows[T] | None:
        tasks = self._decoder.many(body)
        if tasks is None:
            return None
        return Rows(body, raws if len(raws) == len(tasks) else (), tasks, tasks)

    def _changed(
        self, body: bytes, raws: list[msgspec.Raw], last: Rows[T], places: list[int]
    ) -> Rows[T] | None:
        joined = b",".join([bytes(raws[place]) for place in places])
        fresh = self._decoder.many(b"[" + joined + b"]")
        if fresh is None or len(fresh) != len(places):
            return self._whole(body, raws)
        tasks = last.tasks.copy()
        for place, task in zip(places, fresh, strict=True):
            tasks[place] = task
        return Rows(body, raws, tasks, fresh)
