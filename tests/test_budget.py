"""One budget for submits and polls (issue: ``rate=``)."""

import asyncio
import re
from itertools import pairwise
from typing import Any

import pytest

from mjtask_async import ConfigurationError, MJSession, RateLimit, TaskWatcher, UpdateKind
from mjtask_async.budget import Budget
from mjtask_async.simulator import Fault, Simulator

from .support_cancel import cancel_everywhere
from .support_watch import LIST, frozen, ids_of, life, lists, now


async def test_without_a_rate_nothing_waits() -> None:
    budget = Budget(None)
    for _ in range(1000):
        await budget.take()
        await budget.take(15.0)

    assert now() == 0


async def test_requests_are_spread_evenly_from_the_first_on() -> None:
    budget = Budget(RateLimit(600, 60))
    times = []
    for _ in range(31):
        await budget.take()
        times.append(now())

    assert times == pytest.approx([number / 10 for number in range(31)], abs=0.001)


async def test_who_is_patient_lets_all_others_go_first() -> None:
    budget = Budget(RateLimit(1, 1))
    order: list[str] = []

    async def take(name: str, patience: float = 0.0) -> None:
        await budget.take(patience)
        order.append(name)

    await budget.take()
    polls = [asyncio.create_task(take("poll", 15.0)) for _ in range(2)]
    await asyncio.sleep(0.5)
    submits = [asyncio.create_task(take("submit")) for _ in range(3)]
    await asyncio.gather(*polls, *submits)

    assert order == ["submit"] * 3 + ["poll"] * 2
    assert now() <= 6


async def test_patience_ends() -> None:
    budget = Budget(RateLimit(1, 1))
    done = asyncio.Event()

    async def submit_for_ever() -> None:
        while not done.is_set():
            await budget.take()

    submits = [asyncio.create_task(submit_for_ever()) for _ in range(2)]
    await asyncio.sleep(0.1)
    await budget.take(15.0)
    done.set()
    await asyncio.gather(*submits)

    assert 15 <= now() <= 20


async def test_who_has_waited_long_enough_is_next_however_many_others_wait() -> None:
    budget = Budget(RateLimit(1, 1))
    others = [asyncio.create_task(budget.take()) for _ in range(300)]
    await asyncio.sleep(0)
    await budget.take(15.0)
    waited = now()
    await budget.take(15.0)
    await asyncio.gather(*others)

    assert waited == pytest.approx(15, abs=1.01)
    assert now() == pytest.approx(301, abs=1.01)  # and nobody's turn was lost


async def test_who_is_cancelled_as_its_turn_comes_hands_it_on() -> None:
    budget = Budget(RateLimit(1, 10))
    await budget.take()
    one, other = (asyncio.create_task(budget.take()) for _ in range(2))
    asyncio.get_running_loop().call_at(10.0 + 1e-10, one.cancel)  # in the same turn of the loop
    await other

    assert one.cancelled()
    assert now() == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize("patience", [0.0, 3.0])
async def test_who_is_cancelled_in_the_queue_leaves_no_trace(patience: float) -> None:
    budget = Budget(RateLimit(1, 1))

    async def take() -> None:
        await budget.take(patience)

    assert await cancel_everywhere(take) >= 0
    waiting = [asyncio.create_task(take()) for _ in range(5)]
    await asyncio.sleep(0.1)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    started = now()
    await budget.take(3.0)

    assert now() - started <= 1.1


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (RateLimit(0, 1), "rate.requests is 0"),
        (RateLimit(1, -1), "rate.per is -1"),
        (RateLimit(1, float("nan")), "rate.per is nan"),
        (RateLimit(float("inf"), 1), "rate.requests is inf"),
        (RateLimit(requests=True, per=1), "rate.requests is True"),
        (600, "rate is 600; use RateLimit"),
        (RateLimit("5", 1), "rate.requests is '5'"),  # type: ignore[arg-type]
    ],
)
def test_a_rate_that_is_none_is_refused_in_words(rate: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        MJSession("http://127.0.0.1:1", rate=rate)


def most_in(times: list[float], seconds: float) -> int:
    """Count the most requests in any window."""
    return max(sum(start <= at < start + seconds for at in times) for start in times)


async def test_submits_and_polls_together_stay_within_the_budget_and_submits_go_first() -> None:
    async with (
        Simulator(profile="novicezk", workers=50, queue_size=50) as sim,
        MJSession(sim.base_url, sim.api_key, rate=RateLimit(30, 60)) as session,
        TaskWatcher(session, batch_size=5) as watcher,
    ):
        ids = ids_of(30)
        for task_id in ids:
            sim.plant(task_id, life(300))
        waiting = asyncio.create_task(watcher.wait_all(ids))
        await asyncio.sleep(60)
        asked_at = now()
        submitted = await asyncio.gather(*(session.imagine("a cat") for _ in range(5)))
        took = now() - asked_at
        final = await waiting

        times = [each.started for each in sim.requests]
        assert most_in(times[2:], 60) <= 31  # the first two find out how to send the key
        assert len({each.task_id for each in submitted}) == 5
        assert took <= 5 * 2 + 2 * 2
        assert {update.kind for update in final.values()} == {UpdateKind.SUCCEEDED}


async def test_a_budget_too_small_for_the_interval_stretches_the_tick() -> None:
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth="secret", rate=RateLimit(1, 5)) as session,
        TaskWatcher(session, batch_size=10) as watcher,
    ):
        ids = ids_of(30)
        for task_id in ids:
            sim.plant(task_id, frozen())
        stream = watcher.watch(*ids)
        await asyncio.sleep(300)
        asked: dict[str, int] = dict.fromkeys(ids, 0)
        for request in lists(sim):
            for task_id in request.ids:
                asked[task_id] += 1
        before = now()
        await session.imagine("a cat")

        assert 57 <= len(lists(sim)) <= 61
        assert max(asked.values()) - min(asked.values()) <= 1  # fair, and nothing queues up
        assert now() - before <= 5.01
        await stream.aclose()


async def test_waiting_for_the_budget_is_no_outage_and_no_progress() -> None:
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth="secret", rate=RateLimit(1, 40)) as session,
        TaskWatcher(session) as watcher,
    ):
        task_id = ids_of(1)[0]
        sim.plant(task_id, life(100))
        sim.script(LIST, Fault.answer(502))
        task = await watcher.wait(task_id)

        assert task.status == "SUCCESS"
        assert [round(each.started) for each in lists(sim)] == [0, 40, 80, 120]


@pytest.mark.parametrize("way", ["fetch", "list", "cut off", "auto"])
async def test_every_request_takes_from_the_budget(way: str) -> None:
    options: dict[str, Any] = {} if way == "auto" else {"auth": "secret"}
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, rate=RateLimit(1, 10), **options) as session,
    ):
        sim.plant("1", frozen())
        if way == "cut off":
            sim.script(LIST, Fault.close_before_reading())
            async with TaskWatcher(session) as watcher:
                await anext(watcher.watch("1"))
        elif way == "list":
            await session.list_by_condition(["1"])
            await session.list_by_condition(["1"])
        else:
            await session.fetch("1")
            await session.fetch("1")
        times = [each.started for each in sim.requests]

        assert len(times) == (3 if way == "auto" else 2)
        assert all(late - early >= 9.99 for early, late in pairwise(times))
