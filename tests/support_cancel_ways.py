"""What is cancelled and closed everywhere, under each fault that a server can have.

The faults are scripted: each run meets the same ones at the same requests, so that the
suspensions of one run are those of the next.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from mjtask_async import (
    ClosedError,
    MJSession,
    MJTaskError,
    RateLimit,
    Submission,  # noqa: TC001 -- annotations are evaluated by tools
    Task,
    TaskWatcher,
    WatchLimits,
)
from mjtask_async.simulator import Fault, Simulator
from mjtask_async.simulator.mishaps import MISHAPS

from .support_cancel import Moment, begin, cancel_everywhere, close_everywhere
from .support_watch import frozen, ids_of, life, now

EVERY = 1.5
"""Seconds from one request to the next, by the budget."""
PATIENCE = 25.0
"""Seconds after which a slow server has noticed who has left."""
HUNG = 1000.0
FAULTED = 2
"""So many requests of a run go wrong."""
DONE, SLOW, OTHER, MISSING = ids_of(4)

Way = Callable[["Scene"], Coroutine[Any, Any, None]]


class Scene:
    """A server with a fault, and sessions that come and go.

    Args:
        sim: The server.
        fault: What goes wrong with the first requests of each run.
        folder: Where downloads go.
    """

    def __init__(self, sim: Simulator, fault: Fault, folder: Path) -> None:
        self.folder = folder
        self.session: MJSession[Task]
        self.submissions: list[Submission] = []
        self.link = ""
        self.sim = sim
        self._fault = fault
        self._accepted = 0
        self._sent_at = 0.0
        for task_id in (DONE, OTHER):
            sim.plant(task_id, life(0))
        sim.plant(SLOW, frozen())

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[MJSession[Task]]:
        """Begin a run."""
        self.sim.heal()
        self.sim.script("*", self._fault, FAULTED)
        self.sim.script("attachments", self._fault)
        self._accepted = len(self.sim.accepted)
        self.submissions.clear()
        rate = RateLimit(1, EVERY)
        async with MJSession(
            self.sim.base_url, self.sim.api_key, auth="secret", rate=rate
        ) as session:
            self.session = session
            self._note_sends(session._transport)
            yield session

    async def check(self) -> None:
        """Look at what no search for tasks and sockets finds after a run."""
        await self.check_counts()
        await self.check_budget()

    async def check_counts(self) -> None:
        """Look at all but the budget, which nobody needs after a session was closed."""
        statistics = self.session.statistics()
        lost = len(self.sim.accepted) - self._accepted - len(self.submissions)
        assert lost <= statistics.uncertain <= statistics.submits - len(self.submissions)
        assert len(statistics.uncertain_states) == statistics.uncertain
        assert not self.session._transport.answering
        self._check_folder()

    async def check_going_on(self) -> None:
        """Use a session whose watcher was closed."""
        await self.check_budget()
        self.sim.heal()
        assert (await self.session.fetch(OTHER)).status == "SUCCESS"

    async def check_budget(self) -> None:
        """Let one more submit and one more poll pass: who sent nothing has taken nothing."""
        budget = self.session._transport.budget
        free_at = max(now(), self._sent_at + EVERY)
        await asyncio.wait_for(budget.take(), HUNG)
        assert now() <= free_at + 1e-6
        await asyncio.wait_for(budget.take(5 * EVERY), HUNG)
        assert now() <= free_at + 1.5 * EVERY

    def _note_sends(self, transport: Any) -> None:
        """Remember when the last request was sent."""
        send = transport._send
        self._sent_at = -EVERY

        def noted(*arguments: Any) -> Any:
            self._sent_at = now()
            return send(*arguments)

        transport._send = noted

    def _check_folder(self) -> None:
        for path in self.folder.iterdir():
            assert path.suffix == ".png"
            assert path.read_bytes().endswith(b"IEND\xaeB`\x82")
            path.unlink()


async def _fetch(scene: Scene) -> None:
    await scene.session.fetch(DONE)


async def _list(scene: Scene) -> None:
    await scene.session.list_by_condition([DONE, SLOW])


async def _imagine(scene: Scene) -> None:
    scene.submissions.append(await scene.session.imagine("a cat"))


async def _download(scene: Scene) -> None:
    await scene.session.download(scene.link, scene.folder)


CALLS: Mapping[str, Way] = {
    "fetch": _fetch,
    "list_by_condition": _list,
    "imagine": _imagine,
    "download": _download,
}
"""What a session is asked, by name."""


def _in_a_session(call: Way) -> Way:
    async def way(scene: Scene) -> None:
        async with scene.opened():
            with suppress(MJTaskError):
                await call(scene)

    return way


async def _wait(scene: Scene) -> None:
    """Wait with a watcher that others go on using: its one slot must come free."""
    async with scene.opened() as session, TaskWatcher(session, max_requests=1) as watcher:
        try:
            with suppress(MJTaskError):
                await watcher.wait(SLOW, timeout=7)
        except asyncio.CancelledError:
            assert (await watcher.wait(OTHER, timeout=HUNG)).status == "SUCCESS"
            raise


async def _watch(scene: Scene) -> None:
    async with scene.opened() as session, TaskWatcher(session, batch_size=2) as watcher:
        limits = WatchLimits(total=20, missing=4)
        async with watcher.watch(SLOW, OTHER, MISSING, limits=limits) as stream:
            with suppress(StopAsyncIteration):
                await anext(stream)
            while await stream.next_batch():
                pass
        with suppress(MJTaskError):
            await watcher.wait_all([DONE, SLOW], timeout=4)


WAYS: Mapping[str, Way] = {
    **{name: _in_a_session(call) for name, call in CALLS.items()},
    "wait": _wait,
    "watch": _watch,
}
"""What is cancelled, by name."""


async def _close(scene: Scene, moment: Moment, closes: str) -> None:
    """Watch, and close the watcher or the session at the moment."""
    closing: list[asyncio.Future[object]] = []
    async with scene.opened() as session:
        watcher = TaskWatcher(session, batch_size=2, max_requests=2)
        target = watcher if closes == "watcher" else session
        moment.then(lambda: closing.append(begin(target.aclose())))
        await asyncio.gather(_read(watcher), _wait_for_all(watcher))
        await asyncio.gather(*closing)
        await watcher.aclose()
        await (scene.check_going_on if closes == "watcher" else scene.check_counts)()


async def _read(watcher: TaskWatcher[Task]) -> None:
    limits = WatchLimits(total=20, missing=4)
    with suppress(ClosedError):
        stream = watcher.watch(SLOW, DONE, MISSING, limits=limits)
        while await stream.next_batch():
            pass


async def _wait_for_all(watcher: TaskWatcher[Task]) -> None:
    with suppress(ClosedError):
        await watcher.wait_all([OTHER, SLOW], timeout=20)


async def cancelled(way: str, fault: str, folder: Path) -> int:
    """Cancel one way at each of its suspensions under one fault; return how often."""
    async with _scene(fault, folder) as scene:
        return await cancel_everywhere(
            lambda: WAYS[way](scene), scene.check, patience=_patience(fault)
        )


async def closed(closes: str, fault: str, folder: Path) -> int:
    """Close a watcher or a session at each suspension of the requests; return how often."""
    async with _scene(fault, folder) as scene:
        return await close_everywhere(
            lambda moment: _close(scene, moment, closes),
            scene.check_counts,
            patience=_patience(fault),
        )


async def _close_under(scene: Scene, moment: Moment, call: Way) -> None:
    """Ask a session for something, and close it at the moment."""
    closing: list[asyncio.Future[object]] = []
    async with scene.opened() as session:
        moment.then(lambda: closing.append(begin(session.aclose())))
        with suppress(MJTaskError):
            await asyncio.ensure_future(moment.steps(call(scene)))
        await asyncio.gather(*closing)


async def closed_under(call: str, fault: str, folder: Path) -> int:
    """Close a session at each suspension of one of its calls; return how often."""
    async with _scene(fault, folder) as scene:
        return await close_everywhere(
            lambda moment: _close_under(scene, moment, CALLS[call]),
            scene.check_counts,
            patience=_patience(fault),
        )


@asynccontextmanager
async def _scene(fault: str, folder: Path) -> AsyncIterator[Scene]:
    async with Simulator(profile="novicezk", queue_size=100_000, workers=10_000) as sim:
        scene = Scene(sim, MISHAPS[fault], folder)
        async with MJSession(sim.base_url, sim.api_key, auth="secret") as session:
            scene.link = (await session.fetch(DONE)).image_url or ""
        yield scene


def _patience(fault: str) -> float:
    return PATIENCE if fault == "slow" else 0.0
