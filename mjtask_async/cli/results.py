"""What a bulk run leaves behind: a table, ``results.jsonl`` and ``index.html``."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import Struct, to_builtins

from .._core.media import VIDEOS
from ..errors import SubmitUncertainError
from ..jobs import BulkJob, BulkOutcome
from ..models import Task
from .gallery import frame
from .render import clean

RESULTS = "results.jsonl"
STATUSES = ("succeeded", "failed", "uncertain", "unfinished")
_THUMBS = "thumbs"
_SIDE = 384
_FILTERS = """
.shown { position: absolute; opacity: 0; }
label { display: inline-block; padding: 0.25rem 0.9rem; margin: 0 0.5rem 1.5rem 0;
  border: 1px solid #8884; border-radius: 99rem; cursor: pointer; }
input:checked + label { background: #8883; font-weight: 600; }
input:focus-visible + label { outline: 2px solid; }
.images { display: grid; grid-auto-flow: column; }
video { display: block; width: 100%; }
.status { font-size: 0.8rem; font-weight: 600; }
.failed .status, .uncertain .status { color: #c33; }
"""


class Row(Struct, frozen=True):
    """One job of the run, as the files tell it.

    Attributes:
        index: Where it stood, from 0.
        prompt: Its prompt.
        key: Its key.
        status: One of `STATUSES`.
        tasks: The ids of what succeeded.
        images: The files, as they are named beside the page.
        error: What went wrong, and the name of the error.
        seconds: From the first submit to the last end, by the server's clock.
        resumed: Whether all of it was known from an earlier run.
    """

    index: int
    prompt: str
    key: str | None = None
    status: str = "unfinished"
    tasks: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    error: dict[str, str] | None = None
    seconds: float | None = None
    resumed: bool = False


def row_of(outcome: BulkOutcome[Task], folder: Path) -> Row:
    """Tell an outcome, and make small copies of its pictures. It blocks."""
    error = outcome.error
    row = Row(
        outcome.index,
        outcome.job.prompt,
        outcome.job.key,
        status_of(outcome),
        tuple(task.id for task in outcome.tasks),
        tuple(relative(path, folder) for path in outcome.images),
        {"kind": type(error).__name__, "message": str(error)} if error else None,
        _seconds(outcome.tasks),
        outcome.resumed,
    )
    thumbnails(folder, row)
    return row


def relative(path: str | os.PathLike[str], folder: Path) -> str:
    """Name a file as the page beside it does."""
    return Path(os.path.relpath(path, folder)).as_posix()


def status_of(outcome: BulkOutcome[Task]) -> str:
    """Say in one word what became of a job."""
    if isinstance(outcome.error, SubmitUncertainError):
        return "uncertain"
    return "failed" if outcome.error else "succeeded"


def all_rows(jobs: Sequence[BulkJob], rows: Mapping[int, Row]) -> list[Row]:
    """Put the rows in order; jobs of which nothing is known are unfinished."""
    return [rows.get(index) or Row(index, job.prompt, job.key) for index, job in enumerate(jobs)]


def counts(rows: Iterable[Row]) -> dict[str, str]:
    """Count the jobs of each status."""
    found = Counter(row.status for row in rows)
    return {status: str(found[status]) for status in STATUSES if found[status]}


def leave(folder: Path, title: str, rows: Sequence[Row]) -> None:
    """Write ``results.jsonl`` and ``index.html``; each takes its place when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / RESULTS, "".join(f"{json.dumps(to_builtins(row))}\n" for row in rows))
    _write(folder / "index.html", page(title, rows, folder))


def thumbnails(folder: Path, row: Row) -> None:
    """Make small copies of a job's pictures, where Pillow can."""
    for image in row.images:
        small = _small(folder, image)
        if not small.exists():
            _thumbnail(folder / image, small)


def _thumbnail(image: Path, small: Path) -> None:
    part = small.with_name(f".{small.name}.part")
    try:
        pillow: Any = import_module("PIL.Image")
        small.parent.mkdir(exist_ok=True)
        with pillow.open(image) as picture:
            picture.thumbnail((_SIDE, _SIDE))
            picture.convert("RGB").save(part, "JPEG", quality=85)
        part.replace(small)
    except Exception:  # noqa: BLE001 -- Pillow raises all kinds; the picture itself will do
        with suppress(OSError):
            part.unlink()


def _small(folder: Path, image: str) -> Path:
    """Name a small copy so that pictures of one name but of two kinds or folders have two."""
    mark = sha256(os.fsencode(image)).hexdigest()[:8]
    return folder / _THUMBS / f"{Path(image).stem}-{mark}.jpg"


def page(title: str, rows: Sequence[Row], folder: Path) -> str:
    """Render the gallery: one file, no script; every text is escaped."""
    found = counts(rows)
    tiles = (_tile(row, folder) for row in rows)
    style, choices = f"{_FILTERS}{_rules()}", _inputs(len(rows), found)
    return frame(title, found, tiles, style=style, choices=choices)


def _rules() -> str:
    hide = "~ main figure:not(.{0}) {{ display: none; }}"
    return "\n".join(f"#show-{each}:checked {hide.format(each)}" for each in STATUSES)


def _inputs(total: int, found: Mapping[str, str]) -> str:
    choices = [("all", str(total)), *found.items()]
    return "\n".join(
        f'<input type="radio" class="shown" name="show" id="show-{name}"'
        f'{" checked" if name == "all" else ""}><label for="show-{name}">{name} {number}</label>'
        for name, number in choices
    )


def _tile(row: Row, folder: Path) -> str:
    prompt = escape(row.prompt)
    images = "".join(_image(image, prompt, folder) for image in row.images)
    time = "" if row.seconds is None else f", {row.seconds:.0f} s"
    words = f"<small>{escape(clean(row.error['message']))}</small>" if row.error else ""
    status = f'<span class="status">{row.status}</span>{time}'
    caption = f"{prompt}<small>{row.index + 1}: {status}</small>{words}"
    shown = f'<div class="images">{images}</div>' if images else ""
    return f'<figure class="{row.status}">{shown}<figcaption>{caption}</figcaption></figure>'


def _image(image: str, prompt: str, folder: Path) -> str:
    link = _link(image)
    if Path(image).suffix in VIDEOS:
        return f'<video src="{link}" title="{prompt}" controls preload="metadata"></video>'
    small = _small(folder, image)
    source = _link(f"{_THUMBS}/{small.name}") if small.exists() else link
    return f'<a href="{link}"><img src="{source}" alt="{prompt}" loading="lazy"></a>'


def _link(path: str) -> str:
    return escape(quote(os.fsencode(path)))


def _seconds(tasks: Iterable[Task]) -> float | None:
    starts = [task.submitted_at for task in tasks if task.submitted_at]
    ends = [task.finished_at for task in tasks if task.finished_at]
    if not starts or not ends:
        return None
    return max((max(ends) - min(starts)).total_seconds(), 0.0)


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8", errors="replace") as file:  # servers send halves, too
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
