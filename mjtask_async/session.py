"""`MJSession`: one server, one key."""

import os
from collections import deque
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, NoReturn, Protocol, Self, overload
from weakref import WeakSet

import aiohttp
from msgspec import Struct
from msgspec.structs import asdict

from . import images
from ._core import wire
from ._core.auth import Auth, Scheme, hidden
from ._core.decode import TaskDecoder
from ._core.rows import RowReader
from ._transport import Transport
from .budget import Budget
from .errors import ConfigurationError
from .models import RateLimit, T, Task, Timeouts
from .reads import seconds
from .submits import Submits


class SessionStatistics(Struct, frozen=True):
    """What a session has done so far.

    Attributes:
        requests: Requests sent, tries counted one by one, downloads left out.
        submits: Submits among them.
        retries: How many of the requests were second and later tries.
        uncertain: Submits that may have been accepted without our knowing the task.
        uncertain_states: The ``state`` of each of them; of the last thousand, if there are more.
        misfits: Fields and rows of answers that did not fit their type and were left out.
    """

    requests: int
    submits: int
    retries: int
    uncertain: int
    uncertain_states: tuple[str, ...]
    misfits: int


class Dependent(Protocol):
    """What cannot go on without its session."""

    def session_closed(self) -> None:
        """Hear that it is closed."""


