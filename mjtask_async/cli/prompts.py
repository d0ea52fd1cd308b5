"""The files that ``mjtask bulk`` reads: texts, JSON lines, CSV."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .._core.media import is_link
from ..errors import ConfigurationError
from ..jobs import BulkJob, job_of

_LISTS = frozenset(("images", "then"))


def read_prompts(path: Path) -> list[BulkJob]:
    """Read jobs; all of the file is checked before anything is sent.

    A ``.txt`` has a prompt a line. A ``.jsonl`` has a text or an object with a job's fields a
    line. A ``.csv`` has a header that names a job's fields; lists are separated by blanks.
    Pictures that are no links are files, looked for beside the file.

    Raises:
        ConfigurationError: It cannot be read, holds no prompt, or one of its lines is no job.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigurationError(f"{path}: give a {', '.join(_READERS)} file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    jobs: list[BulkJob] = []
    try:
        for line, given in reader(text):
            place = f"{path}, line {line}"
            jobs.append(_with_files(_checked(given, len(jobs), place), path.parent))
    except csv.Error as error:
        raise ConfigurationError(f"{path}: {error}") from error
    if not jobs:
        raise ConfigurationError(f"{path} holds no prompts")
    return jobs


def _checked(given: Any, index: int, place: str) -> BulkJob:
    if isinstance(given, Exception):
        raise ConfigurationError(f"{place}: {given}")
    try:
        return job_of(given, index)
    except ConfigurationError as error:
        words = str(error).partition(": ")[2]
        raise ConfigurationError(f"{place}: {words}") from None


def _with_files(job: BulkJob, folder: Path) -> BulkJob:
    fields: dict[str, Any] = {name: getattr(job, name) for name in BulkJob.__struct_fields__}
    fields["images"] = tuple(_image(str(image), folder) for image in job.images)
    return BulkJob(**fields)


def _image(text: str, folder: Path) -> str | Path:
    return text if is_link(text) or text.startswith("data:") else folder / text


def _texts(text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line.strip()


def _json_lines(text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                yield number, ValueError(f"no JSON: {error}")


def _rows(text: str) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(text.splitlines(keepends=True), restkey="", strict=True)
    for row in reader:
        fields: dict[str, Any] = {name: value for name, value in row.items() if value}
        for name in _LISTS & fields.keys():
            fields[name] = fields[name].split()
        if "" in fields:
            yield reader.line_num, ValueError("more columns than the header names")
        elif fields:
            yield reader.line_num, {"prompt": "", **fields}


_READERS: dict[str, Callable[[str], Iterator[tuple[int, Any]]]] = {
    ".txt": _texts,
    ".jsonl": _json_lines,
    ".csv": _rows,
}
