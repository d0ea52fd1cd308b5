"""How watching ends: outcomes, limits, outages, closing (rules 4, 7, 11, 14, 16, 20)."""

import asyncio
import copy
import pickle
from typing import Any

import pytest

from mjtask_async import (
    AuthenticationError,
    ClosedError,
    ConfigurationError,
    MJSession,
    NeedsInputError,
    OutageError,
    ProtocolError,
    Submission,
    Task,
    TaskCancelledError,
    TaskFailedError,
    TaskLostError,
    TaskStream,
    TaskTimeoutError,
    TaskWatcher,
    UpdateKind,
    WatchLimits,
)
from mjtask_async.simulator import Fault, Simulator, Step

from .support_watch import LIST, frozen, ids_of, life, lists, now, singles, watching


async def read_to_the_end(stream: TaskStream[Task]) -> None:
    async for update in stream:
        assert not update.is_final


async def test_wait_gives_the_successful_task() -> None:
    async with watching() as (_, session, watcher):
        submission = await session.imagine("a cat")
        task = await watcher.wait(submission)

        assert task.status == "SUCCESS"
        assert task.state == submission.state


async def test_wait_raises_what_became_of_the_task() -> None:
    async with watching() as (sim, _, watcher):
        failed, cancelled, rescued = ids_of(3)
        sim.plant(failed, life(5, last="FAILURE"))
        sim.plant(cancelled, [Step(at=0, status="FAILURE", fail_reason="取消任务")])
        late = Step(at=0, status="FAILURE", fail_reason="上游任务超时", image_url="http://x/1.png")
        sim.plant(rescued, [late])
        with pytest.raises(TaskFailedError, match="no luck") as caught:
            await watcher.wait(failed)
        with pytest.raises(TaskCancelledError):
            await watcher.wait(cancelled)
        with pytest.raises(TaskFailedError, match="a picture exists"):
            await watcher.wait(rescued)

        assert caught.value.task_id == failed
        assert caught.value.task is not None
        assert pickle.loads(pickle.dumps(caught.value)).task == caught.value.task  # noqa: S301
        assert copy.copy(caught.value).task_id == failed


async def test_wait_all_reports_every_outcome_and_raises_for_none() -> None:
    async with watching() as (sim, _, watcher):
        good, bad, slow, lost = ids_of(4)
        sim.plant(good, life(5))
        sim.plant(bad, life(5, last="FAILURE"))
        sim.plant(slow, frozen())
        outcomes = await watcher.wait_all([slow, lost, bad, good], timeout=100)

        assert [(task_id, update.kind) for task_id, update in outcomes.items()] == [
            (slow, UpdateKind.TIMED_OUT),
            (lost, UpdateKind.LOST),
            (bad, UpdateKind.FAILED),
            (good, UpdateKind.SUCCEEDED),
        ]
        assert outcomes[slow].limit == "total"
        assert outcomes[slow].percent == 10


async def test_an_error_of_a_wait_leaves_the_watchers_block_as_itself() -> None:
    caught: TaskFailedError | None = None
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key) as session,
    ):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(5, last="FAILURE"))
        try:
            async with TaskWatcher(session) as watcher:
                await watcher.wait(task_id)
        except TaskFailedError as error:
            caught = error

    assert caught is not None


@pytest.mark.parametrize(
    ("limits", "steps", "limit", "at"),
    [
        (WatchLimits(total=10), frozen(), "total", 10),
        (WatchLimits(queued=7), frozen("NOT_START", ""), "queued", 7),
        (WatchLimits(running=9), frozen(), "running", 9.05),
        (WatchLimits(stalled=20), frozen(), "stalled", 20.05),
        (WatchLimits(), frozen(progress="100%"), "stalled", 180.05),
        (WatchLimits(queued=3, running=9), life(60), "running", 9.05),
    ],
)
async def test_a_limit_ends_the_wait_and_says_which_it_was(
    limits: WatchLimits, steps: list[Step], limit: str, at: float
) -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, steps)
        with pytest.raises(TaskTimeoutError, match="may still go on") as caught:
            await watcher.wait(task_id, limits=limits)

        assert caught.value.limit == limit
        assert now() == pytest.approx(at, abs=0.01)
        assert caught.value.task is not None


