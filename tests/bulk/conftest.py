import asyncio
import time

import pytest


@pytest.fixture
def wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time of day go on with the loop's virtual time."""
    started = time.time()

    monkeypatch.setattr(time, "time", lambda: started + asyncio.get_running_loop().time())
