"""Making, using and closing a session; its reads (rules 1 to 3 and 5)."""

import asyncio
import copy
import gzip
import json
import pickle
from collections.abc import Callable
from email.utils import formatdate
from itertools import pairwise
from typing import Any

import aiohttp
import msgspec
import pytest
from msgspec import structs

from mjtask_async import (
    AuthenticationError,
    ClosedError,
    ConfigurationError,
    MJSession,
    MJTaskError,
    ProtocolError,
    RateLimitedError,
    RequestError,
    ServerError,
    SubmitUncertainError,
    Task,
    TaskNotFoundError,
    TaskWatcher,
    Timeouts,
    TransportError,
    UnsupportedError,
)
from mjtask_async.simulator import Fault, Simulator, Step
from mjtask_async.testing import VirtualTimeLoop

from .support_cancel import cancel_everywhere
from .support_server import ACCEPTED, KEY, Got, Server, closed_port, never, reply, task
from .support_session import Stopwatch, asking, until

HTML = "<!doctype html><title>SPA</title>"
RATE_LIMITED = reply(429)
BROKEN = reply(502, "bad gateway")


# -- making one -----------------------------------------------------------------------------


def test_address_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MJ_BASE_URL", "https://relay.example/mj")
    monkeypatch.setenv("MJ_API_KEY", KEY)
    assert "https://relay.example/mj/" in repr(MJSession())
    assert "https://other.example/mj/" in repr(MJSession("https://other.example"))


async def test_the_environments_key_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MJ_API_KEY", KEY)
    async with Server(reply(200, task())) as server, MJSession(server.base_url) as session:
        await session.fetch("1")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_without_a_key_no_credential_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MJ_API_KEY", raising=False)
    async with Server(reply(401)) as server, MJSession(server.base_url) as session:
        with pytest.raises(AuthenticationError):
            await session.fetch("1")
    assert len(server.requests) == 1
    assert not {"authorization", "mj-api-secret"} & server.requests[0].headers.keys()


def test_without_an_address_the_message_says_what_to_give(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MJ_BASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="MJ_BASE_URL"):
        MJSession()


@pytest.mark.parametrize(
    ("base_url", "mode", "root"),
    [
        ("https://h", None, "https://h/mj/"),
        ("https://h/", None, "https://h/mj/"),
        ("https://h/mj", None, "https://h/mj/"),
        ("https://h/mj/", None, "https://h/mj/"),
        ("https://h//", None, "https://h/mj/"),
        (" https://h ", None, "https://h/mj/"),
        ("https://h:8443/api", None, "https://h:8443/api/mj/"),
        ("https://h/mj-fast", None, "https://h/mj-fast/mj/"),
        ("https://h/mj-fast/mj/", None, "https://h/mj-fast/mj/"),
        ("https://h/mj-fast", "relax", "https://h/mj-relax/mj/"),
        ("https://h", "turbo", "https://h/mj-turbo/mj/"),
        ("https://h/mj", "fast", "https://h/mj-fast/mj/"),
        ("http://[::1]:8080", None, "http://[::1]:8080/mj/"),
    ],
)
def test_addresses_are_understood_as_people_paste_them(base_url: str, mode: Any, root: str) -> None:
    assert repr(MJSession(base_url, KEY, mode=mode)) == (
        f"<MJSession {root} <Auth bearer (undecided)> open>"
    )


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "h",
        "h:80",
        "ftp://h",
        "https://",
        "https://h:0",
        "https://h:99999",
        "https://[::1",
        "https://user:password@h",
        "https://h?x=1",
        "https://h#x",
        "http://a..b",
        f"http://{'a' * 64}.example",
        "http://h\\evil",
    ],
)
def test_bad_addresses_are_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError):
        MJSession(base_url, KEY)


class MyTask(Task, frozen=True):
    channel: str | None = None


