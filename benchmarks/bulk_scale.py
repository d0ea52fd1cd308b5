"""Many jobs through one run on virtual time: memory, requests and pulls ahead.

``python -m benchmarks.bulk_scale 20000`` prints a line every tenth of the way and exits with 1 if
a bound is broken; ``bulk_scale.txt`` holds what it printed. The simulator runs in the same process
and remembers every task, so the process grows. What must not grow is what the library holds, but
for the digest by which it knows each job. Two thousand jobs are enough to tell.
"""

import asyncio
import gc
import os
import platform
import sys
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression

from mjtask_async import BulkRun, MJSession
from mjtask_async.simulator import Simulator
from mjtask_async.testing import VirtualTimeLoop

BATCH = 100
IN_FLIGHT = 200
GROWTH = 150.0
"""Bytes a job that may stay."""
OVERHEAD = 1.10
"""How many requests there may be, of the ideal."""
_OURS = tracemalloc.Filter(inclusive=True, filename_pattern="*/mjtask_async/*")
_THEIRS = tracemalloc.Filter(inclusive=False, filename_pattern="*/simulator/*")
_STATM = Path("/proc/self/statm")


@dataclass
class Scale:
    """What a run came to.

    Attributes:
        ahead: How many jobs were pulled beyond the outcomes taken, at most.
        requests: Submits and list calls.
        ideal: One submit a job, and each job's share of full batches.
        held: Bytes that the library's own lines had allocated and still held, at each tenth.
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
            scale.ahead = max(scale.ahead, pulled - (done - 1))
            if memory and done % (count // 10) == 0:
                scale.held.append(_held())
                print(f"{done:>7} jobs: {_memory(scale)}", flush=True)
        lists = [each for each in sim.requests if each.endpoint == "task/list-by-condition"]
        scale.requests = len(sim.requests)
        scale.ideal = count + sum(len(each.ids) for each in lists) / BATCH
    return scale


def _held() -> int:
    gc.collect()
    snapshot = tracemalloc.take_snapshot().filter_traces((_OURS, _THEIRS))
    return sum(trace.size for trace in snapshot.traces)


def _memory(scale: Scale) -> str:
    words = f"{scale.held[-1] / 1024:6,.0f} KiB held by the library"
    if not _STATM.exists():
        return words
    resident = int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return f"{words}, {resident / 2**20:4,.0f} MiB the whole process with its simulator"


def _growth(held: list[int], count: int) -> float:
    """Fit the bytes that stay of each job, as long as there are new ones."""
    steps = range(len(held) - 1)
    return linear_regression(steps, held[:-1]).slope / (count / len(held))


def broken(scale: Scale, count: int) -> list[str]:
    """Say which bounds a run did not keep."""
    growth = _growth(scale.held, count)
    bounds = {
        f"pulled at most {scale.ahead} ahead, bound {IN_FLIGHT}": scale.ahead <= IN_FLIGHT,
        f"{scale.requests} requests, {scale.requests / scale.ideal:.3f} of the ideal, "
        f"bound {OVERHEAD}": scale.requests <= scale.ideal * OVERHEAD,
        f"{growth:.0f} bytes a job stay, bound {GROWTH:.0f}": growth <= GROWTH,
    }
    print("\n".join(bounds))
    return [words for words, kept in bounds.items() if not kept]


def main() -> None:
    """Run as many jobs as the command line says."""
    count, started = int(sys.argv[1]), time.perf_counter()
    print(f"{count} jobs, {IN_FLIGHT} in flight, Python {platform.python_version()}", flush=True)
    tracemalloc.start()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        scale = runner.run(run(count, IN_FLIGHT, memory=True))
    failures = broken(scale, count)
    print(f"{time.perf_counter() - started:.0f} s")
    if failures:
        sys.exit("\n".join(["broken:", *failures]))


if __name__ == "__main__":
    main()
