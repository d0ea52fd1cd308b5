"""What watching does while requests fail: how often it asks, and that it goes on (rules 10, 16)."""

import asyncio
import logging
import re
from itertools import pairwise
from math import ceil, log2

import pytest

from mjtask_async import (
    AuthenticationError,
    MJSession,
    OutageError,
    Task,
    TaskTimeoutError,
    TaskWatcher,
    UpdateKind,
    WatchLimits,
)
from mjtask_async.simulator import Fault

from .support_watch import LIST, frozen, ids_of, life, lists, now, singles, watching

E1 = '{"error":{"code":"","message":"%s (request id: 1)","type":"new_api_error"}}'


@pytest.mark.parametrize("status", [400, 413, 422, 500])
async def test_one_poison_id_among_a_thousand_delays_its_99_neighbours_two_ticks_at_most(
    status: int,
) -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(1000)
        for task_id in ids:
            sim.plant(task_id, frozen())
        stream = watcher.watch(*ids)
        await asyncio.sleep(10)  # ticks at 3, 6 and 9
        usual = len(lists(sim))
        poison = ids[537]
        sim.poison(LIST, poison, Fault.answer(status, "{}"))
        await asyncio.sleep(30)

        seen: dict[str, list[float]] = {task_id: [] for task_id in ids}
        for request in lists(sim):
            for task_id in request.ids if request.status == 200 else ():
                seen[task_id].append(request.started)
        gaps = [late - early for at in seen.values() for early, late in pairwise(at)]
        assert usual == 40
        assert max(gaps) <= 3 * 3.0 + 0.01  # one interval as always, and two more
        assert len(singles(sim)) >= 3
        halves = [each for each in lists(sim)[usual:] if 1 <= len(each.ids) < 100]
        own = [each for each in halves if each.ids == (poison,)]
        batches = [each for each in halves if len(each.ids) == 99]
        retried = 2 if status == 500 else 0
        assert len(halves) - len(own) + 1 - len(batches) <= 2 * ceil(log2(100)) + retried
        await stream.aclose()


async def test_a_poison_id_is_followed_to_its_end_by_fetch() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(100)
        for task_id in ids:
            sim.plant(task_id, life(60))
        sim.poison(LIST, ids[41], Fault.answer(500))
        final = await watcher.wait_all(ids)

        assert {update.kind for update in final.values()} == {UpdateKind.SUCCEEDED}
        assert now() <= 60 + 2 * 36
        assert watcher.statistics().confirmations == len(singles(sim)) > 0


async def test_a_poison_id_that_no_fetch_knows_is_not_lost_because_no_list_lacks_it() -> None:
    async with watching() as (sim, _, watcher):
        good, bad = ids_of(2)
        sim.plant(good, life(30))
        sim.poison(LIST, bad, Fault.answer(400))
        with pytest.raises(OutageError, match="does not know task") as caught:
            await watcher.wait_all([good, bad])

        assert caught.value.ids == (bad,)


async def test_a_web_page_for_everything_makes_no_storm() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(1000)
        for task_id in ids:
            sim.plant(task_id, life(600))
        patient = WatchLimits(outage=400)
        waiting = asyncio.create_task(watcher.wait_all(ids, limits=patient))
        await asyncio.sleep(9.5)
        before = len(sim.requests)
        page = Fault.answer(200, "<!doctype html><html></html>", {"Content-Type": "text/html"})
        sim.script("*", page, seconds=300)
        await asyncio.sleep(300)
        storm = len(sim.requests) - before
        attempts = 14  # at 0, 3, 9, 21, 45 s and then each 30 s, at most a fifth sooner
        final = await waiting

        assert 10 * 9 <= storm <= 10 * 3 * attempts
        assert {update.kind for update in final.values()} == {UpdateKind.SUCCEEDED}
        assert singles(sim) == []


async def test_a_four_minute_outage_heals_unseen() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(150)
        for task_id in ids:
            sim.plant(task_id, life(320))
        waiting = asyncio.create_task(watcher.wait_all(ids))
        await asyncio.sleep(20)
        sim.script("*", Fault.answer(503, "<html>", {"Content-Type": "text/html"}), seconds=240)
        final = await waiting

        assert {update.kind for update in final.values()} == {UpdateKind.SUCCEEDED}
        assert now() < 330


