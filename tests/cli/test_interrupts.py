"""Ctrl-C during ``mjtask bulk``, heard in this process on virtual time."""

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mjtask_async.cli.bulk import Interrupts, Plan, bulk
from mjtask_async.cli.screen import PlainScreen
from mjtask_async.simulator import Fault, Simulator

from .conftest import CommandLine, Said, prompts, read_results

COUNT = 9
Run = Callable[[Callable[[], None]], Said]
signals = pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal there")


def interrupt(times: int = 1) -> None:
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)


@pytest.fixture
def interrupted(mjtask: CommandLine, after_first: Callable[[Callable[[], object]], None]) -> Run:
    """Run prompts, do something after the first outcome, and say how that ended."""

    def run(act: Callable[[], None]) -> Said:
        after_first(act)
        name = prompts("\n".join(f"fox {number}" for number in range(COUNT)))
        return mjtask("bulk", name, "--out", "out", "--in-flight", "2")

    return run


def statuses() -> Counter[str]:
    return Counter(row["status"] for row in read_results())


def test_interrupts_are_heard_in_the_main_thread_only() -> None:
    heard: list[str] = []
    interrupts = Interrupts(lambda: heard.append("stop"), lambda: heard.append("end"))

    def elsewhere() -> None:
        with interrupts.listening():
            interrupts()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    interrupts()
    interrupts()

    assert heard == ["stop", "end"]
    assert interrupts.count == 3


@signals
def test_ctrl_c_once_finishes_what_runs(interrupted: Run, server: Simulator) -> None:
    said = interrupted(interrupt)

    assert (said.code, said.err) == (130, "mjtask: interrupted\n")
    assert "Ctrl-C again leaves it" in said.out
    assert len(server.accepted) < COUNT
    taken = len(server.accepted)
    assert statuses() == {"succeeded": taken, "unfinished": COUNT - taken}


@signals
def test_ctrl_c_twice_leaves_what_runs(interrupted: Run, server: Simulator) -> None:
    def twice() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(5.0, interrupt, 2)  # the next two run by then

    said = interrupted(twice)

    assert (said.code, said.err) == (130, "mjtask: interrupted\n")
    assert said.out.splitlines()[-1] == str(Path("out", "index.html"))
    assert statuses() == {"succeeded": 2, "unfinished": COUNT - 2}
    assert len(server.accepted) == 4


@signals
def test_more_ctrl_c_still_leave_results(interrupted: Run, server: Simulator) -> None:
    server.script("submit/imagine", Fault.slow(5.0), times=COUNT)

    def often() -> None:
        loop = asyncio.get_running_loop()
        for seconds in (0.0, 0.1, 0.5, 1.0, 2.0):
            loop.call_later(seconds, interrupt)

    said = interrupted(often)

    assert (said.code, said.err) == (130, "mjtask: interrupted\n")
    assert "prompts.txt\n" in said.out
    assert said.out.splitlines()[-1] == str(Path("out", "index.html"))
    assert Path("out", "index.html").is_file()
    assert sum(statuses().values()) == COUNT


@signals
def test_ctrl_c_after_the_last_outcome_changes_nothing(
    mjtask: CommandLine, server: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    del server
    monkeypatch.setattr(PlainScreen, "table", lambda *_: interrupt(2))

    said = mjtask("bulk", prompts("a fox"), "--out", "out")

    assert (said.code, said.err) == (0, "")


def test_cancelled_from_elsewhere_it_is_cancelled(mjtask: CommandLine, server: Simulator) -> None:
    del server
    plan = Plan(Path(prompts("a fox")), Path("out"), None, 1, (), "report")

    with pytest.raises(TimeoutError):
        mjtask.run(asyncio.wait_for(bulk(PlainScreen(), plan), 5))
