"""What comes out of a run that was stopped, and what of its source is still taken."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mjtask_async import BulkOutcome, BulkRun, Task

from ..support_bulk import origin, outcomes

JOBS = [f"p{number}" for number in range(6)]


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    return {"journal": tmp_path / "run.db"}


async def briskly(jobs: Iterable[str]) -> AsyncIterator[str]:
    for job in jobs:
        await asyncio.sleep(0.01)
        yield job


@pytest.mark.parametrize("kind", [list, iter, briskly])
async def test_a_job_that_has_other_buttons_now_is_left_to_the_next_run(
    options: dict[str, Any], kind: Any
) -> None:
    async with origin() as (server, session):
        await outcomes(session, JOBS, **options)
        async with BulkRun(session, kind(JOBS), then=("U1",), **options) as run:
            run.stop()
            assert [outcome async for outcome in run] == []
        found = await outcomes(session, kind(JOBS), then=("U1",), **options)

    assert [len(outcome.tasks) for outcome in found] == [2] * 6
    assert (server.count("submit/imagine"), server.count("submit/action")) == (6, 6)


class Stubborn:
    """Gives a job a second, and at once where it is cancelled."""

    def __init__(self) -> None:
        self.given = 0

    def __aiter__(self) -> "Stubborn":
        return self

    async def __anext__(self) -> str:
        self.given += 1
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(1)
        return f"new {self.given}"


async def test_an_item_that_comes_with_the_stop_is_the_last(options: dict[str, Any]) -> None:
    """Before Python 3.12 `asyncio.wait_for` gives it, and forgets that it was cancelled."""
    queue: asyncio.Queue[str] = asyncio.Queue()

    async def source() -> AsyncIterator[str]:
        while True:
            yield await asyncio.wait_for(queue.get(), 1000)

    async with (
        origin() as (server, session),
        BulkRun(session, source(), **options) as run,
        asyncio.timeout(100),
    ):
        iterating = asyncio.create_task(all_of(run))
        await asyncio.sleep(1)
        queue.put_nowait("first")
        await asyncio.sleep(0)
        run.stop()
        await asyncio.sleep(1)
        queue.put_nowait("second")

        assert await iterating == []
    assert (queue.qsize(), server.count("submit/imagine")) == (1, 0)


async def test_a_source_that_swallows_every_cancellation_is_left(options: dict[str, Any]) -> None:
    source = Stubborn()
    async with origin() as (_, session):
        await outcomes(session, JOBS, **options)
        async with asyncio.timeout(100), BulkRun(session, source, in_flight=2, **options) as run:
            await anext(run)
            run.stop()
            given = source.given
            rest = await all_of(run)

    assert len(rest) <= 1
    assert source.given - given <= 12


async def test_a_run_on_a_source_that_swallows_every_cancellation_closes(
    options: dict[str, Any],
) -> None:
    source = Stubborn()
    async with origin() as (_, session):
        await outcomes(session, JOBS, **options)
        async with asyncio.timeout(100), BulkRun(session, source, in_flight=2, **options) as run:
            await anext(run)
            given = source.given

    assert source.given - given <= 2


async def test_a_job_that_ended_is_told_though_the_stop_met_it_on_its_way(
    options: dict[str, Any],
) -> None:
    class Source(Stubborn):
        async def __anext__(self) -> str:
            return (await super().__anext__()).replace("new ", "p")

    async with origin() as (server, session):
        await outcomes(session, JOBS, **options)
        async with asyncio.timeout(100), BulkRun(session, Source(), **options) as run:
            await asyncio.sleep(0.5)
            run.stop()
            found = await all_of(run)

    assert [outcome.job.prompt for outcome in found] == JOBS[1:]
    assert set(server.prompts.values()) == {1}


async def test_a_slow_consumer_does_not_wear_the_patience_out(options: dict[str, Any]) -> None:
    async with origin() as (_, session):
        await outcomes(session, JOBS, **options)
        found: list[str] = []
        async with BulkRun(session, briskly(JOBS), in_flight=2, **options) as run:
            run.stop()
            async for outcome in run:
                found.append(outcome.job.prompt)
                await asyncio.sleep(6)

    assert found == JOBS


@pytest.mark.parametrize("stops_first", [True, False])
async def test_a_source_s_own_timeout_is_raised(
    options: dict[str, Any],
    stops_first: bool,  # noqa: FBT001
) -> None:
    async def source() -> AsyncIterator[str]:
        yield JOBS[0]
        await asyncio.sleep(1)
        raise TimeoutError("theirs")

    async with origin() as (_, session):
        await outcomes(session, JOBS, **options)
        async with BulkRun(session, source(), **options) as run:
            if stops_first:
                run.stop()
            assert (await anext(run)).resumed
            with pytest.raises(TimeoutError, match="theirs"):
                await anext(run)


async def all_of(run: BulkRun[Task]) -> list[BulkOutcome[Task]]:
    return [outcome async for outcome in run]
