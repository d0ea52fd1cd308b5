"""The quirks of contract 5 that show while watching, each on the simulator that has it."""

import asyncio
from datetime import UTC, datetime

import pytest

from mjtask_async import (
    AuthenticationError,
    MJSession,
    OutageError,
    Task,
    TaskFailedError,
    TaskLostError,
    TaskTimeoutError,
    TaskWatcher,
    UpdateKind,
    WatchLimits,
)
from mjtask_async.simulator import Simulator, Step
from mjtask_async.simulator.mishaps import MISHAPS

from .support_watch import LIST, frozen, ids_of, life, now, watching

ID = ids_of(1)[0]
RELAYS = ("new-api", "new-api-2025", "one-hub")


@pytest.mark.parametrize("profile", RELAYS)
async def test_q9_a_row_frozen_at_100_percent_is_stalled_after_three_minutes(profile: str) -> None:
    async with watching(profile=profile) as (sim, _, watcher):
        sim.plant(ID, [Step(at=0, status="IN_PROGRESS", progress="100%"), *life(200)[-1:]])
        with pytest.raises(TaskTimeoutError, match="100 %") as caught:
            await watcher.wait(ID)

        assert caught.value.limit == "stalled"
        assert 180 <= now() <= 180 + 60


async def test_q9_a_row_that_is_only_for_a_moment_at_100_percent_succeeds() -> None:
    async with watching(profile="novicezk") as (sim, _, watcher):
        sim.plant(ID, [Step(at=0, status="IN_PROGRESS", progress="100%"), *life(150)[-1:]])

        assert (await watcher.wait(ID)).status == "SUCCESS"


@pytest.mark.parametrize("profile", RELAYS)
async def test_q10_a_reason_without_a_failure_freezes_a_row_and_is_one(profile: str) -> None:
    async with watching(profile=profile) as (sim, _, watcher):
        step = Step(at=0, status="IN_PROGRESS", progress="30%", fail_reason="blocked by filter")
        sim.plant(ID, [step, *life(100)[-1:]])
        with pytest.raises(TaskFailedError, match="blocked by filter"):
            await watcher.wait(ID)

        assert now() < 60


@pytest.mark.parametrize("profile", RELAYS)
async def test_q11_a_row_that_upstream_has_lost_ends_at_the_callers_limit(profile: str) -> None:
    async with watching(profile=profile) as (sim, _, watcher):
        sim.plant(ID, frozen())
        stream = watcher.watch(ID, limits=WatchLimits(stalled=300))
        await anext(stream)
        sim.forget(ID)
        ends = [update async for update in stream if update.is_final]

        assert [(update.kind, update.limit) for update in ends] == [
            (UpdateKind.TIMED_OUT, "stalled")
        ]


@pytest.mark.parametrize("profile", RELAYS)
async def test_q11_a_dead_updater_is_survived_until_its_process_starts_again(profile: str) -> None:
    async with watching(profile=profile) as (sim, _, watcher):
        sim.plant(ID, life(60))
        sim.stop_refreshing(400)
        task = await watcher.wait(ID)

        assert task.status == "SUCCESS"
        assert 400 <= now() <= 440


async def test_q12_a_status_that_goes_backwards_once_is_no_news() -> None:
    async with watching() as (sim, _, watcher):
        steps = [
            Step(at=0, status="IN_PROGRESS", progress="15%"),
            Step(at=5, status="SUBMITTED", progress="0%"),
            Step(at=8, status="IN_PROGRESS", progress="30%"),
            Step(at=20, status="SUCCESS"),
        ]
        sim.plant(ID, steps)
        percents = [update.percent async for update in watcher.watch(ID)]

        assert percents == [15, 30, 100]


