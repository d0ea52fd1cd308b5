"""A long run under every fault: what must be true of it, and what shows that it was.

Tasks are planted or submitted over the whole time, so that their ends are known beforehand
(`support_soak_truth`). Consumers come and go at random (`support_soak_consumers`). Every
request can meet any fault, and now and then the server as a whole is in trouble.
"""

import asyncio
import gc
import random
import time
from collections.abc import Callable, Iterator, Sized
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import cycle
from math import ceil
from random import Random

from mjtask_async import (
    MJSession,
    MJTaskError,
    Submission,
    SubmitUncertainError,
    Task,
    TaskWatcher,
)
from mjtask_async.simulator import Simulator
from mjtask_async.simulator.mishaps import MISHAPS

from .support_cancel import _sockets as open_sockets
from .support_soak_consumers import HANGS, Crowd
from .support_soak_server import FETCH, FORBIDDEN, IMAGINE, POISON, RESTART, Book
from .support_soak_truth import (
    FAILED,
    INTERVAL,
    LIMITS,
    MISSING,
    SUCCEEDED,
    TOTAL,
    Ledger,
    Truth,
    draw_life,
)
from .support_watch import LIST, now

PROFILES = ("novicezk", "new-api", "trueai", "one-hub")
RELAYS = frozenset(("new-api", "one-hub"))
BATCH, AT_ONCE = 10, 2
_EPOCH = 1_700_000_000_000_000
_LONGEST_RUN = 130.0
"""Seconds that a submitted task takes at most."""
_STORM = 50
"""Requests for each task; more is a storm, which is ended at once."""
_LOOKS_EVERY = 20.0
_LOOKS, _LOOKS_BACK = range(4), range(-4, 0)
"""Tasks at which the client is weighed; the least counts, as what is under way comes and goes."""
_GROWTH = 1.0
"""MB by which the client may grow in two thirds of a run."""


@dataclass
class Soak:
    """What happened.

    Attributes:
        profile: Which server it was.
        ledger: What was promised and what came of it.
        faults: How often each fault met a request, by name.
        requests: How many requests there were, and how many there might have been.
        most: The most asyncio tasks and sockets that the run needed besides its consumers.
        memory: MB that the client held, at the end of the first and of the last third.
    """

    profile: str
    ledger: Ledger = field(default_factory=Ledger)
    faults: dict[str, int] = field(default_factory=dict[str, int])
    requests: tuple[int, int] = (0, 0)
    most: dict[str, int] = field(default_factory=dict[str, int])
    memory: list[float] = field(default_factory=list[float])


