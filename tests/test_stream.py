"""What consumers receive (rules 11 to 13)."""

import asyncio
import gc
from itertools import pairwise
from typing import Any

import pytest

from mjtask_async import (
    ClosedError,
    ConfigurationError,
    Submission,
    Task,
    TaskUpdate,
    UpdateKind,
    WatchLimits,
)
from mjtask_async.simulator import Step

from .support_watch import frozen, ids_of, life, lists, now, watching


def check_order(updates: list[TaskUpdate]) -> None:
    """Check what holds for the updates of one task to one consumer."""
    assert all(a.sequence < b.sequence for a, b in pairwise(updates))
    percents = [update.percent for update in updates if update.percent is not None]
    assert percents == sorted(percents)
    assert [update.is_final for update in updates] == [False] * (len(updates) - 1) + [True]


async def test_updates_grow_and_end_with_one_final_one() -> None:
    async with watching() as (sim, session, watcher):
        submissions = [await session.imagine(f"cat {n}") for n in range(5)]
        seen: dict[str, list[TaskUpdate]] = {}
        async for update in watcher.watch(*submissions):
            seen.setdefault(update.task_id, []).append(update)

        assert list(seen) == [submission.task_id for submission in submissions]
        for updates in seen.values():
            check_order(updates)
            assert updates[0].source == "submit"
            assert updates[0].task is None
            assert updates[-1].kind is UpdateKind.SUCCEEDED
            assert updates[-1].percent == 100
        assert len(sim.accepted) == 5


async def test_a_consumer_that_sleeps_through_the_run_gets_each_last_state() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(300)
        for number, task_id in enumerate(ids):
            sim.plant(task_id, life(20, last="FAILURE" if number % 3 else "SUCCESS"))
        stream = watcher.watch(*ids)
        await asyncio.sleep(3600)
        batch = await stream.next_batch()

        assert sorted(update.task_id for update in batch) == ids
        assert all(update.is_final for update in batch)
        assert await stream.next_batch() == []
        assert [update async for update in stream] == []


async def test_unread_updates_take_one_slot_per_task() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(3)
        for task_id in ids:
            sim.plant(task_id, life(3000, steps=90))
        stream = watcher.watch(*ids)
        await asyncio.sleep(1500)
        batch = await stream.next_batch()

        assert sorted(update.task_id for update in batch) == ids
        assert all(update.sequence > 40 for update in batch)


async def test_a_late_consumer_gets_what_is_known_at_once_and_costs_no_request() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen(progress="40%"))
        early = watcher.watch(task_id)
        await anext(early)
        requests = len(sim.requests)
        late = await anext(watcher.watch(task_id))

        assert (late.percent, late.source) == (40, "poll")
        assert len(sim.requests) == requests


async def test_each_final_update_reaches_each_consumer_once() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(20)
        for number, task_id in enumerate(ids):
            sim.plant(task_id, life(10 + number, last="FAILURE" if number % 2 else "SUCCESS"))

        async def consume(start: float, nap: float) -> list[str]:
            await asyncio.sleep(start)
            ends = list[str]()
            async with watcher.watch(*ids) as stream:
                async for update in stream:
                    ends += [update.task_id] * update.is_final
                    await asyncio.sleep(nap)
            return sorted(ends)

        consumers = [consume(start, nap) for start in (0, 5, 60) for nap in (0, 1.7, 40)]

        assert await asyncio.gather(*consumers) == [ids] * 9


async def test_several_readers_share_a_stream_without_losing_or_doubling() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(50)
        for task_id in ids:
            sim.plant(task_id, life(9))
        stream = watcher.watch(*ids)

        async def read() -> list[str]:
            return [update.task_id async for update in stream if update.is_final]

        ends = await asyncio.gather(*(read() for _ in range(7)))

        assert sorted(task_id for each in ends for task_id in each) == ids


async def test_the_same_task_given_in_three_ways_is_one_task() -> None:
    async with watching() as (_sim, session, watcher):
        submission = await session.imagine("a cat")
        task = await session.fetch(str(submission.task_id))
        ends = [
            update.task_id
            async for update in watcher.watch(submission, task, f" {task.id} ", task.id)
            if update.is_final
        ]

        assert ends == [task.id]


async def test_a_finished_task_that_is_given_needs_no_request() -> None:
    async with watching() as (sim, _, watcher):
        done = Task(id="1", status="SUCCESS", progress="100%")
        updates = [update async for update in watcher.watch(done)]

        assert [(update.kind, update.source) for update in updates] == [
            (UpdateKind.SUCCEEDED, "given")
        ]
        assert await watcher.wait(done) == done
        assert sim.requests == []


