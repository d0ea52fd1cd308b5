"""The border to aiohttp: foreign errors, limits of size, pools, proxies, redirects."""

import asyncio
import logging
import pickle
import tracemalloc
import zlib
from pathlib import Path
from socket import AddressFamily
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from mjtask_async import (
    ClosedError,
    ConfigurationError,
    MJSession,
    MJTaskError,
    ProtocolError,
    SubmitUncertainError,
    TaskWatcher,
    Timeouts,
    TransportError,
)
from mjtask_async._body import Mark, MarkedBody

from .support_server import ACCEPTED, KEY, Got, Server, closed_port, never, reply, task
from .support_session import Stopwatch, asking, until


def zeros(mebibytes: int) -> bytes:
    """Compress so many MiB of zeros, in a moment."""
    packer = zlib.compressobj(wbits=31)
    one = bytes(2**20)
    head = packer.compress(one) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(one) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + again * (mebibytes - 1)


class Resolver(AbstractResolver):
    """Finds no host, or finds one that cannot be asked for."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        del host, port, family
        raise self._error

    async def close(self) -> None:
        """Have nothing to close."""


# -- foreign errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no answer: .*Bad status line"),
        (b"HTTP/1.1 abc X\r\n\r\n", "no answer"),
        (b"HTTP/1.1 200 X\r\nContent-Length: -1\r\n\r\n", "no answer"),
        (b"HTTP/1.1 200 X\r\nBad header\r\n\r\n", "no answer"),
        (reply(200, headers={"X": "y" * 100_000}), "no answer"),
        (reply(200, b"xx", headers={"Content-Encoding": "gzip"}), "cut off"),
        (reply(200, b"xx", length=10, headers={"Connection": "close"}), "cut off"),
        (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "no answer in time"),
        (None, "the server closed the connection"),
    ],
)
async def test_what_is_no_http_is_a_transport_error(answer: bytes | None, words: str) -> None:
    async with asking(answer, attempts=1) as (_, session):
        with pytest.raises(TransportError, match=words) as caught:
            await session.list_by_condition(["1"])
        assert caught.value.endpoint == "POST /mj/task/list-by-condition"
        assert caught.value.status is None
        assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args  # noqa: S301


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(None, "nobody knows h"), "the host's name is not known"),
        (aiohttp.ClientConnectionError("odd"), "no answer: odd"),
        (TimeoutError(), "no answer in time"),
    ],
)
async def test_trouble_on_the_way_is_told_in_words(error: Exception, words: str) -> None:
    connector = aiohttp.TCPConnector(resolver=Resolver(error))
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        MJSession("http://h.example", KEY, http=http, attempts=1) as session,
    ):
        with pytest.raises(TransportError, match=words) as caught:
            await session.fetch("1")
        assert caught.value.__cause__ is not None
        assert caught.value.__cause__.__traceback__ is None


async def test_what_cannot_be_sent_is_tried_once() -> None:
    connector = aiohttp.TCPConnector(resolver=Resolver(UnicodeError("label too long")))
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        MJSession("http://h.example", KEY, http=http) as session,
    ):
        for call in (session.fetch("1"), session.imagine("a cat")):
            with pytest.raises(ConfigurationError, match="cannot be sent: label too long"):
                await call
        assert session.statistics().requests == 2
        assert session.statistics().uncertain == 0


def test_the_body_of_a_submit_can_be_looked_at() -> None:
    body = MarkedBody(b'{"prompt": "cat"}', Mark())
    assert body.decode() == '{"prompt": "cat"}'
    assert body.size == 17


async def test_a_server_that_speaks_no_tls_is_not_trusted() -> None:
    async with Server(b"220 this is no TLS\r\n", reads="nothing") as server:
        address = server.base_url.replace("http:", "https:")
        async with MJSession(address, KEY, attempts=1) as session:
            with pytest.raises(TransportError, match="TLS"):
                await session.fetch("1")


async def test_a_handshake_that_hangs_ends_after_the_time_to_connect() -> None:
    async with Server(never) as server:
        address = server.base_url.replace("http:", "https:")
        async with MJSession(
            address, KEY, attempts=1, timeout=Timeouts(connect=3, read=30)
        ) as session:
            watch = Stopwatch()
            with pytest.raises(TransportError, match="no answer in time"):
                await session.fetch("1")
            assert watch.seconds == pytest.approx(3)


async def test_a_poll_cut_off_before_its_answer_is_sent_again_at_once() -> None:
    answers = None, reply(200, [task(status="SUCCESS")])
    async with asking(*answers) as (server, session), TaskWatcher(session) as watcher:
        watch = Stopwatch()
        assert (await watcher.wait("1")).is_final
        assert watch.seconds == pytest.approx(0.05)
        assert len(server.requests) == 2
        assert session.statistics().retries == 1


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (None, 2),
        (reply(200, "[", length=10, headers={"Connection": "close"}), 1),
        (reply(502), 1),
    ],
)
async def test_a_poll_is_otherwise_one_request(answer: bytes | None, requests: int) -> None:
    async with asking(answer) as (server, session), TaskWatcher(session) as watcher:
        waiting = asyncio.ensure_future(watcher.wait("1"))
        await asyncio.sleep(1)
        assert len(server.requests) == requests
        waiting.cancel()
        await asyncio.wait({waiting})


# -- redirects ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_api_request_follows_a_redirect(status: int) -> None:
    async with Server(reply(200, task())) as other:
        answer = reply(status, headers={"Location": f"{other.base_url}/mj/task/1/fetch"})
        async with asking(answer) as (_, session):
            with pytest.raises(ProtocolError, match=other.base_url):
                await session.fetch("1")
            with pytest.raises(MJTaskError, match=other.base_url):
                await session.imagine("a cat")
        assert other.requests == []


# -- sizes ----------------------------------------------------------------------------------


async def test_an_answer_of_16_mib_is_taken_and_no_byte_more() -> None:
    body = b'{"id": "1", "prompt": "%s"}'
    prompt = b"x" * (16 * 2**20 - len(body) + 2)
    async with asking(reply(200, body % prompt), attempts=1) as (_, session):
        assert len((await session.fetch("1")).prompt or "") == len(prompt)
    async with asking(reply(200, body % (prompt + b"x")), attempts=1) as (server, session):
        with pytest.raises(ProtocolError, match="larger than 16777216 bytes"):
            await session.fetch("1")
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("call", "limit"),
    [("fetch", 16), ("imagine", 16), ("list", 64)],
)
async def test_a_bomb_ends_at_the_limit_in_little_memory(call: str, limit: int) -> None:
    bomb = reply(200, zeros(1_024), headers={"Content-Encoding": "gzip"})
    async with asking(bomb, attempts=1) as (server, session):
        calls: dict[str, Any] = {
            "fetch": lambda: session.fetch("1"),
            "imagine": lambda: session.imagine("a cat"),
            "list": lambda: session.list_by_condition(["1"]),
        }
        error = SubmitUncertainError if call == "imagine" else ProtocolError
        tracemalloc.start(1)
        try:
            with pytest.raises(error, match=f"larger than {limit * 2**20} bytes"):
                await calls[call]()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < (limit + 12) * 2**20
        await until(lambda: server.open == 0)


# -- pools and proxies ----------------------------------------------------------------------


async def test_a_proxy_is_asked_for_everything() -> None:
    async def answer(got: Got) -> bytes:
        return ACCEPTED if got.method == "POST" else reply(200, task())

    async with (
        Server(answer) as proxy,
        MJSession("http://h.example", KEY, auth="bearer", proxy=proxy.base_url) as session,
    ):
        assert (await session.fetch("1")).id == "1"
        assert (await session.imagine("a cat")).task_id == "77"
    assert [got.path for got in proxy.requests] == [
        "http://h.example/mj/task/1/fetch",
        "http://h.example/mj/submit/imagine",
    ]


@pytest.mark.parametrize(
    ("proxy_answer", "words"),
    [
        (reply(403, "no"), "the proxy refuses the connection"),
        (None, "the proxy does not answer|closed the connection"),
    ],
)
async def test_a_proxy_in_front_of_tls_may_refuse(proxy_answer: bytes | None, words: str) -> None:
    async with (
        Server(proxy_answer) as proxy,
        MJSession("https://h.example", KEY, proxy=proxy.base_url, attempts=1) as session,
    ):
        with pytest.raises(TransportError, match=words):
            await session.fetch("1")
        with pytest.raises(TransportError, match=words):
            await session.imagine("a cat")
        assert {got.method for got in proxy.requests} == {"CONNECT"}


async def test_a_dead_proxy_is_told_from_a_dead_server() -> None:
    proxy = f"http://user:password@127.0.0.1:{closed_port()}"
    async with MJSession("http://h.example", KEY, proxy=proxy, attempts=1) as session:
        with pytest.raises(TransportError, match="the proxy does not answer"):
            await session.fetch("1")


async def test_cookies_are_not_kept() -> None:
    answer = reply(200, task(), headers={"Set-Cookie": "a=b; Path=/"})
    async with (
        Server(answer) as proxy,
        MJSession("http://h.example", KEY, proxy=proxy.base_url) as session,
    ):
        await session.fetch("1")
        await session.fetch("1")
    assert "cookie" not in proxy.requests[1].headers


async def test_statistics_count_each_try_but_no_download() -> None:
    answers = reply(502), reply(200, task()), ACCEPTED, reply(404)
    async with asking(*answers) as (server, session):
        await session.fetch("1")
        await session.imagine("a cat")
        with pytest.raises(MJTaskError):
            await session.download(f"{server.base_url}/x.png", "x.png")
        numbers = session.statistics()
        assert (numbers.requests, numbers.submits, numbers.retries) == (3, 1, 1)


async def test_nothing_is_logged_above_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with asking(reply(502), None, reply(200, task())) as (_, session):
        await session.fetch("1")
    ours = [each for each in caplog.records if each.name.startswith("mjtask_async")]
    assert ours
    assert {each.name for each in ours} == {"mjtask_async._transport"}
    assert {each.levelno for each in ours} == {logging.DEBUG}


async def test_one_session_serves_many_requests_at_once() -> None:
    async def answer(got: Got) -> bytes:
        await asyncio.sleep(1)
        return reply(200, task(got.path.split("/")[3]))

    async with asking(answer) as (server, session):
        watch = Stopwatch()
        found = await asyncio.gather(*(session.fetch(str(n)) for n in range(50)))
        assert [each.id for each in found] == [str(n) for n in range(50)]
        assert watch.seconds == pytest.approx(1, abs=0.1)
        assert server.connections <= 50


async def test_a_request_that_starts_while_closing_is_refused() -> None:
    async with asking(reply(200, task())) as (_, session):
        await session.fetch("1")
        closing = asyncio.ensure_future(session.aclose())
        await asyncio.sleep(0)
        with pytest.raises(ClosedError):
            await session.fetch("1")
        await closing


async def test_many_slow_downloads_leave_connections_to_the_reads(tmp_path: Path) -> None:
    async def answer(got: Got) -> bytes | None:
        return reply(200, task()) if got.path.endswith("/fetch") else await never(got)

    async with asking(answer, timeout=Timeouts(idle=3_000)) as (server, session):
        links = [f"{server.base_url}/{number}.png" for number in range(101)]
        calls = [asyncio.ensure_future(session.download(link, tmp_path)) for link in links]
        await until(lambda: len(server.requests) == 100)
        assert (await session.fetch("1")).id == "1"
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
