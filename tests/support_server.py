"""A server that does as it is told, for faults that well-behaved servers do not have."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

KEY = "sk-Zx81kQ0secret77token42never5shown"


@dataclass(frozen=True, slots=True)
class Got:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    """Counts from 1."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = bytes | None | Callable[[Got], Awaitable[bytes | None]]
"""Bytes to send as they are; or None to hang up; or what is awaited to get one of the two."""


def reply(
    status: int = 200,
    body: bytes | str | dict[str, Any] | list[Any] = b"",
    *,
    headers: dict[str, str] | None = None,
    length: int | None = None,
) -> bytes:
    """Write an answer; ``length`` is a Content-Length that may lie."""
    raw = body if isinstance(body, bytes | str) else json.dumps(body, ensure_ascii=False)
    content = raw.encode() if isinstance(raw, str) else raw
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(content) if length is None else length}",
    ]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def task(task_id: str = "1", status: str = "IN_PROGRESS", **fields: Any) -> dict[str, Any]:
    """Make a task as it is on the wire."""
    return {"id": task_id, "status": status, **fields}


ACCEPTED = reply(200, {"code": 1, "description": "ok", "result": "77"})


async def never(_: Got) -> bytes | None:
    """Keep the client waiting."""
    forever: asyncio.Future[bytes] = asyncio.Future()
    return await forever


class Server:
    """Answers the requests one after the other as told; the last answer stays.

    Args:
        answers: What to say.
        reads: How much of a connection is read before its first answer: ``"all"``, ``"head"``,
            ``"nothing"``, or so many bytes of the body.
    """

    def __init__(self, *answers: Answer, reads: str | int = "all") -> None:
        self.requests: list[Got] = []
        self.connections = 0
        self.base_url = ""
        self._answers = list(answers)
        self._reads = reads
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: set[_Line] = set()
        self._transports: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connected, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop_listening()
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in self._transports:  # pragma: no cover -- accepted at the very end
            transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not self._transports

    def push(self, content: bytes) -> None:
        """Send something more over each connection."""
        for line in self._lines:
            assert line.transport is not None
            line.transport.write(content)

    async def stop_listening(self) -> None:
        """Accept no more connections; those that are open stay."""
        assert self._server is not None
        for listener in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listener.fileno())
        await asyncio.sleep(0)  # those that are being accepted arrive
        await asyncio.sleep(0)
        self._server.close()

    @property
    def bodies(self) -> list[Any]:
        return [got.json for got in self.requests]

    @property
    def open(self) -> int:
        """How many clients have not hung up."""
        return len(self._lines)

    def _connected(self) -> "_Line":
        reader = asyncio.StreamReader(limit=2**26)
        return _Line(self._lines, self._transports, reader, self._accept)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(served)
        served.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            number = self.connections
            while await self._one(reader, writer, number):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has left
        finally:
            writer.transport.abort()

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> bool:
        if self._reads == "nothing":
            first = self._answers[0]
            writer.write(first if isinstance(first, bytes) else b"")
            await writer.drain()
            return False
        got = await self._read(reader, connection)
        self.requests.append(got)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        content = await answer(got) if callable(answer) else answer
        if content is None:
            return False
        writer.write(content)
        await writer.drain()
        close = b"connection: close" in content[:400].lower()
        if close:
            writer.write_eof()
            await reader.read()
        return not close

    async def _read(self, reader: asyncio.StreamReader, connection: int) -> Got:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        length = int(headers.get("content-length", "0"))
        if self._reads != "all":
            length = min(length, 0 if self._reads == "head" else int(self._reads))
        body = await reader.readexactly(length)
        return Got(method, path, headers, body, connection)


class _Line(asyncio.StreamReaderProtocol):
    """A connection that knows when its client hangs up, read or not."""

    def __init__(
        self,
        lines: "set[_Line]",
        transports: set[asyncio.Transport],
        reader: asyncio.StreamReader,
        accept: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None],
    ) -> None:
        super().__init__(reader, accept)
        self.transport: asyncio.Transport | None = None
        self._lines = lines
        self._transports = transports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._transports.add(transport)
        self._lines.add(self)
        super().connection_made(transport)

    def eof_received(self) -> bool | None:
        self._lines.discard(self)
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lines.discard(self)
        assert self.transport is not None
        self._transports.discard(self.transport)
        super().connection_lost(exc)


def closed_port() -> int:
    """Find a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
