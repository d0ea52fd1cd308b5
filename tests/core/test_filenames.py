"""How the files of a bulk run are called, and where pictures may come from."""

from itertools import islice
from typing import Any

import pytest

from mjtask_async import ConfigurationError, DownloadError
from mjtask_async._core.addresses import check_host, check_reachable, literal
from mjtask_async._core.filenames import Template, slug

FIELDS: dict[str, Any] = {
    "index": 7,
    "prompt": "A fox, asleep!",
    "label": "U1",
    "ext": "png",
    "key": "k/1",
    "task_id": "99",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{index:04}-{slug}-{label}.{ext}", "0007-a-fox-asleep-U1.png"),
        ("{key}.{ext}", "k_1.png"),
        ("{task_id}.{ext}", "99.png"),
        ("../{slug}.{ext}", "_a-fox-asleep.png"),
        ("con.{ext}", "_con.png"),
    ],
)
def test_a_template_makes_names(text: str, expected: str) -> None:
    assert next(Template(text).names(**FIELDS)) == expected


def test_a_name_that_is_taken_gets_a_number() -> None:
    assert list(islice(Template("{slug}.{ext}").names(**FIELDS), 3)) == [
        *("a-fox-asleep.png", "a-fox-asleep-2.png", "a-fox-asleep-3.png")
    ]


@pytest.mark.parametrize(
    "text",
    ["{index}", "{nothing}.{ext}", "{}.{ext}", "{index:q}.{ext}", "{.{ext}", "{slug.x}.{ext}"],
)
def test_a_template_that_makes_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="names is"):
        Template(text)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [("", "picture"), ("***", "picture"), ("Ein Fuchs", "ein-fuchs"), ("\u72d0", "\u72d0")],
)
def test_a_slug_has_the_prompt_s_words(prompt: str, expected: str) -> None:
    assert slug(prompt) == expected


def test_a_slug_leaves_room() -> None:
    assert len(slug("\u72d0" * 100).encode()) <= 40


def test_the_api_s_own_host_and_named_ones_may_be_anywhere() -> None:
    assert check_host("LOCALHOST", "localhost", ())
    assert check_host("nas.local.", None, ["NAS.local"])
    assert not check_host("cdn.example", "api.example", ["nas"])
    assert not check_host("", None, [])


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "224.0.0.1"),
        *("::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "2002:a00:1::", "100.64.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "::127.0.0.1", "::10.0.0.1"),
        *("2001:0:7f00:1::", "::ffff:224.0.0.1"),
    ],
)
def test_private_addresses_are_refused(address: str) -> None:
    with pytest.raises(DownloadError, match="private network"):
        check_reachable(address, "evil.example")


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::93.184.216.34"]
)
def test_public_addresses_are_fine(address: str) -> None:
    check_reachable(address, "cdn.example")


def test_a_host_may_be_an_address() -> None:
    assert literal("10.0.0.1") == "10.0.0.1"
    assert literal("cdn.example") is None