class NeedsMore(Task, frozen=True, kw_only=True):
    channel: str


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "slow"}, "fast, relax, turbo"),
        ({"auth": "basic"}, "auto, bearer, secret, raw"),
        ({"api_key": "one\ntwo"}, "line break"),
        ({"api_key": "schlüssel"}, "no header takes"),
        ({"attempts": 0}, "attempts is 0"),
        ({"attempts": 2.5}, r"attempts is 2\.5; use a whole number"),
        ({"attempts": True}, "attempts is True; use a whole number"),
        ({"attempts": "4"}, "attempts is '4'; use a whole number"),
        ({"timeout": 30}, r"timeout is no Timeouts; use Timeouts\(read=30\)"),
        ({"timeout": 2.5}, r"use Timeouts\(read=2\.5\)"),
        ({"timeout": None}, r"use Timeouts\(read=30\)"),
        ({"timeout": Timeouts(connect=None)}, "timeout.connect is None; use seconds"),  # type: ignore[arg-type]
        ({"timeout": Timeouts(read="30")}, "timeout.read is '30'; use seconds"),  # type: ignore[arg-type]
        ({"timeout": Timeouts(read=True)}, "timeout.read is True; use seconds"),
        ({"http": "x"}, r"http is no aiohttp\.ClientSession, but str"),
        ({"base_url": 5}, "base_url is no str, but int; such as https://"),
        ({"base_url": b"https://h"}, "base_url is no str, but bytes"),
        ({"api_key": KEY.encode()}, "api_key is no str, but bytes"),
        ({"api_key": 5}, "api_key is no str, but int"),
        ({"proxy": 5}, "proxy is no address"),
        ({"timeout": Timeouts(read=0)}, "timeout.read is 0"),
        ({"timeout": Timeouts(submit=-1)}, "timeout.submit is -1"),
        ({"timeout": Timeouts(idle=float("nan"))}, "timeout.idle is nan"),
        ({"timeout": Timeouts(connect=float("inf"))}, "timeout.connect is inf"),
        ({"task_type": dict}, "no subclass of Task"),
        ({"task_type": "Task"}, "no subclass of Task"),
        ({"task_type": NeedsMore}, "needs a default"),
        ({"proxy": "127.0.0.1:8080"}, "proxy"),
        ({"proxy": "socks5://127.0.0.1"}, "proxy"),
        ({"proxy": "http://["}, "proxy"),
    ],
)
def test_wrong_arguments_are_refused_in_words(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        MJSession(**{"base_url": "https://h", "api_key": KEY, **options})
    assert issubclass(ConfigurationError, ValueError)


async def test_a_task_type_of_ones_own_is_decoded() -> None:
    answers = reply(200, task(channel="c")), reply(200, [task(channel="c")])
    async with asking(*answers, task_type=MyTask) as (_, session):
        assert await session.fetch("1") == MyTask("1", status="IN_PROGRESS", channel="c")
        assert await session.list_by_condition(["1"]) == [
            MyTask("1", status="IN_PROGRESS", channel="c")
        ]


def test_a_session_cannot_be_pickled_or_copied() -> None:
    session = MJSession("https://h", KEY)
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="make one where it is needed"):
            duplicate(session)


# -- a session of the caller's own ----------------------------------------------------------


@pytest.mark.parametrize("header", ["Authorization", "authorization", "MJ-API-Secret"])
async def test_a_borrowed_session_must_send_no_credentials(header: str) -> None:
    async with aiohttp.ClientSession(headers={header: "x"}) as http:
        with pytest.raises(ConfigurationError, match="default"):
            MJSession("https://h", KEY, http=http)


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*'auth' parameter is deprecated:DeprecationWarning")
async def test_a_borrowed_session_must_have_no_auth() -> None:
    async with aiohttp.ClientSession(auth=aiohttp.BasicAuth("a", "b")) as http:
        with pytest.raises(ConfigurationError, match="auth="):
            MJSession("https://h", KEY, http=http)


def test_a_borrowed_session_must_belong_to_the_loop() -> None:
    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    async def use() -> None:
        async with MJSession("http://127.0.0.1:1", KEY, http=http) as session:
            for call in (
                session.fetch("1"),
                session.imagine("x"),
                session.download("http://h", "x"),
            ):
                with pytest.raises(ConfigurationError, match="http= belongs to another event loop"):
                    await call

    with asyncio.Runner() as one, asyncio.Runner() as other:
        http = one.run(make())
        other.run(use())
        one.run(http.close())


