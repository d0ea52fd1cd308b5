"""Who is told that a task is lost, and who is not (rules 4 and 14)."""

import asyncio

import pytest

from mjtask_async import Task, UpdateKind, WatchLimits
from mjtask_async.simulator import Fault
from mjtask_async.simulator.mishaps import MISHAPS

from .support_watch import LIST, frozen, ids_of, now, singles, watching

FETCH = "task/{id}/fetch"


async def test_a_task_that_the_lists_show_again_is_not_lost_and_costs_no_fetch() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(4)
        for task_id in ids:
            sim.plant(task_id, frozen())
        stream = watcher.watch(*ids, timeout=300)
        await asyncio.sleep(2)
        sim.script(LIST, MISHAPS["no tasks"], seconds=64)
        sim.script(FETCH, Fault.slow(5))
        sim.script(FETCH, Fault.answer(204), times=9)
        ends = [(update.kind, update.limit) async for update in stream if update.is_final]

        assert ends == [(UpdateKind.TIMED_OUT, "total")] * 4
        assert len(singles(sim)) == 1  # the others were seen before their turn


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        (WatchLimits(missing=60, stalled=85), (UpdateKind.TIMED_OUT, "stalled")),
        (WatchLimits(missing=60, total=85), (UpdateKind.TIMED_OUT, "total")),
        (WatchLimits(missing=60, total=200), (UpdateKind.LOST, None)),
    ],
)
async def test_another_limit_that_runs_out_in_the_middle_of_a_confirmation_counts(
    limits: WatchLimits, kind: tuple[UpdateKind, str | None]
) -> None:
    async with watching() as (sim, _, watcher):
        sim.plant("1", frozen())
        stream = watcher.watch("1", limits=limits)
        await asyncio.sleep(20)
        sim.forget("1")
        sim.script(FETCH, Fault.slow(25), times=9)
        ends = [(update.kind, update.limit) async for update in stream if update.is_final]

        assert ends == [kind]
        assert now() <= 21 + 60 + 25 + 1


async def test_who_leaves_in_the_middle_of_a_confirmation_is_told_nothing() -> None:
    async with watching() as (sim, _, watcher):
        sim.plant("1", frozen())
        gone, other = watcher.watch("1", keep_open=True), watcher.watch("1")
        await asyncio.sleep(20)
        sim.forget("1")
        sim.script(FETCH, Fault.slow(25))
        await asyncio.sleep(70)
        gone.discard("1")
        ends = [update.kind async for update in other if update.is_final]

        assert ends == [UpdateKind.LOST]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(gone.next_batch(), 100)
        await gone.aclose()


async def test_a_confirmation_is_asked_for_once_however_often_it_is_looked_for() -> None:
    async with watching() as (sim, _, watcher):
        sim.plant("1", frozen())
        stream = watcher.watch("1", limits=WatchLimits(missing=60, stalled=90))
        await asyncio.sleep(20)
        sim.forget("1")
        sim.script(FETCH, Fault.slow(25), times=9)
        await asyncio.sleep(65)
        watcher.feed(Task(id="1", status="IN_PROGRESS", progress="50%"))  # "stalled" begins anew
        ends = [(update.kind, now()) async for update in stream if update.is_final]

        assert [kind for kind, _ in ends] == [UpdateKind.LOST]
        assert len(singles(sim)) == 1


async def test_total_comes_in_time_while_a_loss_cannot_be_confirmed() -> None:
    async with watching() as (sim, _, watcher):
        sim.plant("1", frozen())
        stream = watcher.watch("1", limits=WatchLimits(missing=60, total=90))
        await asyncio.sleep(20)
        sim.script(LIST, MISHAPS["no tasks"], seconds=200)
        sim.script(FETCH, Fault.answer(429, headers={"Retry-After": "60"}), times=9)
        ends = [(update.kind, update.limit) async for update in stream if update.is_final]

        assert ends == [(UpdateKind.TIMED_OUT, "total")]
        assert now() == pytest.approx(90, abs=0.01)
        assert len(singles(sim)) == 1


async def test_a_confirmation_is_put_off_for_whoever_misses_the_task_next() -> None:
    async with watching() as (sim, _, watcher):
        sim.plant("1", frozen())
        first = watcher.watch("1", limits=WatchLimits(missing=60))
        await asyncio.sleep(20)
        sim.forget("1")
        sim.script(FETCH, Fault.answer(429, headers={"Retry-After": "50"}))
        second = watcher.watch("1", limits=WatchLimits(missing=70))
        await first.next_batch()
        ends = [update.kind async for update in second if update.is_final]

        assert [round(each.started) for each in singles(sim)] == [81, 131]
        assert ends == [UpdateKind.LOST]
        assert now() == pytest.approx(131, abs=0.5)
        await first.aclose()
