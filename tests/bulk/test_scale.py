"""A thousand jobs at once; ``benchmarks/bulk_scale.py`` runs twenty thousand."""

import gc
from collections.abc import Iterator
from typing import Any

from mjtask_async import BulkRun, MJSession
from mjtask_async.errand import Errand
from mjtask_async.simulator import Simulator

COUNT, IN_FLIGHT, BATCH = 1000, 200, 100


async def test_a_thousand_jobs_cost_what_they_must() -> None:
    pulled = done = ahead = held = 0

    def prompts() -> Iterator[str]:
        nonlocal pulled
        for number in range(COUNT):
            pulled += 1
            yield f"prompt {number}"

    async with (
        Simulator(profile="novicezk", workers=IN_FLIGHT) as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
        BulkRun(session, prompts(), in_flight=IN_FLIGHT) as run,
    ):
        async for outcome in run:
            assert outcome.error is None
            ahead = max(ahead, pulled - done)
            done += 1
            if done % 250 == 0:
                held = max(held, _errands())
        lists: list[Any] = [each for each in sim.requests if each.endpoint.startswith("task/")]
        requests = len(sim.requests)

    assert done == COUNT
    assert ahead <= IN_FLIGHT
    assert held <= IN_FLIGHT
    ideal = COUNT + sum(len(each.ids) for each in lists) / BATCH
    assert requests <= ideal * 1.1


def _errands() -> int:
    return sum(isinstance(each, Errand) for each in gc.get_objects())
