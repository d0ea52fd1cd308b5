"""``mjtask bulk`` and ``mjtask journal``."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from mjtask_async import BulkStatistics, Task
from mjtask_async.cli.board import board_for, clock, words_of
from mjtask_async.cli.results import Row
from mjtask_async.cli.screen import BarScreen, PlainScreen
from mjtask_async.models import TaskUpdate, UpdateKind
from mjtask_async.simulator import Fault, Simulator

from .conftest import CommandLine, Said, prompts, read_results
from .test_gallery import Reader

CALM = BulkStatistics(0, 0, 0, is_slowed=False)


def test_prompts_become_pictures_results_and_a_gallery(
    mjtask: CommandLine, server: Simulator
) -> None:
    said = mjtask("bulk", prompts("a fox\n\nan owl\n"), "--out", "out", "--journal", "run.db")

    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[-1] == str(Path("out", "index.html"))
    assert [row["status"] for row in read_results()] == ["succeeded", "succeeded"]
    page = Reader(Path("out", "index.html").read_text(encoding="utf-8"))
    (small,) = Path("out").glob("thumbs/0000-a-fox-grid-*.jpg")
    assert {"0000-a-fox-grid.png", f"thumbs/{small.name}"} <= set(page.links)
    with Image.open(small) as picture:
        picture.load()
    assert len(server.accepted) == 2


def test_the_journal_can_be_looked_at(mjtask: CommandLine, server: Simulator) -> None:
    name = prompts("a fox\na nude owl")
    mjtask("bulk", name, "--out", "out", "--journal", "run.db")
    del server

    plain, as_json = mjtask("journal", "run.db"), mjtask("journal", "run.db", "--json")

    assert plain.code == 0
    assert "1  succeeded  a fox" in plain.out
    rows = [json.loads(line) for line in as_json.out.splitlines()]
    assert [row["status"] for row in rows] == ["succeeded", "failed"]
    assert rows[0]["steps"][""]["files"] == [str(Path("out/0000-a-fox-grid.png").absolute())]


def test_a_missing_journal_is_one_sentence(mjtask: CommandLine) -> None:
    said = mjtask("journal", "nowhere.db")

    assert (said.code, said.out) == (11, "")
    assert "there is no such file" in said.err


def test_what_failed_is_told(mjtask: CommandLine, server: Simulator) -> None:
    del server
    said = mjtask("bulk", prompts("a fox\na nude owl"), "--out", "out")

    assert said.code == 7
    assert "1 of 2 jobs did not succeed" in said.err
    assert [row["status"] for row in read_results()] == ["succeeded", "failed"]


# Runs in which a submit fails are fixtures: the tracer of 3.11 counts a frame too few for each
# exception that a future throws, and takes it from those that wait.


@pytest.fixture
def uncertain(mjtask: CommandLine, server: Simulator) -> Said:
    """A run whose only job may have been accepted."""
    server.script("submit/imagine", Fault.accept_and_close())
    return mjtask("bulk", prompts("a fox"), "--out", "out")


def test_what_is_uncertain_has_a_code_of_its_own(mjtask: CommandLine, uncertain: Said) -> None:
    assert uncertain.code == 6
    assert read_results()[0]["status"] == "uncertain"
    assert "uncertain" in mjtask("journal", "out/journal.db").out


def test_what_is_uncertain_is_sent_again_only_if_so_wished(
    mjtask: CommandLine, uncertain: Said, server: Simulator
) -> None:
    del uncertain
    again = ("bulk", "prompts.txt", "--out", "out")

    assert mjtask(*again).code == 6
    assert len(server.accepted) == 1
    assert mjtask(*again, "--resubmit-uncertain", "--allow-host", "localhost").code == 0
    assert len(server.accepted) == 2


@pytest.fixture
def stopped(mjtask: CommandLine, server: Simulator) -> Said:
    """A run that a spent quota stopped."""
    refusal = Fault.answer(200, '{"code":4,"description":"quota is not enough"}')
    server.script("submit/imagine", refusal, times=9)
    return mjtask("bulk", prompts("a fox"), "--out", "out")


def test_what_stops_the_run_leaves_results_and_a_journal(
    mjtask: CommandLine, stopped: Said
) -> None:
    assert (stopped.code, read_results()[0]["status"]) == (5, "unfinished")
    assert "unfinished" in mjtask("journal", "out/journal.db").out


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120, _environ={"TERM": "xterm"})


def test_on_a_terminal_there_are_bars(mjtask: CommandLine, server: Simulator) -> None:
    console = terminal()
    name = prompts("\n".join(f"fox {number}" for number in range(4)))

    assert mjtask("bulk", name, "--out", "out", console=console).code == 0

    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "4 of 4" in text
    assert "a minute" in text
    assert "fox 3" in text
    assert server.accepted


def test_json_holds_one_object_a_job(mjtask: CommandLine, server: Simulator) -> None:
    del server
    said = mjtask("bulk", prompts("a fox"), "--out", "out", "--json")

    (row,) = map(json.loads, said.out.splitlines())
    assert (row["prompt"], row["status"]) == ("a fox", "succeeded")


def test_where_a_run_stands() -> None:
    rows = {
        0: Row(0, "a", status="succeeded", resumed=True),
        1: Row(1, "b", status="failed"),
        2: Row(2, "c", status="uncertain"),
    }

    assert words_of(rows, 9, 60.0, CALM) == (
        "3 of 9, 2.0 a minute, 3:00 to go, 1 failed, 1 uncertain"
    )
    slow = BulkStatistics(0, 0, 0, is_slowed=True)
    assert words_of({}, 9, 0.0, slow) == "0 of 9, the server makes us wait"
    assert words_of({0: Row(0, "a", status="succeeded")}, 1, 1.0, CALM) == "1 of 1, 60.0 a minute"
    assert [clock(59.6), clock(3725)] == ["1:00", "1:02:05"]


def test_an_update_without_a_percentage_gets_no_bar() -> None:
    console = terminal()
    with BarScreen(console) as screen:
        board = board_for(screen, 2)
        board.show(TaskUpdate("1", UpdateKind.PROGRESS, None, 1, 0.0, "submit"))
        board.show(TaskUpdate("1", UpdateKind.PROGRESS, None, 1, 0.0, "poll", percent=9))
        board.show(TaskUpdate("1", UpdateKind.PROGRESS, None, 1, 0.0, "poll", percent=19))
        board.show(TaskUpdate("1", UpdateKind.SUCCEEDED, Task("1"), 1, 0.0, "poll"))
        board.show(TaskUpdate("2", UpdateKind.SUCCEEDED, Task("2"), 1, 0.0, "poll"))
        board.tell(Row(0, "a"))
    lines = board_for(PlainScreen(), 2)
    lines.show(TaskUpdate("2", UpdateKind.SUCCEEDED, Task("2"), 1, 0.0, "poll"))
    lines.overall("", 1)

    assert isinstance(console.file, io.StringIO)
    assert "19 %" in console.file.getvalue()
