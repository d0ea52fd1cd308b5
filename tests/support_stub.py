"""A server that answers what it is told, byte for byte, and remembers what it was asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mjtask_async import MJSession, Task


@dataclass(frozen=True)
class Asked:
    """One request: the path stands behind ``/mj/``."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Reply:
    """One answer; a status of None closes the connection without a byte."""

    status: int | None = 200
    body: bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Send only so many bytes of the body, and hang up."""

    def content(self) -> bytes:
        body = self.body.encode() if isinstance(self.body, str) else self.body
        given = {name.lower() for name in self.headers}
        lines = [f"HTTP/1.1 {self.status} "]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += ["Connection: close"] * ("connection" not in given)
        if "transfer-encoding" in given:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        elif "content-length" not in given and self.status != 204:
            lines += [f"Content-Length: {len(body)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body[: self.cut]


def says(value: Any, status: int = 200, **headers: str) -> Reply:
    """Answer a JSON value."""
    return Reply(status, json.dumps(value), {"Content-Type": "application/json", **headers})


Answers = Callable[[Asked], Reply]


class Stub:
    """Answers each request with the next of ``replies``; the last one stays."""

    def __init__(self, *replies: Reply | Answers) -> None:
        self.replies = list(replies)
        self.asked: list[Asked] = []
        self.base_url = ""

    @property
    def bodies(self) -> list[Any]:
        return [asked.json for asked in self.asked]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        asked = Asked(method, path.removeprefix("/mj/"), headers, body)
        self.asked.append(asked)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        reply = reply if isinstance(reply, Reply) else reply(asked)
        if reply.status is not None:
            writer.write(reply.content())
            await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def serving(*replies: Reply | Answers) -> AsyncIterator[Stub]:
    """Run a stub on loopback."""
    stub = Stub(*replies)
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    stub.base_url = f"http://{host}:{port}"
    async with server:
        yield stub


@asynccontextmanager
async def stubbed(
    *replies: Reply | Answers, **options: Any
) -> AsyncIterator[tuple[Stub, MJSession[Task]]]:
    """Run a stub and a session that talks to it."""
    options = {"auth": "bearer", **options}
    async with (
        serving(*replies) as stub,
        MJSession(stub.base_url, "sk-test", **options) as session,
    ):
        yield stub, session


def accepted(task_id: str = "1700000000000001", code: int = 1, **more: Any) -> Reply:
    """Accept a submit."""
    envelope = {"code": code, "description": "Submit success", "result": task_id}
    return says(envelope | {"properties": {}} | more)


def row(task_id: str = "1700000000000001", **fields: Any) -> dict[str, Any]:
    """Make a finished task as a relay has it."""
    known = {"id": task_id, "status": "SUCCESS", "progress": "100%", "state": "", "buttons": None}
    return known | fields


def novicezks(task_id: str, **fields: Any) -> dict[str, Any]:
    """Make a task with the keys that novicezk's server always sends."""
    names = ("prompt", "promptEn", "description", "startTime", "finishTime", "imageUrl")
    return {
        "id": task_id,
        "properties": {},
        "action": "IMAGINE",
        "status": "NOT_START",
        "state": None,
        "submitTime": None,
        "progress": None,
        "failReason": None,
        **dict.fromkeys(names),
        **fields,
    }


PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
DATA_URL = "data:image/png;base64,iVBORw0KGgoAAAAAAAAAAAAAAAAAAAAA"
BUTTONS: list[dict[str, Any]] = [
    {"customId": f"MJ::JOB::upsample::{n}::job", "emoji": "", "label": f"U{n}"} for n in range(1, 5)
] + [
    {"customId": "MJ::JOB::reroll::0::job::SOLO", "emoji": "🔄", "label": ""},
    {"customId": "MJ::JOB::high_variation::1::job::SOLO", "emoji": "🪄", "label": "Vary (Strong)"},
    {"customId": "MJ::JOB::pan_left::1::job::SOLO", "emoji": "⬅️", "label": ""},
]
