import asyncio
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

from mjtask_async.simulator import Simulator
from mjtask_async.testing import VirtualTimeLoop

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_first_command_runs_the_main_job() -> None:
    assert blocks("sh")[0] == (
        'python3 -m venv .venv && .venv/bin/python -m pip install ".[cli]" '
        "&& .venv/bin/mjtask demo\n"
    )


def test_the_second_command_passes_the_tests() -> None:
    assert blocks("sh")[1] == (
        'python3 -m venv .venv && .venv/bin/python -m pip install ".[test]" '
        "&& .venv/bin/python -m pytest\n"
    )


def test_the_windows_form_says_the_same() -> None:
    windows = blocks("bat")[0]

    unix = "".join(blocks("sh")[:2]).replace("python3", "py").replace("bin/", "Scripts/")
    assert windows.replace("\\", "/") == unix


def test_the_example_works_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    program, start = blocks("python")[0].split("asyncio.run(main())")
    names: dict[str, object] = {}
    exec(program, names)  # noqa: S102  # the README's own words

    async def beside_a_server() -> None:
        async with Simulator() as simulator:
            monkeypatch.setenv("MJ_BASE_URL", simulator.base_url)
            monkeypatch.setenv("MJ_API_KEY", simulator.api_key)
            await names["main"]()  # type: ignore[operator]

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(beside_a_server())

    lines = capsys.readouterr().out.splitlines()
    assert start == "\n"
    assert lines[-2] == "SUCCEEDED 100"
    assert len(list(tmp_path.glob("pictures/*.png"))) == 1


def test_the_readme_names_every_command() -> None:
    for command in ("demo", "simulate", "imagine", "fetch", "watch", "download"):
        assert f"`mjtask {command}" in README


def test_every_page_the_readme_links_to_exists() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists()


def test_the_version_is_the_changelog_s_first() -> None:
    changelog = (ROOT / "docs/changelog.md").read_text(encoding="utf-8")

    assert re.findall(r"^## (\S+)", changelog, re.MULTILINE)[0] == metadata.version("mjtask_async")


def test_the_package_supports_what_runs_it() -> None:
    assert sys.version_info >= (3, 11)
    assert metadata.metadata("mjtask_async")["Requires-Python"] == ">=3.11"


def test_the_package_says_that_it_is_typed() -> None:
    files = metadata.files("mjtask_async") or []

    assert (
        any(file.name == "py.typed" for file in files) or (ROOT / "mjtask_async/py.typed").exists()
    )
