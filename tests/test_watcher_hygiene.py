"""One consumer, one lost task or one bad moment must not harm the others."""

import asyncio
import gc
import sys
import threading
from itertools import pairwise
from typing import Any

import pytest

from mjtask_async import (
    AuthenticationError,
    ClosedError,
    ConfigurationError,
    MJSession,
    OutageError,
    Submission,
    Task,
    TaskStream,
    TaskTimeoutError,
    TaskWatcher,
    UpdateKind,
    WatchLimits,
)
from mjtask_async.abandoned import Abandoned
from mjtask_async.simulator import Fault, Step

from .support_server import Got, Server, reply, task
from .support_watch import LIST, frozen, ids_of, life, lists, now, singles, watching

FETCH = "task/{id}/fetch"


async def test_streams_that_only_the_garbage_collector_finds_disturb_nobody() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(40, steps=20))

        def leave_in_a_cycle() -> None:
            cycle: list[Any] = [watcher.watch(task_id)]
            cycle.append(cycle)

        readers = [asyncio.create_task(watcher.wait(task_id)) for _ in range(50)]
        thresholds = gc.get_threshold()
        gc.set_threshold(20)
        try:
            for _ in range(20):
                for _ in range(5):
                    leave_in_a_cycle()
                await asyncio.sleep(2)
            tasks = await asyncio.gather(*readers)
        finally:
            gc.set_threshold(*thresholds)
        gc.collect()

        assert {task.status for task in tasks} == {"SUCCESS"}
        assert watcher.statistics().consumers == 0


async def test_a_stream_that_dies_in_another_thread_is_released_by_the_loop() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        held: list[TaskStream[Task]] = [watcher.watch(task_id)]
        dropping = threading.Thread(target=held.clear)
        dropping.start()
        dropping.join()
        assert watcher.statistics().consumers == 1
        await asyncio.sleep(0)

        assert watcher.statistics().consumers == 0
        assert watcher.statistics().watched == 0


def test_a_stream_that_outlives_its_loop_harms_nobody() -> None:
    held: list[TaskStream[Task]] = []

    async def watch() -> None:
        watcher = TaskWatcher(MJSession("http://127.0.0.1:1"))
        held.append(watcher.watch("1", Task(id="2"), limits=WatchLimits(total=None)))

    asyncio.run(watch())
    dropping = threading.Thread(target=held.clear)
    dropping.start()
    dropping.join()

    assert held == []


async def test_a_task_may_be_added_twice_and_have_no_limit_at_all() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(5000))
        nothing = WatchLimits(total=None, missing=None, outage=None)
        stream = watcher.watch(Task(id=task_id, status="IN_PROGRESS"), limits=nothing)
        stream.add(task_id)
        ends = [update.kind async for update in stream if update.is_final]

        assert ends == [UpdateKind.SUCCEEDED]


def test_a_stream_nobody_ever_watched_with_is_dropped_without_a_loop() -> None:
    done: list[int] = []
    things = Abandoned[int](done.append)
    adding = threading.Thread(target=things.add, args=(1,))
    adding.start()
    adding.join()

    assert done == []


async def test_losses_that_cannot_be_confirmed_starve_no_healthy_task() -> None:
    async with watching() as (sim, _, watcher):
        healthy, *missing = ids_of(21)
        sim.plant(healthy, frozen())
        sim.script(FETCH, Fault.answer(500, "{}"), times=10_000)
        watching_on = watcher.watch(healthy, *missing, limits=WatchLimits(total=1000))
        await watching_on.next_batch()
        await asyncio.sleep(900)
        times = [each.started for each in lists(sim) if healthy in each.ids]
        gaps = [later - earlier for earlier, later in pairwise(times)]

        assert max(gaps) < 6.1
        assert 20 <= len(singles(sim)) < 800
        assert max(each.concurrent for each in sim.requests) <= 2


async def test_a_total_limit_is_kept_while_a_loss_is_being_confirmed() -> None:
    async with watching() as (sim, _, watcher):
        sim.script(FETCH, Fault.slow(1000), times=100)
        with pytest.raises(TaskTimeoutError) as caught:
            await watcher.wait("1700000000000000", timeout=65)

        assert caught.value.limit == "total"
        assert now() == pytest.approx(65)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
async def test_eager_tasks_are_no_trouble() -> None:  # pragma: no cover -- by version
    loop = asyncio.get_running_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 -- 3.12
    try:
        async with watching() as (sim, session, watcher):
            submission = await session.imagine("a cat")

            assert (await watcher.wait(submission)).status == "SUCCESS"
            assert sim.accepted
    finally:
        loop.set_task_factory(None)


async def test_an_unread_end_is_not_replaced_when_the_task_is_watched_again() -> None:
    async with watching() as (sim, session, watcher):
        overview = aiter(watcher)
        submission = await session.imagine("a cat")
        await watcher.wait(submission)
        await watcher.watch(submission).aclose()
        (update,) = await overview.next_batch()

        assert sim.accepted
        assert update.kind is UpdateKind.SUCCEEDED


async def test_what_is_given_of_a_task_is_merged_before_it_is_told() -> None:
    async with watching() as (sim, _, watcher):
        done = Task(id="1", status="SUCCESS", progress="100%")
        updates = [update async for update in watcher.watch(done, "1", Submission("1", ("1",)))]

        assert [update.kind for update in updates] == [UpdateKind.SUCCEEDED]
        assert sim.requests == []


async def test_empty_answers_are_failures_whatever_came_before() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        rows = f'[{{"id": null}}, {{"id": "{task_id}", "status": "IN_PROGRESS"}}]'
        sim.script(LIST, Fault.answer(200, rows))
        sim.script("*", Fault.answer(200, ""), times=1000)
        with pytest.raises(OutageError):
            await watcher.wait(task_id, limits=WatchLimits(outage=100))

        assert now() == pytest.approx(103, abs=3)


