"""A long run under every fault, and what must be true of it at the end.

Tasks are planted over the whole time, so that the truth is known beforehand. Consumers come
and go at random: some stay to the end, some leave in the middle, some take one update only.
"""

import asyncio
import gc
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from mjtask_async import (
    AuthenticationError,
    MJSession,
    Task,
    TaskUpdate,
    TaskWatcher,
    UpdateKind,
    WatchLimits,
)
from mjtask_async.simulator import Simulator, Step
from mjtask_async.simulator.mishaps import MISHAPS

from .support_watch import LIST

FETCH = "task/{id}/fetch"
LIMITS = WatchLimits(total=None, outage=None)


@dataclass
class Soak:
    """What happened.

    Attributes:
        truth: How each task ends.
        finals: Which final updates the consumers that stayed received, and how often.
        wrong: Final updates that are not the truth.
        requests: How many requests the server saw.
        left: What should be empty at the end, by name.
    """

    truth: dict[str, UpdateKind] = field(default_factory=dict[str, UpdateKind])
    finals: Counter[tuple[int, str]] = field(default_factory=Counter[tuple[int, str]])
    wrong: list[TaskUpdate[Task]] = field(default_factory=list[TaskUpdate[Task]])
    requests: int = 0
    left: dict[str, int] = field(default_factory=dict[str, int])


def draw_life(chance: Random) -> tuple[list[Step], UpdateKind]:
    """Draw what happens to a task, and how it ends."""
    at, percent = chance.uniform(0, 20), 0
    steps = [Step(at=0, status="NOT_START"), Step(at=at, status="SUBMITTED")]
    while (percent := percent + chance.randint(5, 30)) < 100:
        at += chance.uniform(2, 15)
        steps.append(Step(at=at, status="IN_PROGRESS", progress=f"{percent}%"))
    at += chance.uniform(2, 15)
    drawn = chance.random()
    if drawn < 0.85:
        return [*steps, Step(at=at, status="SUCCESS")], UpdateKind.SUCCEEDED
    words, kind = (
        ("no luck", UpdateKind.FAILED) if drawn < 0.95 else ("取消任务", UpdateKind.CANCELLED)
    )
    return [*steps, Step(at=at, status="FAILURE", fail_reason=words)], kind


class Run:
    """One run with one seed.

    Args:
        seed: Of everything drawn.
        tasks: How many.
        seconds: Over which they come.
        odds: Of each fault, for each request.
    """

    def __init__(self, seed: int, tasks: int, seconds: float, odds: float) -> None:
        self._random = Random(seed)  # noqa: S311 -- a simulation
        self._seed, self._tasks, self._seconds, self._odds = seed, tasks, seconds, odds
        self._consumers: set[asyncio.Task[None]] = set()
        self.soak = Soak()

    async def run(self) -> Soak:
        """Let it happen."""
        random.seed(self._seed)  # the jitter's
        before = asyncio.all_tasks()
        async with (
            Simulator(profile="novicezk", seed=self._seed) as sim,
            MJSession(sim.base_url, sim.api_key, auth="secret") as session,
            TaskWatcher(session, limits=LIMITS) as watcher,
        ):
            for endpoint in (LIST, FETCH):
                for fault in MISHAPS.values():
                    sim.chance(endpoint, fault, self._odds)
            await self._let_tasks_come(sim, watcher)
            await asyncio.gather(*self._consumers)
            self._count(sim, watcher)
        gc.collect()
        self.soak.left["asyncio tasks"] = len(asyncio.all_tasks() - before)
        return self.soak

    async def _let_tasks_come(self, sim: Simulator, watcher: TaskWatcher[Task]) -> None:
        pause = self._seconds / self._tasks
        for number in range(self._tasks):
            task_id = f"{1_700_000_000_000_000 + number}"
            steps, self.soak.truth[task_id] = draw_life(self._random)
            sim.plant(task_id, steps)
            for _ in range(self._random.choice((1, 1, 1, 2, 3))):
                self._consume(watcher, task_id)
            await asyncio.sleep(self._random.uniform(0, 2 * pause))

    def _consume(self, watcher: TaskWatcher[Task], task_id: str) -> None:
        way = self._random.choice((self._stay, self._stay, self._leave, self._peek))
        consumer = asyncio.create_task(way(watcher, task_id))
        self._consumers.add(consumer)

    async def _stay(self, watcher: TaskWatcher[Task], task_id: str) -> None:
        """Read to the end; three 401 in a row by chance are none."""
        finals: list[TaskUpdate[Task]] = []
        while not finals:
            with suppress(AuthenticationError):
                finals = [update async for update in watcher.watch(task_id) if update.is_final]
        self.soak.finals[len(finals), task_id] += 1
        wanted = self.soak.truth[task_id]
        self.soak.wrong += [update for update in finals if update.kind is not wanted]

    async def _leave(self, watcher: TaskWatcher[Task], task_id: str) -> None:
        """Be cancelled in the middle."""
        waiting = asyncio.create_task(watcher.wait(task_id))
        await asyncio.wait({waiting}, timeout=self._random.uniform(0, 60))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    async def _peek(self, watcher: TaskWatcher[Task], task_id: str) -> None:
        """Take one update and go."""
        async with watcher.watch(task_id) as stream:
            with suppress(AuthenticationError):
                await anext(stream)

    def _count(self, sim: Simulator, watcher: TaskWatcher[Task]) -> None:
        poller = watcher._poller
        self.soak.requests = len(sim.requests)
        self.soak.left = {
            "watched": watcher.statistics().watched,
            "consumers": watcher.statistics().consumers,
            "tracks": len(poller.tracker.tracks),
            "doubted": len(poller.tracker._doubted),
            "limits": len(poller.consumers._heap),
            "lots": len(poller.schedule._lots),
            "astray": len(poller.schedule._astray),
            "busy": len(poller.schedule._busy),
            "ready": len(poller.schedule._ready),
            "losing": len(poller._losses),
            "timers": poller._timer is not None,
        }
