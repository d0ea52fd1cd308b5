"""What earlier runs tell of jobs: rows of ``results.jsonl``, and a journal."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import structs

from .. import journal as journals
from .._core.replay import JobState, Phase
from ..errors import JournalError
from ..jobs import BulkJob
from .results import RESULTS, Row, relative

Mark: TypeAlias = str | tuple[str, int]
"""A key; or a prompt, and which of several equal ones it is."""
_DOUBTFUL = frozenset((Phase.SENDING, Phase.UNCERTAIN))


def earlier_rows(folder: Path, journal: Path | None, jobs: Iterable[BulkJob]) -> dict[int, Row]:
    """Tell what is known of jobs that may have no outcome in this run. It blocks.

    The journal knows best where a job stands; the row of an earlier run that agrees with it
    knows more about it.
    """
    rows = _by_mark(_left(folder))
    with suppress(JournalError):  # a journal that broke has ended the run with its own words
        for mark, row in _by_mark(_told(journal, folder)).items():
            if mark not in rows or rows[mark].status != row.status:
                rows[mark] = row
    return {
        index: structs.replace(rows[mark], index=index, resumed=True)
        for index, mark in enumerate(_marks(jobs))
        if mark in rows
    }


def status_of_state(job: JobState) -> str:
    """Say in one word what a journal knows of a job."""
    if job.ended:
        failed = any(step.error is not None for step in job.steps.values())
        return "failed" if failed else "succeeded"
    phases = {step.phase for step in job.steps.values()}
    return "uncertain" if phases & _DOUBTFUL else "unfinished"


def _marks(jobs: Iterable[Row | BulkJob]) -> Iterator[Mark]:
    """Tell jobs apart: by their keys, or by the prompt and how many before have the same."""
    seen: Counter[str] = Counter()
    for job in jobs:
        if job.key is None:
            seen[job.prompt] += 1
        yield (job.prompt, seen[job.prompt]) if job.key is None else job.key


def _by_mark(rows: Iterable[Row]) -> dict[Mark, Row]:
    ordered = sorted(rows, key=lambda row: row.index)
    return dict(zip(_marks(ordered), ordered, strict=True))


def _told(journal: Path | None, folder: Path) -> list[Row]:
    known = {} if journal is None else journals.read(journal)[1]
    return [_row_of(name, state, folder) for name, state in known.items()]


def _left(folder: Path) -> list[Row]:
    """Read the rows of an earlier run, as far as they are rows."""
    rows: list[Row] = []
    with suppress(OSError):
        for line in (folder / RESULTS).read_bytes().splitlines():
            with suppress(msgspec.MsgspecError, UnicodeError):
                rows.append(msgspec.json.decode(line, type=Row))
    return rows


def _row_of(name: str, job: JobState, folder: Path) -> Row:
    steps = job.steps.values()
    error = next((step.error for step in steps if step.error), None)
    return Row(
        job.index,
        job.prompt,
        name.removeprefix("key:") if name.startswith("key:") else None,
        status_of_state(job),
        tuple(step.task_id for step in steps if step.phase is Phase.SUCCEEDED),
        tuple(relative(path, folder) for step in steps if step.placed for path in step.paths),
        {"kind": error.kind, "message": error.message} if error else None,
    )
