"""Mutants of real answers, and everything that reads answers.

Over the wire: `support_fuzz_wire`.
"""

import codecs
from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING

from mjtask_async import MJTaskError, Task
from mjtask_async._core import answers, submit
from mjtask_async._core.decode import TaskDecoder
from mjtask_async._core.rows import RowReader
from mjtask_async._core.wire import Answer

from .core.support import RECORDED, RESELLERS

if TYPE_CHECKING:
    from mjtask_async._core.rows import Rows

DEEP = 10_000
STATUSES = (200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503)
SAMPLES = sorted({each.body.encode() for each in RECORDED.values()} | set(RESELLERS.values()))
_WILD = (
    *(b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"null", b"true", b'""', b"{}", b"[]"),
    *(b'"\\ud800"', b'"\\udfff\\ud800"', b"\xed\xa0\x80", b"\xff\xfe", b"\x00", codecs.BOM_UTF8),
)


def systematic() -> Iterator[bytes]:
    """Cut each sample at each of its bytes, and turn one bit of each of its bytes."""
    for body in SAMPLES:
        for place in range(len(body)):
            yield body[:place]
            yield _flipped(body, place, place % 8)


def mutants(random: Random) -> Iterator[bytes]:
    """Make one mutant after the other, without end."""
    while True:
        body = random.choice(SAMPLES)
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            body = random.choice(_WAYS)(body, random)
        yield body


def _cut(body: bytes, random: Random) -> bytes:
    return body[: random.randint(0, len(body))]


def _cut_out(body: bytes, random: Random) -> bytes:
    start = random.randint(0, len(body))
    return body[:start] + body[start + random.randint(1, 40) :]


def _flip(body: bytes, random: Random) -> bytes:
    return _flipped(body, random.randrange(len(body)), random.randrange(8)) if body else b"\x01"


def _flipped(body: bytes, place: int, bit: int) -> bytes:
    return body[:place] + bytes([body[place] ^ 1 << bit]) + body[place + 1 :]


def _duplicate(body: bytes, random: Random) -> bytes:
    start = random.randint(0, len(body))
    return body[:start] + body[start : start + random.randint(1, 200)] * 2 + body[start:]


def _twice(body: bytes, random: Random) -> bytes:
    return body + random.choice((b"", b"\n", b",")) + body


def _nest(body: bytes, random: Random) -> bytes:
    opening, closing = random.choice(((b"[", b"]"), (b'{"id":', b"}"), (b'{"error":', b"}")))
    return opening * DEEP + body + closing * random.choice((0, DEEP))


def _insert(body: bytes, random: Random) -> bytes:
    place = random.randint(0, len(body))
    return body[:place] + random.choice(_WILD) + body[place:]


def _value(body: bytes, random: Random) -> bytes:
    """Put something wild in the place of a value."""
    parts = body.split(b":")
    place = random.randrange(len(parts))
    _, comma, rest = parts[place].partition(b",")
    parts[place] = random.choice(_WILD) + comma + rest
    return b":".join(parts)


def _bom(body: bytes, random: Random) -> bytes:
    return random.choice((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b" \r\n")) + body


_WAYS: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(_cut, _cut_out, _flip, _flip, _duplicate, _twice, _insert, _value, _value, _bom, _nest),
)


class Readers:
    """Reads a body in every way that there is."""

    def __init__(self) -> None:
        self.understood = 0
        self.refused = 0
        self._decoder = TaskDecoder(Task)
        self._reader = RowReader(self._decoder)
        self._last: Rows[Task] | None = None

    def read(self, body: bytes, status: int) -> None:
        """Read it; anything but a result or an error of ours gets out."""
        answer = Answer(status, {}, body, "GET /mj/x")
        for way in (self._task, self._tasks, self._rows, self._seed, self._pushed):
            try:
                way(answer)
                self.understood += 1
            except MJTaskError as error:
                str(error), repr(error)
                self.refused += 1
        result = submit.outcome(answer, state="s", sent_at=0.0)
        assert str(result)

    def _task(self, answer: Answer) -> None:
        answers.read_task(answer, self._decoder, "1")

    def _tasks(self, answer: Answer) -> None:
        for task in answers.read_tasks(answer, self._decoder):
            repr((task.phase, task.percent, task.image_expires_at, task.submitted_at))

    def _rows(self, answer: Answer) -> None:
        last, self._last = self._last, None
        self._last = answers.read_rows(answer, self._decoder, self._reader, ("1", "2"), last)

    def _seed(self, answer: Answer) -> None:
        answers.read_seed(answer, "1")

    def _pushed(self, answer: Answer) -> None:
        answers.read_pushed(answer.body, self._decoder)