class Run:
    """One run with one seed; an odd one goes through a relay.

    Args:
        seed: Of everything drawn.
        tasks: How many are planted.
        seconds: Over which they come.
        odds: Of each fault, for each request.
        weigh: Says how many MB the client holds.
    """

    def __init__(
        self,
        seed: int,
        tasks: int,
        seconds: float,
        odds: float = 0.02,
        weigh: Callable[[], float] = float,
    ) -> None:
        self._random = Random(seed)  # noqa: S311 -- a simulation
        self._seed, self._tasks, self._seconds, self._odds = seed, tasks, seconds, odds
        self._weigh = weigh
        self._ticks = 0.0
        self._recent: list[str] = []
        self._uncertain: list[SubmitUncertainError] = []
        self.soak = Soak(PROFILES[seed % len(PROFILES)])
        self._ledger = self.soak.ledger

    async def run(self) -> Soak:
        """Let it happen."""
        random.seed(self._seed)  # the jitter's
        before, sockets = asyncio.all_tasks(), len(open_sockets())
        running = asyncio.current_task()
        assert running is not None
        async with AsyncExitStack() as stack:
            await self._enter(stack, running.cancel)
            with suppress(asyncio.CancelledError):  # by a storm
                async with asyncio.timeout(self._seconds + HANGS + TOTAL):
                    await self._let_it_happen()
            self._close_the_books()
        gc.collect()
        self._expect_none("tasks", asyncio.all_tasks() - before)
        self._expect("sockets", len(open_sockets()) <= sockets, "sockets are open at the end")
        return self.soak

    async def _enter(self, stack: AsyncExitStack, stop: Callable[[], object]) -> None:
        skew = self._random.choice((-86_400, 0, 3_600))
        self._sim = await stack.enter_async_context(
            Simulator(
                profile=self.soak.profile,
                seed=self._seed,
                workers=100,
                epoch=time.time() + skew,
            )
        )
        self._book = Book(self._sim, _STORM * self._tasks, stop)
        self._ledger.explains_loss = self._book.loss_is_explained
        self._session = await stack.enter_async_context(
            MJSession(self._sim.base_url, self._sim.api_key, auth=self._sim.auth)
        )
        watcher = TaskWatcher(
            self._session,
            interval=INTERVAL,
            batch_size=BATCH,
            max_requests=AT_ONCE,
            limits=LIMITS,
        )
        self._watcher = await stack.enter_async_context(watcher)
        self._crowd = Crowd(self._watcher, self._ledger, self._book, self._random)

    # What happens

    async def _let_it_happen(self) -> None:
        self._set_faults()
        around = [
            asyncio.create_task(each)
            for each in (self._crowd.overhear(), self._let_trouble_come(), self._look_around())
        ]
        await asyncio.sleep(0)
        try:
            await asyncio.gather(self._let_tasks_come(), self._submit_tasks())
            await asyncio.gather(*self._crowd.here)
            await asyncio.sleep(120)  # for requests under way
        finally:
            for each in around:
                each.cancel()
            ends = await asyncio.gather(*around, return_exceptions=True)
        for end in ends:
            self._expect("error", isinstance(end, asyncio.CancelledError), repr(end))

    def _set_faults(self) -> None:
        for endpoint in (LIST, FETCH, IMAGINE):
            for fault in MISHAPS.values():
                self._sim.chance(endpoint, fault, self._odds)

    async def _let_tasks_come(self) -> None:
        pause = self._seconds / self._tasks
        for number in range(self._tasks):
            task_id = f"{_EPOCH + number}"
            self._plant(task_id)
            for _ in range(self._random.choice((1, 1, 1, 2, 3))):
                self._crowd.come(self._some_of_them(task_id))
            if number - self._tasks // 3 in _LOOKS or number - self._tasks in _LOOKS_BACK:
                self.soak.memory.append(self._weigh())
            await asyncio.sleep(self._random.uniform(0, 2 * pause))

    def _plant(self, task_id: str) -> None:
        life = draw_life(self._random, relay=self.soak.profile in RELAYS)
        self._ledger.truths[task_id] = life.truth(now())
        self._sim.plant(task_id, life.steps)
        if life.hidden:
            self._sim.hide(task_id)
        if life.poison:
            self._book.poison.add(task_id)
            self._sim.poison(LIST, task_id, POISON[self._random.choice(list(POISON))])
        if life.forgotten is not None:
            asyncio.get_running_loop().call_later(life.forgotten, self._sim.forget, task_id)

    def _some_of_them(self, task_id: str) -> list[str]:
        """Choose whom somebody watches: a task, and often some of the last ones besides."""
        wanted = self._random.choice((0, 0, self._random.randint(1, 19)))
        others = self._random.sample(self._recent, min(wanted, len(self._recent)))
        if task_id not in self._recent:
            self._recent = [*self._recent[-29:], task_id]
        return [each for each in others if each != task_id] + [task_id]

    async def _submit_tasks(self) -> None:
        """Submit one after the other, so that it is plain which fault meets which."""
        for number in range(self._tasks // 10):
            await asyncio.sleep(self._random.uniform(0, 20 * self._seconds / self._tasks))
            await self._submit(f"cat {number}{self._random.choice(('', '', '', ' gore'))}")
        await self._reconcile()

    async def _submit(self, prompt: str) -> None:
        since = len(self._book.submit_faults(0))
        result = await _result(self._session, prompt)
        faults = self._book.submit_faults(since)
        self._ledger.submits[type(result).__name__] += 1
        what = f"{prompt}: {result!r} after {faults}"
        taken = [each for each in self._sim.accepted if each.prompt == prompt]
        self._expect("submits", len(taken) <= 1, f"{what} accepted {len(taken)} times")
        if isinstance(result, Submission):
            self._expect("submits", [each.id for each in taken] == [result.task_id], what)
            self._watch_submitted(result, prompt)
        elif isinstance(result, SubmitUncertainError):
            self._uncertain.append(result)
            self._expect("submits", any(faults), what)
        else:
            self._expect("submits", (any(faults) or "gore" in prompt) and not taken, what)

    def _watch_submitted(self, submission: Submission, prompt: str) -> None:
        task_id = submission.task_id or ""
        kind = FAILED if "gore" in prompt else SUCCEEDED
        truth = Truth(frozenset((kind,)), now(), now() + _LONGEST_RUN)
        self._ledger.truths.setdefault(task_id, truth)
        self._crowd.come(self._some_of_them(task_id), submission)

    async def _reconcile(self) -> None:
        """Ask for what is uncertain; what is found must be there."""
        accepted = {each.state: each.id for each in self._sim.accepted}
        for error in self._uncertain:
            with suppress(MJTaskError):
                found = (await self._session.reconcile(error.state, sent_at=error.sent_at)).found
                right = found is None or found.id == accepted.get(error.state)
                self._expect("submits", right, f"{error.state} found as {found}")

    async def _let_trouble_come(self) -> None:
        troubles = [self._forget_all, self._restart, self._ban, self._hiccup]
        if self.soak.profile in RELAYS:
            troubles.append(self._sleep)
        coming = cycle(troubles)
        while True:
            await asyncio.sleep(self._random.uniform(100, 250))
            next(coming)()

    def _restart(self) -> None:
        self._sim.script("*", RESTART, seconds=self._random.uniform(3, 40))

    def _hiccup(self) -> None:
        """A relay's database is locked (contract Q37)."""
        self._sim.script("*", MISHAPS["database hiccup"], seconds=self._random.uniform(2, 5))

    def _forget_all(self) -> None:
        """Lists show nothing for longer than a task may be missing; fetches still do."""
        seconds = MISSING + self._random.uniform(5, 20)
        self._sim.script(LIST, MISHAPS["no tasks"], seconds=seconds)

    def _ban(self) -> None:
        """Too many requests, and then none at all for a while (contract 4.2)."""
        self._sim.script("*", MISHAPS["429"], seconds=40)
        self._sim.script("*", FORBIDDEN, seconds=self._random.uniform(20, 60))

    def _sleep(self) -> None:
        """A relay's updater sleeps (contract Q11, Q33)."""
        wakes = self._random.random() < 0.5
        self._sim.stop_refreshing(self._random.uniform(20, 120), wakes=wakes)

    # What it leaves

    async def _look_around(self) -> None:
        """Look again and again for what grows."""
        sockets = len(open_sockets())
        while True:
            self._keep("tasks", len(asyncio.all_tasks()) - 2 * len(self._crowd.here), 30)
            self._keep("sockets", len(open_sockets()) - sockets, 30)
            self._keep("slots", self._watcher._poller.schedule._sent, AT_ONCE)
            self._keep("sizes", sum(sizes_of(self._watcher).values()), 2_000)
            watched = self._watcher.statistics().watched
            self._ticks += _LOOKS_EVERY / INTERVAL * ceil(watched / BATCH)
            await asyncio.sleep(_LOOKS_EVERY)

    def _keep(self, name: str, count: int, bound: int) -> None:
        self.soak.most[name] = max(count, self.soak.most.get(name, 0))
        self._expect(name, count <= bound, f"{count} at {now():.1f}")

    def _close_the_books(self) -> None:
        """Look at what is left once nobody watches any more."""
        soak = self.soak
        soak.faults = self._book.faults()
        soak.requests = len(self._book.names), self._allowed()
        self._expect("requests", soak.requests[0] <= soak.requests[1], soak.requests)
        self._expect_none("hung", self._crowd.here)
        self._expect_none(
            "left", {name: size for name, size in sizes_of(self._watcher).items() if size}
        )
        self._expect_none("left", range(self._watcher.statistics().watched))
        self._check_excuses()
        half = len(soak.memory) // 2
        grown = min(soak.memory[half:]) - min(soak.memory[:half])
        self._expect("memory", grown < _GROWTH, f"{soak.memory} MB")
        self._ledger.compare()

    def _check_excuses(self) -> None:
        """Let chance explain little: one fetch that is wrong, in the minute that lists show nothing."""
        excuses = self._ledger.excuses
        self._expect("excuses", excuses["LOST"] <= 10 + self._tasks / 20, excuses)
        self._expect("excuses", excuses.total() - excuses["LOST"] <= 2 + self._tasks / 200, excuses)

    def _allowed(self) -> int:
        """Say how many requests there may be.

        Each batch costs one a tick, and each consumer an early poll at most. What fails is
        asked apart, but less often: half as many again are enough for that and for culprits.
        """
        return round(1.5 * (self._ticks + self._crowd.came + self._tasks // 10))

    def _expect_none(self, promise: str, found: Sized) -> None:
        self._expect(promise, not found, found)

    def _expect(self, promise: str, kept: object, what: object) -> None:
        self._ledger.expect(promise, kept, what)


async def _result(session: MJSession[Task], prompt: str) -> Submission | MJTaskError:
    try:
        return await session.imagine(prompt)
    except MJTaskError as error:
        return error


def sizes_of(watcher: TaskWatcher[Task]) -> dict[str, int]:
    """Measure everything in which a watcher keeps tasks or requests."""
    poller = watcher._poller
    parts = (poller, poller.schedule, poller.tracker, poller.consumers, poller._losses)
    return {name: size for part in parts for name, size in _sizes(part)}


def _sizes(part: object) -> Iterator[tuple[str, int]]:
    for name, value in vars(part).items():
        where = f"{type(part).__name__}.{name}"
        if (
            name.startswith("_sent")
            or isinstance(value, (dict, set, list))
            or hasattr(value, "popleft")
        ):
            yield where, value if isinstance(value, int) else len(value)