async def test_a_borrowed_session_stays_open_and_its_defaults_do_not_matter() -> None:
    unknown = reply(400, {"code": 4, "description": "task_no_found ", "type": "upstream_error"})
    answers = reply(302, headers={"Location": "/else"}), unknown, reply(500), reply(200, task())
    async with (
        aiohttp.ClientSession(
            raise_for_status=True,
            timeout=aiohttp.ClientTimeout(total=0.001),
            headers={"Accept": "text/html"},
        ) as http,
        Server(*answers) as server,
    ):
        async with MJSession(server.base_url, KEY, http=http) as session:
            with pytest.raises(ProtocolError, match="redirected to /else"):
                await session.fetch("1")
            with pytest.raises(TaskNotFoundError):
                await session.fetch("1")
            assert (await session.fetch("1")).id == "1"
        assert not http.closed
    assert [got.headers["accept"] for got in server.requests] == ["application/json"] * 4
    assert server.connections == 1


async def test_a_borrowed_session_that_is_closed_is_said_to_be() -> None:
    http = aiohttp.ClientSession()
    await http.close()
    async with MJSession("https://h", KEY, http=http) as session:
        with pytest.raises(ClosedError, match="http="):
            await session.fetch("1")


async def test_a_borrowed_session_closed_meanwhile_ends_its_requests() -> None:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http,
        Server(never) as server,
        MJSession(server.base_url, KEY, http=http) as session,
    ):
        calls = [asyncio.ensure_future(session.fetch(str(n))) for n in range(2)]
        await until(lambda: len(server.requests) == 1)
        await http.close()
        ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ends] == [ClosedError, ClosedError]


async def test_netrc_credentials_of_a_borrowed_session_are_no_bare_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with (
        aiohttp.ClientSession(trust_env=True) as http,
        Server(reply(200, task())) as server,
        MJSession(server.base_url, KEY, http=http) as session,
    ):
        with pytest.raises(ConfigurationError, match="cannot be sent"):
            await session.fetch("1")
    assert server.requests == []


# -- closing --------------------------------------------------------------------------------


async def test_after_closing_everything_says_so_and_closing_again_is_fine() -> None:
    async with asking(reply(200, task())) as (server, session):
        await session.fetch("1")
        await session.aclose()
        await session.aclose()
        calls: list[Callable[[], Any]] = [
            lambda: session.fetch("1"),
            lambda: session.list_by_condition(["1"]),
            lambda: session.imagine("a cat"),
            lambda: session.download("http://h/x.png", "x"),
            session.__aenter__,
        ]
        for call in calls:
            with pytest.raises(ClosedError):
                await call()
        assert "closed" in repr(session)
        assert len(server.requests) == 1


async def test_an_unused_session_can_be_closed() -> None:
    await MJSession("https://h", KEY).aclose()


async def test_closing_ends_the_requests_under_way() -> None:
    async with asking(never) as (server, session):
        calls = [
            asyncio.ensure_future(session.fetch("1")),
            asyncio.ensure_future(session.list_by_condition(["1"])),
            asyncio.ensure_future(session.download(f"{server.base_url}/x.png", "x.png")),
            asyncio.ensure_future(session.imagine("a cat", state="mine")),
        ]
        await until(lambda: len(server.requests) == 4)
        await session.aclose()
        *reads, submit = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(end) for end in reads] == [ClosedError] * 3
        assert isinstance(submit, SubmitUncertainError)
        assert submit.state == "mine"
        assert session.statistics().uncertain == 1


async def test_closing_ends_answers_under_way_at_once() -> None:
    async with asking(reply(200, b"[", length=9)) as (server, session):
        calls = [
            asyncio.ensure_future(session.list_by_condition(["1"])),
            asyncio.ensure_future(session.imagine("a cat")),
        ]
        await asyncio.sleep(1)
        assert len(server.requests) == 2
        watch = Stopwatch()
        await session.aclose()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(end) for end in ends] == [ClosedError, SubmitUncertainError]
        assert watch.seconds == 0


