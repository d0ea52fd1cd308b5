import pytest

from mjtask_async import ConfigurationError
from mjtask_async._core.auth import SCHEMES, Auth, Secret

KEY = "sk-sEcReT"


@pytest.mark.parametrize(
    ("scheme", "headers"),
    [
        ("bearer", {"Authorization": f"Bearer {KEY}"}),
        ("secret", {"mj-api-secret": KEY}),
        ("raw", {"Authorization": KEY}),
    ],
)
def test_one_credential_goes_along(scheme: str, headers: dict[str, str]) -> None:
    """Both at once break trueai-org (contract 1.1)."""
    auth = Auth(f" {KEY}\n", scheme)

    assert auth.headers(auth.scheme) == headers
    assert auth.headers(scheme) == headers
    assert not auth.undecided


def test_auto_starts_with_a_bearer_and_settles_once() -> None:
    auth = Auth(KEY, "auto")

    assert (auth.scheme, auth.undecided) == ("bearer", True)
    assert auth.headers("secret") == {"mj-api-secret": KEY}

    auth.settle("secret")
    auth.settle("bearer")

    assert (auth.scheme, auth.undecided) == ("secret", False)


@pytest.mark.parametrize("scheme", ["bearer", "secret", "raw"])
def test_a_chosen_scheme_stays(scheme: str) -> None:
    auth = Auth(KEY, scheme)
    auth.settle("bearer" if scheme == "secret" else "secret")

    assert auth.scheme == scheme


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("key", [None, "", "  "])
def test_without_a_key_nothing_goes_along(key: str | None, scheme: str) -> None:
    auth = Auth(key, scheme)

    assert [auth.headers(each) for each in SCHEMES] == [{}] * 4
    assert auth.redact("anything") == "anything"


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_there_is_nothing_to_find_out(key: str | None) -> None:
    assert not Auth(key, "auto").undecided


@pytest.mark.parametrize("scheme", ["", "AUTO", "both", "basic"])
def test_there_are_four_schemes(scheme: str) -> None:
    with pytest.raises(ConfigurationError, match="use one of auto, bearer, secret, raw"):
        Auth(KEY, scheme)


@pytest.mark.parametrize("key", ["sk-a\r\nX: y", "sk-\x00", "sk-é", "sk-\u2028x", "a\tb"])
def test_a_key_that_no_header_takes_is_a_mistake(key: str) -> None:
    with pytest.raises(ConfigurationError, match="api_key holds a line break") as caught:
        Auth(key, "bearer")

    assert key not in str(caught.value)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_repr_shows_the_key(scheme: str) -> None:
    auth = Auth(KEY, scheme)
    shown = repr([auth, vars(auth), *map(auth.headers, ("bearer", "secret", "raw")), Secret(KEY)])

    assert KEY not in shown
    assert "'***'" in shown


def test_the_repr_says_what_is_known() -> None:
    assert repr(Auth(KEY, "auto")) == "<Auth bearer (undecided)>"
    assert repr(Auth(KEY, "secret")) == "<Auth secret>"


@pytest.mark.parametrize(
    ("key", "words", "shown"),
    [
        (KEY, f"bad {KEY}, {KEY}", "bad ***, ***"),
        (KEY, f"bad {KEY}{KEY}.", "bad ******."),
        (KEY, f"bad {KEY[:-1]}", "bad ***"),
        (KEY, f"bad {KEY[:4]}... and {KEY[:3]}", "bad ***... and sk-"),
        ("k", "a key", "a ***ey"),
    ],
)
def test_words_that_echo_the_key_or_its_beginning_are_blotted(
    key: str, words: str, shown: str
) -> None:
    assert Auth(key, "bearer").redact(words) == shown
