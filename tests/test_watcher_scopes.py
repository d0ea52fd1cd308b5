"""Where consumers stand: in a cancelled scope, in a crowd, before and after a modal."""

import asyncio

import anyio
import anyio.lowlevel
import pytest

from mjtask_async import TaskWatcher, UpdateKind

from .support_watch import LIST, frozen, ids_of, life, lists, watching


async def test_waiting_inside_a_cancelled_scope_ends_at_once_and_leaves_nothing() -> None:
    async with watching() as (sim, _, watcher):
        sim.plant("1", life(30))
        with anyio.CancelScope() as scope:
            scope.cancel()
            await watcher.wait("1")

        assert scope.cancelled_caught
        assert (watcher.statistics().watched, watcher.statistics().consumers) == (0, 0)


async def test_a_stream_made_inside_a_cancelled_scope_goes_on_outside_of_it() -> None:
    async with watching() as (sim, _, watcher):
        sim.plant("1", life(30))
        with anyio.CancelScope() as scope:
            scope.cancel()
            stream = watcher.watch("1")
            await anyio.lowlevel.checkpoint()

        assert [update.kind async for update in stream][-1] is UpdateKind.SUCCEEDED


async def test_a_watcher_that_closes_inside_a_cancelled_scope_leaves_no_request() -> None:
    async with watching() as (sim, session, _):
        sim.plant("1", frozen())
        with anyio.CancelScope() as scope:
            async with TaskWatcher(session) as watcher:
                stream = watcher.watch("1")
                await anext(stream)
                scope.cancel()
                await asyncio.sleep(5)

        assert scope.cancelled_caught
        assert watcher._poller._requests == set()


async def test_thousands_of_adds_a_second_cost_full_batches_only() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(4000)
        for task_id in ids:
            sim.plant(task_id, frozen())
        stream = watcher.watch(keep_open=True)
        for start in range(0, len(ids), 40):
            stream.add(*ids[start : start + 40])
            await asyncio.sleep(0.01)
        seen: set[str] = set()
        while len(seen) < len(ids):
            seen |= {update.task_id for update in await stream.next_batch()}

        assert len(lists(sim)) <= 2 * 40 + 5  # early polls, and one tick
        assert {each.endpoint for each in sim.requests} == {LIST}
        await stream.aclose()


@pytest.mark.parametrize("profile", ["trueai", "new-api"])
async def test_a_stream_goes_on_by_itself_after_the_modal_was_answered(profile: str) -> None:
    async with watching(profile=profile) as (_, session, watcher):
        grid = await watcher.wait(await session.imagine("a cat"))
        one = await watcher.wait(await session.action(grid, "U1"))
        zoom = next(each for each in one.buttons or () if "CustomZoom" in (each.custom_id or ""))
        asked = await session.action(one, zoom)
        stream = watcher.watch(asked)
        kinds = [(await anext(stream)).kind]
        await asyncio.sleep(60)
        await session.modal(str(asked.task_id), prompt="a cat --zoom 1.8")
        kinds += [update.kind async for update in stream]

        assert kinds.count(UpdateKind.NEEDS_INPUT) == 1
        assert kinds[-1] is UpdateKind.SUCCEEDED