async def test_q12_a_success_that_is_taken_back_was_one() -> None:
    async with watching() as (sim, _, watcher):
        steps = [
            Step(at=0, status="SUCCESS"),
            Step(at=10, status="SUBMITTED", progress="0%"),
            Step(at=20, status="FAILURE", fail_reason="任务超时"),
        ]
        sim.plant(ID, steps)
        kinds = [update.kind async for update in watcher.watch(ID)]

        assert kinds == [UpdateKind.SUCCEEDED]


async def test_q13_progress_may_drop_or_become_a_text() -> None:
    async with watching() as (sim, _, watcher):
        steps = [
            Step(at=0, status="IN_PROGRESS", progress="60%"),
            Step(at=4, status="IN_PROGRESS", progress="Waiting to start"),
            Step(at=8, status="IN_PROGRESS", progress="0%"),
            Step(at=20, status="SUCCESS"),
        ]
        sim.plant(ID, steps)
        percents = [update.percent async for update in watcher.watch(ID)]

        assert percents == [60, 60, 0, 100]  # two polls show the restart


async def test_q29_a_torn_snapshot_is_what_its_status_says() -> None:
    async with watching() as (sim, _, watcher):
        sim.plant(ID, [Step(at=0, status="SUCCESS", progress="87%")])

        assert (await watcher.wait(ID)).percent == 87


async def test_q30_success_implies_a_picture_and_a_picture_no_success() -> None:
    async with watching() as (sim, _, watcher):
        early = Step(at=0, status="SUBMITTED", progress="0%", image_url="http://cdn/1.png")
        done = Step(at=10, status="SUCCESS", fields={"startTime": None})
        sim.plant(ID, [early, done])
        updates = [update async for update in watcher.watch(ID)]

        assert [update.kind for update in updates] == [UpdateKind.PROGRESS, UpdateKind.SUCCEEDED]
        last = updates[-1].task
        assert last is not None
        assert last.image_url
        assert last.started_at is None


@pytest.mark.parametrize("status", ["NOT_START", "IN_PROGRESS"])
async def test_q31_a_task_frozen_by_a_restart_ends_at_the_callers_limit(status: str) -> None:
    async with watching() as (sim, _, watcher):
        sim.plant(ID, frozen(status))
        with pytest.raises(TaskTimeoutError, match="may still go on") as caught:
            await watcher.wait(ID)

        assert (caught.value.limit, now()) == ("total", 3600)


async def test_q31_a_store_that_a_restart_emptied_loses_the_task() -> None:
    async with watching() as (sim, _, watcher):
        sim.plant(ID, frozen())
        stream = watcher.watch(ID)
        await anext(stream)
        sim.forget(ID)
        updates = [update async for update in stream]

        assert [update.kind for update in updates] == [UpdateKind.LOST]
        assert 60 <= now() <= 70


async def test_q33_a_sleeping_updater_is_awake_after_anybodys_submit() -> None:
    async with watching(profile="one-hub") as (sim, session, watcher):
        sim.plant(ID, life(30))
        sim.stop_refreshing(wakes=True)
        waiting = asyncio.create_task(watcher.wait(ID))
        await asyncio.sleep(300)
        assert not waiting.done()
        await session.imagine("somebody else's cat")

        assert (await waiting).status == "SUCCESS"
        assert now() <= 300 + 3.1  # the next tick


@pytest.mark.parametrize("profile", RELAYS)
async def test_q34_a_success_that_becomes_a_failure_after_an_hour_was_a_success(
    profile: str,
) -> None:
    async with watching(profile=profile) as (sim, _, watcher):
        sim.plant(ID, [Step(at=0, status="SUCCESS", progress="99%")])
        kept = watcher.watch(ID, keep_open=True)
        await asyncio.sleep(3700)
        with pytest.raises(TaskFailedError, match="a picture exists all the same"):
            await watcher.wait(ID)

        assert [update.kind for update in await kept.next_batch()] == [UpdateKind.SUCCEEDED]


