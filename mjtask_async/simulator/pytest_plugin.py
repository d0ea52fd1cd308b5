"""The pytest fixture ``mj_simulator``; loads nothing but pytest until it is used.

The fixture is synchronous and serves from a thread of its own, so it works in plain
tests and under any async plugin. A marker sets the simulator's arguments::

    @pytest.mark.mj_simulator(profile="novicezk", speed=100)
    def test_something(mj_simulator):
        ...
"""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .app import Simulator

SPEED = 60.0
"""The fixture's speed unless the marker says otherwise: a minute of the server's in a second."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    line = "mj_simulator(**arguments): what the fixture mj_simulator passes to Simulator"
    config.addinivalue_line("markers", line)


@pytest.fixture
def mj_simulator(request: pytest.FixtureRequest) -> "Iterator[Simulator]":
    """Serve a `Simulator` for one test, at sixty times the real speed."""
    from . import Simulator, run_in_thread  # noqa: PLC0415 -- not before it is used

    node: pytest.Item = request.node
    marker = node.get_closest_marker("mj_simulator")
    arguments: dict[str, Any] = {"speed": SPEED, **(marker.kwargs if marker else {})}
    with run_in_thread(Simulator(**arguments)) as simulator:
        yield simulator
