"""Watch for two virtual hours while everything goes wrong: nothing may be lost, doubled or left.

    python -m benchmarks.soak [seeds] [first seed]
    python -m benchmarks.soak --mutants

Each seed plants 2 000 tasks over 7 200 virtual seconds and submits 200; each request fails with
2 % in each of the ways that the simulator knows. With ``--mutants`` the client is broken in one
way after the other, which a short run must notice. The results stand in ``soak.txt``.
"""

import asyncio
import faulthandler
import gc
import sys
import time
import tracemalloc
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest.mock import patch

from mjtask_async import Task, consumers, poller
from mjtask_async._core.limits import Expiry
from mjtask_async.simulator.mishaps import MISHAPS
from mjtask_async.stream import Inbox
from mjtask_async.testing import VirtualTimeLoop
from tests.support_soak import Run, Soak
from tests.support_soak_mutants import MUTANTS, Deliver, Mutant, Update, delivering, every

TASKS, SECONDS, ODDS = 2_000, 7_200.0, 0.02
WEIGHED = 5
"""In every fifth seed the client's memory is measured."""
HANGS = 900
"""Real seconds for one seed."""
OTHERS = (
    *("*/simulator/*", "*/aiohttp/web*", "*/json/*", "*/dataclasses.py", "<string>"),
    *("*/support_soak.py", "*/support_soak_truth.py", "*/support_soak_server.py"),
    *("*/support_soak_consumers.py", tracemalloc.__file__),
)
"""Where what the server and the soak itself keep is made; the client uses none of these."""


def client_memory() -> float:
    """Measure the MB that neither the server nor the soak itself holds."""
    gc.collect()
    filters = [tracemalloc.Filter(inclusive=False, filename_pattern=name) for name in OTHERS]
    traces = tracemalloc.take_snapshot().filter_traces(filters).traces
    return sum(each.size for each in traces) / 2**20


def soaked(seed: int, tasks: int, seconds: float, *, weighs: bool) -> tuple[Soak, float]:
    """Run one seed; its result, and the seconds it took."""
    faulthandler.dump_traceback_later(HANGS, exit=True)  # the clock may stand still
    weigh = client_memory if weighs else float
    if weighs:
        tracemalloc.start(1)  # which makes everything take four times as long
    started = time.perf_counter()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        soak = runner.run(Run(seed, tasks, seconds, ODDS, weigh).run())
    tracemalloc.stop()
    faulthandler.cancel_dump_traceback_later()
    return soak, time.perf_counter() - started


# The mutants that take longer than those of the suite


def half_of_the_ends_never_come() -> AbstractContextManager[None]:
    """Streams stay open."""
    now = every(2)

    def instead(deliver: Deliver, inbox: Inbox[Task], update: Update) -> None:
        if not (update.is_final and now()):
            deliver(inbox, update)

    return delivering(instead)


def memory_leaks() -> AbstractContextManager[None]:
    """20 KB for each update."""
    kept: list[bytes] = []

    def instead(deliver: Deliver, inbox: Inbox[Task], update: Update) -> None:
        deliver(inbox, update)
        kept.append(bytes(20_000))

    return delivering(instead)


def nobody_backs_off() -> AbstractContextManager[Any]:
    """What failed is asked again at once."""
    return patch.object(poller, "poll_delay", lambda *_, **__: 0.0)


def limits_never_run_out() -> AbstractContextManager[Any]:
    """Who waits for what never ends waits for ever."""

    def check(*args: Any) -> Expiry:
        return Expiry(args[-1] + 60.0)

    return patch.object(consumers, "check", check)


ALL: Mapping[str, tuple[Mutant, set[str]]] = {
    "nothing is broken": (nullcontext, set()),
    **MUTANTS,
    "half_of_the_ends_never_come": (half_of_the_ends_never_come, {"hung"}),
    "memory_leaks": (memory_leaks, {"memory"}),
    "nobody_backs_off": (nobody_backs_off, {"requests"}),
    "limits_never_run_out": (limits_never_run_out, {"hung"}),
}


def mutants() -> None:
    """Break the client in every way, through a relay and without one."""
    unnoticed = 0
    print("seed mutant                          broken promises, and how often")
    for seed in (4, 1):
        for name, (break_it, promises) in ALL.items():
            with break_it():
                broken = soaked(seed, 60, 300.0, weighs=True)[0].ledger.broken
            unnoticed += promises.isdisjoint(broken) if promises else bool(broken)
            print(f"{seed:4} {name:31} {_counted(broken)}", flush=True)
    print(f"{unnoticed} of {2 * len(ALL)} runs went unnoticed, or were noticed for nothing")
    sys.exit(unnoticed > 0)


def _counted(broken: Mapping[str, list[str]]) -> str:
    return ", ".join(f"{name} {len(each)}" for name, each in broken.items()) or "none"


def seeds(count: int = 50, first: int = 1) -> None:
    """Run many seeds."""
    print(f"{len(MISHAPS)} faults at {ODDS:.0%} each, {TASKS} tasks over {SECONDS:.0f} s a seed")
    print(
        "seed profile  requests  bound  ends  excused: lost out key  lag/s  MB then  took/s broken"
    )
    bad = 0
    for seed in range(first, first + count):
        soak, took = soaked(seed, TASKS, SECONDS, weighs=seed % WEIGHED == 0)
        bad += bool(soak.ledger.broken)
        print(_line(seed, soak, took), flush=True)
    print(f"{bad} of {count} seeds broke a promise")
    sys.exit(bad > 0)


def _line(seed: int, soak: Soak, took: float) -> str:
    ledger, (requests, bound) = soak.ledger, soak.requests
    first, last = min(soak.memory[:4]), min(soak.memory[4:])
    excuses = [ledger.excuses[name] for name in ("LOST", "OutageError", "AuthenticationError")]
    excused = "{:13} {:3} {:3}".format(*excuses)
    figures = f"{requests:8} {bound:6} {ledger.kinds.total():5} {excused}"
    return (
        f"{seed:4} {soak.profile:8} {figures} {ledger.lag:6.1f} {first:4.2f} {last:4.2f} "
        f"{took:6.1f} {_counted(ledger.broken)}"
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["--mutants"]:
        mutants()
    seeds(*map(int, sys.argv[1:]))