@pytest.mark.parametrize("what", ["reads", "submits"])
async def test_closing_ends_those_who_wait_for_a_connection(what: str) -> None:
    async with asking(never) as (server, session):
        calls = [
            asyncio.ensure_future(session.fetch("1") if what == "reads" else session.imagine("a"))
            for _ in range(101)
        ]
        await until(lambda: len(server.requests) == 100)
        await session.aclose()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert type(ends[-1]) is ClosedError
        usual = ClosedError if what == "reads" else SubmitUncertainError
        assert {type(end) for end in ends[:-1]} == {usual}


async def test_closing_ends_a_retry_that_waits() -> None:
    async with asking(RATE_LIMITED) as (server, session):
        call = asyncio.ensure_future(session.fetch("1"))
        await until(lambda: len(server.requests) == 1)
        await session.aclose()
        with pytest.raises(ClosedError):
            await call


async def test_entering_and_leaving_may_happen_in_different_tasks() -> None:
    async with Server(reply(200, task())) as server:
        session = MJSession(server.base_url, KEY)
        await asyncio.create_task(session.__aenter__())
        assert (await asyncio.create_task(session.fetch("1"))).id == "1"
        await asyncio.create_task(session.__aexit__(None, None, None))
        await until(lambda: server.open == 0)


async def test_an_exception_in_the_block_leaves_it_as_itself() -> None:
    with pytest.raises(LookupError):
        async with MJSession("https://h", KEY):
            raise LookupError


def test_another_event_loop_is_refused() -> None:
    session = MJSession("http://127.0.0.1:1", KEY, attempts=1)

    async def use() -> None:
        with pytest.raises(TransportError):
            await session.fetch("1")

    async def use_elsewhere() -> None:
        with pytest.raises(ConfigurationError, match="another event loop"):
            await session.fetch("1")
        with pytest.raises(ConfigurationError, match="another event loop"):
            await session.imagine("a cat")

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as first:
        first.run(use())
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as second:
            second.run(use_elsewhere())
        first.run(session.aclose())


async def test_reading_and_submitting_can_be_cancelled_at_every_await() -> None:
    async with Simulator(profile="novicezk", queue_size=1_000) as sim:
        sim.plant("1", [Step(at=0, status="IN_PROGRESS")])

        async def run() -> None:
            async with MJSession(sim.base_url, sim.api_key) as session:
                assert (await session.fetch("1")).id == "1"
                assert len(await session.list_by_condition(["1"])) == 1
                await session.imagine("a cat")

        assert await cancel_everywhere(run) > 15


# -- auth -----------------------------------------------------------------------------------

CREDENTIALS = {"authorization", "mj-api-secret"}


def credentials(got: Got) -> dict[str, str]:
    return {name: got.headers[name] for name in CREDENTIALS & got.headers.keys()}


def takes(header: str, value: str) -> Callable[[Got], Any]:
    async def answer(got: Got) -> bytes:
        return reply(200, task()) if credentials(got) == {header: value} else reply(401)

    return answer


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ("bearer", "authorization", f"Bearer {KEY}"),
        ("secret", "mj-api-secret", KEY),
        ("raw", "authorization", KEY),
    ],
)
async def test_each_scheme_sends_one_header(auth: Any, header: str, value: str) -> None:
    async with asking(takes(header, value), auth=auth) as (server, session):
        await session.fetch("1")
        assert len(server.requests) == 1
    async with asking(reply(401), auth=auth) as (server, session):
        with pytest.raises(AuthenticationError):
            await session.fetch("1")
        assert len(server.requests) == 1


async def test_auto_learns_from_one_401_and_remembers() -> None:
    async with asking(takes("mj-api-secret", KEY), auth="auto") as (server, session):
        assert "undecided" in repr(session)
        await session.fetch("1")
        await session.fetch("1")
        assert [credentials(got) for got in server.requests] == [
            {"authorization": f"Bearer {KEY}"},
            {"mj-api-secret": KEY},
            {"mj-api-secret": KEY},
        ]
        assert "<Auth secret>" in repr(session)
        assert session.statistics().requests == 3
        assert session.statistics().retries == 0


async def test_auto_keeps_what_has_worked_after_a_later_401() -> None:
    answers = reply(200, task()), reply(401), reply(200, task())
    async with asking(*answers, auth="auto") as (server, session):
        await session.fetch("1")
        with pytest.raises(AuthenticationError):
            await session.fetch("1")
        await session.fetch("1")
        assert [set(credentials(got)) for got in server.requests] == [{"authorization"}] * 3


