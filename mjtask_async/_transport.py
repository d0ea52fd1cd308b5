"""The one place that touches `aiohttp.ClientSession`.

1. A request in, an answer out; what the answer means is decided in `_core`.
2. Foreign errors are translated here, by a table. They stay behind ours as ``__cause__``,
   without their frames: those hold headers, and the headers hold the key.
3. Each request states its redirects, its statuses and its time-outs itself, because the
   session may be the caller's.
4. Submits have connections of their own that are never reused: a stale pooled one
   makes a submit look uncertain that was never read. Downloads have a pool of their own:
   many slow ones must not let a poll wait.
"""

import asyncio
import errno
import logging
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from ._body import Mark, MarkedBody
from ._core.auth import Auth
from ._core.decode import is_page
from ._core.wire import Answer, Request
from ._given import check_borrowed, check_proxy, origin_of
from .budget import Budget
from .errors import ClosedError, ConfigurationError, MJTaskError, ProtocolError, TransportError

R = TypeVar("R")
E = TypeVar("E", bound=MJTaskError)
_log = logging.getLogger(__name__)
_SAID: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "the host's name is not known"),
    (aiohttp.ClientSSLError, "the connection is not to be trusted (TLS)"),
    (aiohttp.ClientProxyConnectionError, "the proxy does not answer"),
    (aiohttp.ClientHttpProxyError, "the proxy refuses the connection"),
    (aiohttp.ClientConnectorError, "no connection"),
    (TimeoutError, "no answer in time"),
    (aiohttp.ServerDisconnectedError, "the server closed the connection"),
    (aiohttp.ClientPayloadError, "the answer was cut off"),
)
_LOST = (aiohttp.ClientError, HttpProcessingError, OSError, RuntimeError)
"""A RuntimeError is what aiohttp says to whoever reads on after a close."""
_FOREIGN = (*_LOST, ValueError)
_ON_THE_WAY = (*_LOST, asyncio.CancelledError)
_CALLERS = frozenset(("endpoint", "state", "task_id", "sent_at"))
"""What an error says back to the caller as he gave it, and as he needs it."""
_RESET = frozenset((errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED))


class CutOffError(TransportError):
    """The connection ended before the first byte of an answer."""


