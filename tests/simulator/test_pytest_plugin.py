import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from mjtask_async.simulator import Simulator

SECRET = {"mj-api-secret": "sk-simulator"}


def status(sim: Simulator) -> int:
    request = urllib.request.Request(f"{sim.base_url}/mj/task/1/fetch", headers=SECRET)  # noqa: S310 -- loopback
    try:
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310 -- loopback
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_the_fixture_works_in_a_plain_test(mj_simulator: Simulator) -> None:
    assert (mj_simulator.profile, status(mj_simulator)) == ("new-api", 400)


@pytest.mark.mj_simulator(profile="novicezk", speed=5.0)
def test_a_marker_sets_the_arguments(mj_simulator: Simulator) -> None:
    assert (mj_simulator.profile, status(mj_simulator)) == ("novicezk", 200)


async def test_the_fixture_works_in_an_async_test(mj_simulator: Simulator) -> None:
    assert mj_simulator.base_url.startswith("http://127.0.0.1:")


def python(*arguments: str, cwd: Path) -> str:
    command = [sys.executable, "-I", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def test_the_plugin_loads_nothing_but_pytest(tmp_path: Path) -> None:
    code = (
        "import sys, mjtask_async.simulator.pytest_plugin;"
        "print({'aiohttp', 'msgspec', 'PIL', 'asyncio'} & set(sys.modules))"
    )
    assert python("-c", code, cwd=tmp_path).strip() in {"set()", "{'asyncio'}"}


def test_the_fixture_is_there_for_users_of_any_async_plugin_or_none(tmp_path: Path) -> None:
    test = "def test_it(mj_simulator):\n    assert mj_simulator.base_url\n"
    (tmp_path / "test_it.py").write_text(test, encoding="utf-8")
    said = python("-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider", cwd=tmp_path)
    assert "1 passed" in said