async def test_queue_time_does_not_count_as_running_and_progress_restarts_the_stall() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        steps = [
            Step(at=0, status="NOT_START", progress=""),
            Step(at=300, status="IN_PROGRESS", progress="10%"),
            Step(at=330, status="IN_PROGRESS", progress="50%"),
            Step(at=355, status="SUCCESS"),
        ]
        sim.plant(task_id, steps)
        task = await watcher.wait(task_id, limits=WatchLimits(running=60, stalled=310))

        assert task.status == "SUCCESS"


async def test_two_consumers_of_a_task_with_different_limits_get_their_own_outcomes() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(60))
        short = asyncio.create_task(watcher.wait(task_id, timeout=10))
        none = asyncio.create_task(watcher.wait(task_id, limits=WatchLimits(total=None)))
        tight = asyncio.create_task(watcher.wait(task_id, limits=WatchLimits(running=30)))
        results = await asyncio.gather(short, none, tight, return_exceptions=True)

        assert [type(result) for result in results] == [TaskTimeoutError, Task, TaskTimeoutError]
        assert [getattr(result, "limit", None) for result in results] == ["total", None, "running"]


async def test_limits_given_per_call_replace_only_the_fields_that_are_set() -> None:
    async with watching(limits=WatchLimits(total=50, stalled=10)) as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        with pytest.raises(TaskTimeoutError) as stalled:
            await watcher.wait(task_id, timeout=40)
        with pytest.raises(TaskTimeoutError) as total:
            await watcher.wait(task_id, limits=WatchLimits(stalled=None))

        assert (stalled.value.limit, total.value.limit) == ("stalled", "total")


async def test_an_unknown_task_is_lost_after_the_limit_and_one_fetch() -> None:
    async with watching() as (sim, _, watcher):
        with pytest.raises(TaskLostError):
            await watcher.wait("1700000000000000")

        assert now() == pytest.approx(60.05, abs=3.1)
        assert len(singles(sim)) == 1
        assert watcher.statistics().confirmations == 1


async def test_a_short_absence_is_survived() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(90))
        for _ in range(19):
            sim.script(LIST, Fault.answer(200, "[]"))
        task = await watcher.wait(task_id)

        assert task.status == "SUCCESS"
        assert singles(sim) == []


async def test_a_task_that_lists_hide_but_fetch_finds_is_not_lost() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(80))
        for _ in range(60):
            sim.script(LIST, Fault.answer(200, "[]"))
        task = await watcher.wait(task_id)

        assert task.status == "SUCCESS"
        assert len(singles(sim)) == 2


async def test_trouble_while_a_loss_is_confirmed_confirms_nothing() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(100))
        for _ in range(24):
            sim.script(LIST, Fault.answer(200, "[]"))
        for _ in range(4):
            sim.script("task/{id}/fetch", Fault.answer(502, "<html>"))
        task = await watcher.wait(task_id)

        assert task.status == "SUCCESS"


async def test_consumers_with_different_patience_lose_a_task_at_their_own_time() -> None:
    async with watching() as (sim, _, watcher):
        patient = watcher.wait("1", limits=WatchLimits(missing=200))
        never = watcher.wait("1", limits=WatchLimits(missing=None, total=500))
        results = await asyncio.gather(patient, never, watcher.wait("1"), return_exceptions=True)

        assert [type(each) for each in results] == [TaskLostError, TaskTimeoutError, TaskLostError]
        assert len(singles(sim)) == 2