async def test_auto_stays_undecided_after_two_401() -> None:
    answers = reply(401, "first"), reply(401, "second"), reply(401), reply(200, task())
    async with asking(*answers, auth="auto") as (server, session):
        with pytest.raises(AuthenticationError, match="first"):
            await session.fetch("1")
        await session.fetch("1")
        sent = [next(iter(credentials(got))) for got in server.requests]
        assert sent == ["authorization", "mj-api-secret"] * 2


async def test_a_web_page_teaches_auto_nothing() -> None:
    answers = reply(200, HTML), reply(401), reply(200, task())
    async with asking(*answers, auth="auto") as (_, session):
        with pytest.raises(UnsupportedError):
            await session.fetch("1")
        assert (await session.fetch("1")).id == "1"


async def test_a_refusal_teaches_auto_nothing() -> None:
    unknown = reply(400, {"code": 4, "description": "task_no_found ", "type": "upstream_error"})
    async with asking(unknown, reply(401), reply(200, task()), auth="auto") as (_, session):
        with pytest.raises(TaskNotFoundError):
            await session.fetch("1")
        assert (await session.fetch("1")).id == "1"


async def test_requests_that_start_together_learn_together() -> None:
    turns = iter((1.0, 5.0, 9.0))

    async def answer(got: Got) -> bytes:
        if "authorization" in got.headers:
            await asyncio.sleep(next(turns))
            return reply(401)
        return reply(200, task())

    async with asking(answer, auth="auto") as (server, session):
        await asyncio.gather(*(session.fetch("1") for _ in range(3)))
        assert len(server.requests) == 6


async def test_a_submit_learns_too() -> None:
    answers = reply(401), ACCEPTED
    async with asking(*answers, auth="auto") as (server, session):
        assert (await session.imagine("a cat", state="s")).task_id == "77"
        assert server.bodies == [{"prompt": "a cat", "state": "s"}] * 2


async def test_a_submit_whose_second_credential_is_not_sent_is_not_uncertain() -> None:
    async def refuse(_: Got) -> bytes:
        await server.stop_listening()
        return reply(401, headers={"Connection": "close"})

    async with asking(refuse, auth="auto", attempts=1) as (server, session):
        with pytest.raises(TransportError, match="no connection"):
            await session.imagine("a cat")
        assert session.statistics().uncertain == 0


# -- fetch ----------------------------------------------------------------------------------


async def test_fetch_against_a_simulated_server_of_each_kind() -> None:
    for profile in ("novicezk", "new-api"):
        async with (
            Simulator(profile=profile) as sim,
            MJSession(sim.base_url, sim.api_key) as session,
        ):
            submission = await session.imagine("a cat")
            assert submission.task_id is not None
            assert (await session.fetch(submission.task_id)).state in {submission.state, "", None}
            with pytest.raises(TaskNotFoundError) as caught:
                await session.fetch("404")
            assert caught.value.task_id == "404"


BAD_IDS = [
    *(f"1{character}2" for character in "/\\?#%\x00\n\x1f\x7f\x85\xa0\u2028 "),
    "",
    "  ",
    ".",
    "..",
    "....",
    7,
    None,
    b"1",
]


@pytest.mark.parametrize("bad", BAD_IDS)
async def test_ids_that_could_lead_elsewhere_are_never_sent(bad: Any) -> None:
    async with asking(reply(200, task())) as (server, session):
        with pytest.raises(ConfigurationError, match="id"):
            await session.fetch(bad)
        with pytest.raises(ConfigurationError, match="id"):
            await session.list_by_condition(["1", bad])
        assert server.requests == []


async def test_ids_are_trimmed_and_quoted() -> None:
    async with asking(reply(200, task("ü:1"))) as (server, session):
        assert (await session.fetch(" ü:1\n")).id == "ü:1"
        assert server.requests[0].path == "/mj/task/%C3%BC:1/fetch"


