"""How many requests watching costs, and when they come (rules 8 to 10)."""

import asyncio
from math import ceil

import pytest

from mjtask_async import (
    MJSession,
    MJTaskError,
    Submission,
    Task,
    TaskUpdate,
    TaskWatcher,
    UpdateKind,
)
from mjtask_async.simulator import Fault, Simulator

from .support_watch import (
    LIST,
    asked,
    check_batches,
    frozen,
    ids_of,
    life,
    lists,
    now,
    singles,
    ticks,
    watching,
)


@pytest.mark.parametrize("count", [1, 100, 101, 1000])
async def test_ids_cost_the_fewest_list_calls_a_tick_and_no_call_each(count: int) -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(count)
        for number, task_id in enumerate(ids):
            sim.plant(task_id, life(10 + number % 20))
        final = [update async for update in watcher.watch(*ids) if update.is_final]

        assert sorted(update.task_id for update in final) == ids
        assert singles(sim) == []
        check_batches(sim)
        first = next(iter(ticks(sim).values()))
        assert len(first) == ceil(count / 100)


async def test_batches_stay_full_while_ids_come_and_go() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(450)
        for number, task_id in enumerate(ids):
            sim.plant(task_id, life(5 + (number * 7) % 50))
        stream = watcher.watch(*ids[:150], keep_open=True)

        async def add_more() -> None:
            for start in range(150, 450, 50):
                await asyncio.sleep(4)
                stream.add(*ids[start : start + 50])
                stream.discard(*ids[start + 40 : start + 50])

        adding = asyncio.create_task(add_more())
        final = set[str]()
        while len(final) < 150 + 6 * 40:
            final |= {update.task_id for update in await stream.next_batch() if update.is_final}
        await adding

        assert singles(sim) == []
        check_batches(sim)


async def test_fresh_submissions_cause_no_early_poll() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(1000)
        for task_id in ids:
            sim.plant(task_id, frozen())
        streams = [watcher.watch(Submission(task_id, (task_id,))) for task_id in ids]
        first = [await anext(stream) for stream in streams]
        await asyncio.sleep(2.9)

        assert {update.source for update in first} == {"submit"}
        assert lists(sim) == []

        await asyncio.sleep(0.2)

        assert len(lists(sim)) == 10


async def test_bare_ids_share_one_early_poll_and_the_tick_keeps_its_phase() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(4)
        for task_id in ids:
            sim.plant(task_id, frozen())
        stream = watcher.watch(ids[0], ids[1])
        await asyncio.sleep(0.5)
        stream.add(ids[2])
        await asyncio.sleep(0.1)
        stream.add(ids[3])
        await asyncio.sleep(6)

        polls = [(round(each.started, 2), each.ids) for each in lists(sim)]

        assert polls[:3] == [
            (0.05, (ids[0], ids[1])),
            (1.05, (ids[2], ids[3])),
            (3.0, tuple(ids)),
        ]
        assert [at for at, _ in polls[2:]] == [3.0, 6.0]


async def test_without_ids_there_are_no_requests_and_no_timer() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        stream = watcher.watch(task_id)
        await anext(stream)
        before = len(sim.requests)
        await stream.aclose()
        await asyncio.sleep(3600)

        assert len(sim.requests) == before
        assert watcher.statistics().watched == 0


async def test_no_more_requests_at_once_than_allowed() -> None:
    async with watching(max_requests=2, batch_size=10) as (sim, _, watcher):
        ids = ids_of(95)
        for task_id in ids:
            sim.plant(task_id, life(12))
        for _ in range(40):
            sim.script(LIST, Fault.slow(0.3))
        final = [update async for update in watcher.watch(*ids) if update.is_final]

        assert len(final) == 95
        assert max(each.concurrent for each in lists(sim)) == 2


async def test_a_hanging_batch_delays_only_its_own_ids() -> None:
    async with watching(batch_size=2) as (sim, _, watcher):
        ids = ids_of(4)
        for task_id in ids:
            sim.plant(task_id, life(9))
        sim.script(LIST, Fault.slow(20))
        ends = dict[str, float]()
        async for update in watcher.watch(*ids):
            if update.is_final:
                ends[update.task_id] = now()

        assert ends[ids[2]] < 13
        assert ends[ids[3]] < 13
        hung = lists(sim)[0]
        others = [each for each in lists(sim)[1:] if each.started < 19]
        assert not asked(others) & set(hung.ids)