async def test_a_restart_is_seen_though_the_batch_has_changed_meanwhile() -> None:
    async with watching() as (sim, _, watcher):
        first, second = ids_of(2)
        sim.plant(second, [Step(at=0, status="NOT_START", progress=""), *_there_and_back()])
        stream = watcher.watch(second)
        await asyncio.sleep(2)
        sim.plant(first, life(7))
        stream.add(first)
        seen = [(await anext(stream)).percent for _ in range(4)]
        await asyncio.sleep(60)
        last = (await stream.next_batch())[-1]

        assert 50 in seen
        assert last.task is not None
        assert last.task.status == "NOT_START"


def _there_and_back() -> list[Step]:
    return [
        Step(at=4, status="IN_PROGRESS", progress="50%"),
        Step(at=20, status="NOT_START", progress=""),
    ]


async def test_one_refusal_after_other_failures_ends_nothing() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(60))
        sim.script(LIST, Fault.answer(500, "{}"), times=3)
        sim.script(LIST, Fault.answer(401, "{}"))

        assert (await watcher.wait(task_id)).status == "SUCCESS"


async def _refuse_poison(got: Got) -> bytes:
    ids = got.json["ids"] if got.body else ["poison"]
    return reply(500, "{}") if "poison" in ids else reply(200, [task(each) for each in ids])


async def test_a_stream_with_a_healthy_batch_reports_no_outage() -> None:
    async with (
        Server(_refuse_poison) as server,
        MJSession(server.base_url) as session,
        TaskWatcher(session, batch_size=2) as watcher,
    ):
        both = watcher.watch("1", "2", "poison", limits=WatchLimits(outage=30))
        await asyncio.sleep(200)
        updates = await both.next_batch()
        with pytest.raises(OutageError) as caught:
            await watcher.wait("poison", limits=WatchLimits(outage=30))

        assert {update.task_id for update in updates} == {"1", "2"}
        assert caught.value.ids == ("poison",)


async def test_a_stream_that_ended_with_an_error_takes_no_more_tasks() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.script("*", Fault.answer(500, "{}"), times=1000)
        streams = [watcher.watch(task_id, limits=WatchLimits(outage=30)) for _ in range(2)]
        errors: list[OutageError] = []
        for stream in streams:
            with pytest.raises(OutageError) as caught:
                await anext(stream)
            errors.append(caught.value)
            with pytest.raises(ClosedError):
                stream.add("2")

        assert errors[0] is not errors[1]
        assert watcher.statistics().watched == 0


async def test_each_stream_gets_an_error_of_its_own_when_all_end() -> None:
    async with watching() as (sim, session, watcher):
        sim.plant("1", frozen())
        streams = [watcher.watch("1") for _ in range(2)]
        for stream in streams:
            await anext(stream)
        await session.aclose()
        errors: list[BaseException] = []
        for stream in streams:
            with pytest.raises(ClosedError) as caught:
                await anext(stream)
            errors.append(caught.value)

        assert errors[0] is not errors[1]
        assert not isinstance(errors[0], AuthenticationError)


async def test_thousands_of_limits_that_run_out_at_once_all_count() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(3000)
        outcomes = await watcher.wait_all(ids, timeout=2)

        assert {update.limit for update in outcomes.values()} == {"total"}
        assert list(outcomes) == ids
        assert lists(sim)


@pytest.mark.parametrize(
    "options",
    [{"batch_size": 100.0}, {"batch_size": True}, {"max_requests": 1.5}, {"interval": "3"}],
)
def test_numbers_of_the_wrong_kind_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        TaskWatcher(MJSession("http://127.0.0.1:1"), **options)


async def test_a_single_text_is_no_list_of_tasks() -> None:
    async with watching() as (_, _, watcher):
        with pytest.raises(ConfigurationError, match="single str"):
            await watcher.wait_all("1700")
        with pytest.raises(ConfigurationError, match="WatchLimits"):
            watcher.watch("1700", limits={"total": 3})  # type: ignore[arg-type]


def test_a_stream_is_read_in_its_own_loop_only() -> None:
    async def watch() -> TaskStream[Task]:
        return TaskWatcher(MJSession("http://127.0.0.1:1")).watch("1")

    async def read(stream: TaskStream[Task]) -> None:
        await anext(stream)

    stream = asyncio.run(watch())
    with pytest.raises(ConfigurationError, match="another event loop"):
        asyncio.run(read(stream))


async def test_a_bug_in_a_decision_ends_the_streams_instead_of_hanging_them() -> None:
    async with watching() as (sim, _, watcher):
        sim.plant("1", frozen())
        stream = watcher.watch("1")
        await anext(stream)
        watcher._poller.schedule.interval = None  # type: ignore[assignment]

        with pytest.raises(Exception, match="unexpected error"):
            await anext(stream)


async def test_a_task_type_of_the_callers_that_fails_on_a_fetch_confirms_nothing() -> None:
    class Picky(Task, frozen=True):
        def __post_init__(self) -> None:
            if self.status:
                raise RuntimeError("my own bug")

    async with (
        watching() as (sim, _, _),
        MJSession(sim.base_url, sim.api_key, auth=sim.auth, task_type=Picky) as session,
        TaskWatcher(session) as watcher,
    ):
        sim.plant("1", frozen())
        sim.script(LIST, Fault.answer(200, "[]"), times=1000)
        with pytest.raises(TaskTimeoutError):
            await watcher.wait("1", timeout=200)

        assert watcher.statistics().confirmations > 1