@pytest.mark.parametrize(
    "answer",
    [
        reply(200),
        reply(200, " \n"),
        reply(200, "null"),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        reply(400, {"code": 4, "description": "task_no_found ", "type": "upstream_error"}),
        reply(404, {"code": 3, "description": "关联任务不存在或已失效"}),
    ],
)
async def test_every_way_to_say_not_found(answer: bytes) -> None:
    async with asking(answer) as (server, session):
        with pytest.raises(TaskNotFoundError) as caught:
            await session.fetch(" 1 ")
        assert caught.value.task_id == "1"
        assert len(server.requests) == 1


REFUSALS: list[tuple[bytes, type[RequestError], str]] = [
    (reply(200, HTML), UnsupportedError, "no such endpoint"),
    (reply(200, "\ufeff\n <html>"), UnsupportedError, "no such endpoint"),
    (reply(404, "nope"), UnsupportedError, "no such endpoint"),
    (reply(405), UnsupportedError, "no such endpoint"),
    (reply(200, "hello"), ProtocolError, "hello"),
    (reply(200, {"no": "id"}), ProtocolError, "no.*id"),
    (reply(200, task("2")), ProtocolError, "another"),
    (reply(418, "short and stout"), ProtocolError, "short and stout"),
    (reply(302, headers={"Location": "https://x.example/"}), ProtocolError, "https://x.example/"),
    (reply(307), ProtocolError, "redirected"),
    (reply(403, {"error": {"message": "banned"}}), AuthenticationError, "banned"),
    (reply(401, "expired"), AuthenticationError, "expired"),
]


@pytest.mark.parametrize(("answer", "error", "words"), REFUSALS)
async def test_what_no_second_try_would_change_is_tried_once(
    answer: bytes, error: type[RequestError], words: str
) -> None:
    async with asking(answer) as (server, session):
        with pytest.raises(error, match=words) as caught:
            await session.fetch("1")
        assert type(caught.value) is error
        assert caught.value.endpoint == "GET /mj/task/1/fetch"
        assert len(server.requests) == 1
        assert session.statistics().retries == 0


async def test_error_objects_with_status_200_are_errors() -> None:
    broken = reply(200, {"success": False, "code": -1, "message": "操作失败"})
    async with asking(broken, attempts=1) as (_, session):
        with pytest.raises(ServerError, match="操作失败"):
            await session.fetch("1")
        with pytest.raises(ServerError, match="操作失败"):
            await session.list_by_condition(["1"])


async def test_only_the_first_of_two_json_values_counts() -> None:
    first = json.dumps(task())
    async with asking(reply(200, first + '{"error": {}}'), attempts=1) as (_, session):
        assert (await session.fetch("1")).id == "1"
    panic = {"error": {"message": "Panic detected", "type": "new_api_panic"}}
    async with asking(reply(500, json.dumps(panic) + first), attempts=1) as (_, session):
        with pytest.raises(ServerError, match="Panic detected"):
            await session.fetch("1")


async def test_the_content_type_does_not_matter() -> None:
    plain = reply(200, task(), headers={"Content-Type": "text/plain; charset=latin-1"})
    async with asking(plain) as (_, session):
        assert (await session.fetch("1")).id == "1"


async def test_errors_name_the_request_and_travel_well() -> None:
    answer = reply(500, "x", headers={"X-Oneapi-Request-Id": "20261121-abc", "Retry-After": "7"})
    async with asking(answer, attempts=1) as (_, session):
        with pytest.raises(ServerError) as caught:
            await session.fetch("1")
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):  # noqa: S301
        assert error.status == 500
        assert error.endpoint == "GET /mj/task/1/fetch"
        assert error.request_id == "20261121-abc"
        assert error.retry_after == 7
        assert "GET /mj/task/1/fetch: HTTP 500, request 20261121-abc" in str(error)


# -- list_by_condition ----------------------------------------------------------------------


async def test_tasks_come_in_the_order_asked_one_per_id_unknown_ones_left_out() -> None:
    rows = [task("3"), task("1"), task("9"), task("3", "SUCCESS"), task("3", "SUBMITTED")]
    async with asking(reply(200, rows)) as (server, session):
        found = await session.list_by_condition(["1", " 3 ", "2", "1", "3"])
        assert [(each.id, each.status) for each in found] == [
            ("1", "IN_PROGRESS"),
            ("3", "SUCCESS"),
        ]
        assert server.bodies == [{"ids": ["1", "3", "2"]}]
        assert server.requests[0].method == "POST"
        assert server.requests[0].path == "/mj/task/list-by-condition"
        assert server.requests[0].headers["content-type"] == "application/json"


