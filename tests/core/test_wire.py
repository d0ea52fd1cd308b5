from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given, strategies as st
from multidict import CIMultiDict
from yarl import URL

from mjtask_async import ConfigurationError
from mjtask_async._core import wire
from mjtask_async._core.wire import Answer, Request

# Where


@pytest.mark.parametrize(
    ("base_url", "mode", "root"),
    [
        ("https://api.x.com", None, "https://api.x.com/mj/"),
        ("https://api.x.com/", None, "https://api.x.com/mj/"),
        ("https://api.x.com/mj", None, "https://api.x.com/mj/"),
        (" https://api.x.com/mj/ ", None, "https://api.x.com/mj/"),
        ("https://api.x.com/mj//", None, "https://api.x.com/mj/"),
        ("http://127.0.0.1:8080", None, "http://127.0.0.1:8080/mj/"),
        ("http://[::1]:8080/mj", None, "http://[::1]:8080/mj/"),
        ("https://api.x.com/mj-fast/mj", None, "https://api.x.com/mj-fast/mj/"),
        ("https://api.x.com/mj-fast", None, "https://api.x.com/mj-fast/mj/"),
        ("https://api.x.com/mj-fast/mj", "relax", "https://api.x.com/mj-relax/mj/"),
        ("https://api.x.com/a/mj-turbo", "fast", "https://api.x.com/a/mj-fast/mj/"),
        ("https://api.x.com", "turbo", "https://api.x.com/mj-turbo/mj/"),
        ("https://api.x.com/proxy/mj", None, "https://api.x.com/proxy/mj/"),
        ("https://api.x.com/mj-slow", "fast", "https://api.x.com/mj-slow/mj-fast/mj/"),
        ("HTTPS://api.x.com/xmj", None, "https://api.x.com/xmj/mj/"),
    ],
)
def test_a_base_url_may_be_what_users_paste(base_url: str, mode: str | None, root: str) -> None:
    """Contract 1.2."""
    assert wire.server_root(base_url, mode) == root


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.x.com",
        "ftp://x.com",
        "https://",
        "https:///mj",
        "https://x:99999",
        "https://x:0",
        "https://x:y",
        "https://[::1",
        "//x.com",
        "/mj",
    ],
)
def test_what_is_no_address_is_a_mistake(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="give the server's address, such as https://"):
        wire.server_root(base_url, None)


@pytest.mark.parametrize(
    ("base_url", "shown"),
    [("https://x:0", True), ("sk-secret", False), ("sk:secret", False), ("https://u:p@x:0", False)],
)
def test_what_may_be_a_key_or_a_password_is_not_said_back(base_url: str, *, shown: bool) -> None:
    with pytest.raises(ConfigurationError, match="give the server's address") as caught:
        wire.server_root(base_url, None)

    assert (base_url in str(caught.value)) is shown


@pytest.mark.parametrize(
    "base_url", ["https://u@x", "https://u:p@x", "https://x?a=1", "https://x#a"]
)
def test_an_address_is_plain(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="user name, a query or a fragment") as caught:
        wire.server_root(base_url, None)

    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("mode", ["", "FAST", "slow"])
def test_there_are_three_modes(mode: str) -> None:
    with pytest.raises(ConfigurationError, match="use one of fast, relax, turbo, or None"):
        wire.server_root("https://x", mode)


# Ids


@pytest.mark.parametrize(
    ("given_id", "task_id"),
    [
        ("1730621826053455", "1730621826053455"),
        (" 1\n", "1"),
        ("task_1", "task_1"),
        ("a.b", "a.b"),
        ("..a", "..a"),
        ("漢", "漢"),
        ("a:b@c;d=e,f+g'h", "a:b@c;d=e,f+g'h"),
    ],
)
def test_an_id_is_trimmed(given_id: str, task_id: str) -> None:
    assert wire.clean_id(given_id) == task_id


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "  ",
        ".",
        "..",
        "....",
        "a/b",
        "a\\b",
        "a?b",
        "a#b",
        "a%2Fb",
        "a b",
        "a\tb",
        "a\x00b",
        "a\x7fb",
        "a\x85b",
        "a\xa0b",
        "a\u2028b",
        "a\u2029b",
        "a\ud800b",
        "../x",
    ],
    ids=ascii,
)
def test_an_id_that_leads_elsewhere_is_a_mistake(bad: str) -> None:
    with pytest.raises(ConfigurationError, match="is no task id"):
        wire.clean_id(bad)


def test_a_long_id_is_not_repeated_in_full() -> None:
    with pytest.raises(ConfigurationError) as caught:
        wire.clean_id("/" * 1000)

    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("bad", [None, 5, b"1", ["1"]])
def test_an_id_is_a_str(bad: object) -> None:
    with pytest.raises(ConfigurationError, match=f"a str, not {type(bad).__name__}"):
        wire.clean_id(bad)


