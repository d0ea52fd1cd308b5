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
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from mjtask_async.simulator.mishaps import MISHAPS
from mjtask_async.testing import VirtualTimeLoop
from tests.support_cancel_ways import CALLS, WAYS, cancelled, closed, closed_under

Work = Callable[[str, str, Path], Coroutine[Any, Any, int]]
JOBS: tuple[tuple[str, Work, str], ...] = (
    *((f"cancelling {name}", cancelled, name) for name in WAYS),
    *((f"closing the {name} under a poll", closed, name) for name in ("watcher", "session")),
    *((f"closing the session under {name}", closed_under, name) for name in CALLS),
)


def main() -> int:
    logging.disable(logging.WARNING)  # each cancelled submit is one
    started, failed = time.perf_counter(), 0
    for title, work, name in JOBS:
        counts: list[int] = []
        for fault in MISHAPS:
            try:
                counts.append(_run(work, name, fault))
            except AssertionError as error:
                failed += 1
                print(f"{title}, {fault}: {error}")
        print(f"{title}: {sum(counts)} times in {len(counts)} of {len(MISHAPS)} faults")
    print(f"{failed} left something behind; {time.perf_counter() - started:.0f} s")
    return 1 if failed else 0


def _run(work: Work, name: str, fault: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        return _on_virtual_time(work(name, fault, Path(folder)))


def _on_virtual_time(work: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)


if __name__ == "__main__":
    sys.exit(main())