class MJSession(Submits[T], Generic[T]):
    """Talks to one midjourney-proxy-compatible server.

    Use it as ``async with MJSession() as session`` or call `aclose` at the end; make one
    per process and event loop and share it. Everything behind the first two arguments is
    keyword-only.

    Args:
        base_url: The server's address, with or without ``/mj``; None reads MJ_BASE_URL.
        api_key: The key; None reads MJ_API_KEY, and without that none is sent.
        auth: ``bearer``, ``secret`` (``mj-api-secret``), ``raw`` (the bare key), or ``auto``:
            a bearer first, at a 401 the secret, and what has worked is remembered.
        mode: ``fast``, ``relax`` or ``turbo``, where the server has such paths.
        task_type: Your own subclass of `Task`.
        timeout: How long to wait.
        attempts: How often a read, or a submit that was not sent, is tried; 1 or more.
        rate: How many requests may be sent, submits and polls together; submits go first, and a
            watcher whose interval is too short for it asks less often. None: any number.
            Downloads do not count.
        http: Your own `aiohttp.ClientSession`; it stays open, and must send no credentials.
            Its connections are used as they are, so a submit may meet a stale one.
        proxy: The address of an HTTP proxy.

    Raises:
        ConfigurationError: An argument is wrong; the message says what to give.
    """

    @overload
    def __init__(
        self: "MJSession[Task]",
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        auth: Scheme = "auto",
        mode: wire.Mode | None = None,
        timeout: Timeouts = ...,
        attempts: int = 4,
        rate: RateLimit | None = None,
        http: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        auth: Scheme = "auto",
        mode: wire.Mode | None = None,
        task_type: type[T],
        timeout: Timeouts = ...,
        attempts: int = 4,
        rate: RateLimit | None = None,
        http: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
    ) -> None: ...
    def __init__(
        self,
        base_url: Any = None,
        api_key: Any = None,
        *,
        auth: Scheme = "auto",
        mode: wire.Mode | None = None,
        task_type: Any = Task,
        timeout: Timeouts = Timeouts(),  # noqa: B008 -- frozen
        attempts: int = 4,
        rate: RateLimit | None = None,
        http: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
    ) -> None:
        # this frame is seen with an error, and the two may have been given the wrong way round
        api_key = hidden(os.environ.get("MJ_API_KEY") if api_key is None else api_key)
        base_url = hidden(os.environ.get("MJ_BASE_URL", "") if base_url is None else base_url)
        if not base_url:
            raise ConfigurationError("no server: give base_url, or set MJ_BASE_URL")
        _check_numbers(timeout, attempts)
        self._timeouts = timeout
        self._attempts = attempts
        self._uncertain_states = deque(maxlen=1000)
        self._decoder = _decoder(task_type)
        self._reader = RowReader(self._decoder)
        self._dependents: WeakSet[Dependent] = WeakSet()
        self._transport = Transport(
            _root(base_url, mode),
            Auth(api_key, auth),
            connect=timeout.connect,
            http=http,
            proxy=proxy,
            budget=Budget(_checked(rate)),
        )

    def __repr__(self) -> str:
        transport = getattr(self, "_transport", None)
        return f"<MJSession {transport!r}>" if transport else "<MJSession (not made)>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: a session holds a key and connections."""
        raise TypeError("a session cannot be pickled or copied; make one where it is needed")

    async def __aenter__(self) -> Self:
        self._transport.check_usable()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; requests under way end in `ClosedError`. Idempotent."""
        for each in list(self._dependents):
            each.session_closed()
        await self._transport.aclose()

    def statistics(self) -> SessionStatistics:
        """Count what has happened so far."""
        return SessionStatistics(
            requests=self._transport.requests,
            submits=self._submits,
            retries=self._retries,
            uncertain=self._uncertain,
            uncertain_states=tuple(self._uncertain_states),
            misfits=self._decoder.misfits,
        )

    async def download(
        self,
        task_or_url: Task | str,
        dest: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        split: bool = False,
    ) -> list[Path]:
        """Bring a task's pictures or videos home.

        Each file is written under another name, checked, and then renamed; cancelled or
        failed, nothing is left of it. A relay that does not know its own address links to
        ``localhost``; then ``/mj/image/{id}`` of this server is asked. One that has no picture
        there yet, as after a modal, is asked for up to a minute.

        Args:
            task_or_url: A task with pictures, or a link.
            dest: A file's name; or a folder that exists (or ends in a slash), in which the
                file is named after the task, with the suffix of its kind.
            overwrite: Whether a file that exists is replaced.
            split: Whether a grid is cut into its four pictures, which get ``-1`` to ``-4``
                behind their names; the grid itself is not kept. Upscaled pictures and videos
                stay whole. Needs Pillow, which the extra ``cli`` brings.

        Returns:
            The files, in the order of the task's links.

        Raises:
            DownloadError: There is nothing to bring, it is no picture, or ``dest`` exists.
            ImageExpiredError: The link has expired; fetch the task again for a fresh one.
            TransportError: No answer, or it was cut off.
            ConfigurationError: ``split`` needs Pillow.
        """
        return await images.download(
            self._transport,
            task_or_url,
            dest,
            overwrite=overwrite,
            idle=self._timeouts.idle,
            split=split,
        )

    @property
    def _key_worked(self) -> bool:
        return self._transport._auth.worked

    @property
    def _limited_at(self) -> float:
        return self._transport.limited_at

    def _check_usable(self) -> None:
        self._transport.check_usable()


def _root(base_url: Any, mode: str | None) -> str:
    if isinstance(base_url, type):
        message = f"base_url is no str, but {base_url.__name__}; such as https://api.example.com"
        raise ConfigurationError(message)
    try:
        return wire.server_root(base_url, mode)
    except ConfigurationError as error:
        raise error.with_traceback(None) from None  # frames hold the parts of the address


def _decoder(task_type: Any) -> Any:
    if not (isinstance(task_type, type) and issubclass(task_type, Task)):
        raise ConfigurationError("task_type is no subclass of Task")
    try:
        task_type(id="1")
    except TypeError as error:
        raise ConfigurationError(
            f"each field added to task_type needs a default: {error}"
        ) from None
    return TaskDecoder(task_type)


def _check_numbers(timeout: Any, attempts: Any) -> None:
    if not isinstance(timeout, Timeouts):
        given = timeout if isinstance(timeout, int | float) else 30
        raise ConfigurationError(f"timeout is no Timeouts; use Timeouts(read={given!r})")
    for name, value in asdict(timeout).items():
        seconds(f"timeout.{name}", value)
    if not isinstance(attempts, int) or isinstance(attempts, bool) or attempts < 1:
        raise ConfigurationError(f"attempts is {attempts!r}; use a whole number, 1 or more")


def _checked(rate: Any) -> RateLimit | None:
    if rate is None:
        return None
    if not isinstance(rate, RateLimit):
        raise ConfigurationError(f"rate is {rate!r}; use RateLimit(requests, per)")
    for name, value in asdict(rate).items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (is_number and 0 < value < inf):
            raise ConfigurationError(f"rate.{name} is {value!r}; use a number above 0")
    return rate