def test_ids_are_distinct_and_in_order() -> None:
    assert wire.clean_ids(["2", " 1 ", "2", "1", "3"]) == ["2", "1", "3"]
    assert wire.clean_ids(iter(["1"])) == ["1"]
    assert wire.clean_ids([]) == []


def test_a_single_str_is_no_list_of_ids() -> None:
    with pytest.raises(ConfigurationError, match="give a list of ids"):
        wire.clean_ids("123")


@pytest.mark.parametrize("ids", [["1", ""], ["1", 5]])
def test_one_bad_id_spoils_the_list(ids: list[object]) -> None:
    with pytest.raises(ConfigurationError):
        wire.clean_ids(ids)


@given(text=st.text(max_size=12))
def test_any_id_stays_in_its_place_in_the_path(text: str) -> None:
    """Ids come from strangers; the key goes along."""
    try:
        task_id = wire.clean_id(text)
    except ConfigurationError:
        return
    url = URL("https://h/mj/" + wire.fetch(text).path, encoded=True)

    assert PurePosixPath(url.path).parts == ("/", "mj", "task", task_id, "fetch")
    assert (url.host, url.query_string, url.fragment) == ("h", "", "")


# Requests


def test_a_fetch_asks_for_one_task() -> None:
    request = wire.fetch(" 123 ")

    assert request == Request("GET", "task/123/fetch", None, 16 * 2**20)
    assert request.endpoint == "GET /mj/task/123/fetch"


@pytest.mark.parametrize(
    ("task_id", "path"), [("a:b@!$&()*+,;=~", "a:b@!$&()*+,;=~"), ("漢'", "%E6%BC%A2%27")]
)
def test_a_path_is_quoted_where_it_must_be(task_id: str, path: str) -> None:
    assert wire.fetch(task_id).path == f"task/{path}/fetch"


def test_a_fetch_checks_its_id() -> None:
    with pytest.raises(ConfigurationError):
        wire.fetch("..")


def test_a_list_call_has_room_for_a_thousand_ids() -> None:
    assert wire.MAX_IDS == 1000


def test_a_list_call_sends_ids_as_strings() -> None:
    """Relays refuse numbers (contract 1.4)."""
    request = wire.list_by_condition(["1", "2"])

    assert request == Request("POST", "task/list-by-condition", b'{"ids":["1","2"]}', 64 * 2**20)


# Answers


def test_an_answer_says_where_it_came_from() -> None:
    headers = {"x-oneapi-request-id": "r", "retry-after": "7"}

    assert Answer(503, headers, b"", "GET /mj/x").where == {
        "status": 503,
        "endpoint": "GET /mj/x",
        "request_id": "r",
        "retry_after": 7.0,
    }
    assert Answer(200, {}, b"").where == {
        "status": 200,
        "endpoint": "",
        "request_id": None,
        "retry_after": None,
    }


NOON = "Sat, 21 Nov 2026 12:00:00 GMT"
NOON_UNIX = 1795262400.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 7.5 "}, 7.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "180"}, 180.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "7"}, 7.0),
        ({"retry-after-ms": "-1", "retry-after": "7"}, 7.0),
        ({"retry-after": NOON}, 100.0),
        ({"retry-after": NOON, "date": "Sat, 21 Nov 2026 11:59:30 GMT"}, 30.0),
        ({"retry-after": NOON, "date": "Sat, 21 Nov 2026 13:00:00 GMT"}, 0.0),
        ({"retry-after": NOON, "date": "today"}, 100.0),
        ({"retry-after": "Sat, 21 Nov 99999 12:00:00 GMT"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 99:00:00 GMT"}, None),
    ],
)
def test_a_server_may_ask_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert wire.retry_after(headers, NOON_UNIX - 100.0) == seconds


def test_header_names_are_looked_up_in_any_case() -> None:
    assert wire.retry_after(CIMultiDict({"Retry-After": "7"}), 0.0) == 7.0


PIECES = st.sampled_from(["Sat", ",", " ", "21", "Nov", "2026", "12:00:00", "GMT", "-", "+9999"])


@given(text=st.text(max_size=20) | st.lists(PIECES, max_size=8).map("".join))
def test_any_header_is_a_wait_or_none(text: str) -> None:
    for headers in ({"retry-after": text}, {"retry-after": NOON, "date": text}):
        seconds = wire.retry_after(headers, 0.0)

        assert seconds is None or 0 <= seconds < float("inf")


@pytest.mark.parametrize("make", [wire.Request, wire.Answer])
def test_requests_and_answers_stay_as_they_are(make: Callable[..., Any]) -> None:
    made = make("GET", {}, b"")

    with pytest.raises(AttributeError):
        made.body = b"x"