async def test_a_ten_minute_outage_is_reported_once_at_300_seconds_and_watched_again() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(3)
        for task_id in ids:
            sim.plant(task_id, life(700, steps=1))
        overview = aiter(watcher)
        stream = watcher.watch(*ids)
        await stream.next_batch()
        await asyncio.sleep(8)
        sim.script("*", Fault.close_before_reading(), seconds=600)
        with pytest.raises(OutageError) as caught:
            await anext(stream)
        raised_at = now()
        await asyncio.sleep(310)
        final = await watcher.wait_all(ids)

        assert (caught.value.ids, set(caught.value.tasks)) == (tuple(ids), set(ids))
        assert raised_at == pytest.approx(6 + 300 + 3, abs=1)
        assert {update.kind for update in final.values()} == {UpdateKind.SUCCEEDED}
        assert len([each for each in await overview.next_batch() if each.is_final]) == 3


def bound(seconds: float, *, first: float = 3.0) -> int:
    """Count the attempts that a failing batch may make: each a fifth early, doubling to 30 s."""
    at, wait, attempts = 0.0, first, 0
    while at <= seconds:
        attempts += 1
        at += 0.8 * wait
        wait = min(2 * wait, 30.0)
    return attempts


async def test_a_storm_of_429_costs_few_requests_and_passes() -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(1000)
        for task_id in ids:
            sim.plant(task_id, life(400))
        waiting = asyncio.create_task(watcher.wait_all(ids))
        await asyncio.sleep(9.5)
        before = len(sim.requests)
        sim.script("*", Fault.answer(429), seconds=240)
        await asyncio.sleep(240)
        storm = len(sim.requests) - before
        final = await waiting

        assert storm <= 10 * bound(240, first=5.0)
        assert {update.kind for update in final.values()} == {UpdateKind.SUCCEEDED}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "40"}, 40),
        ({"retry-after-ms": "40500"}, 40.5),
        (
            {
                "Retry-After": "Wed, 21 Oct 2015 07:28:45 GMT",
                "Date": "Wed, 21 Oct 2015 07:28:00 GMT",
            },
            45,
        ),
        ({"Retry-After": "100000"}, 120),
        ({}, 5),
    ],
)
async def test_a_poll_waits_as_long_as_the_server_asks(
    headers: dict[str, str], seconds: float
) -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        sim.script(LIST, Fault.answer(429, headers=headers))
        await anext(watcher.watch(task_id))
        first, second = [each.started for each in lists(sim)]

        assert 0.8 * seconds <= second - first <= 1.2 * seconds + 0.01
        assert headers == {} or second - first == pytest.approx(seconds, abs=0.01)


async def test_429_without_a_header_waits_5_10_and_20_seconds() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        sim.script(LIST, Fault.answer(429), times=3)
        await anext(watcher.watch(task_id))
        gaps = [late.started - early.started for early, late in pairwise(lists(sim))]

        assert [
            wanted * 0.8 <= gap <= wanted * 1.2
            for wanted, gap in zip((5, 10, 20), gaps, strict=True)
        ] == [True] * 3


async def test_403_after_429_is_a_ban_that_pauses_all_polling_and_passes_by_itself() -> None:
    async with watching(max_requests=4) as (sim, _, watcher):
        ids = ids_of(1000)
        for task_id in ids:
            sim.plant(task_id, life(500))
        waiting = asyncio.create_task(watcher.wait_all(ids))
        await asyncio.sleep(9.5)
        before = len(sim.requests)
        sim.script(LIST, Fault.answer(429), times=2)
        sim.script("*", Fault.answer(403), seconds=200)
        await asyncio.sleep(200)
        banned = sim.requests[before:]
        final = await waiting

        assert len(banned) <= 10 + 4 + 3  # one tick, and one probe after 30, 60 and 120 s
        assert all(each.concurrent == 1 for each in banned[14:])
        assert {update.kind for update in final.values()} == {UpdateKind.SUCCEEDED}


async def test_403_without_429_is_a_refused_key() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        sim.script("*", Fault.answer(403, "You are blocked!"), seconds=100)
        with pytest.raises(AuthenticationError, match="blocked") as caught:
            await watcher.wait(task_id)

        assert caught.value.status == 403
        assert now() < 40


async def test_trouble_before_a_refusal_does_not_count_as_one() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(70))
        for status in (502, 502, 401, 401, 502, 401):
            sim.script(LIST, Fault.answer(status))

        sim.script("task/{id}/fetch", Fault.answer(502), times=9)
        assert (await watcher.wait(task_id)).status == "SUCCESS"


