import asyncio
import time

import pytest


@pytest.fixture
def wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time of day go on with the loop's virtual time."""
    started = time.time()

    def now() -> float:
        try:
            return started + asyncio.get_running_loop().time()
        except RuntimeError:  # in a worker thread
            return started

    monkeypatch.setattr(time, "time", now)