class Transport:
    """Sends requests to one server.

    Args:
        root: The address in front of every path, such as ``https://host/mj/``.
        auth: Which credential goes along.
        connect: Seconds for a connection.
        http: The caller's own session; it stays open.
        proxy: The address of a proxy.
        budget: How many requests may be sent; each caller of `send` takes its own.
    """

    def __init__(
        self,
        root: str,
        auth: Auth,
        *,
        connect: float,
        http: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.root: str = root
        self.closed: bool = False
        self.requests: int = 0
        self.limited_at: float = float("-inf")
        self.budget: Budget = budget or Budget(None)
        self._auth = auth
        self._connect = connect
        self._borrowed = http
        self._proxy = proxy
        self._loop: asyncio.AbstractEventLoop | None = None
        self._own: dict[str, aiohttp.ClientSession] = {}
        self.answering: set[aiohttp.ClientResponse] = set()
        self.origin: URL = origin_of(root)
        if http is not None:
            check_borrowed(http)
        if proxy is not None:
            check_proxy(proxy)

    def __repr__(self) -> str:
        return f"{self.root} {self._auth!r} {'closed' if self.closed else 'open'}"

    async def send(
        self,
        request: Request,
        *,
        timeout: float,
        mark: Mark | None = None,
        may_repeat: Callable[[Answer], bool] = lambda _: True,
    ) -> Answer:
        """Send a request and read the whole answer, with the credential that works.

        Args:
            request: What to send.
            timeout: Seconds until the answer must be complete.
            mark: Given for a submit, which goes over a connection of its own.
            may_repeat: Whether a 401 speaks of the credential alone, so that the other may be
                tried; for a submit not to be paid for twice.

        Raises:
            TransportError: No complete answer came.
            ProtocolError: The answer is larger than the request allows.
            ClosedError: The session is closed.
        """
        scheme = self._auth.scheme
        answer = await self._send(request, scheme, timeout, mark)
        found_out = self._auth.scheme != scheme  # by another request, meanwhile
        if answer.status == 401 and (self._auth.undecided or found_out) and may_repeat(answer):
            if mark is not None:
                mark.sent = False  # it was refused
            await self.budget.take()
            second = await self._send(request, "secret", timeout, mark)
            if second.status == 401:
                return answer
            answer, scheme = second, "secret"
        if answer.status < 300 and not is_page(answer.body):
            self._auth.settle(scheme)
        return answer

    async def open(self, url: URL, *, idle: float, with_key: bool) -> "Stream":
        """Open a download; redirects are the caller's business.

        Args:
            url: Where from.
            idle: Seconds without a byte until it counts as dead.
            with_key: Whether the credential goes along.

        Raises:
            TransportError: No answer came.
        """
        patience = aiohttp.ClientTimeout(total=None, sock_connect=self._connect, sock_read=idle)
        headers = self._auth.headers(self._auth.scheme) if with_key else {}
        options = self._options(headers, patience)
        session = self._session("downloads")
        with self.border("download"):
            return Stream(await session.get(url, **options), self, idle)

    async def aclose(self) -> None:
        """Close what is ours, even if cancelled; a borrowed session stays open. Idempotent."""
        self.closed = True
        while self.answering:
            self.answering.pop().close()  # or aiohttp lets its reader wait for ever
        if self._own:
            try:
                await self._own.popitem()[1].close()
            finally:
                await self.aclose()

    async def ask(
        self, request: Request, understand: Callable[[Answer], R], *, timeout: float
    ) -> R:
        """Send a read, and read its answer; an error shows no key that the answer echoes."""
        answer = await self.send(request, timeout=timeout)
        try:
            return understand(answer)
        except MJTaskError as error:
            del answer  # this frame is seen with the error
            raise self.hide(error) from error.__cause__

    def hide(self, error: E) -> E:
        """Take the key out of an error's words, and the answer out of its frames.

        What an answer means is decided before: a key can be a word that means something.
        """
        self._clean(error)
        return error

    def shown(self, text: object) -> str:
        """Write something that may hold the key without it."""
        return self._auth.redact(str(text).encode(errors="replace").decode())

    def check_usable(self) -> None:
        """Check that the session is open and this is its event loop.

        Raises:
            ClosedError: It is closed.
            ConfigurationError: It belongs to another event loop.
        """
        if self.closed:
            raise ClosedError("the session is closed; make a new one")
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise ConfigurationError(
                "the session belongs to another event loop; make one session in each loop"
            )

    @contextmanager
    def border(self, endpoint: str) -> Generator[None]:
        """Let no foreign error out: what is raised inside becomes an error of ours."""
        try:
            yield
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._fail(error, endpoint)  # a pool that is closed cancels whoever waits in it
        except _FOREIGN as error:
            self._fail(error, endpoint)

    def _fail(self, error: BaseException, endpoint: str) -> NoReturn:
        self._clean(error)
        if self.closed:
            raise ClosedError("the session was closed meanwhile") from error
        words = next((words for kind, words in _SAID if isinstance(error, kind)), "no answer")
        detail = str(error)
        if isinstance(error, aiohttp.InvalidURL) or not isinstance(error, _ON_THE_WAY):
            raise ConfigurationError(f"the request cannot be sent: {detail}") from error
        _log.debug("%s: %s", endpoint, words)
        raise _kind(error)(f"{words}: {detail}" if detail else words, endpoint=endpoint) from error

    def _clean(self, error: BaseException) -> None:
        """Take frames, and the key in words, from an error and all behind it."""
        chain = [error]
        for each in chain:
            behind = (each.__cause__, each.__context__)
            chain += [other for other in behind if other is not None and other not in chain]
            each.__traceback__ = None
            each.args = tuple(self._cleaned(value) for value in each.args)
            for name, value in vars(each).items():
                if name not in _CALLERS:
                    setattr(each, name, self._cleaned(value))

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._auth.redact(value)
        if self.shown(repr(value)) == repr(value):
            return value
        if isinstance(value, aiohttp.RequestInfo):  # its error writes the address
            return value._replace(url=URL(), real_url=URL())
        return "***"

    async def _send(
        self, request: Request, scheme: str, timeout: float, mark: Mark | None
    ) -> Answer:
        patience = aiohttp.ClientTimeout(total=timeout, sock_connect=self._connect)
        options = self._options(self._headers(request, scheme), patience)
        body = request.body
        data = body if mark is None or body is None else MarkedBody(body, mark)
        url = URL(self.root + request.path, encoded=True)
        session = self._session("reads" if mark is None else "submits")
        started = time.perf_counter()
        self.requests += 1
        with self.border(request.endpoint):
            async with session.request(request.method, url, data=data, **options) as response:
                self.answering.add(response)
                try:
                    content = await _read(response, request)
                finally:
                    self.answering.discard(response)
        status, spent = response.status, time.perf_counter() - started
        if status == 429:
            self.limited_at = asyncio.get_running_loop().time()
        _log.debug("%s: %d, %d bytes, %.3f s", request.endpoint, status, len(content), spent)
        return Answer(status, response.headers, content, request.endpoint, time.time())

    def _headers(self, request: Request, scheme: str) -> dict[str, str]:
        headers = {"Accept": "application/json", **self._auth.headers(scheme)}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        return headers

    def _session(self, use: str) -> aiohttp.ClientSession:
        self.check_usable()
        if self._borrowed is not None:
            if self._borrowed.closed:
                raise ClosedError("the ClientSession given as http= is closed")
            if self._borrowed._loop is not self._loop:  # aiohttp's words would name no remedy
                raise ConfigurationError(
                    "the ClientSession given as http= belongs to another event loop; "
                    "make it in the one that uses it"
                )
            return self._borrowed
        if use not in self._own:
            connector = aiohttp.TCPConnector(force_close=use == "submits")
            jar = aiohttp.DummyCookieJar()
            self._own[use] = aiohttp.ClientSession(connector=connector, cookie_jar=jar)
        return self._own[use]

    def _options(
        self, headers: Mapping[str, str], patience: aiohttp.ClientTimeout
    ) -> dict[str, Any]:
        return {
            "headers": headers,
            "timeout": patience,
            "allow_redirects": False,
            "raise_for_status": False,
            "proxy": self._proxy,
        }


class Stream:
    """A download under way.

    Attributes:
        status: The HTTP status.
        headers: The answer's.
    """

    def __init__(self, response: aiohttp.ClientResponse, transport: Transport, idle: float) -> None:
        transport.answering.add(response)
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._transport = transport
        self._idle = idle

    async def read(self) -> bytes:
        """Read the next piece; empty at the end.

        Raises:
            TransportError: It was cut off.
        """
        with self._transport.border("download"):
            async with asyncio.timeout(self._idle):
                return await self._response.content.readany()

    def close(self) -> None:
        """Drop the connection, read to the end or not."""
        self._transport.answering.discard(self._response)
        self._response.close()


async def _read(response: aiohttp.ClientResponse, request: Request) -> bytes:
    """Read a body in pieces, so that a decompression bomb ends at the limit."""
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > request.limit:
            response.close()
            pieces.clear()  # this frame is seen with the error
            del piece
            message = f"the answer is larger than {request.limit} bytes"
            raise ProtocolError(message, status=response.status, endpoint=request.endpoint)
        pieces.append(piece)
    return b"".join(pieces)


def _kind(error: BaseException) -> type[TransportError]:
    reset = isinstance(error, OSError) and error.errno in _RESET
    cut_off = reset or isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError)
    return CutOffError if cut_off else TransportError
