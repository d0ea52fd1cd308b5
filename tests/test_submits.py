"""A submit is paid for once: it is never sent twice unless it was provably not sent (rule 6)."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import AddressFamily
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from mjtask_async import (
    AuthenticationError,
    BannedPromptError,
    ConfigurationError,
    MJSession,
    MJTaskError,
    NoAccountError,
    QueueFullError,
    QuotaError,
    RateLimitedError,
    SubmitRejectedError,
    SubmitUncertainError,
    Task,
    Timeouts,
    TransportError,
    UnsupportedError,
)
from mjtask_async.simulator import Fault, Simulator

from .support_cancel import cancel_everywhere
from .support_server import ACCEPTED, KEY, Got, Server, closed_port, never, reply
from .support_session import Stopwatch, asking, until

MEGABYTES = "x" * 4_000_000
OVERLOADED = {"error": {"code": "system_cpu_overloaded", "message": "cpu", "type": "new_api_error"}}


# -- what is sent ---------------------------------------------------------------------------


async def test_a_submit_says_what_was_asked() -> None:
    async with asking(ACCEPTED) as (server, session):
        submission = await session.imagine(
            "a cat --ar 3:2",
            bot="NIJI_JOURNEY",
            account_filter={"modes": ["FAST"]},
            state="mine",
            notify_hook="https://me.example/hook",
        )
        got = server.requests[0]
        assert (got.method, got.path) == ("POST", "/mj/submit/imagine")
        assert got.headers["accept"] == got.headers["content-type"] == "application/json"
        assert got.json == {
            "prompt": "a cat --ar 3:2",
            "botType": "NIJI_JOURNEY",
            "accountFilter": {"modes": ["FAST"]},
            "state": "mine",
            "notifyHook": "https://me.example/hook",
        }
        assert (submission.task_id, submission.state, submission.code) == ("77", "mine", 1)


async def test_each_submit_has_a_state_of_its_own() -> None:
    async with asking(ACCEPTED) as (server, session):
        submissions = [await session.imagine("a cat") for _ in range(5)]
        states = [body["state"] for body in server.bodies]
        assert states == [submission.state for submission in submissions]
        assert len(set(states)) == 5


async def test_the_longest_state_is_kept_and_what_is_longer_is_refused() -> None:
    async with asking(ACCEPTED) as (server, session):
        assert (await session.imagine("a cat", state="ü" * 255)).state == "ü" * 255
        for bad in ("x" * 256, "", 7):
            with pytest.raises(ConfigurationError, match="state"):
                await session.imagine("a cat", state=bad)  # type: ignore[arg-type]
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": ""},
        {"prompt": " \n"},
        {"prompt": None},
        {"prompt": "x", "bot": "NIJI"},
        {"prompt": "x", "account_filter": {"modes": {object()}}},
        {"prompt": "\ud800"},
    ],
)
async def test_wrong_arguments_are_refused_before_anything_is_sent(
    arguments: dict[str, Any],
) -> None:
    async with asking(ACCEPTED) as (server, session):
        with pytest.raises(ConfigurationError):
            await session.imagine(**arguments)
        assert server.requests == []
        assert session.statistics().submits == 0


async def test_each_submit_has_a_connection_of_its_own_and_reads_share_one() -> None:
    async def answer(got: Got) -> bytes:
        return ACCEPTED if got.path.endswith("imagine") else reply(200, "[]")

    async with asking(answer) as (server, session):
        for _ in range(3):
            await session.imagine("a cat")
            await session.list_by_condition(["1"])
        used = Counter((got.path.rsplit("/", 1)[1], got.connection) for got in server.requests)
        assert sorted(used.values()) == [1, 1, 1, 3]
        await until(lambda: server.open == 1)


# -- what came of it ------------------------------------------------------------------------

REFUSALS: list[tuple[bytes, type[MJTaskError]]] = [
    (reply(200, {"code": 23, "description": "queue is full"}), QueueFullError),
    (reply(200, {"code": 24, "description": "可能包含敏感词"}), BannedPromptError),
    (reply(200, {"code": 3, "description": "无可用的账号实例"}), NoAccountError),
    (reply(400, {"code": 4, "description": "quota_not_enough"}), QuotaError),
    (reply(200, {"code": 4, "description": "prompt is empty"}), SubmitRejectedError),
    (reply(301, headers={"Location": "https://h/mj/submit/imagine"}), SubmitRejectedError),
    (reply(308, headers={"Location": "https://h/mj/submit/imagine"}), SubmitRejectedError),
    (reply(413, "too large"), SubmitRejectedError),
    (reply(200, "<html>"), UnsupportedError),
    (reply(404, "no"), UnsupportedError),
    (reply(401), AuthenticationError),
    (reply(403, {"error": {"message": "banned"}}), AuthenticationError),
]


@pytest.mark.parametrize(("answer", "error"), REFUSALS)
async def test_a_refused_submit_is_reported_and_not_sent_again(
    answer: bytes, error: type[MJTaskError]
) -> None:
    async with asking(answer) as (server, session):
        with pytest.raises(error) as caught:
            await session.imagine("a cat")
        assert type(caught.value) is error
        assert len(server.requests) == 1
        assert session.statistics().uncertain == 0


async def test_a_redirected_submit_names_the_target() -> None:
    async with asking(reply(301, headers={"Location": "https://h/mj/"})) as (_, session):
        with pytest.raises(SubmitRejectedError, match="https://h/mj/"):
            await session.imagine("a cat")


@pytest.mark.parametrize(
    "answer",
    [
        reply(500),
        reply(502, "<html>bad gateway"),
        reply(408),
        reply(200),
        reply(200, "not json"),
        reply(200, {"code": 1, "description": "ok"}),
        reply(400, {"code": 4, "description": "insert_midjourney_task_failed "}),
        reply(400, {"code": 5, "description": "do_request_failed ", "type": "upstream_error"}),
        reply(200, {"code": 1, "result": "7"}, length=10_000, headers={"Connection": "close"}),
        reply(200, b"\x1f", headers={"Content-Encoding": "gzip", "Connection": "close"}),
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        None,
    ],
)
async def test_an_uncertain_submit_is_never_sent_again(answer: bytes | None) -> None:
    async with asking(answer) as (server, session):
        before = time.time()
        with pytest.raises(SubmitUncertainError, match="mine") as caught:
            await session.imagine("a cat", state="mine")
        assert caught.value.state == "mine"
        assert before <= caught.value.sent_at <= time.time()
        assert caught.value.endpoint == "POST /mj/submit/imagine"
        assert len(server.requests) == 1
        assert session.statistics().uncertain == 1
        assert session.statistics().submits == 1


async def test_own_states_are_told_where_a_submit_is_uncertain() -> None:
    async with asking(None) as (server, session):
        with pytest.raises(SubmitUncertainError) as caught:
            await session.imagine("a cat")
        assert caught.value.state == server.bodies[0]["state"]


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [
        (Fault.close_before_reading(), 0),
        (Fault.close_after_reading(), 0),
        (Fault.accept_and_close(), 1),
        (Fault.accept_and_answer(502, "bad gateway"), 1),
        (Fault.truncate(0.5), 1),
        (Fault.truncate(0), 1),
        (Fault.slow(3_600), 1),
    ],
)
@pytest.mark.parametrize("prompt", ["a cat", MEGABYTES], ids=["small", "large"])
@pytest.mark.parametrize("profile", ["novicezk", "new-api"])
async def test_a_server_that_dies_gets_a_submit_once(
    profile: str, prompt: str, fault: Fault, accepted: int
) -> None:
    async with (
        Simulator(profile=profile) as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
    ):
        sim.script("submit/imagine", fault)
        with pytest.raises(SubmitUncertainError) as caught:
            await session.imagine(prompt)
        assert len(sim.requests) == 1
        assert len(sim.accepted) == accepted
        assert {task.state for task in sim.accepted} <= {caught.value.state}


@pytest.mark.parametrize("reads", ["nothing", "head", 100_000, 3_900_000, "all"])
@pytest.mark.parametrize("whose", ["own", "borrowed"])
async def test_a_connection_may_die_anywhere_in_a_large_body(reads: str | int, whose: str) -> None:
    async with aiohttp.ClientSession() as http:
        options: dict[str, Any] = {"http": http} if whose == "borrowed" else {}
        async with asking(None, reads=reads, **options) as (server, session):
            with pytest.raises(SubmitUncertainError):
                await session.imagine(MEGABYTES, state="mine")
            assert server.connections == 1
            assert session.statistics().submits == 1


async def test_an_answer_before_the_end_of_a_large_body_counts() -> None:
    answer = reply(413, "too large", headers={"Connection": "close"})
    async with asking(answer, reads="head") as (server, session):
        with pytest.raises((SubmitRejectedError, SubmitUncertainError)):
            await session.imagine(MEGABYTES)
        assert len(server.requests) == 1


async def test_a_reused_connection_of_a_borrowed_session_that_dies_makes_uncertain() -> None:
    answers = reply(200, "[]"), None
    async with aiohttp.ClientSession() as http, asking(*answers, http=http) as (server, session):
        await session.list_by_condition(["1"])
        with pytest.raises(SubmitUncertainError) as caught:
            await session.imagine("a cat")
        assert [got.connection for got in server.requests] == [1, 1]
        assert caught.value.state == server.bodies[1]["state"]


# -- provably not sent ----------------------------------------------------------------------


class NoSuchHost(AbstractResolver):
    """Knows no host, as a broken DNS does."""

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        raise OSError(None, f"{host}:{port} {family}")

    async def close(self) -> None:
        """Have nothing to close."""


@asynccontextmanager
async def unreachable(how: str) -> AsyncIterator[MJSession[Task]]:
    """Make a session whose server cannot be reached."""
    dead = f"127.0.0.1:{closed_port()}"
    resolver = NoSuchHost()
    pool = aiohttp.TCPConnector(limit=1)
    async with (
        Server(never) as server,
        Server(b"220 this is no TLS\r\n", reads="nothing") as plain,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=resolver)) as nowhere,
        aiohttp.ClientSession(connector=pool) as crowded,
    ):
        arguments: dict[str, dict[str, Any]] = {
            "connect": {"base_url": f"http://{dead}"},
            "dns": {"base_url": "http://h.example", "http": nowhere},
            "tls": {"base_url": plain.base_url.replace("http:", "https:")},
            "proxy": {"base_url": "http://h.example", "proxy": f"http://{dead}"},
            "pool": {"base_url": server.base_url, "http": crowded},
        }
        async with MJSession(api_key=KEY, timeout=Timeouts(submit=20), **arguments[how]) as session:
            blocker = asyncio.ensure_future(crowded.get(server.base_url))
            await until(lambda: server.requests)
            try:
                yield session
            finally:
                blocker.cancel()
                await asyncio.wait({blocker})
        assert [got.method for got in server.requests] == ["GET"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("connect", "no connection"),
        ("dns", "name is not known"),
        ("tls", "TLS"),
        ("proxy", "proxy does not answer"),
        ("pool", "no answer in time"),
    ],
)
async def test_what_was_not_sent_is_sent_again_and_then_reported(how: str, words: str) -> None:
    async with unreachable(how) as session:
        watch = Stopwatch()
        with pytest.raises(TransportError, match=words):
            await session.imagine("a cat")
        numbers = session.statistics()
        assert (numbers.submits, numbers.retries, numbers.uncertain) == (4, 3, 0)
        usual = 0.0
        if how == "pool":  # four time-outs, each up to a whole second longer
            usual = 80.0
        assert 2.8 - 0.01 <= watch.seconds - usual <= 4.2 + 0.01 + usual / 20


@pytest.mark.parametrize("how", ["connect", "dns", "tls", "proxy", "pool"])
async def test_cancelled_before_its_first_byte_a_submit_leaves_no_trace(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with unreachable(how) as session:
        call = asyncio.ensure_future(session.imagine("a cat"))
        await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert session.statistics().uncertain == 0
    assert [each for each in caplog.records if each.name.startswith("mjtask_async")] == []


# -- refused for the moment -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "waits"),
    [
        (reply(429), 35),
        (reply(429, headers={"Retry-After": "2"}), 6),
        (reply(503, OVERLOADED), 35),
        (reply(503, OVERLOADED, headers={"Retry-After": "1"}), 3),
    ],
)
async def test_what_is_refused_for_the_moment_is_sent_again(answer: bytes, waits: float) -> None:
    async with asking(answer, answer, answer, ACCEPTED) as (server, session):
        watch = Stopwatch()
        submission = await session.imagine("a cat")
        assert submission.task_id == "77"
        assert watch.seconds == pytest.approx(waits, abs=0.01)
        assert {body["state"] for body in server.bodies} == {submission.state}
        assert session.statistics().retries == 3
    async with asking(answer, attempts=2) as (server, session):
        with pytest.raises((RateLimitedError, SubmitRejectedError)):
            await session.imagine("a cat")
        assert len(server.requests) == 2


async def test_a_long_wait_is_reported_not_slept() -> None:
    answer = reply(429, headers={"Retry-After": "600"})
    async with asking(answer) as (server, session):
        with pytest.raises(RateLimitedError) as caught:
            await session.imagine("a cat")
        assert caught.value.retry_after == 600
        assert len(server.requests) == 1


# -- time-outs and cancellation -------------------------------------------------------------


@pytest.mark.parametrize("timeout", [None, 5.0])
async def test_a_time_out_after_the_bytes_makes_uncertain(timeout: float | None) -> None:
    async with asking(never, timeout=Timeouts(submit=90)) as (server, session):
        watch = Stopwatch()
        with pytest.raises(SubmitUncertainError, match="no answer in time") as caught:
            await session.imagine("a cat", timeout=timeout)
        assert isinstance(caught.value.__cause__, TransportError)
        assert watch.seconds == pytest.approx(timeout or 90)
        assert len(server.requests) == 1


@pytest.mark.parametrize("prompt", ["a cat", MEGABYTES], ids=["small", "large"])
async def test_cancelled_after_its_first_byte_a_submit_is_recorded(
    prompt: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with asking(never, reads=7) as (server, session):
        call = asyncio.ensure_future(session.imagine(prompt, state="mine"))
        await until(lambda: server.requests)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert session.statistics().uncertain == 1
        await until(lambda: server.open == 0)
    records = [each for each in caplog.records if each.levelno >= logging.INFO]
    assert [(each.name, each.levelname) for each in records] == [
        ("mjtask_async.sending", "WARNING")
    ]
    assert "state mine" in records[0].getMessage()


async def test_cancelled_between_two_tries_a_submit_leaves_no_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with asking(reply(429)) as (server, session):
        call = asyncio.ensure_future(session.imagine("a cat"))
        await asyncio.sleep(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert len(server.requests) == 1
        assert session.statistics().uncertain == 0
    assert [each for each in caplog.records if each.levelno >= logging.INFO] == []


async def test_wherever_a_submit_is_cancelled_a_record_tells_of_what_was_accepted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Simulator(profile="novicezk", queue_size=10_000) as sim:
        prompts = iter(range(10_000))

        async def run() -> None:
            async with MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session:
                submission = await session.imagine(f"cat {next(prompts)}")
                told.add(submission.state)

        async def check() -> None:
            said = " ".join(each.getMessage() for each in caplog.records)
            for task in sim.accepted:
                assert task.state in told or f"state {task.state}" in said

        told: set[str | None] = set()
        assert await cancel_everywhere(run, check) > 5
        assert len(sim.accepted) > 2
        assert max(Counter(task.prompt for task in sim.accepted).values()) == 1