async def test_a_failing_batch_backs_off_alone_and_goes_on() -> None:
    async with watching(batch_size=2) as (sim, _, watcher):
        ids = ids_of(4)
        for task_id in ids:
            sim.plant(task_id, life(40))
        for _ in range(4):
            sim.script(LIST, Fault.answer(502, "<html>bad gateway</html>"))
        final = [update async for update in watcher.watch(*ids) if update.is_final]

        assert sorted(update.task_id for update in final) == ids
        assert {update.kind for update in final} == {UpdateKind.SUCCEEDED}
        statistics = watcher.statistics()
        assert statistics.polls_failed == 4
        assert singles(sim) == []
        assert statistics.polls < 4 + 2 * 20


async def test_a_poll_cut_off_before_its_answer_is_repeated_at_once_and_is_no_failure() -> None:
    async with watching() as (sim, session, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        sim.script(LIST, Fault.close_after_reading())
        update = await anext(watcher.watch(task_id))

        assert update.source == "poll"
        assert now() == pytest.approx(0.05)
        assert watcher.statistics().polls_failed == 0
        assert session.statistics().retries == 1


async def test_a_thousand_consumers_of_a_task_cost_one_request_a_tick() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(30))

        async def consume() -> list[TaskUpdate]:
            return [update async for update in watcher.watch(task_id) if update.is_final]

        ends = await asyncio.gather(*(consume() for _ in range(1000)))

        assert all(len(each) == 1 for each in ends)
        assert all(len(each) == 1 for each in ticks(sim).values())
        assert watcher.statistics().consumers == 0


async def leave_by_break(watcher: TaskWatcher[Task], task_id: str) -> None:
    async for _ in watcher.watch(task_id):  # pragma: no branch -- it never ends by itself
        break


async def leave_by_exception(watcher: TaskWatcher[Task], task_id: str) -> None:
    async def fail_at_the_first() -> None:
        async for _ in watcher.watch(task_id):  # pragma: no branch -- it never ends by itself
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_at_the_first()


async def leave_by_close(watcher: TaskWatcher[Task], task_id: str) -> None:
    stream = watcher.watch(task_id)
    await anext(stream)
    await stream.aclose()


async def test_requests_stop_when_all_consumers_leave_each_in_its_own_way() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        seen = asyncio.Semaphore(0)

        async def leave_by_cancellation() -> None:
            async for _ in watcher.watch(task_id):  # pragma: no branch -- it never ends by itself
                seen.release()

        waiting = [asyncio.create_task(watcher.wait(task_id)) for _ in range(250)]
        cancelled = [asyncio.create_task(leave_by_cancellation()) for _ in range(250)]
        ways = (leave_by_break, leave_by_exception, leave_by_close)
        await asyncio.gather(*(way(watcher, task_id) for way in ways for _ in range(167)))
        for _ in cancelled:
            await seen.acquire()
        assert watcher.statistics().watched == 1
        for task in cancelled + waiting:
            task.cancel()
        await asyncio.gather(*cancelled, *waiting, return_exceptions=True)
        before = len(sim.requests)
        await asyncio.sleep(600)

        assert len(sim.requests) == before
        assert watcher.statistics().watched == 0
        assert watcher.statistics().consumers == 0


async def test_an_id_that_leaves_while_it_is_asked_for_and_comes_back_is_told_again() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(2)
        for task_id in ids:
            sim.plant(task_id, frozen(progress="30%"))
        stream = watcher.watch(*ids)
        assert len(await stream.next_batch()) == 2
        sim.script(LIST, Fault.slow(5))
        await asyncio.sleep(3)
        stream.discard(ids[0])
        await asyncio.sleep(2)
        stream.add(ids[0])
        again = await anext(stream)
        await asyncio.sleep(30)

        assert (again.task_id, again.percent, again.sequence) == (ids[0], 30, 1)
        assert all(len(each) == 1 for each in ticks(sim).values())


async def test_an_answer_for_an_id_that_has_left_meanwhile_still_serves_the_others() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(2)
        for task_id in ids:
            sim.plant(task_id, life(3))
        sim.script(LIST, Fault.slow(1))
        stream = watcher.watch(*ids)
        await asyncio.sleep(0.5)
        stream.discard(ids[0])
        seen = [update.task_id async for update in stream]

        assert set(seen) == {ids[1]}


async def test_an_error_of_the_callers_own_task_type_reaches_the_consumer() -> None:
    class Picky(Task, frozen=True):
        def __post_init__(self) -> None:
            if self.status:
                raise RuntimeError("my own bug")

    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth="secret", task_type=Picky) as session,
        TaskWatcher(session) as watcher,
    ):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        stream = watcher.watch(task_id)
        with pytest.raises(MJTaskError, match="my own bug") as caught:
            await anext(stream)

        assert isinstance(caught.value.__cause__, RuntimeError)
