"""Watch for two virtual hours while everything goes wrong: nothing may be lost, doubled or left.

    python -m benchmarks.soak [seeds] [first seed]

Each seed plants 2 000 tasks over 7 200 virtual seconds; each request fails with 2 % in each of
the ways that the simulator knows. The result stands in ``soak.txt``.
"""

import asyncio
import gc
import sys
import time
import tracemalloc

from mjtask_async.simulator.mishaps import MISHAPS
from mjtask_async.testing import VirtualTimeLoop
from tests.support_soak import Run, Soak

TASKS, SECONDS, ODDS = 2_000, 7_200.0, 0.02


def soaked(seed: int) -> tuple[Soak, float, float]:
    """Run one seed; its result, the seconds it took, and the MB that are left of it."""
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    started = time.perf_counter()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        soak = runner.run(Run(seed, TASKS, SECONDS, ODDS).run())
    took = time.perf_counter() - started
    gc.collect()
    return soak, took, (tracemalloc.get_traced_memory()[0] - before) / 2**20


def main(seeds: int = 50, first: int = 1) -> None:
    print(f"{len(MISHAPS)} faults at {ODDS:.0%} each, {TASKS} tasks over {SECONDS:.0f} s a seed")
    print("seed requests finals odd-counts wrong left kept/MB took/s")
    tracemalloc.start(1)
    bad = 0
    for seed in range(first, first + seeds):
        soak, took, kept = soaked(seed)
        doubled = sum(count != 1 for count, _ in soak.finals)
        left = sum(soak.left.values())
        bad += bool(doubled or soak.wrong or left)
        print(
            f"{seed:4} {soak.requests:8} {sum(soak.finals.values()):6} {doubled:10} "
            f"{len(soak.wrong):5} {left:4} {kept:7.2f} {took:6.1f}",
            flush=True,
        )
    print(f"{bad} of {seeds} seeds broke a promise")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
