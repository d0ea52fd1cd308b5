"""What goes into a bulk run and what comes out of it."""

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, cast

from msgspec import Struct

from ._core.calls import Bot
from ._core.replay import Names
from .errors import ConfigurationError, MJTaskError
from .models import ImageInput, T

LONGEST_PROMPT = 2**16
"""Bytes of UTF-8. Midjourney itself reads a few thousand; more is a file in the wrong place."""
_TEXTS = ("prompt", "state", "key", "bot", "notify_hook")


class BulkJob(Struct, frozen=True):
    """One prompt of a bulk run.

    Attributes:
        prompt: What the picture shall show.
        images: Pictures to start from: links, data URLs, bytes or paths.
        then: Which buttons to press on success; None takes the run's.
        state: What the submit shall carry; it must be unique. None makes one.
        key: By which a journal knows the job; None: by its content.
        bot: ``MID_JOURNEY`` or ``NIJI_JOURNEY``; None leaves it to the server.
        account_filter: Which accounts may run it, where the server understands that.
        notify_hook: Where the server shall post progress.
    """

    prompt: str
    images: tuple[ImageInput, ...] = ()
    then: tuple[str, ...] | None = None
    state: str | None = None
    key: str | None = None
    bot: Bot | None = None
    account_filter: dict[str, Any] | None = None
    notify_hook: str | None = None


class BulkOutcome(Struct, Generic[T], frozen=True):
    """What became of one job.

    Attributes:
        index: Where it stood among the run's jobs, from 0.
        job: The job.
        tasks: Those that succeeded: the prompt's own, then one for each button.
        images: The files, where the run downloads.
        error: Why something of it did not succeed, in the words of the server; or None.
        resumed: Whether all of it was known from an earlier run.
    """

    index: int
    job: BulkJob
    tasks: tuple[T, ...] = ()
    images: tuple[Path, ...] = ()
    error: MJTaskError | None = None
    resumed: bool = False


class Entry(Struct, frozen=True):
    """A job that was pulled: where it stood, and by which name a journal knows it."""

    index: int
    name: str
    job: BulkJob


def job_of(given: object, index: int) -> BulkJob:
    """Make a job of a text, a mapping, or a `BulkJob`.

    Raises:
        ConfigurationError: It is none; the message says which one.
    """
    try:
        job = _job_of(given)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"job {index}: {error}") from None
    if not job.prompt.strip():
        raise ConfigurationError(f"job {index}: the prompt is empty")
    size = len(job.prompt.encode(errors="replace"))
    if size > LONGEST_PROMPT:
        raise ConfigurationError(
            f"job {index}: the prompt has {size:,} bytes; {LONGEST_PROMPT:,} are the limit"
        )
    return job


def entry_of(job: BulkJob, index: int, names: Names) -> Entry:
    """Name a job.

    Raises:
        ConfigurationError: Another job has its key.
    """
    if job.key is None:
        images = [_digest(image) for image in job.images]
        name = names.of_content(job.prompt, images, job.bot, job.account_filter)
        return Entry(index, name, job)
    name_ = names.of_key(job.key)
    if name_ is None:
        raise ConfigurationError(f"job {index}: another job of this run has the key {job.key!r}")
    return Entry(index, name_, job)


def labels_of(then: object) -> tuple[str, ...]:
    """Check the buttons to press.

    Raises:
        ConfigurationError: They are no texts, or one is there twice.
    """
    if isinstance(then, str):
        raise ConfigurationError(f'then is a single text; give ("{then}",)')
    try:
        labels = tuple(cast("Any", then))
    except TypeError:
        raise ConfigurationError(f"then is {then!r}; give labels such as U1") from None
    if not all(isinstance(label, str) and label.strip() for label in labels):
        raise ConfigurationError(f"then is {then!r}; give labels such as U1")
    if len(set(labels)) < len(labels):
        raise ConfigurationError(f"then is {then!r}: each button is pressed once")
    return labels


def _job_of(given: object) -> BulkJob:
    if isinstance(given, BulkJob):
        job = given
    elif isinstance(given, str):
        return BulkJob(given)
    elif isinstance(given, Mapping):
        job = BulkJob(**cast("Mapping[str, Any]", given))
    else:
        raise TypeError(f"{type(given).__name__} is no job; give a text, a dict or a BulkJob")
    for name in _TEXTS:
        value = getattr(job, name)
        if not isinstance(value, str) and (value is not None or name == "prompt"):
            raise TypeError(f"{name} is {value!r}; give a text")
    return BulkJob(**{name: _clean(name, getattr(job, name)) for name in BulkJob.__struct_fields__})


def _clean(name: str, value: Any) -> Any:
    if name == "images":
        if isinstance(value, (str, bytes, os.PathLike)):
            raise TypeError("images is a single picture; give a list")
        return tuple(value)
    return labels_of(value) if name == "then" and value is not None else value


def _digest(image: ImageInput) -> str:
    if isinstance(image, bytes):
        return sha256(image).hexdigest()
    return os.fspath(image)
