"""The key is to be seen nowhere: no repr, record, exception or frame shows it (rule 17)."""

import asyncio
import copy
import logging
import pickle
import traceback
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import pytest

from mjtask_async import (
    BannedPromptError,
    ClosedError,
    ConfigurationError,
    MJSession,
    MJTaskError,
    QuotaError,
    SubmitUncertainError,
    TaskNotFoundError,
    TaskWatcher,
    Timeouts,
    UnsupportedError,
)

from .support_server import ACCEPTED, KEY, Got, Server, closed_port, never, reply
from .support_session import asking, until

CALLS: dict[str, Callable[[MJSession], Awaitable[object]]] = {
    "fetch": lambda session: session.fetch("1"),
    "list": lambda session: session.list_by_condition(["1"]),
    "imagine": lambda session: session.imagine("a cat"),
    "download": lambda session: session.download(f"{_root(session)}/x.png", "/nowhere/x.png"),
}


def _root(session: MJSession) -> str:
    return repr(session).split()[1].removesuffix("/mj/")


def told(error: BaseException | None) -> str:
    """Tell all that an error shows: to a log, to a debugger, to who catches it."""
    words: list[str] = []
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        shown = traceback.TracebackException.from_exception(each, capture_locals=True, limit=None)
        words += [*shown.format(), repr(each), str(each), repr(each.args), repr(vars(each))]
        waiting += [each.__cause__, each.__context__]
    return "\n".join(words)


def is_secret(text: str) -> bool:
    """Whether a text shows neither the key nor a good part of it."""
    return KEY not in text and KEY[:12] not in text and KEY[-12:] not in text


