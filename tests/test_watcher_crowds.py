"""Trouble that meets many at once: new ids, hanging batches, bans, keys (rules 8, 10, 15, 16)."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import aiohttp
import pytest

from mjtask_async import (
    AuthenticationError,
    ClosedError,
    MJSession,
    OutageError,
    RateLimit,
    RateLimitedError,
    Submission,
    Task,
    TaskStream,
    TaskWatcher,
    UpdateKind,
    WatchLimits,
)
from mjtask_async.simulator import Fault, Simulator

from .support_watch import LIST, frozen, ids_of, life, lists, now, watching

E1 = '{"error":{"message":"%s","type":"new_api_error"}}'
PATIENT = WatchLimits(total=None, outage=None)


async def read_on(stream: TaskStream[Task]) -> None:
    while await stream.next_batch():
        pass


@pytest.mark.parametrize(
    "fault",
    [
        Fault.answer(503),
        Fault.answer(429),
        Fault.answer(200, "<!doctype html><html></html>"),
        Fault.close_before_reading(),
    ],
)
async def test_ids_that_come_in_an_outage_cost_no_requests_of_their_own(fault: Fault) -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(200)
        for task_id in ids:
            sim.plant(task_id, life(400))
        sim.script("*", fault, seconds=290)
        stream = watcher.watch(keep_open=True, limits=PATIENT)
        for task_id in ids:
            stream.add(task_id)
            await asyncio.sleep(1.01)
        arrived = len(sim.requests)
        await asyncio.sleep(60)
        later = len(sim.requests) - arrived
        seen: set[str] = set()
        while len(seen) < 200:
            seen |= {each.task_id for each in await stream.next_batch()}

        assert arrived <= 200 + 2 * 3 * 12  # an early poll a second, and the backoff's
        assert later <= 2 * 3 * 3
        assert now() <= 290 + 40
        await stream.aclose()


@pytest.mark.parametrize("hanging", [1, 2, 3])
async def test_batches_that_hang_leave_a_place_to_the_others(hanging: int) -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(500)
        for task_id in ids:
            sim.plant(task_id, frozen())
        stream = watcher.watch(*ids, limits=PATIENT)
        await asyncio.sleep(10)
        for number in range(hanging):
            sim.poison(LIST, ids[100 * number + 5], Fault.slow(1000))
        await asyncio.sleep(200)
        healthy = [each.started for each in lists(sim) if ids[-1] in each.ids]
        gaps = [late - early for early, late in pairwise(healthy)]

        # At first they take both places, until their time-out; from then on one.
        assert sum(gap > 3.01 for gap in gaps) <= hanging - 1
        await stream.aclose()


async def test_a_ban_is_an_outage_for_all_even_if_few_were_asked_for() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(1000)
        for task_id in ids:
            sim.plant(task_id, frozen())
        waiting = asyncio.create_task(watcher.wait_all(ids))
        await asyncio.sleep(9.5)
        sim.script(LIST, Fault.answer(429), times=2)
        sim.script("*", Fault.answer(403), seconds=3500)
        with pytest.raises(OutageError) as caught:
            await waiting

        assert 305 <= now() <= 320
        assert len(caught.value.ids) == 1000


async def test_a_ban_is_no_time_in_which_a_task_stalls() -> None:
    async with watching(batch_size=10) as (sim, _, watcher):
        ids = ids_of(100)
        for task_id in ids:
            sim.plant(task_id, life(260, steps=4))
        waiting = asyncio.create_task(watcher.wait_all(ids, limits=WatchLimits(stalled=100)))
        await asyncio.sleep(9.5)
        sim.script(LIST, Fault.answer(429), times=2)
        sim.script("*", Fault.answer(403), seconds=200)
        final = await waiting

        assert {update.kind for update in final.values()} == {UpdateKind.SUCCEEDED}


async def test_adding_ids_does_not_put_off_the_news_of_an_outage() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(1000)
        sim.plant(ids[0], frozen())
        stream = watcher.watch(ids[0], limits=WatchLimits(outage=60))
        await anext(stream)
        sim.script("*", Fault.answer(503), seconds=3000)

        async def add() -> None:
            while True:
                task_id = ids.pop()
                stream.add(Submission(task_id, (task_id,)))
                await asyncio.sleep(1)

        adding = asyncio.create_task(add())
        with pytest.raises(OutageError) as caught:
            await read_on(stream)
        with pytest.raises(ClosedError):
            await adding

        assert now() <= 60 + 2 * 3 + 1
        assert len(caught.value.ids) > 50


async def test_a_stream_has_an_outage_once_its_last_task_has_had_one_for_so_long() -> None:
    async with watching(batch_size=1) as (sim, _, watcher):
        ids = ids_of(3)
        for task_id in ids:
            sim.plant(task_id, frozen())
        others = watcher.watch(ids[2])  # its polls go on
        stream = watcher.watch(*ids[:2])
        await stream.next_batch()
        sim.poison(LIST, ids[0], Fault.answer(429))
        await asyncio.sleep(240)
        sim.poison(LIST, ids[1], Fault.answer(429))
        with pytest.raises(OutageError):
            await read_on(stream)

        assert 540 <= now() <= 550
        await others.aclose()


async def test_a_key_is_good_while_other_polls_succeed_with_it() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(300)
        for task_id in ids:
            sim.plant(task_id, life(200))
        sim.poison(LIST, ids[5], Fault.answer(401, E1 % "Invalid token"))
        waiting = asyncio.create_task(watcher.wait_all(ids, limits=WatchLimits(outage=None)))
        await asyncio.sleep(150)
        sim.poison(LIST, ids[5], None)
        final = await waiting

        assert {update.kind for update in final.values()} == {UpdateKind.SUCCEEDED}


async def test_a_refused_key_is_told_with_all_tasks_of_the_consumer() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(300)
        for task_id in ids:
            sim.plant(task_id, frozen())
        stream = watcher.watch(*ids)
        await stream.next_batch()
        sim.script("*", Fault.answer(401, E1 % "Invalid token"), seconds=100)
        with pytest.raises(AuthenticationError) as caught:
            await read_on(stream)

        assert set(caught.value.ids) == set(ids)
        assert len(caught.value.tasks) >= 100


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "User has been banned"),
        (401, "该令牌已过期"),
        (403, "您的 IP 不在令牌允许访问的列表中"),
    ],
)
async def test_a_refusal_that_gives_its_reason_is_not_taken_for_a_spent_quota(
    status: int, words: str
) -> None:
    async with watching(profile="new-api") as (sim, _, watcher):
        sim.plant("1", frozen())
        stream = watcher.watch("1")
        await anext(stream)
        sim.script("*", Fault.answer(status, E1 % words), seconds=100)
        with pytest.raises(AuthenticationError, match=words) as caught:
            await anext(stream)

        assert "quota" not in str(caught.value)


async def banned_after_a_long_wait(sim: Simulator, _: MJSession[Task]) -> None:
    sim.script(LIST, Fault.answer(429, headers={"Retry-After": "120"}))
    await asyncio.sleep(1)
    sim.script("*", Fault.answer(403, delay=0.05), seconds=170)


async def banned_after_a_submit(sim: Simulator, session: MJSession[Task]) -> None:
    sim.script("submit/imagine", Fault.answer(429))
    with suppress(RateLimitedError):
        await session.imagine("a cat")
    sim.script("*", Fault.answer(403), seconds=60)


@pytest.mark.parametrize("ban", [banned_after_a_long_wait, banned_after_a_submit])
async def test_a_ban_is_told_from_a_bad_key_by_any_429_before_it(
    ban: Callable[..., asyncio.Future[None]],
) -> None:
    async with watching() as (sim, session, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(300))
        banned = asyncio.ensure_future(ban(sim, session))
        await asyncio.sleep(0)
        task = await watcher.wait(task_id)
        await banned

        assert task.status == "SUCCESS"


async def test_polls_that_wait_for_the_budget_do_not_go_out_in_a_ban() -> None:
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth="secret", rate=RateLimit(1, 2)) as session,
        TaskWatcher(session, max_requests=8) as watcher,
    ):
        ids = ids_of(800)
        for task_id in ids:
            sim.plant(task_id, frozen())
        stream = watcher.watch(*ids, limits=PATIENT)
        await asyncio.sleep(40)
        before = len(sim.requests)
        sim.script(LIST, Fault.answer(429))
        sim.script("*", Fault.answer(403), seconds=60)
        await asyncio.sleep(60)
        meanwhile = [each.status for each in sim.requests[before:]]
        await asyncio.sleep(60)

        assert meanwhile == [429, 403, 403]
        assert sim.requests[-1].status == 200
        await stream.aclose()


async def test_a_poll_that_waits_for_the_budget_is_not_sent_if_nobody_watches_any_more() -> None:
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth="secret", rate=RateLimit(1, 60)) as session,
        TaskWatcher(session) as watcher,
    ):
        sim.plant("1", frozen())
        stream = watcher.watch("1")
        await asyncio.sleep(10)
        await stream.aclose()
        await asyncio.sleep(200)

        assert [each.started for each in sim.requests] == pytest.approx([0.05])


async def test_confirmations_of_losses_wait_for_the_budget_and_for_the_end_of_a_ban() -> None:
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth="secret", rate=RateLimit(1, 2)) as session,
        TaskWatcher(session, batch_size=10) as watcher,
    ):
        ids = ids_of(20)
        for task_id in ids[:10]:
            sim.plant(task_id, frozen())
        stream = watcher.watch(*ids, limits=WatchLimits(outage=None))
        await asyncio.sleep(66.5)
        sim.poison(LIST, ids[0], Fault.answer(429))
        await asyncio.sleep(8)
        sim.poison(LIST, ids[0], Fault.answer(403))
        asyncio.get_running_loop().call_later(20, sim.poison, LIST, ids[0], None)
        lost: set[str] = set()
        while len(lost) < 10:
            batch = await stream.next_batch()
            lost |= {each.task_id for each in batch if each.kind is UpdateKind.LOST}
        times = [each.started for each in sim.requests]
        (banned,) = [each.started for each in sim.requests if each.status == 403]

        assert now() < 200
        assert min(late - early for early, late in pairwise(times)) >= 1.99
        assert not [at for at in times if banned < at < banned + 30]
        await stream.aclose()


async def test_a_confirmation_that_fails_in_a_ban_does_not_end_the_probing() -> None:
    async with watching(batch_size=10, max_requests=4) as (sim, _, watcher):
        ids = ids_of(101)
        for task_id in ids[:100]:
            sim.plant(task_id, frozen())
        stream = watcher.watch(*ids, limits=PATIENT)
        sim.poison("task/{id}/fetch", ids[100], Fault.answer(403, delay=10))
        await asyncio.sleep(64.5)
        sim.script(LIST, Fault.answer(429))
        sim.script(LIST, Fault.answer(403), seconds=40)
        await asyncio.sleep(60)
        (fetch,) = [each for each in sim.requests if each.endpoint != LIST]

        assert fetch.started == pytest.approx(60, abs=0.1)  # and answered at 70
        assert fetch.status == 403
        assert [each.started for each in sim.requests if each.started > 70] == [pytest.approx(96)]
        await stream.aclose()


async def test_a_borrowed_session_that_is_closed_ends_streams_with_the_next_poll() -> None:
    async with Simulator(profile="novicezk") as sim, aiohttp.ClientSession() as http:
        session = MJSession(sim.base_url, sim.api_key, auth="secret", http=http)
        async with session, TaskWatcher(session) as watcher:
            sim.plant("1", frozen())
            stream = watcher.watch("1")
            await anext(stream)
            await http.close()
            with pytest.raises(ClosedError, match="http= is closed"):
                await anext(stream)


async def test_a_pushed_end_hurries_a_culprit_too() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(10)
        for task_id in ids:
            sim.plant(task_id, life(200))
        sim.poison(LIST, ids[3], Fault.answer(400))
        waiting = asyncio.create_task(watcher.wait(ids[3]))
        others = asyncio.create_task(watcher.wait_all(ids))
        await asyncio.sleep(200.5)
        watcher.feed(Task(id=ids[3], status="SUCCESS", progress="100%"))
        await waiting

        assert now() == pytest.approx(200.55, abs=0.1)
        await others


async def test_a_wait_of_hours_is_said_once_and_cut_to_two_minutes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with watching() as (sim, _, watcher):
        sim.plant("1", life(400))
        sim.script("*", Fault.answer(429, headers={"Retry-After": "86400"}), seconds=300)
        with caplog.at_level(logging.INFO):
            await watcher.wait("1", limits=WatchLimits(outage=None))

        (record,) = caplog.records
        assert "asks to be left alone for 86400 s" in record.getMessage()
        assert len(lists(sim)) <= 4 + 5 + 15


async def test_a_session_that_is_closed_ends_streams_at_once_even_in_a_ban() -> None:
    async with watching() as (sim, session, watcher):
        sim.plant("1", frozen())
        stream, overview = watcher.watch("1"), aiter(watcher)
        await anext(stream)
        await overview.next_batch()
        sim.script(LIST, Fault.answer(429))
        sim.script("*", Fault.answer(403), seconds=3000)
        await asyncio.sleep(120)
        await session.aclose()

        for each in (stream, overview):
            with pytest.raises(ClosedError, match="session was closed"):
                await anext(each)
        assert now() == pytest.approx(120.05, abs=0.1)


async def test_what_is_pushed_counts_as_a_change(caplog: pytest.LogCaptureFixture) -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(3)
        for task_id in ids:
            sim.plant(task_id, frozen())
        stream = watcher.watch(*ids, timeout=1100)
        await stream.next_batch()
        before = watcher.statistics().last_change_at
        with caplog.at_level(logging.INFO):
            for percent in range(20, 40):
                watcher.feed(Task(id=ids[0], status="IN_PROGRESS", progress=f"{percent}%"))
                await asyncio.sleep(50)

        assert caplog.records == []
        assert before is not None
        assert (watcher.statistics().last_change_at or 0) > before
        await stream.aclose()


async def test_consumers_that_come_and_go_leave_nothing_behind() -> None:
    async with watching() as (sim, _, watcher):
        kept, other = ids_of(2)
        for task_id in (kept, other):
            sim.plant(task_id, frozen())
        stream = watcher.watch(kept)
        for _ in range(3000):
            await watcher.watch(other).aclose()

        assert len(watcher._poller.consumers._heap) <= 1002
        await stream.aclose()
