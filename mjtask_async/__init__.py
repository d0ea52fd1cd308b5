"""Asyncio client for Midjourney-style task APIs: submit, watch many tasks at once, download.

Everything here is loaded when it is first used, so that importing the package, as the
pytest plugin does in every run, costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import errors, models
    from ._core.custom_id import CustomId
    from .bulk import BulkRun, BulkStatistics
    from .errors import (
        AuthenticationError,
        BannedPromptError,
        ClosedError,
        ConfigurationError,
        DownloadError,
        ImageExpiredError,
        JournalError,
        MJTaskError,
        NeedsInputError,
        NoAccountError,
        OutageError,
        ProtocolError,
        QueueFullError,
        QuotaError,
        RateLimitedError,
        RequestError,
        ServerError,
        SubmitError,
        SubmitRejectedError,
        SubmitUncertainError,
        TaskCancelledError,
        TaskError,
        TaskFailedError,
        TaskLostError,
        TaskNotFoundError,
        TaskTimeoutError,
        TransportError,
        UnsupportedError,
    )
    from .jobs import BulkJob, BulkOutcome
    from .models import (
        Button,
        ImageInput,
        MediaUrl,
        RateLimit,
        Reconciled,
        Submission,
        Task,
        TaskAction,
        TaskPhase,
        TaskStatus,
        TaskUpdate,
        Timeouts,
        UpdateKind,
        WatchLimits,
    )
    from .session import MJSession, SessionStatistics
    from .stream import TaskStream
    from .watcher import TaskWatcher, WatcherStatistics

    __version__: str

__all__ = [
    "AuthenticationError",
    "BannedPromptError",
    "BulkJob",
    "BulkOutcome",
    "BulkRun",
    "BulkStatistics",
    "Button",
    "ClosedError",
    "ConfigurationError",
    "CustomId",
    "DownloadError",
    "ImageExpiredError",
    "ImageInput",
    "JournalError",
    "MJSession",
    "MJTaskError",
    "MediaUrl",
    "NeedsInputError",
    "NoAccountError",
    "OutageError",
    "ProtocolError",
    "QueueFullError",
    "QuotaError",
    "RateLimit",
    "RateLimitedError",
    "Reconciled",
    "RequestError",
    "ServerError",
    "SessionStatistics",
    "Submission",
    "SubmitError",
    "SubmitRejectedError",
    "SubmitUncertainError",
    "Task",
    "TaskAction",
    "TaskCancelledError",
    "TaskError",
    "TaskFailedError",
    "TaskLostError",
    "TaskNotFoundError",
    "TaskPhase",
    "TaskStatus",
    "TaskStream",
    "TaskTimeoutError",
    "TaskUpdate",
    "TaskWatcher",
    "Timeouts",
    "TransportError",
    "UnsupportedError",
    "UpdateKind",
    "WatchLimits",
    "WatcherStatistics",
    "errors",
    "models",
]

_HOMES = {
    "BulkJob": "jobs",
    "BulkOutcome": "jobs",
    "BulkRun": "bulk",
    "BulkStatistics": "bulk",
    "CustomId": "_core.custom_id",
    "MJSession": "session",
    "SessionStatistics": "session",
    "TaskStream": "stream",
    "TaskWatcher": "watcher",
    "WatcherStatistics": "watcher",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version(__name__)
    if name in {"errors", "models"}:
        return import_module(f".{name}", __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name) or ("errors" if name.endswith("Error") else "models")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
