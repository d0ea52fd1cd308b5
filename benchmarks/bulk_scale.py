"""Many jobs through one run on virtual time: memory, requests and pulls ahead.

``python -m benchmarks.bulk_scale 20000`` prints one line every tenth of the way. What the
simulator itself remembers, it remembers outside the count.
"""

import asyncio
import gc
import sys
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mjtask_async import BulkRun, MJSession
from mjtask_async.simulator import Simulator
from mjtask_async.testing import VirtualTimeLoop

BATCH = 100
_OURS = tracemalloc.Filter(inclusive=True, filename_pattern="*/mjtask_async/*")
_THEIRS = tracemalloc.Filter(inclusive=False, filename_pattern="*/simulator/*")


@dataclass
class Scale:
    """What a run came to.

    Attributes:
        ahead: How many jobs were pulled beyond the outcomes taken, at most.
        requests: Submits and list calls.
        ideal: One submit a job, and each job's share of full batches.
        held: Bytes that the library held, at each tenth.
    """

    ahead: int = 0
    requests: int = 0
    ideal: float = 0.0
    held: list[int] = field(default_factory=list)


async def run(count: int, in_flight: int, *, memory: bool = False) -> Scale:
    """Run so many jobs against a simulated server that takes them all at once."""
    scale, pulled = Scale(), 0

    def prompts() -> Iterator[str]:
        nonlocal pulled
        for number in range(count):
            pulled += 1
            yield f"prompt {number}"

    async with (
        Simulator(profile="novicezk", workers=in_flight) as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
        BulkRun(session, prompts(), in_flight=in_flight) as bulk,
    ):
        done = 0
        async for outcome in bulk:
            assert outcome.error is None, outcome
            done += 1
            scale.ahead = max(scale.ahead, pulled - done + 1)
            if memory and done % (count // 10) == 0:
                scale.held.append(_held())
                print(f"{done:>7} jobs: {scale.held[-1] / 1024:,.0f} KiB", flush=True)
        lists = [each for each in sim.requests if each.endpoint == "task/list-by-condition"]
        scale.requests = len(sim.requests)
        scale.ideal = count + sum(len(each.ids) for each in lists) / BATCH
    return scale


def _held() -> int:
    gc.collect()
    snapshot = tracemalloc.take_snapshot().filter_traces((_OURS, _THEIRS))
    return sum(trace.size for trace in snapshot.traces)


def main() -> None:
    """Run as many jobs as the command line says."""
    count, started = int(sys.argv[1]), time.perf_counter()
    tracemalloc.start()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        scale = runner.run(run(count, 200, memory=True))
    print(f"pulled at most {scale.ahead} ahead")
    print(f"{scale.requests} requests, {scale.requests / scale.ideal:.3f} of the ideal")
    print(f"{time.perf_counter() - started:.0f} s on this machine, {Path(sys.executable).name}")


if __name__ == "__main__":
    main()
