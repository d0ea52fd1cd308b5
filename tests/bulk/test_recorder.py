"""The journal behind a running loop: batches without holes, and closing that takes no time."""

import asyncio
from pathlib import Path
from typing import Any

import anyio
import pytest

from mjtask_async import BulkRun, JournalError, MJSession
from mjtask_async._core.replay import JobState, Kind, Record
from mjtask_async.journal import Journal
from mjtask_async.recorder import Recorder
from mjtask_async.simulator import Fault, Simulator

SERVER = "http://api.example"


def intent(job: str) -> tuple[Record, None]:
    return Record(job, "", Kind.INTENT, 1.0, state="s"), None


async def opened(path: Path) -> Recorder:
    return Recorder(await asyncio.to_thread(Journal, path, server=SERVER))


async def test_a_record_that_cannot_be_written_harms_no_other(tmp_path: Path) -> None:
    recorder = await opened(tmp_path / "run.db")
    wrong = Record("b", "", Kind.INTENT, prompt="\ud83d")
    found = await asyncio.gather(
        recorder.write(intent("a")),
        recorder.write((wrong, None)),
        recorder.write(intent("c")),
        return_exceptions=True,
    )
    states = [await recorder.job(name) for name in "abc"]
    await recorder.aclose()

    assert [type(each) for each in found] == [type(None), JournalError, type(None)]
    assert [state == JobState() for state in states] == [False, True, False]


async def test_after_any_failure_nothing_more_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = await opened(tmp_path / "run.db")

    def fail(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "insert", fail)
        with pytest.raises(JournalError):
            await recorder.write(intent("a"))
    with pytest.raises(JournalError, match="MemoryError"):
        await recorder.write(intent("b"))
    assert await recorder.job("b") == JobState()
    await recorder.aclose()


async def test_when_the_loop_ends_what_was_begun_is_written(tmp_path: Path) -> None:
    recorder = await opened(tmp_path / "run.db")
    writing = asyncio.create_task(recorder.write(intent("a")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert recorder._writing is not None
    recorder._writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    with pytest.raises(JournalError, match="Cancelled"):
        await recorder.write(intent("b"))

    assert [await recorder.job(name) == JobState() for name in "ab"] == [False, True]
    await recorder.aclose()


@pytest.mark.timeout(5)
async def test_a_run_in_a_cancelled_scope_closes_without_spinning() -> None:
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
    ):
        sim.script("submit/imagine", Fault.slow(500.0))
        started = asyncio.get_running_loop().time()
        with anyio.move_on_after(1):
            async with BulkRun(session, ["a fox"]) as run:
                await anext(run)
        assert asyncio.get_running_loop().time() - started == 11