@pytest.fixture(autouse=True)
def records(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Have every logger say all it can, and read it afterwards."""
    caplog.set_level(logging.DEBUG)
    for name in ("asyncio", "aiohttp", "aiohttp.client", "aiohttp.internal", "mjtask_async"):
        caplog.set_level(logging.DEBUG, logger=name)
    yield
    for record in caplog.get_records("call"):
        exception = record.exc_info[1] if record.exc_info else None
        assert is_secret(record.getMessage() + repr(vars(record)) + told(exception))


async def check(server: Server | str, call: str, **options: Any) -> BaseException:
    """Make a call that fails, and read all that its error tells."""
    asyncio.get_running_loop().set_debug(True)
    address = server if isinstance(server, str) else server.base_url
    async with MJSession(address, KEY, attempts=1, **options) as session:
        with pytest.raises(MJTaskError) as caught:
            await CALLS[call](session)
        assert is_secret(repr(session))
    assert is_secret(told(caught.value))
    for again in (
        pickle.loads(pickle.dumps(caught.value)),  # noqa: S301
        copy.copy(caught.value),
        copy.deepcopy(caught.value),
    ):
        assert type(again) is type(caught.value)
        assert str(again) == str(caught.value)
        assert is_secret(told(again))
    assert KEY.encode() not in pickle.dumps(caught.value)
    return caught.value


def test_a_session_shows_no_key() -> None:
    for auth in ("auto", "bearer", "secret", "raw"):
        session = MJSession("https://h", KEY, auth=auth)
        text = f"{session!r} {session} {session.statistics()} {TaskWatcher(session)!r}"
        assert is_secret(text)
        assert is_secret(repr(vars(session)) + repr(vars(session._transport)))
        for write in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError) as caught:
                write(session)
            assert is_secret(told(caught.value))


@pytest.mark.parametrize("key", ["one\ntwo-secret", "schlüssel-secret"])
def test_a_key_that_is_refused_is_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="api_key") as caught:
        MJSession("https://h", key)
    assert "secret" not in f"{caught.value!r} {caught.value}"


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": KEY, "api_key": "https://h"},
        {"base_url": f"https://me:{KEY}@h"},
        {"base_url": f"https://me:{KEY}@h:0"},
        {"base_url": f"https://h?key={KEY}"},
        {"base_url": KEY.encode()},
        {"base_url": "", "api_key": KEY},
        {"api_key": KEY + "\n" + KEY},
        {"api_key": KEY.encode()},
        {"attempts": 0},
        {"auth": "basic"},
        {"mode": "slow"},
        {"timeout": 30},
        {"timeout": Timeouts(read=0)},
        {"task_type": dict},
        {"http": "x"},
        {"proxy": "x"},
        {"base_url": "http://a..b"},
    ],
)
@pytest.mark.parametrize("from_env", [False, True])
def test_an_argument_that_is_refused_does_not_spread_the_key(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *, from_env: bool
) -> None:
    arguments = {"base_url": "https://h", "api_key": KEY, **options}
    if from_env:
        for name in ("base_url", "api_key"):
            if isinstance(arguments[name], str):
                monkeypatch.setenv(f"MJ_{name.upper()}", arguments.pop(name))
    with pytest.raises(ConfigurationError) as caught:
        MJSession(**arguments)
    error = caught.value.with_traceback(_without_first(caught.value))
    assert is_secret(told(error))


def _without_first(error: BaseException) -> TracebackType | None:
    """Leave out the frame of the test, which knows the key."""
    assert error.__traceback__ is not None
    return error.__traceback__.tb_next


def test_a_half_made_session_has_a_repr() -> None:
    session: MJSession = MJSession.__new__(MJSession)
    assert repr(session) == "<MJSession (not made)>"


ECHOES = [
    reply(200, f"who is {KEY}?"),
    reply(200, KEY),
    reply(200, {"success": False, "code": -1, "message": f"bad key {KEY}"}),
    reply(200, {"code": 4, "description": f"bad key {KEY}"}),
    reply(200, {"code": 9, "description": "x" * 190 + KEY}),
    reply(200, "x" * 190 + KEY),
    reply(200, "x" * 178 + KEY),
    reply(418, "x" * 95 + KEY),
    reply(400, b"\xff" + KEY.encode()),
    reply(200, '[{"id": "1"}, ' + KEY),
    reply(400, {"code": 4, "description": f"bad key {KEY}"}),
    reply(401, f"invalid token {KEY}"),
    reply(403, {"error": {"message": f"{KEY} is banned", "code": KEY}}),
    reply(418, KEY),
    reply(429, f"slow down {KEY}", headers={"Retry-After": "600"}),
    reply(500, f"no luck for {KEY}", headers={"X-Oneapi-Request-Id": KEY}),
    reply(200, f"not json {KEY}", headers={"X-Oneapi-Request-Id": KEY}),
    reply(302, headers={"Location": f"https://login.example/?key={KEY}"}),
    reply(302, headers={"Location": f"ftp://login.example/?key={KEY}"}),
    reply(302, headers={"Location": f"/again?key={KEY}"}),
    reply(200, f"cut off {KEY}", length=1_000, headers={"Connection": "close"}),
    reply(200, KEY, headers={"Content-Encoding": "gzip"}),
    f"HTTP/1.1 {KEY} X\r\n\r\n".encode(),
    f"{KEY}\r\n\r\n".encode(),
    f"HTTP/1.1 200 X\r\n{KEY}\r\n\r\n".encode(),
    f"HTTP/1.1 200 X\r\nContent-Length: {KEY}\r\n\r\n".encode(),
    f"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode(),
    reply(200, headers={"X": KEY * 3_000}),
    None,
]


@pytest.mark.parametrize("call", ["fetch", "list", "imagine", "download"])
@pytest.mark.parametrize("number", range(len(ECHOES)))
async def test_a_server_that_echoes_the_key_does_not_spread_it(number: int, call: str) -> None:
    async with Server(ECHOES[number]) as server:
        await check(server, call)


# What a key that is a word of an answer must not change: whether it was refused, say.
UNKNOWN = {"code": 4, "description": "task_no_found ", "type": "upstream_error"}
CHARGED = {"code": 4, "description": "insert_midjourney_task_failed", "type": "upstream_error"}
OVERLOADED = {"error": {"message": "busy", "code": "system_cpu_overloaded"}}
MEANINGS: list[tuple[str, str, bytes, type[MJTaskError]]] = [
    ("midjourney", "imagine", reply(400, CHARGED), SubmitUncertainError),
    ("insert_midjourney_task_failed", "imagine", reply(400, CHARGED), SubmitUncertainError),
    ("k", "fetch", reply(400, UNKNOWN), TaskNotFoundError),
    ("quota", "imagine", reply(400, {"code": 4, "description": "quota_exhausted"}), QuotaError),
    ("code", "imagine", reply(200, {"code": 24, "description": "x"}), BannedPromptError),
    ("1", "imagine", reply(200, {"code": 21, "description": "x"}), SubmitUncertainError),
    ("html", "fetch", reply(200, "<!doctype html><html></html>"), UnsupportedError),
]


@pytest.mark.parametrize(("key", "call", "answer", "kind"), MEANINGS)
async def test_a_key_that_is_a_word_of_an_answer_does_not_change_what_it_means(
    key: str, call: str, answer: bytes, kind: type[MJTaskError]
) -> None:
    async with Server(answer) as server, MJSession(server.base_url, key, attempts=1) as session:
        with pytest.raises(kind) as caught:
            await CALLS[call](session)
    assert type(caught.value) is kind
    assert key not in str(caught.value.args[0])
    assert key not in getattr(caught.value, "description", "")


async def test_a_key_that_is_a_word_of_an_answer_does_not_change_whether_it_is_sent_again() -> None:
    answers = reply(503, OVERLOADED), ACCEPTED
    async with Server(*answers) as server, MJSession(server.base_url, "system") as session:
        assert (await session.imagine("a cat")).task_id == "77"


async def test_what_the_caller_gave_comes_back_whole() -> None:
    async with (
        Server(reply(500, "mine"), reply(400, UNKNOWN)) as server,
        MJSession(server.base_url, "mine") as session,
    ):
        with pytest.raises(SubmitUncertainError) as uncertain:
            await session.imagine("a cat", state="mine-1")
        with pytest.raises(TaskNotFoundError) as unknown:
            await session.fetch("mine-2")
    assert (uncertain.value.state, unknown.value.task_id) == ("mine-1", "mine-2")
    assert uncertain.value.description == "***"


@pytest.mark.parametrize("answer", ECHOES)
async def test_a_link_with_the_key_does_not_spread_it(answer: bytes | None) -> None:
    async with Server(reply(302, headers={"Location": f"/again?key={KEY}"}), answer) as server:
        await check(server, "download")


async def test_an_answer_that_is_too_large_does_not_spread_the_key() -> None:
    async with Server(reply(200, (KEY + " ") * 500_000)) as server:
        await check(server, "fetch")


@pytest.mark.parametrize("call", ["fetch", "list", "imagine", "download"])
@pytest.mark.parametrize("auth", ["auto", "bearer", "secret", "raw"])
async def test_no_time_out_shows_the_key(call: str, auth: Any) -> None:
    async with Server(never) as server:
        await check(server, call, auth=auth, timeout=Timeouts(read=1, submit=1, idle=1))


@pytest.mark.parametrize("call", ["fetch", "list", "imagine", "download"])
async def test_no_failing_connection_shows_the_key(call: str) -> None:
    await check(f"http://127.0.0.1:{closed_port()}", call)
    async with Server(b"no TLS", reads="nothing") as server:
        await check(server.base_url.replace("http:", "https:"), call)
    async with Server(None, reads="head") as server:
        await check(server, call)
    async with Server(reply(403, KEY)) as proxy:
        await check("https://h.example", call, proxy=proxy.base_url)


@pytest.mark.parametrize("call", ["fetch", "list", "imagine", "download"])
async def test_no_cancelled_call_shows_the_key(call: str) -> None:
    asyncio.get_running_loop().set_debug(True)
    for turns in range(0, 40, 3):
        async with asking(never, reads=1) as (_, session):
            task = asyncio.ensure_future(CALLS[call](session))
            for _ in range(turns):
                await asyncio.sleep(0)
            assert is_secret(repr(task))
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert is_secret(told(caught.value))


async def test_a_session_that_is_closed_meanwhile_does_not_show_the_key() -> None:
    async with asking(never) as (server, session):
        call = asyncio.ensure_future(session.fetch("1"))
        await until(lambda: server.requests)
        await session.aclose()
        with pytest.raises(ClosedError) as caught:
            await call
        assert is_secret(told(caught.value))


async def test_a_borrowed_session_does_not_show_the_key() -> None:
    async with aiohttp.ClientSession() as http, Server(reply(500, KEY)) as server:
        for call in CALLS:
            await check(server, call, http=http)
        assert is_secret(repr(vars(http)) if hasattr(http, "__dict__") else repr(http))


async def test_a_watcher_does_not_show_the_key() -> None:
    async def answer(got: Got) -> bytes:
        return reply(401, f"invalid token {got.headers['authorization']}")

    async with asking(answer) as (_, session), TaskWatcher(session) as watcher:
        with pytest.raises(MJTaskError) as caught:
            await watcher.wait("1")
        assert is_secret(told(caught.value))
        assert is_secret(repr(watcher) + repr(watcher.statistics()))


async def test_no_file_holds_the_key(tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0IEND\xaeB`\x82"
    async with asking(reply(200, png)) as (server, session):
        [path] = await session.download(f"{server.base_url}/x", tmp_path)
        assert path.read_bytes() == png
