"""Ctrl-C during ``mjtask bulk`` in a real process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import mjtask_async
from mjtask_async.simulator import Fault, Simulator, run_in_thread

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(60),
    pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal there"),
]
COMMAND = [sys.executable, "-m", "mjtask_async", "bulk", "prompts.txt", "--out", "out"]
JOBS = 12


@pytest.mark.parametrize("times", [1, 2, 4])
def test_ctrl_c_leaves_results_and_the_same_command_goes_on(tmp_path: Path, times: int) -> None:
    (tmp_path / "prompts.txt").write_text("\n".join(f"fox {n}" for n in range(JOBS)))
    with run_in_thread(Simulator(speed=60, profile="novicezk", workers=JOBS)) as sim:
        environment = os.environ | {
            "MJ_BASE_URL": sim.base_url,
            "MJ_API_KEY": sim.api_key,
            "PYTHONPATH": str(Path(mjtask_async.__file__).parents[1]),
        }
        code, out, err = interrupted(sim, tmp_path, environment, times)
        accepted, found = len(sim.accepted), statuses(tmp_path)
        subprocess.run(COMMAND, cwd=tmp_path, env=environment, stdout=-1, check=True)
        prompts = Counter(task.prompt for task in sim.accepted)

    assert (code, err) == (130, "mjtask: interrupted\n")
    assert "Ctrl-C again" in out
    assert out.splitlines()[-1] == str(Path("out", "index.html"))
    assert found["unfinished"] == JOBS - found["succeeded"]
    assert (found["succeeded"] == accepted) is (times == 1)
    assert statuses(tmp_path) == {"succeeded": JOBS}
    assert set(prompts.values()) == {1}, "paid twice"


def interrupted(
    sim: Simulator, folder: Path, environment: dict[str, str], times: int
) -> tuple[int, str, str]:
    """Start a run, press Ctrl-C while submits are under way, and let it end."""
    sim.script("submit/imagine", Fault.slow(120.0 if times > 2 else 0.0), times=4)
    command = [*COMMAND, "--in-flight", "2"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=-1, stderr=-1, text=True
    ) as process:
        while not sim.requests:
            time.sleep(0.01)
        for _ in range(times):
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    return process.returncode, out, err


def statuses(folder: Path) -> Counter[str]:
    lines = (folder / "out" / "results.jsonl").read_text().splitlines()
    return Counter(json.loads(line)["status"] for line in lines)
