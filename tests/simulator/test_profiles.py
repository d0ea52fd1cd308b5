import pytest

from mjtask_async.simulator import PROFILES, profiles
from mjtask_async.simulator.exchange import ENDPOINTS


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    words = (
        "unknown profile 'x'; the profiles are: new-api, new-api-2025, novicezk, one-hub, trueai"
    )
    with pytest.raises(ValueError, match=words):
        profiles.profile_named("x")


def test_the_default_is_a_relay_as_resellers_run_it_today() -> None:
    profile = PROFILES[profiles.DEFAULT]
    assert (profile.name, profile.auth) == ("new-api", "bearer")
    assert profile.relay


def test_novicezk_is_asked_directly_and_wants_a_secret() -> None:
    profile = PROFILES["novicezk"]
    assert (profile.auth, profile.relay) == ("secret", None)


def test_every_route_is_an_endpoint() -> None:
    for profile in PROFILES.values():
        assert ENDPOINTS.keys() >= profile.routes


def test_a_relay_is_rarely_a_single_period_apart() -> None:
    """Contract 7: 30 times 15 s and 50 times 30 s of 80."""
    relay = PROFILES["new-api"].relay
    assert relay
    assert relay.single == 30 / 80
