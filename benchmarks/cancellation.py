"""Cancel and close everything at each suspension, under each fault of the simulator.

    python -m benchmarks.cancellation

Whatever a run leaves behind, or an exit code of 1, is a bug. The result stands in
``cancellation.txt``.
"""

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from mjtask_async.simulator.mishaps import MISHAPS
from mjtask_async.testing import VirtualTimeLoop
from tests.support_cancel_ways import WAYS, cancelled, closed

CLOSES = ("watcher", "session")


def main() -> int:
    logging.disable(logging.WARNING)  # each cancelled submit is one
    started, failed = time.perf_counter(), 0
    for name in (*WAYS, *CLOSES):
        counts: list[int] = []
        for fault in MISHAPS:
            try:
                counts.append(_run(name, fault))
            except AssertionError as error:
                failed += 1
                print(f"{name}, {fault}: {error}")
        print(f"{name}: {sum(counts)} times in {len(counts)} of {len(MISHAPS)} faults")
    print(f"{failed} left something behind; {time.perf_counter() - started:.0f} s")
    return 1 if failed else 0


def _run(name: str, fault: str) -> int:
    work = closed if name in CLOSES else cancelled
    with tempfile.TemporaryDirectory() as folder:
        return _on_virtual_time(work(name, fault, Path(folder)))


def _on_virtual_time(work: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)


if __name__ == "__main__":
    sys.exit(main())
