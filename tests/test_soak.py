"""Everything goes wrong at once, for a long time; fifty seeds of it: ``benchmarks/soak.py``."""

import pytest

from mjtask_async import UpdateKind
from mjtask_async.simulator.mishaps import MISHAPS

from .support_soak import Run
from .support_soak_mutants import MUTANTS


async def test_twenty_minutes_under_every_fault_lose_nothing_and_leave_nothing() -> None:
    soak = await Run(seed=1, tasks=300, seconds=1200.0).run()

    assert soak.ledger.broken == {}
    assert soak.ledger.kinds.keys() == set(UpdateKind) - {UpdateKind.PROGRESS}
    assert soak.faults.keys() >= MISHAPS.keys()


async def test_a_short_run_keeps_its_promises_too() -> None:
    soak = await Run(seed=4, tasks=30, seconds=120.0).run()

    assert soak.ledger.broken == {}


@pytest.mark.parametrize("name", MUTANTS)
async def test_a_client_that_is_broken_is_noticed(name: str) -> None:
    break_it, promises = MUTANTS[name]
    with break_it():
        soak = await Run(seed=4, tasks=30, seconds=120.0).run()

    assert not promises.isdisjoint(soak.ledger.broken)
