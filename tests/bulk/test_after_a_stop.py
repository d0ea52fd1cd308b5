"""What comes out of a run that was stopped, and what of its source is still taken."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from mjtask_async import BulkRun

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
