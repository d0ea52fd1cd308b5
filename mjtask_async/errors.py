"""Everything this package raises.

    MJTaskError
    ├── ConfigurationError (ValueError)
    ├── ClosedError
    ├── RequestError
    │   ├── TransportError
    │   ├── AuthenticationError
    │   ├── RateLimitedError
    │   ├── ServerError
    │   ├── UnsupportedError
    │   └── ProtocolError
    ├── SubmitError
    │   ├── SubmitRejectedError
    │   │   ├── QueueFullError
    │   │   ├── BannedPromptError
    │   │   ├── QuotaError
    │   │   └── NoAccountError
    │   └── SubmitUncertainError
    ├── TaskError
    │   ├── TaskNotFoundError
    │   ├── TaskFailedError
    │   ├── TaskCancelledError
    │   ├── TaskLostError
    │   ├── TaskTimeoutError
    │   └── NeedsInputError
    ├── OutageError
    ├── JournalError
    └── DownloadError
        └── ImageExpiredError

Errors pickle and copy, and none of them carries a key. Foreign errors never
leave the package: they stand behind ours as ``__cause__``.
"""

from typing import Any

from .models import Task


class MJTaskError(Exception):
    """The root of everything this package raises."""


class ConfigurationError(MJTaskError, ValueError):
    """An argument is wrong, or an object is used from another event loop; nothing was sent."""


class ClosedError(MJTaskError):
    """The session, watcher or stream is closed."""


class _AboutRequestError(MJTaskError):
    """Fields of an error about one request.

    Attributes:
        status: The HTTP status; None without an answer.
        endpoint: Method and path, such as ``POST /mj/submit/imagine``.
        request_id: The relay's ``X-Oneapi-Request-Id``, to show to its operator.
        retry_after: Seconds the server asks to wait; None where it does not say.
        code: The server's code (3, 4, 5, 9, 23, 24, 30, -1, or a relay's text); None without one.
        description: The server's words, without blanks around them; empty without any.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        endpoint: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
        code: int | str | None = None,
        description: str = "",
    ) -> None:
        super().__init__(message)
        self.status: int | None = status
        self.endpoint: str = endpoint
        self.request_id: str | None = request_id
        self.retry_after: float | None = retry_after
        self.code: int | str | None = code
        self.description: str = description

    @property
    def where(self) -> dict[str, Any]:
        """The first four fields, to make another error about the same request."""
        names = ("status", "endpoint", "request_id", "retry_after")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        """Put what happened first and where second."""
        where = self.endpoint
        if self.status is not None:
            where = f"{where}: HTTP {self.status}" if where else f"HTTP {self.status}"
        if self.request_id:
            where += f", request {self.request_id}"
        return f"{self.args[0]} ({where})" if where else str(self.args[0])


class RequestError(_AboutRequestError):
    """A read failed."""


class TransportError(RequestError):
    """No answer: refused, cut off, timed out, or not to be trusted (TLS)."""


class AuthenticationError(RequestError):
    """The server does not accept the key (401, 403).

    Attributes:
        ids: The watched ids concerned, where a watcher raises it.
        tasks: Their last sightings, by id.
    """

    def __init__(self, message: str, **where: Any) -> None:
        super().__init__(message, **where)
        self.ids: tuple[str, ...] = ()
        self.tasks: dict[str, Task] = {}


class RateLimitedError(RequestError):
    """Too many requests (429); ``retry_after`` says for how long, if the server does."""


class ServerError(RequestError):
    """The server, or the one behind it, is in trouble."""


class UnsupportedError(RequestError):
    """This server has no such endpoint."""


class ProtocolError(RequestError):
    """An answer, but not in this API's language.

    Attributes:
        excerpt: The beginning of the answer's body.
    """

    def __init__(self, message: str, *, excerpt: str = "", **where: Any) -> None:
        super().__init__(message, **where)
        self.excerpt: str = excerpt


class SubmitError(_AboutRequestError):
    """A submit did not give a task."""


class SubmitRejectedError(SubmitError):
    """The server refused the submit: no task, no charge."""


class QueueFullError(SubmitRejectedError):
    """The server's queue is full; try again when tasks have finished."""


class BannedPromptError(SubmitRejectedError):
    """The prompt holds a banned word."""


class QuotaError(SubmitRejectedError):
    """The account's quota is spent."""


class NoAccountError(SubmitRejectedError):
    """The server has no account or channel that could run the task now."""


class SubmitUncertainError(SubmitError):
    """The submit may have been accepted, and paid for. It is never sent again by itself.

    Attributes:
        state: What was sent as ``state``: the mark by which the task can be found again.
        sent_at: UNIX seconds at the start of the request.
    """

    def __init__(
        self, message: str, *, state: str = "", sent_at: float = 0.0, **where: Any
    ) -> None:
        super().__init__(message, **where)
        self.state: str = state
        self.sent_at: float = sent_at


class TaskError(MJTaskError):
    """A task did not succeed.

    Attributes:
        task_id: The task.
        task: Its last sighting, or None.
    """

    def __init__(self, message: str, *, task_id: str = "", task: Task | None = None) -> None:
        super().__init__(message)
        self.task_id: str = task_id
        self.task: Task | None = task


class TaskNotFoundError(TaskError):
    """The server says it does not know the task; a relay says so on any trouble, too."""


class TaskFailedError(TaskError):
    """The server ended the task without success."""


class TaskCancelledError(TaskError):
    """Somebody cancelled the task on the server."""


class TaskLostError(TaskError):
    """The server has stopped knowing the task for longer than the limit ``missing``."""


class TaskTimeoutError(TaskError):
    """A limit ran out. The task may still go on: watch its id again to see.

    Attributes:
        limit: Which of `WatchLimits` it was.
    """

    def __init__(self, message: str, *, limit: str = "", **about: Any) -> None:
        super().__init__(message, **about)
        self.limit: str = limit


class NeedsInputError(TaskError):
    """The task waits for a second request (status MODAL)."""


class OutageError(MJTaskError):
    """No poll has succeeded for the limit ``outage``; the tasks themselves may go on.

    Attributes:
        ids: The ids concerned: watch them again to go on.
        tasks: Their last sightings, by id.
    """

    def __init__(
        self, message: str, *, ids: tuple[str, ...] = (), tasks: dict[str, Task] | None = None
    ) -> None:
        super().__init__(message)
        self.ids: tuple[str, ...] = ids
        self.tasks: dict[str, Task] = tasks or {}


class JournalError(MJTaskError):
    """The journal of a bulk run cannot be used; the message names the file and says why."""


class DownloadError(MJTaskError):
    """A picture could not be brought home; no half-written file is left.

    Attributes:
        url: Where it was to come from.
        status: The HTTP status; None without an answer.
    """

    def __init__(self, message: str, *, url: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.url: str = url
        self.status: int | None = status


class ImageExpiredError(DownloadError):
    """The link has expired; fetch the task again for a fresh one."""
