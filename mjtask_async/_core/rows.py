"""List answers, read so that rows which have not changed cost next to nothing.

1. A row is compared as bytes with the row in its place in the last answer for these ids;
   one run over memory is many times cheaper than comparing two structs field by field.
2. What differs is decoded in one call; when more than half does, the whole body is.
3. What has not changed is not even looked at: with many tasks, each look at an old object
   is a cache miss. So the last answer is brought up to date in its place, not copied.
4. The raw rows are views of one body, and each answer replaces the last: nothing is pinned.
"""

from collections.abc import Sequence
from itertools import compress
from operator import ne
from typing import Generic

import msgspec
from msgspec import Struct

from ..models import T
from .decode import TaskDecoder


class Rows(Struct, Generic[T], eq=False):
    """The answer for some ids.

    Attributes:
        asked: The ids, as they were asked for.
        wanted: The same as a set.
        tasks: The tasks that came back, by id.
        twins: All rows of those ids that have several: relays keep two after a modal
            (contract Q7).
        absent: The ids without a row.
        changed: The ids whose rows differ from the last answer's.
        order: The ids of the rows, in the answer's order.
        body: The answer's bytes.
        raws: Its rows as views of ``body``; none where they are not to be compared.
    """

    asked: tuple[str, ...]
    wanted: frozenset[str]
    tasks: dict[str, T]
    twins: dict[str, tuple[T, ...]]
    absent: frozenset[str]
    changed: list[str]
    order: list[str]
    body: bytes = b""
    raws: Sequence[msgspec.Raw] = ()


def rows_of(asked: tuple[str, ...], rows: Sequence[T]) -> Rows[T]:
    """Make the answer of rows that are all new."""
    wanted = frozenset(asked)
    order = [row.id for row in rows]
    tasks = dict(zip(order, rows, strict=True))
    several = _several(rows) if len(tasks) != len(rows) else {}
    changed = [task_id for task_id in tasks if task_id in wanted]
    return Rows(asked, wanted, tasks, several, wanted.difference(tasks), changed, order)


def _several(rows: Sequence[T]) -> dict[str, tuple[T, ...]]:
    grouped: dict[str, list[T]] = {}
    for row in rows:
        grouped.setdefault(row.id, []).append(row)
    return {task_id: tuple(twins) for task_id, twins in grouped.items() if len(twins) > 1}


class RowReader(Generic[T]):
    """Reads list answers with the help of the last one."""

    def __init__(self, decoder: TaskDecoder[T]) -> None:
        self._decoder = decoder
        self._splitter = msgspec.json.Decoder(list[msgspec.Raw])

    def read(self, asked: tuple[str, ...], body: bytes, last: Rows[T] | None) -> Rows[T] | None:
        """Read an answer, or give None for a JSON value that is no list.

        Args:
            asked: The ids.
            body: The answer's bytes.
            last: The last answer for this very tuple of ids, with no other answer for any of
                them in between; it must not be used any more.

        Raises:
            ValueError: The body holds no JSON.
        """
        if last is None or last.asked is not asked or last.twins:
            return self._whole(asked, body, self._split(body))
        if last.raws and body == last.body:
            last.changed = []
            return last
        raws = self._split(body)
        if not raws or len(raws) != len(last.raws):
            return self._whole(asked, body, raws)
        places = list(compress(range(len(raws)), map(ne, raws, last.raws)))
        if 2 * len(places) <= len(raws) and self._update(last, raws, places):
            last.body, last.raws = body, raws
            return last
        return self._whole(asked, body, raws)

    def _split(self, body: bytes) -> list[msgspec.Raw]:
        try:
            return self._splitter.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return []

    def _whole(
        self, asked: tuple[str, ...], body: bytes, raws: Sequence[msgspec.Raw]
    ) -> Rows[T] | None:
        tasks = self._decoder.many(body)
        if tasks is None:
            return None
        rows = rows_of(asked, tasks)
        if len(raws) == len(tasks):
            rows.body, rows.raws = body, raws
        return rows

    def _update(self, last: Rows[T], raws: list[msgspec.Raw], places: list[int]) -> bool:
        """Put what differs into the last answer; False if the rows are not in their places."""
        joined = b",".join([raws[place] for place in places])
        fresh = self._decoder.many(b"[" + joined + b"]") or []
        order = [last.order[place] for place in places]
        if [task.id for task in fresh] != order:
            return False
        last.tasks.update(zip(order, fresh, strict=True))
        last.changed = [task_id for task_id in order if task_id in last.wanted]
        return True