async def test_a_thousand_ids_go_into_a_request() -> None:
    async def answer(got: Got) -> bytes:
        return reply(200, [task(each) for each in reversed(got.json["ids"])])

    ids = [str(number) for number in range(2_001)]
    async with asking(answer) as (server, session):
        assert [each.id for each in await session.list_by_condition(ids)] == ids
        assert [len(body["ids"]) for body in server.bodies] == [1_000, 1_000, 1]


async def test_no_ids_cost_no_request() -> None:
    async with asking(reply(200, "[]")) as (server, session):
        assert await session.list_by_condition([]) == []
        assert server.requests == []


async def test_a_single_str_is_no_list_of_ids() -> None:
    async with asking(reply(200, "[]")) as (server, session):
        with pytest.raises(ConfigurationError, match="list of ids"):
            await session.list_by_condition("123")
        assert server.requests == []


async def test_a_bare_task_counts_as_a_list_of_one() -> None:
    async with asking(reply(200, task())) as (_, session):
        assert [each.id for each in await session.list_by_condition(["1"])] == ["1"]


async def test_rows_and_fields_that_do_not_fit_are_left_out_and_counted() -> None:
    rows = [task("1", progress={"no": "text"}), {"no": "id"}, 7]
    async with asking(reply(200, rows)) as (_, session):
        assert await session.list_by_condition(["1"]) == [Task("1", status="IN_PROGRESS")]
        assert session.statistics().misfits == 3


async def test_a_pushed_body_that_is_no_task_is_refused() -> None:
    async with asking(never) as (_, session), TaskWatcher(session) as watcher:
        for body in (b"[]", b"{}", b"not json", b""):
            with pytest.raises(ProtocolError, match="no task"):
                watcher.feed(body)
        watcher.feed(json.dumps(task()).encode())


# -- trying again ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "waits"),
    [
        (BROKEN, [(0.4, 0.6), (0.8, 1.2), (1.6, 2.4)]),
        (None, [(0.4, 0.6), (0.8, 1.2), (1.6, 2.4)]),
        (RATE_LIMITED, [(5, 5), (10, 10), (20, 20)]),
        (reply(429, headers={"Retry-After": "3"}), [(3, 3)] * 3),
        (reply(503, headers={"Retry-After": "0.25"}), [(0.25, 0.25)] * 3),
        (reply(429, headers={"Retry-After-Ms": "1500", "Retry-After": "9"}), [(1.5, 1.5)] * 3),
        (reply(429, headers={"Retry-After": "120"}), [(120, 120)] * 3),
        (
            reply(429, headers={"Date": formatdate(0), "Retry-After": formatdate(30)}),
            [(30, 30)] * 3,
        ),
        (reply(429, headers={"Date": formatdate(9), "Retry-After": formatdate(5)}), [(0, 0)] * 3),
        (reply(429, headers={"Retry-After": "soon"}), [(5, 5), (10, 10), (20, 20)]),
    ],
)
async def test_reads_are_tried_again_after_the_time_promised(
    answer: bytes | None, waits: list[tuple[float, float]]
) -> None:
    at: list[float] = []

    async def note(_: Got) -> bytes | None:
        at.append(asyncio.get_running_loop().time())
        return answer

    async with asking(note) as (_, session):
        with pytest.raises(RequestError):
            await session.list_by_condition(["1"])
        assert session.statistics().requests == 4
        assert session.statistics().retries == 3
    spent = [later - earlier for earlier, later in pairwise(at)]
    for (least, most), seconds in zip(waits, spent, strict=True):
        assert least - 0.001 <= seconds <= most + 0.001


async def test_a_fetch_is_tried_again_too() -> None:
    async with asking(BROKEN, reply(200, task())) as (_, session):
        assert (await session.fetch("1")).id == "1"


async def test_a_fetch_that_is_cut_off_is_repeated_by_aiohttp_too() -> None:
    async with asking(None, attempts=2) as (server, session):
        with pytest.raises(TransportError, match="closed the connection"):
            await session.fetch("1")
        assert len(server.requests) == 4


