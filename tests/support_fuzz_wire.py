"""Mutants that come over HTTP: plain, compressed, badly compressed, and as bombs."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from random import Random
from typing import Any

from aiohttp import web

from mjtask_async import MJSession, MJTaskError, Task, TaskWatcher

from .support_fuzz import STATUSES

GZIP = 31
"""What zlib calls gzip with the largest window."""
PERIOD = 60.0
"""Seconds that a watcher is given to make sense of mutants."""
_IDS = ("1", "2", "3")


@cache
def bomb(mebibytes: int) -> bytes:
    """Compress zeros: a thousandth of their size."""
    packer = zlib.compressobj(9, wbits=GZIP)
    blocks = [packer.compress(bytes(2**20)) for _ in range(mebibytes)]
    return b"".join([*blocks, packer.flush()])


def packed(body: bytes, wbits: int = GZIP) -> bytes:
    """Compress a body."""
    packer = zlib.compressobj(1, wbits=wbits)
    return packer.compress(body) + packer.flush()


class Wire:
    """Serves mutants to a session and a watcher.

    Args:
        bodies: The mutants.
        random: Draws statuses and encodings.
        bombs: How large they are in MiB, in turn.
        every: One of so many answers is a bomb.
    """

    def __init__(
        self, bodies: Iterator[bytes], random: Random, *, bombs: Sequence[int], every: int
    ) -> None:
        self.served = 0
        self.bombs = 0
        self.understood = 0
        self.refused = 0
        self.bugs: list[str] = []
        self._bodies = bodies
        self._random = random
        self._sizes = bombs
        self._every = every

    async def run(self, count: int) -> None:
        """Let so many mutants be read; anything but a result or an error of ours gets out."""
        async with (
            self._serving() as address,
            MJSession(address, "sk-fuzz", auth="bearer", attempts=1) as session,
        ):
            while self.served < count:
                await self._try(session.fetch(_IDS[0]))
                await self._try(session.list_by_condition(_IDS))
                await self._try(session.imagine("a cat"))
                await self._try(_watched(session))
        assert self.bugs == []

    async def _try(self, reading: Coroutine[Any, Any, object]) -> None:
        try:
            await reading
            self.understood += 1
        except MJTaskError as error:
            self.refused += 1
            self.bugs += [repr(error)] * ("unexpected error" in str(error))

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[str]:
        runner = web.ServerRunner(web.Server(self._answer, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        try:
            yield f"http://{host}:{port}"
        finally:
            await runner.cleanup()
            await asyncio.sleep(0)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        self.served += 1
        body, encoding = self._encoded(next(self._bodies))
        headers = {"Content-Type": "application/json", **encoding}
        return web.Response(status=self._random.choice(STATUSES), body=body, headers=headers)

    def _encoded(self, body: bytes) -> tuple[bytes, dict[str, str]]:
        if self.served % self._every == 0:
            self.bombs += 1
            size = self._sizes[self.bombs % len(self._sizes)]
            return bomb(size), {"Content-Encoding": "gzip"}
        return self._random.choice(_ENCODINGS)(body, self._random)


async def _watched(session: MJSession[Task]) -> None:
    async with TaskWatcher(session, batch_size=2) as watcher:
        await watcher.wait_all(_IDS, timeout=PERIOD)


def _plain(body: bytes, _: Random) -> tuple[bytes, dict[str, str]]:
    return body, {}


def _gzip(body: bytes, _: Random) -> tuple[bytes, dict[str, str]]:
    return packed(body), {"Content-Encoding": "gzip"}


def _cut_gzip(body: bytes, random: Random) -> tuple[bytes, dict[str, str]]:
    whole = packed(body)
    return whole[: random.randrange(len(whole))], {"Content-Encoding": "gzip"}


def _flipped_gzip(body: bytes, random: Random) -> tuple[bytes, dict[str, str]]:
    whole = bytearray(packed(body))
    whole[random.randrange(len(whole))] ^= 1 << random.randrange(8)
    return bytes(whole), {"Content-Encoding": "gzip"}


def _deflate(body: bytes, random: Random) -> tuple[bytes, dict[str, str]]:
    wbits = random.choice((15, -15))
    return packed(body, wbits), {"Content-Encoding": "deflate"}


def _twice(body: bytes, _: Random) -> tuple[bytes, dict[str, str]]:
    return packed(packed(body)), {"Content-Encoding": "gzip"}


def _lie(body: bytes, random: Random) -> tuple[bytes, dict[str, str]]:
    return body, {"Content-Encoding": random.choice(("gzip", "deflate", "br", "zstd", "x"))}


_ENCODINGS: tuple[Callable[[bytes, Random], tuple[bytes, dict[str, str]]], ...] = (
    *(_plain, _plain, _plain, _plain, _gzip, _gzip),
    *(_cut_gzip, _flipped_gzip, _deflate, _twice, _lie),
)