async def test_a_key_that_has_worked_may_have_spent_its_quota() -> None:
    async with watching(profile="new-api") as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, frozen())
        stream = watcher.watch(task_id)
        await anext(stream)
        sim.script("*", Fault.answer(401, E1 % "Invalid token"), seconds=100)
        with pytest.raises(AuthenticationError) as caught:
            await anext(stream)

        assert re.search("Invalid token.*worked before.*quota may be spent", str(caught.value))
        assert "another key of the same account" in str(caught.value)
        assert caught.value.ids == (task_id,)
        assert caught.value.tasks[task_id].percent == 0


@pytest.mark.parametrize(("words", "spent"), [("该令牌额度已用尽", True), ("Invalid token", False)])
async def test_a_key_that_never_worked_is_spent_only_if_the_server_says_so(
    words: str,
    spent: bool,  # noqa: FBT001
) -> None:
    async with watching(profile="new-api") as (sim, _, watcher):
        sim.script("*", Fault.answer(401, E1 % words), seconds=100)
        with pytest.raises(AuthenticationError, match=words) as caught:
            await watcher.wait("1")

        assert ("another key" in str(caught.value)) is spent
        assert "it has worked before" not in str(caught.value)


async def test_a_relay_that_has_gone_blind_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(3)
        for task_id in ids:
            sim.plant(task_id, frozen())
        with caplog.at_level(logging.INFO):
            await watcher.wait_all(ids, timeout=1900)

        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert record.name == "mjtask_async.outlook"
        assert "no change of 3 unfinished tasks for 10 minutes" in record.getMessage()


@pytest.mark.parametrize("why", ["two tasks", "changes", "waiting for input"])
async def test_a_relay_that_sees_or_has_little_to_see_is_no_warning(
    why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching() as (sim, _, watcher):
        ids = ids_of(2 if why == "two tasks" else 3)
        for task_id in ids:
            sim.plant(task_id, frozen("MODAL" if why == "waiting for input" else "IN_PROGRESS"))
        if why == "changes":
            ids.append("17")
            sim.plant("17", life(1900, steps=10))
        with caplog.at_level(logging.INFO):
            stream = watcher.watch(*ids, timeout=1900)
            assert [update async for update in stream if update.is_final]

        assert caplog.records == []


async def test_a_pushed_end_is_asked_for_at_once_and_then_each_tick_until_a_poll_agrees() -> None:
    """A relay's rows lag behind the upstream that calls the hook (contract 6 and 7)."""
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, [*frozen(), *life(16)[-1:]])
        stream = watcher.watch(Task(id=task_id, status="IN_PROGRESS", progress="5%"))
        await asyncio.sleep(1.5)
        watcher.feed(Task(id=task_id, status="SUCCESS", progress="100%"))
        ends = [(update.source, now()) async for update in stream if update.is_final]

        assert [round(each.started, 2) for each in lists(sim)] == [1.55, 3, 6, 9, 12, 15, 18]
        assert [source for source, _ in ends] == ["poll"]
        assert ends[0][1] == pytest.approx(18, abs=0.01)


async def test_a_request_that_hangs_ends_at_its_time_out_and_is_a_failure_like_any_other() -> None:
    async with watching() as (sim, _, watcher):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(60))
        sim.script(LIST, Fault.slow(1000))
        task = await watcher.wait(task_id)

        assert task.status == "SUCCESS"
        assert watcher.statistics().polls_failed == 1
        assert 30 <= lists(sim)[1].started <= 35


async def test_an_outage_names_what_one_consumer_watches_and_spares_the_patient() -> None:
    async with watching() as (sim, _, watcher):
        one, two = ids_of(2)
        for task_id in (one, two):
            sim.plant(task_id, life(500))
        patient = watcher.wait(one, limits=WatchLimits(outage=None))
        timed = watcher.wait(one, timeout=100)
        hasty = watcher.wait_all([two], limits=WatchLimits(outage=50))
        sim.script("*", Fault.answer(502), seconds=400)
        results = await asyncio.gather(patient, timed, hasty, return_exceptions=True)

        assert isinstance(results[0], Task)
        assert isinstance(results[1], TaskTimeoutError)
        assert isinstance(results[2], OutageError)
        assert (results[2].ids, results[2].tasks) == ((two,), {})


async def test_two_watchers_of_one_session_do_not_know_of_each_other() -> None:
    async with watching() as (sim, session, watcher), TaskWatcher(session, interval=7) as other:
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(20))
        tasks = await asyncio.gather(watcher.wait(task_id), other.wait(task_id))
        await watcher.aclose()

        assert [task.status for task in tasks] == ["SUCCESS"] * 2
        assert (await other.wait(task_id)).status == "SUCCESS"
        assert isinstance(session, MJSession)
