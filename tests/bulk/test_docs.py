"""The pipeline of the docs, as printed."""

import asyncio
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mjtask_async.simulator import Simulator
from mjtask_async.testing import VirtualTimeLoop

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bulk.md"


def test_the_pipeline_works_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)

    async def beside_a_server(main: Coroutine[Any, Any, None]) -> None:
        async with Simulator() as simulator:
            monkeypatch.setenv("MJ_BASE_URL", simulator.base_url)
            monkeypatch.setenv("MJ_API_KEY", simulator.api_key)
            await main

    def run(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(beside_a_server(main))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(asyncio, "run", run)
    exec(program, {})  # noqa: S102 -- the page's own words

    assert sorted(capsys.readouterr().out.splitlines()) == ["fox done", "owl done"]
    for name in ("fox", "owl"):
        with Image.open(f"{name}.jpg") as picture:
            assert picture.size == (512, 512)
    assert len(list(tmp_path.glob("pictures/*-U1.png"))) == 2
