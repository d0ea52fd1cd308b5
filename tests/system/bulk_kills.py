"""Kill a bulk run again and again, and see whether anything was lost or paid twice.

``python -m tests.system.bulk_kills 300`` runs many rounds and prints a line for each.
"""

import asyncio
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
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from anyio.from_thread import start_blocking_portal
from PIL import Image

import mjtask_async
from mjtask_async.simulator import Fault, Simulator, Step, run_in_thread

from ..support_proxy import Look, proxied

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(mjtask_async.__file__).parents[1])}
"""So that the child runs what its parent tests."""
CHILD = Path(__file__).with_name("bulk_child.py")
PROFILES = ("novicezk", "new-api", "trueai")
COUNTS = {(): 200, ("U1",): 70, ("V1",): 45}
"""How many jobs, by the buttons to press; V1 asks for a modal where the server has one."""
SUBMITS = ("submit/imagine", "submit/action", "submit/change", "submit/modal")
PATIENCE, STALLED = 1.5, 1.7
"""Seconds until the child gives a submit up, and those after which the server still takes it."""
PAUSE = 0.4
"""Seconds before a killed child is started again."""
SPEED = 90.0


@dataclass(frozen=True)
class Round:
    """What one round came to."""

    seed: int
    profile: str
    then: tuple[str, ...]
    kills: int
    jobs: int
    uncertain: int
    seconds: float


@dataclass
class Work:
    """The jobs of a round, as the file of prompts has them."""

    prompts: list[str]
    then: tuple[str, ...]
    removed: set[str] = field(default_factory=set)

    def edit(self, chance: random.Random) -> None:
        """Insert a line and remove another one, as people do between two runs."""
        self.removed.add(self.prompts.pop(chance.randrange(len(self.prompts))))
        place = chance.randrange(len(self.prompts))
        self.prompts.insert(place, f"inserted {len(self.removed)}")


def run_round(seed: int, folder: Path) -> Round:
    """Run jobs in a child that is killed at random until it ends by itself.

    Raises:
        AssertionError: Something was lost, paid twice or left half-written.
    """
    chance, kills, started = random.Random(seed), 0, time.monotonic()  # noqa: S311
    profile, then = PROFILES[seed % 3], list(COUNTS)[seed // 3 % 3]
    work = Work([f"prompt {number}" for number in range(COUNTS[then])], then)
    with _serving(profile, seed, chance) as (sim, url):
        plan = {"url": url, "key": sim.api_key, "auth": sim.auth, "patience": PATIENCE}
        # names that many jobs want, so that each of them has to be kept for one
        plan |= {"then": then, "names": "{label}.{ext}" if seed % 2 else "{index}-{label}.{ext}"}
        while _child(  # longer each time, so that a slow machine comes to an end, too
            folder, plan | {"prompts": work.prompts}, chance.uniform(0.5, 2.2) + 0.1 * kills
        ):
            kills += 1
            if seed % 2 and kills in {2, 4}:
                work.edit(chance)
            time.sleep(PAUSE)
        accepted = Counter((task.prompt, task.action) for task in sim.accepted)
    uncertain = _check(folder, accepted, work)
    jobs = len(work.prompts)
    return Round(seed, profile, then, kills, jobs, uncertain, time.monotonic() - started)


@contextmanager
def _serving(profile: str, seed: int, chance: random.Random) -> Generator[tuple[Simulator, str]]:
    simulator = Simulator(
        profile=profile, speed=SPEED, seed=seed, remix=True, workers=60, queue_size=60
    )
    with run_in_thread(simulator) as sim:
        _let_it_look_old(sim)
        for _ in range(2000):
            for endpoint in SUBMITS:
                sim.script(endpoint, _fault(chance))
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(proxied(sim, _stalling(seed))) as url,
        ):
            yield sim, url


def _let_it_look_old(sim: Simulator) -> None:
    """Give the server a task of long ago, so that a miss in its list can be conclusive."""
    long_ago = {"submitTime": round((time.time() - 86_400) * 1000)}
    sim.plant("1500000000000000", [Step(at=0, status="SUCCESS")], fields=long_ago)


def _fault(chance: random.Random) -> Fault:
    """Be slow, so that kills hit submits; lose some answers, and some submits."""
    lost = (Fault.accept_and_close(), Fault.truncate(), Fault.close_after_reading())
    return chance.choice(lost) if chance.random() < 0.03 else Fault.slow(3.0)


def _stalling(seed: int) -> Look:
    """Let some submits arrive only when the child has given them up."""
    chance = random.Random(seed)  # noqa: S311

    async def look(request: web.BaseRequest) -> None:
        if "/submit/" in request.path and chance.random() < 0.03:
            await asyncio.sleep(STALLED)

    return look


def _child(folder: Path, plan: dict[str, Any], patience: float) -> bool:
    """Run the child for a while; True: it was killed."""
    (folder / "plan.json").write_text(json.dumps(plan))
    with subprocess.Popen([sys.executable, str(CHILD), str(folder)], env=ENVIRONMENT) as child:
        try:
            code = child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
            return True
    assert code == 0, code
    return False


def _check(folder: Path, accepted: Counter[tuple[str, str]], work: Work) -> int:
    lines = (folder / "outcomes.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert sorted(each["prompt"] for each in found) == sorted(work.prompts), "one outcome a job"
    twice = [paid for paid, times in accepted.items() if times > 1]
    assert not twice, f"paid twice: {twice}"
    missing = [each for each in found if len(each["images"]) < 1 + len(work.then)]
    kinds = {kind for each in found for kind in each["errors"].values()}
    assert kinds <= {"SubmitUncertainError"}, found
    assert all(each["errors"] for each in missing), missing
    _check_files(folder / "pictures", [path for each in found for path in each["images"]], work)
    with closing(sqlite3.connect(folder / "run.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return len(missing)


def _check_files(folder: Path, told: list[str], work: Work) -> None:
    there = set(map(str, folder.iterdir()))
    assert len(set(told)) == len(told), "each file is one job's"
    assert set(told) <= there, "none is missing"
    assert len(there) - len(told) <= len(work.removed) * (1 + len(work.then)), "no other file"
    for path in there:
        with Image.open(path) as image:
            image.load()


def main(count: int, first: int = 0) -> None:
    """Run many rounds; the first finding ends them."""
    sums: dict[str, list[int]] = {}
    for seed in range(first, first + count):
        place = Path(tempfile.mkdtemp())
        done = run_round(seed, place)
        shutil.rmtree(place)
        print(done, file=sys.stderr, flush=True)  # noqa: T201
        name, figures = (
            " ".join((done.profile, *done.then)),
            (1, done.kills, done.jobs, done.uncertain),
        )
        sums[name] = [a + b for a, b in zip(sums.get(name, [0] * 4), figures, strict=True)]
    print(f"seeds {first} to {first + count - 1}, nothing lost, nothing paid twice")  # noqa: T201
    print("rounds  kills   jobs  uncertain  server, buttons")  # noqa: T201
    for name, (rounds, kills, jobs, uncertain) in sorted(sums.items()):
        print(f"{rounds:6} {kills:6} {jobs:6} {uncertain:10}  {name}")  # noqa: T201


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