async def test_a_picture_at_100_percent_with_a_reason_in_two_polls_has_failed() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        step = Step(at=0, status="IN_PROGRESS", progress="100%", fail_reason="frozen by a relay")
        sim.plant(task_id, [step])
        with pytest.raises(TaskFailedError, match="frozen by a relay"):
            await watcher.wait(task_id)

        assert now() == pytest.approx(3)


async def test_modal_is_told_once_and_raises_only_after_two_polls_in_a_row() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        steps = [Step(at=0, status="MODAL", progress=""), Step(at=60, status="SUCCESS")]
        sim.plant(task_id, steps)
        stream = watcher.watch(task_id)
        first = await anext(stream)
        with pytest.raises(NeedsInputError) as caught:
            await watcher.wait(task_id)
        raised_at = now()
        with pytest.raises(NeedsInputError):
            await watcher.wait(task_id)
        outcomes = await watcher.wait_all([task_id])
        rest = [update.kind async for update in stream]

        assert first.kind is UpdateKind.NEEDS_INPUT
        assert not first.is_final
        assert raised_at == pytest.approx(3)
        assert caught.value.task_id == task_id
        assert outcomes[task_id].kind is UpdateKind.NEEDS_INPUT
        assert rest == [UpdateKind.SUCCEEDED]


async def test_a_submission_that_needs_input_says_so_in_its_first_update() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        steps = [
            Step(at=0, status="NOT_START"),
            Step(at=20, status="MODAL"),
            Step(at=40, status="SUCCESS"),
        ]
        sim.plant(task_id, steps)
        submission = Submission(task_id, (task_id,), needs_modal=True)
        kinds = [update.kind async for update in watcher.watch(submission)]

        assert kinds == [UpdateKind.NEEDS_INPUT, UpdateKind.SUCCEEDED]


async def test_an_outage_is_reported_once_and_a_new_watch_goes_on() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(3)
        for task_id in ids:
            sim.plant(task_id, life(700))
        stream = watcher.watch(*ids)
        await asyncio.sleep(10)
        sim.script("*", Fault.answer(502, "<html>"), seconds=310)
        with pytest.raises(OutageError, match="HTTP 502") as caught:
            await read_to_the_end(stream)
        raised_at = now()
        outcomes = await watcher.wait_all(ids, limits=WatchLimits(outage=None))

        assert set(caught.value.ids) == set(ids)
        assert set(caught.value.tasks) == set(ids)
        assert raised_at == pytest.approx(312, abs=3)
        assert {update.kind for update in outcomes.values()} == {UpdateKind.SUCCEEDED}


async def test_an_outage_counts_for_the_total_limit_only() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(300))
        await anext(watcher.watch(task_id))
        sim.script(LIST, Fault.answer(429), times=8)
        limits = WatchLimits(stalled=100, running=None, outage=None)
        task = await watcher.wait(task_id, limits=limits)

        assert task.status == "SUCCESS"


async def test_a_refused_key_raises_after_three_polls_and_ten_seconds() -> None:
    async with watching() as (sim, _, _):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        async with MJSession(sim.base_url, "sk-wrong") as session, TaskWatcher(session) as watcher:
            stream = watcher.watch(task_id)
            with pytest.raises(AuthenticationError) as caught:
                await anext(stream)

        assert 10 <= now() < 40
        assert caught.value.ids == (task_id,)
        assert caught.value.status == 401


async def test_a_refusal_that_passes_is_survived() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(30))
        sim.script(LIST, Fault.answer(401, '{"error":{"message":"x","type":"y"}}'), times=2)

        assert (await watcher.wait(task_id)).status == "SUCCESS"


async def test_closing_the_watcher_ends_open_streams_with_an_error() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        stream, empty = watcher.watch(task_id), watcher.watch(keep_open=True)
        waiting = asyncio.create_task(watcher.wait(task_id))
        await anext(stream)
        await watcher.aclose()
        await watcher.aclose()

        for reading in (anext(stream), anext(empty), waiting):
            with pytest.raises(ClosedError, match="watcher was closed"):
                await reading
        for use in (lambda: watcher.watch(task_id), lambda: watcher.feed(b""), watcher.__aiter__):
            with pytest.raises(ClosedError):
                use()
        assert watcher.statistics().watched == 0
        assert "closed" in repr(watcher)


