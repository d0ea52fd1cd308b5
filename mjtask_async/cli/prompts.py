"""The files that ``mjtask bulk`` reads: texts, JSON lines, CSV."""

import csv
import io
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._core.media import is_link
from ..errors import ConfigurationError
from ..jobs import BulkJob, job_of

_LISTS = frozenset(("images", "then"))
_WIDEST = 2**31 - 1
"""Bytes of a CSV field, as far as C can count everywhere: a picture may be given as a data URL."""


def read_prompts(path: Path) -> list[BulkJob]:
    """Read jobs; all of the file is checked before anything is sent.

    A ``.txt`` has a prompt a line. A ``.jsonl`` has a text or an object with a job's fields a
    line. A ``.csv`` has a header that names a job's fields; lists are separated by blanks.
    Pictures that are no links are files, looked for beside the file. Lines end where editors
    see them end, so what a word processor calls a line stays within its prompt.

    Raises:
        ConfigurationError: It cannot be read, holds no prompt, one of its lines is no job, or
            two have the same key or state.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigurationError(f"{path}: give a {', '.join(_READERS)} file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    folder = path.parent.resolve()  # the same pictures from wherever the command is given
    jobs: list[BulkJob] = []
    lines: dict[tuple[str, str], int] = {}
    with _wide_fields():
        for line, given in reader(text):
            try:
                jobs.append(_with_files(_checked(given), folder))
                _check_unique(jobs[-1], line, lines)
            except (TypeError, ValueError, csv.Error) as error:
                words = str(error).removeprefix("job 0: ")
                raise ConfigurationError(f"{path}, line {line}: {words}") from None
    if not jobs:
        raise ConfigurationError(f"{path} holds no prompts")
    return jobs


def _checked(given: Any) -> BulkJob:
    if isinstance(given, Exception):
        raise given
    return job_of(given, 0)


def _check_unique(job: BulkJob, line: int, lines: dict[tuple[str, str], int]) -> None:
    """Look whether an earlier line has this one's key or state."""
    for name, value in (("key", job.key), ("state", job.state)):
        if value is not None:
            first = lines.setdefault((name, value), line)
            if first != line:
                raise ValueError(f"line {first} has the {name} {value!r}, too")


def _with_files(job: BulkJob, folder: Path) -> BulkJob:
    fields: dict[str, Any] = {name: getattr(job, name) for name in BulkJob.__struct_fields__}
    fields["images"] = tuple(_image(str(image), folder) for image in job.images)
    return BulkJob(**fields)


def _image(text: str, folder: Path) -> str | Path:
    return text if is_link(text) or text.startswith("data:") else folder / text


def _texts(text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.strip()


def _json_lines(text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, _json(line)


def _json(line: str) -> Any:
    try:
        value = json.loads(line)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start : error.end]
        return ValueError(f"{half!a} is half a character: it can be neither sent nor written")
    except (ValueError, RecursionError) as error:
        return ValueError(f"no JSON: {error}")
    return value


def _rows(text: str) -> Iterator[tuple[int, Any]]:
    header: list[str] | None = None
    for line, row in _records(text):
        if isinstance(row, Exception):
            yield line, row
        elif header is not None and any(row):
            yield line, _fields(header, row)
        elif any(row):
            header = row


def _records(text: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Tell rows with the line on which each begins: an open quote swallows all that follow."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, error
        else:
            yield line, row


def _fields(header: list[str], row: list[str]) -> dict[str, Any] | ValueError:
    if any(row[len(header) :]):
        return ValueError("more columns than the header names")
    given = {name: value for name, value in zip(header, row, strict=False) if value}
    lists = {name: given[name].split() for name in _LISTS & given.keys()}
    return {"prompt": "", **given, **lists}


@contextmanager
def _wide_fields() -> Generator[None]:
    before = csv.field_size_limit(_WIDEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)


_READERS: dict[str, Callable[[str], Iterator[tuple[int, Any]]]] = {
    ".txt": _texts,
    ".jsonl": _json_lines,
    ".csv": _rows,
}
