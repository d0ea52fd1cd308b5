"""What goes into a bulk run and what comes out of it."""

import os
from collections.abc import Mapping
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, Generic, cast

from msgspec import Struct, json

from ._core.calls import Bot
from ._core.naming import content_of, former_content_of
from .errors import ConfigurationError, MJTaskError
from .models import ImageInput, T, bare

LONGEST_PROMPT = 2**16
"""Bytes of UTF-8. Midjourney itself reads a few thousand; more is a file in the wrong place."""
_TEXTS = ("prompt", "state", "key", "bot", "notify_hook")


class BulkJob(Struct, frozen=True):
    """One prompt of a bulk run.

    Attributes:
        prompt: What the picture shall show.
        images: Pictures to start from: links, data URLs, bytes or paths.
        then: Which buttons to press on success; None takes the run's.
        state: What the submit shall carry; no other job of the run may have it. None makes one.
        key: By which a journal knows the job, and no other one of the run; None: by its
            content, which is the prompt, the pictures' bytes (or links), ``bot`` and
            ``account_filter``. Of equal ones ``then`` tells which is which, and their order.
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
        job: The job; of an item that is none, what could be read of it.
        tasks: Those that succeeded: the prompt's own, then one for each button.
        images: The files, where the run downloads.
        error: Why something of it did not succeed, in the words of the server; or None. If
            several things did not, one that may have been paid for (`SubmitUncertainError`)
            comes before all others.
        resumed: Whether all of it was known from an earlier run.
        errors: All that did not succeed: by the button's label, or ``grid`` for the prompt
            itself and its picture.
    """

    index: int
    job: BulkJob
    tasks: tuple[T, ...] = ()
    images: tuple[Path, ...] = ()
    error: MJTaskError | None = None
    resumed: bool = False
    errors: dict[str, MJTaskError] = {}


class Entry(Struct, frozen=True):
    """A job that was pulled.

    Attributes:
        index: Where it stood.
        name: By which a journal knows it.
        job: The job.
        then: The buttons to press, its own or the run's.
        error: Why it cannot be run.
    """

    index: int
    name: str
    job: BulkJob
    then: tuple[str, ...] = ()
    error: MJTaskError | None = None


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


def whatever_of(given: object) -> BulkJob:
    """Make a job of what is none, to show what it was."""
    if isinstance(given, BulkJob):
        given = given.prompt
    prompt = cast("Any", given).get("prompt") if isinstance(given, Mapping) else given
    return BulkJob(prompt if isinstance(prompt, str) else "")


def content(job: BulkJob) -> str:
    """Digest what makes a job without a key the same job; it reads its pictures, and blocks.

    Raises:
        ConfigurationError: A picture cannot be read.
    """
    images = [_digest(number, image) for number, image in enumerate(job.images)]
    return content_of(job.prompt, images, job.bot, job.account_filter)


def former_content(job: BulkJob) -> str:
    """Digest a job as earlier journals know it."""
    images = [
        sha256(image).hexdigest() if isinstance(image, bytes) else os.fspath(image)
        for image in job.images
    ]
    return former_content_of(job.prompt, images, job.bot, job.account_filter)


def labels_of(then: object) -> tuple[str, ...]:
    """Check the buttons to press, and spell each as it is looked for.

    Raises:
        ConfigurationError: They are no texts, or one is there twice.
    """
    if isinstance(then, str):
        raise ConfigurationError(f'then is a single text; give ("{then}",)')
    try:
        labels = tuple(cast("Any", then))
    except TypeError:
        raise ConfigurationError(f"then is {then!r}; give labels such as U1") from None
    if not all(isinstance(label, str) and bare(label) for label in labels):
        raise ConfigurationError(f"then is {then!r}; give labels such as U1")
    try:
        "".join(labels).encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"then is {then!r}: {error}") from None
    spelt = tuple(map(bare, labels))
    if len(set(spelt)) < len(spelt):
        raise ConfigurationError(f"then is {then!r}: each button is pressed once")
    return spelt


def _job_of(given: object) -> BulkJob:
    if isinstance(given, BulkJob):
        job = given
    elif isinstance(given, str):
        job = BulkJob(given)
    elif isinstance(given, Mapping):
        job = BulkJob(**cast("Mapping[str, Any]", given))
    else:
        raise TypeError(f"{type(given).__name__} is no job; give a text, a dict or a BulkJob")
    for name in _TEXTS:
        _check_text(name, getattr(job, name))
    return BulkJob(**{name: _clean(name, getattr(job, name)) for name in BulkJob.__struct_fields__})


def _check_text(name: str, value: Any) -> None:
    if value is None and name != "prompt":
        return
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}; give a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds half a character: {error}") from None


def _clean(name: str, value: Any) -> Any:
    if name == "images":
        return _images(value)
    if name == "account_filter":
        json.encode(value, order="deterministic")  # raises what it cannot take
    return labels_of(value) if name == "then" and value is not None else value


def _images(value: Any) -> tuple[ImageInput, ...]:
    if isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError("images is a single picture; give a list")
    images = tuple(value)
    for number, image in enumerate(images):
        if not isinstance(image, (bytes, os.PathLike)):
            _check_text(f"images[{number}]", image)
    return images


def _digest(number: int, image: ImageInput) -> str:
    if isinstance(image, str):
        return image
    if isinstance(image, bytes):
        return sha256(image).hexdigest()
    try:
        path = Path(image).absolute()
        found = path.stat()
        return _digest_of_file(path, found.st_mtime_ns, found.st_size)
    except OSError as error:
        raise ConfigurationError(f"images[{number}] cannot be read: {error}") from error


@lru_cache(256)  # many jobs may begin with one picture
def _digest_of_file(path: Path, changed_at: int, size: int) -> str:
    del changed_at, size
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
