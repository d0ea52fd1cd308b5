"""Everything goes wrong at once, for a long time; fifty seeds of it: ``benchmarks/soak.py``."""

from .support_soak import Run


async def test_twenty_minutes_under_every_fault_lose_nothing_and_leave_nothing() -> None:
    soak = await Run(seed=1, tasks=300, seconds=1200.0, odds=0.02).run()

    assert soak.wrong == []
    assert {count for count, _ in soak.finals} == {1}  # none lost, none doubled
    assert set(soak.left.values()) == {0}
