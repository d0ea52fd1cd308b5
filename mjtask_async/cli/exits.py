"""Which error ends the command with which exit code."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from ..errors import (
    AuthenticationError,
    ConfigurationError,
    DownloadError,
    JournalError,
    MJTaskError,
    OutageError,
    RequestError,
    SubmitError,
    SubmitUncertainError,
    TaskError,
)
from .render import clean

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""

# The first class that fits decides.
_CODES: Mapping[type[Exception], int] = MappingProxyType(
    {
        ConfigurationError: 2,
        ImportError: 2,
        AuthenticationError: 3,
        RequestError: 4,
        SubmitUncertainError: 6,
        SubmitError: 5,
        TaskError: 7,
        OutageError: 8,
        DownloadError: 9,
        JournalError: 11,
        MJTaskError: 10,
        OSError: 11,
    }
)

MEANINGS: Mapping[int, str] = MappingProxyType(
    {
        0: "done",
        2: "wrong usage, no server named, or a package missing; nothing was sent",
        3: "the server does not accept the key",
        4: "a request failed",
        5: "the server refused the submit: no task, no charge",
        6: "the submit may have been accepted; do not send it again unseen",
        7: "a task did not succeed",
        8: "the server stopped answering; the tasks may go on",
        9: "a picture could not be downloaded",
        10: "any other error of the library",
        11: "a file, folder, journal or port could not be used",
        INTERRUPTED: "interrupted (Ctrl-C); tasks go on at the server",
    }
)


def first_leaf(error: BaseException) -> BaseException:
    """Return what a task group wrapped."""
    leaf = error
    while isinstance(leaf, BaseExceptionGroup):
        leaf = cast("BaseExceptionGroup[BaseException]", leaf).exceptions[0]
    return leaf


def code_of(error: BaseException) -> int | None:
    """Return the exit code for an error, or None for one that is a bug."""
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), None)


def sentence(error: BaseException) -> str:
    """Say in one line what went wrong."""
    text = clean(str(error)) or type(error).__name__
    if isinstance(error, SubmitUncertainError) and error.state:
        text += f" [state {clean(error.state)}]"
    return text
