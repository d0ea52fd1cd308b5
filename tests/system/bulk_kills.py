"""Kill a bulk run again and again, and see whether anything was lost or paid twice.

``python -m tests.system.bulk_kills 300`` runs many rounds and prints a line for each.
"""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

import mjtask_async
from mjtask_async.simulator import Fault, Simulator, Step, run_in_thread

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(mjtask_async.__file__).parents[1])}
"""So that the child runs what its parent tests."""
CHILD = Path(__file__).with_name("bulk_child.py")
PROFILES = ("novicezk", "new-api")


@dataclass(frozen=True)
class Round:
    """What one round came to."""

    seed: int
    profile: str
    kills: int
    jobs: int
    uncertain: int
    seconds: float


def run_round(seed: int, folder: Path, count: int = 200) -> Round:
    """Run jobs in a child that is killed at random until it ends by itself.

    Raises:
        AssertionError: Something was lost, paid twice or left half-written.
    """
    profile, chance, kills = PROFILES[seed % len(PROFILES)], random.Random(seed), 0  # noqa: S311
    started = time.monotonic()
    simulator = Simulator(profile=profile, speed=60, seed=seed, workers=60, queue_size=60)
    with run_in_thread(simulator) as sim:
        _let_it_look_old(sim)
        sim.script("submit/imagine", Fault.slow(6.0), times=9_999)  # so that kills hit submits
        command = [sys.executable, str(CHILD), sim.base_url, sim.api_key, sim.auth, str(folder)]
        while _child(command, count, chance.uniform(0.3, 2.0)):
            kills += 1
        accepted = Counter(task.prompt for task in sim.accepted)
    uncertain = _check(folder, accepted, count)
    return Round(seed, profile, kills, count, uncertain, time.monotonic() - started)


def _let_it_look_old(sim: Simulator) -> None:
    """Give the server a task of long ago, so that a miss in its list can be conclusive."""
    long_ago = {"submitTime": round((time.time() - 86_400) * 1000)}
    sim.plant("1500000000000000", [Step(at=0, status="SUCCESS")], fields=long_ago)


def _child(command: list[str], count: int, patience: float) -> bool:
    """Run the child for a while; True: it was killed."""
    with subprocess.Popen([*command, str(count)], env=ENVIRONMENT) as child:
        try:
            code = child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
            return True
    assert code == 0, code
    return False


def _check(folder: Path, accepted: Counter[str], count: int) -> int:
    lines = (folder / "outcomes.jsonl").read_text().splitlines()
    found = {outcome["index"]: outcome for outcome in map(json.loads, lines)}
    assert len(lines) == len(found) == count, "each job has one outcome"
    twice = [prompt for prompt, times in accepted.items() if times > 1]
    assert not twice, f"paid twice: {twice}"
    missing = [outcome for outcome in found.values() if not outcome["images"]]
    assert {outcome["error"] for outcome in missing} <= {"SubmitUncertainError"}, missing
    pictures = [path for outcome in found.values() for path in outcome["images"]]
    there = list((folder / "pictures").iterdir())
    assert sorted(map(str, there)) == sorted(pictures), "no other file, none missing"
    for path in pictures:
        with Image.open(path) as image:
            image.load()
    database = sqlite3.connect(folder / "run.db")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    return len(missing)


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        place = Path(tempfile.mkdtemp())
        print(run_round(number, place), flush=True)  # noqa: T201
        shutil.rmtree(place)
