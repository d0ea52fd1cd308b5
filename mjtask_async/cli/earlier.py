"""What earlier runs tell of jobs: rows of ``results.jsonl``, and a journal."""

from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import structs

from .. import journal as journals
from .._core.replay import JobState, Phase
from ..errors import JournalError
from ..jobs import Entry
from .results import RESULTS, Row, relative

_DOUBTFUL = frozenset((Phase.SENDING, Phase.UNCERTAIN))


def earlier_rows(folder: Path, journal: Path | None, entries: list[Entry]) -> dict[int, Row]:
    """Tell what is known of jobs that have no outcome in this run. It blocks.

    The journal knows best where a job stands; the row of an earlier run that agrees with it
    knows more about it.
    """
    rows = _left(folder)
    with suppress(JournalError):  # a journal that broke has ended the run with its own words
        for name, state in _states(journal).items():
            row = _row_of(name, state, folder)
            if name not in rows or rows[name].status != row.status:
                rows[name] = row
    return {
        entry.index: structs.replace(rows[entry.name], index=entry.index, resumed=True)
        for entry in entries
        if entry.name in rows
    }


def status_of_state(job: JobState) -> str:
    """Say in one word what a journal knows of a job."""
    if job.ended:
        failed = any(step.error is not None for step in job.steps.values())
        return "failed" if failed else "succeeded"
    phases = {step.phase for step in job.steps.values()}
    return "uncertain" if phases & _DOUBTFUL else "unfinished"


def _states(journal: Path | None) -> dict[str, JobState]:
    return {} if journal is None else journals.read(journal)[1]


def _left(folder: Path) -> dict[str, Row]:
    """Read the rows of an earlier run, as far as they are rows."""
    rows: dict[str, Row] = {}
    with suppress(OSError):
        for line in (folder / RESULTS).read_bytes().splitlines():
            with suppress(msgspec.MsgspecError, UnicodeError):
                row = msgspec.json.decode(line, type=Row)
                rows[row.job] = row
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
        job=name,
    )
