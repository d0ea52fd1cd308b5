"""What the core's tests share: tasks, answers and the recorded samples."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

from mjtask_async import Task, TaskUpdate
from mjtask_async._core.decode import TaskDecoder
from mjtask_async._core.rows import rows_of
from mjtask_async._core.tracker import Look, Tracker
from mjtask_async._core.wire import Answer

DATA = Path(__file__).resolve().parents[1] / "data"
RESELLERS = {path.stem: path.read_bytes() for path in sorted(DATA.glob("resellers/*.json"))}


class Sample(msgspec.Struct, frozen=True):
    """What a real server answered."""

    name: str
    server: str
    note: str
    endpoint: str
    status: int
    headers: dict[str, str]
    body: str

    @property
    def key(self) -> str:
        return f"{self.server}/{self.name}"

    @property
    def answer(self) -> Answer:
        return Answer(self.status, self.headers, self.body.encode(), self.endpoint)


RECORDED = {
    sample.key: sample
    for line in (DATA / "recorded.jsonl").read_bytes().splitlines()
    for sample in [msgspec.json.decode(line, type=Sample)]
}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["", "null", "1", "1.5", "-0", "\ud800", "100%", "1" * 400, 10**30]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
"""Any JSON value, and what Python's encoder writes beyond: NaN, Infinity, lone surrogates."""


def task(status: str | None = "IN_PROGRESS", progress: str | None = None, **fields: Any) -> Task:
    return Task(**{"id": "1", "status": status, "progress": progress} | fields)


def answer(
    body: object = b"", status: int = 200, endpoint: str = "GET /mj/x", **headers: str
) -> Answer:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, text, endpoint)


def decoder() -> TaskDecoder[Task]:
    return TaskDecoder(Task)


def look(at: float, source: str = "poll") -> Look:
    return Look(at, 1_700_000_000 + at, source)


def polled(
    tracker: Tracker[Task],
    ids: Sequence[str],
    rows: Sequence[Task],
    when: Look,
    changed: Sequence[Task] | None = None,
) -> list[TaskUpdate[Task]]:
    """Merge a poll's answer, of which only ``changed`` differs from the last one."""
    answer = rows_of(tuple(ids), rows)
    if changed is not None:
        answer.changed = [row.id for row in changed if row.id in answer.wanted]
    return tracker.polled(answer, when)
