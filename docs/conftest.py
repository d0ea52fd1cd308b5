import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser

from mjtask_async.simulator import Simulator
from mjtask_async.testing import VirtualTimeLoop


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let `asyncio.run` find a server in the environment and wait without waiting."""

    async def beside_a_server(main: Coroutine[Any, Any, Any]) -> None:
        async with Simulator() as simulator:
            monkeypatch.setenv("MJ_BASE_URL", simulator.base_url)
            monkeypatch.setenv("MJ_API_KEY", simulator.api_key)
            await main

    def run(main: Coroutine[Any, Any, Any]) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(beside_a_server(main))

    monkeypatch.setattr(asyncio, "run", run)
    monkeypatch.chdir(tmp_path)


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()], patterns=["*.md"], fixtures=["server"]
).pytest()