async def test_q35_a_pushed_end_with_a_strange_link_reaches_nobody() -> None:
    async with watching() as (sim, _, watcher):
        sim.plant(ID, life(20))
        stream = watcher.watch(ID)
        await anext(stream)
        watcher.feed(Task(id=ID, status="SUCCESS", image_url="http://169.254.169.254/"))
        updates = [update async for update in stream]

        assert all(
            "169" not in ((update.task and update.task.image_url) or "") for update in updates
        )
        assert now() >= 20


async def test_q36_a_task_whose_row_was_never_written_is_lost_for_this_key() -> None:
    async with watching(profile="new-api") as (sim, _, watcher):
        sim.plant(ID, life(30))
        sim.hide(ID)
        with pytest.raises(TaskLostError):
            await watcher.wait(ID)

        assert now() < 75


@pytest.mark.parametrize("name", ["database hiccup", "E3", "no tasks", "code 5", "two values"])
async def test_q37_trouble_of_a_relays_database_for_eight_seconds_is_survived(name: str) -> None:
    async with watching(profile="new-api") as (sim, _, watcher):
        sim.plant(ID, life(50))
        stream = watcher.watch(ID)
        await asyncio.sleep(20)
        sim.script("*", MISHAPS[name], seconds=8)
        ends = [update.kind async for update in stream if update.is_final]

        assert ends == [UpdateKind.SUCCEEDED]


@pytest.mark.parametrize("profile", RELAYS)
async def test_q37_a_quota_that_is_gone_says_so_and_another_key_goes_on(profile: str) -> None:
    async with watching(profile=profile) as (sim, _, watcher):
        sim.plant(ID, life(100))
        stream = watcher.watch(ID)
        await asyncio.sleep(20)
        sim.set_quota(0)
        other_key = sim.api_key[:-1] + "x"
        with pytest.raises(AuthenticationError, match="another key of the same account can"):
            assert [update async for update in stream if update.is_final]
        sim.add_key(other_key)
        async with MJSession(sim.base_url, other_key) as other, TaskWatcher(other) as again:
            assert (await again.wait(ID)).status == "SUCCESS"


@pytest.mark.parametrize("name", MISHAPS)
async def test_each_mishap_alone_does_a_watched_task_no_harm(name: str) -> None:
    async with watching(profile="new-api") as (sim, _, watcher):
        sim.plant(ID, life(50))
        sim.script("*", MISHAPS[name], seconds=8)
        sim.script(LIST, MISHAPS[name], times=2)

        assert (await watcher.wait(ID)).status == "SUCCESS"


async def test_a_session_keeps_its_streams_through_a_restart_of_the_server() -> None:
    async with Simulator(profile="novicezk") as sim:
        port = int(sim.base_url.rsplit(":", 1)[1])
        async with (
            MJSession(sim.base_url, sim.api_key, auth="secret") as session,
            TaskWatcher(session) as watcher,
        ):
            sim.plant(ID, frozen())
            waiting = asyncio.create_task(watcher.wait(ID))
            await asyncio.sleep(10)
            await sim.aclose()
            await asyncio.sleep(60)
            async with Simulator(profile="novicezk", port=port) as again:
                again.plant(ID, life(30))

                assert (await waiting).status == "SUCCESS"


@pytest.mark.parametrize("skew", [-86_400, 86_400])
async def test_clock_skew_does_no_harm(skew: float) -> None:
    epoch = datetime.now(UTC).timestamp() + skew
    async with (
        Simulator(epoch=epoch) as sim,
        MJSession(sim.base_url, sim.api_key) as session,
        TaskWatcher(session) as watcher,
    ):
        task = await watcher.wait(await session.imagine("a cat"), timeout=600)

        assert task.status == "SUCCESS"


async def test_a_key_that_stays_refused_is_no_outage() -> None:
    async with watching(profile="new-api") as (sim, _, watcher):
        sim.script("*", MISHAPS["database hiccup"], seconds=1000)
        with pytest.raises(AuthenticationError) as caught:
            await watcher.wait(ID, limits=WatchLimits(outage=300))

        assert not isinstance(caught.value, OutageError)