async def test_a_final_update_that_is_unread_at_the_close_is_still_given() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(2))
        stream = watcher.watch(task_id)
        await asyncio.sleep(10)
        await watcher.aclose()

        assert [update.kind async for update in stream] == [UpdateKind.SUCCEEDED]


async def test_a_session_closed_under_a_watcher_ends_its_streams() -> None:
    async with watching() as (sim, session, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        stream = watcher.watch(task_id)
        await anext(stream)
        await session.aclose()

        with pytest.raises(ClosedError, match="session"):
            await anext(stream)


async def test_entering_and_leaving_may_happen_in_different_tasks() -> None:
    sim = Simulator(profile="novicezk")
    await asyncio.create_task(sim.__aenter__())
    session = MJSession(sim.base_url, sim.api_key)
    await asyncio.create_task(session.__aenter__())
    watcher = TaskWatcher(session)
    await asyncio.create_task(watcher.__aenter__())
    task_id = ids_of(1)[0]
    sim.plant(task_id, life(5))
    task = await asyncio.create_task(watcher.wait(task_id))
    for each in (watcher, session, sim):
        await asyncio.create_task(each.__aexit__(None, None, None))

    assert task.status == "SUCCESS"


def test_another_event_loop_is_refused_in_words() -> None:
    async def enter(session: MJSession) -> None:
        await session.__aenter__()

    async def watch(watcher: TaskWatcher) -> None:
        watcher.watch("1")

    session = MJSession("http://127.0.0.1:1")
    watcher = TaskWatcher(session)

    async def first() -> None:
        watcher.watch("1")
        watcher._poller.consumers.forget("1")

    asyncio.run(first())
    with pytest.raises(ConfigurationError, match="event loop"):
        asyncio.run(watch(watcher))
    with pytest.raises(ConfigurationError, match="event loop"):
        asyncio.run(enter(session))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"interval": 0}, "interval"),
        ({"interval": float("nan")}, "interval"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 1001}, "1 to 1000"),
        ({"max_requests": 0}, "max_requests"),
        ({"limits": WatchLimits(total=-1)}, "total"),
    ],
)
def test_arguments_out_of_range_are_refused_in_words(options: dict[str, Any], words: str) -> None:
    session = MJSession("http://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match=words):
        TaskWatcher(session, **options)


async def test_pushed_progress_counts_and_a_pushed_end_only_hastens_the_poll() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(30))
        stream = watcher.watch(Task(id=task_id, status="IN_PROGRESS", progress="1%"))
        await anext(stream)
        await asyncio.sleep(0.5)
        watcher.feed(Task(id=task_id, status="IN_PROGRESS", progress="7%"))
        pushed = await anext(stream)
        watcher.feed(b'{"id":"%s","status":"SUCCESS","progress":"100%%"}' % task_id.encode())
        watcher.feed(Task(id="unwatched", status="IN_PROGRESS"))
        await asyncio.sleep(0.1)
        polls = [round(each.started, 2) for each in lists(sim)]
        with pytest.raises(ProtocolError):
            watcher.feed(b"<html>")

        assert (pushed.percent, pushed.source) == (7, "webhook")
        assert polls == [0.55]
        assert not [update for update in await stream.next_batch() if update.is_final]


async def test_statistics_tell_when_anything_last_changed() -> None:
    async with watching() as (sim, _, watcher):
        assert watcher.statistics().last_change_at is None
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(9))
        await watcher.wait(task_id)
        statistics = watcher.statistics()

        assert statistics.last_change_at is not None
        assert statistics.updates == 4
        assert statistics.polls == 4