@pytest.mark.parametrize("attempts", [1, 2, 5])
async def test_attempts_bound_the_tries(attempts: int) -> None:
    async with asking(BROKEN, attempts=attempts) as (server, session):
        with pytest.raises(ServerError):
            await session.fetch("1")
        assert len(server.requests) == attempts


@pytest.mark.parametrize(
    "headers",
    [{"Retry-After": "121"}, {"Date": formatdate(0), "Retry-After": formatdate(3_600)}],
)
async def test_a_longer_wait_is_reported_not_slept(headers: dict[str, str]) -> None:
    async with asking(reply(429, headers=headers)) as (server, session):
        watch = Stopwatch()
        with pytest.raises(RateLimitedError) as caught:
            await session.fetch("1")
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > 120
        assert len(server.requests) == 1
        assert watch.seconds == 0


async def test_what_gets_better_is_answered() -> None:
    async with Simulator(profile="novicezk") as sim:
        sim.plant("1", [Step(at=0, status="IN_PROGRESS")])
        async with MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session:
            for fault in (
                Fault.close_before_reading(),
                Fault.answer(500),
                Fault.truncate(0.5),
            ):
                sim.script("task/list-by-condition", fault)
            assert len(await session.list_by_condition(["1"])) == 1
            assert session.statistics().retries == 3


# -- time-outs and sizes --------------------------------------------------------------------


async def test_the_sessions_time_out_bounds_each_try() -> None:
    async with asking(never, timeout=Timeouts(read=3), attempts=2) as (server, session):
        watch = Stopwatch()
        with pytest.raises(TransportError, match="no answer in time"):
            await session.fetch("1")
        assert 6.4 <= watch.seconds <= 6.6
        assert len(server.requests) == 2


@pytest.mark.parametrize("call", ["fetch", "list"])
async def test_a_call_may_have_a_time_out_of_its_own(call: str) -> None:
    async with asking(never, attempts=1) as (_, session):
        watch = Stopwatch()
        with pytest.raises(TransportError, match="no answer in time"):
            await (
                session.fetch("1", timeout=2)
                if call == "fetch"
                else session.list_by_condition(["1"], timeout=2)
            )
        assert watch.seconds == pytest.approx(2)


async def test_an_answer_that_trickles_is_too_late_as_well() -> None:
    answer = reply(200, task(), length=10_000)
    async with asking(answer, attempts=1) as (server, session):
        watch = Stopwatch()
        with pytest.raises(TransportError, match="no answer in time"):
            await session.fetch("1", timeout=4)
        assert watch.seconds == pytest.approx(4)
        await until(lambda: server.open == 0)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
async def test_a_time_out_must_be_a_time(timeout: float) -> None:
    async with asking(reply(200, task())) as (server, session):
        for call in (
            session.fetch("1", timeout=timeout),
            session.list_by_condition(["1"], timeout=timeout),
            session.imagine("a cat", timeout=timeout),
        ):
            with pytest.raises(ConfigurationError, match="timeout is"):
                await call
        assert server.requests == []


async def test_a_dead_server_costs_the_attempts_only() -> None:
    session = MJSession(f"http://127.0.0.1:{closed_port()}", KEY)
    async with session:
        with pytest.raises(TransportError, match="no connection"):
            await session.fetch("1")
    assert session.statistics().requests == 4


def test_statistics_are_a_value() -> None:
    session = MJSession("https://h", KEY)
    numbers = session.statistics()
    zeros = dict.fromkeys(("requests", "submits", "retries", "uncertain", "misfits"), 0)
    assert structs.asdict(numbers) == zeros | {"uncertain_states": ()}
    assert msgspec.json.decode(msgspec.json.encode(numbers)) == zeros | {"uncertain_states": []}


async def test_compressed_answers_are_understood() -> None:
    body = gzip.compress(json.dumps(task()).encode())
    async with asking(reply(200, body, headers={"Content-Encoding": "gzip"})) as (_, session):
        assert (await session.fetch("1")).id == "1"


def test_every_error_of_a_session_has_one_root() -> None:
    for error in (ClosedError, ConfigurationError, TransportError, SubmitUncertainError):
        assert issubclass(error, MJTaskError)
