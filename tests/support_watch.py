"""What the watcher's tests share: planted tasks, and a reading of the server's log."""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from math import ceil
from typing import Any

from mjtask_async import MJSession, Task, TaskWatcher
from mjtask_async.simulator import RequestRecord, Simulator, Step

LIST = "task/list-by-condition"


@asynccontextmanager
async def watching(
    *, profile: str = "novicezk", **options: Any
) -> AsyncIterator[tuple[Simulator, MJSession[Task], TaskWatcher[Task]]]:
    """Run a simulator, a session and a watcher; afterwards nothing may be left of them."""
    before = asyncio.all_tasks()
    async with (
        Simulator(profile=profile) as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
        TaskWatcher(session, **options) as watcher,
    ):
        yield sim, session, watcher
    gc.collect()
    assert asyncio.all_tasks() <= before


def now() -> float:
    """Read the loop's clock: virtual seconds."""
    return asyncio.get_running_loop().time()


def ids_of(count: int) -> list[str]:
    """Make ids."""
    return [f"{1_700_000_000_000_000 + number}" for number in range(count)]


def life(end: float, *, steps: int = 4, last: str = "SUCCESS") -> list[Step]:
    """Make a life that ends ``end`` seconds from now."""
    moving = [
        Step(at=end * n / steps, status="IN_PROGRESS", progress=f"{100 * n // steps}%")
        for n in range(steps)
    ]
    reason = {"fail_reason": "no luck"} if last == "FAILURE" else {}
    return [*moving, Step(at=end, status=last, **reason)]  # type: ignore[arg-type]


def frozen(status: str = "IN_PROGRESS", progress: str = "10%") -> list[Step]:
    """Make a life without an end."""
    return [Step(at=0, status=status, progress=progress)]


def lists(sim: Simulator) -> list[RequestRecord]:
    """List the batched polls so far."""
    return [each for each in sim.requests if each.endpoint == LIST]


def singles(sim: Simulator) -> list[RequestRecord]:
    """List the requests that asked for one task by itself."""
    return [each for each in sim.requests if each.endpoint == "task/{id}/fetch"]


def ticks(sim: Simulator) -> dict[float, list[RequestRecord]]:
    """Group the batched polls by the instant they came."""
    grouped: dict[float, list[RequestRecord]] = {}
    for each in lists(sim):
        grouped.setdefault(round(each.started, 3), []).append(each)
    return grouped


def check_batches(sim: Simulator, size: int = 100) -> None:
    """Check that each tick cost as few requests as its ids allow, and asked no id twice."""
    for at, requests in ticks(sim).items():
        asked = Counter(task_id for each in requests for task_id in each.ids)
        assert max(asked.values()) == 1, at
        assert len(requests) == ceil(len(asked) / size), at


def asked(requests: Iterable[RequestRecord]) -> set[str]:
    """Collect the ids of requests."""
    return {task_id for each in requests for task_id in each.ids}