async def test_a_stream_without_tasks_ends_at_once_unless_kept_open() -> None:
    async with watching() as (sim, _, watcher):
        assert [update async for update in watcher.watch()] == []

        task_id = ids_of(1)[0]
        sim.plant(task_id, life(5))
        stream = watcher.watch(keep_open=True)
        asyncio.get_running_loop().call_later(100, stream.add, task_id)
        update = await anext(stream)

        assert update.task_id == task_id
        assert now() == pytest.approx(100.05)


async def test_everything_is_seen_by_iterating_the_watcher_and_it_holds_no_interest() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(4)
        for task_id in ids:
            sim.plant(task_id, life(8))
        overview = aiter(watcher)
        await asyncio.sleep(100)
        assert lists(sim) == []
        await watcher.wait_all(ids[:2])
        await watcher.wait_all(ids[2:])
        ends = {update.task_id for update in await overview.next_batch() if update.is_final}
        await watcher.aclose()

        assert ends == set(ids)
        assert await overview.next_batch() == []


async def test_discarded_tasks_are_neither_told_nor_asked_for() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(2)
        for task_id in ids:
            sim.plant(task_id, life(9))
        stream = watcher.watch(*ids)
        await asyncio.sleep(1)
        stream.discard(ids[0], "unknown")
        updates = [update.task_id async for update in stream]

        assert set(updates) == {ids[1]}
        assert all(ids[0] not in each.ids for each in lists(sim)[1:])


async def test_a_closed_stream_says_so_to_readers_and_adders() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        stream = watcher.watch(task_id)
        await anext(stream)
        reading = asyncio.create_task(anext(stream))
        await asyncio.sleep(0.1)
        await stream.aclose()
        await stream.aclose()

        with pytest.raises(ClosedError, match="stream is closed"):
            await reading
        with pytest.raises(ClosedError):
            await anext(stream)
        with pytest.raises(ClosedError):
            stream.add(task_id)
        assert "closed" in repr(stream)


async def test_an_ended_stream_goes_on_ending() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(3))
        async with watcher.watch(task_id) as stream:
            ends = [update async for update in stream]

        assert ends[-1].is_final
        assert [update async for update in stream] == []


async def test_cancelling_a_read_loses_no_update() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(30, steps=10))
        stream = watcher.watch(task_id)
        seen = list[TaskUpdate]()
        while True:
            try:
                async with asyncio.timeout(0.4):
                    seen.append(await anext(stream))
            except TimeoutError:
                continue
            except StopAsyncIteration:
                break

        check_order(seen)
        assert len(seen) == 11


async def test_dropping_a_stream_ends_its_interest_in_the_same_turn() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        gc.disable()
        try:
            async for _ in watcher.watch(task_id):  # pragma: no branch -- it never ends by itself
                break

            assert watcher.statistics().watched == 0
        finally:
            gc.enable()


async def test_several_tasks_of_one_submission_are_all_watched() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(3)
        for task_id in ids:
            sim.plant(task_id, life(5))
        submission = Submission(ids[0], tuple(ids))

        assert list(await watcher.wait_all([submission])) == ids
        with pytest.raises(ConfigurationError, match="wait_all"):
            await watcher.wait(submission)


async def test_what_cannot_be_watched_is_refused_before_anything_is_joined() -> None:
    async with watching() as (sim, _, watcher):
        good = ids_of(1)[0]
        bads: list[Any] = ["", "..", "a/b", "a b", Submission(None, urls=("http://x/y",)), 7]
        for bad in bads:
            with pytest.raises(ConfigurationError):
                watcher.watch(good, bad)
        with pytest.raises(ConfigurationError, match="either"):
            watcher.watch(good, timeout=3, limits=WatchLimits(total=3))
        with pytest.raises(ConfigurationError, match="queued"):
            watcher.watch(good, limits=WatchLimits(queued=0))
        await asyncio.sleep(60)

        assert sim.requests == []
        assert watcher.statistics().watched == 0
        assert watcher.statistics().consumers == 0


async def test_a_task_that_goes_back_and_forth_tells_a_straight_story() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        steps = [
            Step(at=0, status="IN_PROGRESS", progress="15%"),
            Step(at=4, status="SUBMITTED", progress="0%"),
            Step(at=7, status="IN_PROGRESS", progress="Waiting to start"),
            Step(at=10, status="IN_PROGRESS", progress="60%"),
            Step(at=16, status="IN_PROGRESS", progress="20%"),
            Step(at=28, status="IN_PROGRESS", progress="50%"),
            Step(at=40, status="SUCCESS"),
        ]
        sim.plant(task_id, steps)
        updates = [(update.percent, round(now())) async for update in watcher.watch(task_id)]

        assert updates == [(15, 0), (15, 9), (60, 12), (20, 21), (50, 30), (100, 42)]
