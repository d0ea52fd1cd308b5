import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from mjtask_async import BulkJob, BulkOutcome, BulkStatistics, ConfigurationError, Task
from mjtask_async.cli import results
from mjtask_async.cli.board import Lines, board_for, clock, words_of
from mjtask_async.cli.bulk import Interrupts, Plan, bulk
from mjtask_async.cli.prompts import read_prompts
from mjtask_async.cli.results import Row
from mjtask_async.cli.screen import BarScreen, PlainScreen
from mjtask_async.models import TaskUpdate, UpdateKind
from mjtask_async.simulator import Fault, Simulator, run_in_thread

from .conftest import CommandLine
from .test_gallery import EVIL, Reader

CALM = BulkStatistics(0, 0, 0, is_slowed=False)


def prompts(text: str, name: str = "prompts.txt") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def read_results(folder: str = "out") -> list[dict[str, Any]]:
    text = Path(folder, "results.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_prompts_become_pictures_results_and_a_gallery(
    mjtask: CommandLine, server: Simulator
) -> None:
    said = mjtask("bulk", prompts("a fox\n\nan owl\n"), "--out", "out", "--journal", "run.db")

    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[-1] == str(Path("out", "index.html"))
    assert [row["status"] for row in read_results()] == ["succeeded", "succeeded"]
    page = Reader(Path("out", "index.html").read_text(encoding="utf-8"))
    assert {"0000-a-fox-grid.png", "thumbs/0000-a-fox-grid.jpg"} <= set(page.links)
    with Image.open("out/thumbs/0000-a-fox-grid.jpg") as small:
        small.load()
    assert len(server.accepted) == 2


def test_the_same_command_goes_on(mjtask: CommandLine, server: Simulator) -> None:
    command = ("bulk", prompts("a fox\nan owl"), "--out", "out", "--journal", "run.db")
    mjtask(*command)
    Path("prompts.txt").write_text("a fox\nan owl\na hare")

    said = mjtask(*command)

    assert said.code == 0
    assert [row["resumed"] for row in read_results()] == [True, True, False]
    assert len(server.accepted) == 3


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


def test_what_is_uncertain_has_a_code_of_its_own(mjtask: CommandLine, server: Simulator) -> None:
    server.script("submit/imagine", Fault.accept_and_close())
    said = mjtask("bulk", prompts("a fox"), "--out", "out", "--journal", "run.db")
    assert said.code == 6  # pragma: no cover -- it runs; the tracer of 3.11 has lost its place
    assert (
        read_results()[0]["status"] == "uncertain"
    )  # pragma: no cover -- it runs; the tracer of 3.11 has lost its place
    assert (
        "uncertain" in mjtask("journal", "run.db").out
    )  # pragma: no cover -- it runs; the tracer of 3.11 has lost its place

    again = (
        "bulk",
        "prompts.txt",
        "--out",
        "out",
        "--journal",
        "run.db",
    )  # pragma: no cover -- it runs; the tracer of 3.11 has lost its place
    assert (
        mjtask(*again).code == 6
    )  # pragma: no cover -- it runs; the tracer of 3.11 has lost its place
    assert (
        mjtask(*again, "--resubmit-uncertain", "--allow-host", "localhost").code == 0
    )  # pragma: no cover -- it runs; the tracer of 3.11 has lost its place
    assert (
        len(server.accepted) == 2
    )  # pragma: no cover -- it runs; the tracer of 3.11 has lost its place


def test_what_stops_the_run_leaves_results_and_a_journal(
    mjtask: CommandLine, server: Simulator
) -> None:
    refusal = Fault.answer(200, '{"code":4,"description":"quota is not enough"}')
    server.script("submit/imagine", refusal, times=9)

    said = mjtask("bulk", prompts("a fox"), "--out", "out", "--journal", "run.db")

    assert (said.code, read_results()[0]["status"]) == (
        5,
        "unfinished",
    )  # pragma: no cover -- it runs; the tracer of 3.11 has lost its place
    assert (
        "unfinished" in mjtask("journal", "run.db").out
    )  # pragma: no cover -- it runs; the tracer of 3.11 has lost its place


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "\n \n", "a.txt holds no prompts"),
        ("a.md", "a fox", "a.md: give a .txt, .jsonl, .csv file"),
        ("a.jsonl", '"a"\n' * 6 + "{nonsense\n", "a.jsonl, line 7: no JSON"),
        ("a.jsonl", '"a"\n\n{"promt": "b"}', "a.jsonl, line 3: "),
        ("a.csv", "prompt\na\nb,c\n", "a.csv, line 3: more columns"),
        ("a.csv", "prompt,key\n,k\n", "a.csv, line 2: the prompt is empty"),
        ("a.csv", 'prompt\n"a', "a.csv: "),
        ("a.txt", "a\n" + "x" * 2**20, "a.txt, line 2: the prompt has 1,048,576 bytes"),
    ],
)
def test_a_wrong_file_is_named_before_anything_is_sent(
    mjtask: CommandLine, server: Simulator, name: str, text: str, words: str
) -> None:
    said = mjtask("bulk", prompts(text, name), "--out", "out")

    assert said.code == 2
    assert words in said.err
    assert server.requests == []


def test_a_file_that_cannot_be_read_is_named(mjtask: CommandLine) -> None:
    Path("latin.txt").write_bytes(b"\xff")

    for name in ("latin.txt", "nowhere.txt"):
        assert f"{name} cannot be read" in mjtask("bulk", name, "--out", "out").err


def test_each_kind_of_file_holds_jobs(tmp_path: Path) -> None:
    files = {
        "a.txt": "\ufeffa fox\n",
        "b.jsonl": '"a fox"\n{"prompt": "an owl", "images": ["a.png", "https://x/b.png"]}',
        "c.csv": "prompt,then,images,key\na fox,U1 U2,data:x,\n\n,,,\nan owl,,,k\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    assert read_prompts(tmp_path / "a.txt") == [BulkJob("a fox")]
    assert read_prompts(tmp_path / "b.jsonl") == [
        BulkJob("a fox"),
        BulkJob("an owl", images=(tmp_path / "a.png", "https://x/b.png")),
    ]
    assert read_prompts(tmp_path / "c.csv") == [
        BulkJob("a fox", then=("U1", "U2"), images=("data:x",)),
        BulkJob("an owl", key="k"),
    ]
    with pytest.raises(ConfigurationError):
        read_prompts(tmp_path / "d.txt")


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


def test_every_text_of_the_gallery_is_escaped(tmp_path: Path) -> None:
    rows = [
        Row(0, EVIL, status="failed", error={"kind": "X", "message": EVIL}),
        Row(1, "b", status="succeeded", images=('a"b.png', "c.png"), seconds=61.0),
        Row(2, "c"),
    ]

    page = Reader(results.page(EVIL, rows, tmp_path))

    assert page.open == []
    assert page.tags.count("script") == 0
    assert page.tags.count("figure") == 3
    assert page.tags.count("input") == 4
    assert "a%22b.png" in page.links
    assert any(EVIL in word for word in page.words)


def test_a_picture_that_pillow_cannot_read_is_shown_itself(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no picture")
    row = Row(0, "a", images=("a.mp4",))

    results.thumbnails(tmp_path, row)
    results.leave(tmp_path, "t", [row])

    assert 'src="a.mp4"' in (tmp_path / "index.html").read_text()


def test_thumbnails_are_made_once(tmp_path: Path) -> None:
    Image.new("RGBA", (9, 9)).save(tmp_path / "a.png")
    row = Row(0, "a", images=("a.png",))
    results.thumbnails(tmp_path, row)
    small = tmp_path / "thumbs" / "a.jpg"
    small.write_bytes(b"kept")

    results.thumbnails(tmp_path, row)

    assert small.read_bytes() == b"kept"


@pytest.mark.parametrize(
    ("tasks", "seconds"),
    [
        ((), None),
        ((Task("1", submit_time=1000),), None),
        ((Task("1", submit_time=1000, finish_time=3000), Task("2", finish_time=9000)), 8.0),
        ((Task("1", submit_time=9000, finish_time=3000),), 0.0),
    ],
)
def test_a_job_s_time_is_the_server_s(tasks: tuple[Task, ...], seconds: float | None) -> None:
    row = results.row_of(BulkOutcome(0, BulkJob("a"), tasks), Path())

    assert row.seconds == seconds


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

    assert heard == ["stop", "end", "end"]


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal there")
@pytest.mark.parametrize(("times", "statuses"), [(1, "succeeded"), (2, "unfinished")])
def test_ctrl_c_once_finishes_and_twice_leaves(tmp_path: Path, times: int, statuses: str) -> None:
    (tmp_path / "prompts.txt").write_text("\n".join(f"fox {n}" for n in range(30)))
    command = [sys.executable, "-m", "mjtask_async", "bulk", "prompts.txt", "--out", "out"]
    command += ["--journal", "run.db", "--in-flight", "2"]
    with run_in_thread(Simulator(speed=30, profile="novicezk")) as sim:
        environment = os.environ | {
            "MJ_BASE_URL": sim.base_url,
            "MJ_API_KEY": sim.api_key,
            "PYTHONPATH": str(Path(results.__file__).parents[2]),
        }
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=-1, stderr=-1, text=True
        ) as process:
            while not sim.accepted:
                time.sleep(0.01)
            for _ in range(times):
                process.send_signal(signal.SIGINT)
                time.sleep(0.3)
            out, err = process.communicate()
        accepted = len(sim.accepted)

    assert (process.returncode, err) == (130, "mjtask: interrupted\n")
    assert "Ctrl-C again" in out
    found = [row["status"] for row in read_results(str(tmp_path / "out"))]
    assert found.count("unfinished") == 30 - found.count("succeeded")
    assert (found.count("succeeded") == accepted) is (statuses == "succeeded")


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal there")
@pytest.mark.parametrize(("times", "finished"), [(1, 2), (2, 1)])
def test_ctrl_c_is_counted(
    mjtask: CommandLine,
    server: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    times: int,
    finished: int,
) -> None:
    tell = Lines.tell

    def tell_and_press(self: Lines, row: Row) -> None:
        tell(self, row)
        if row.index == 0:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Lines, "tell", tell_and_press)
    name = prompts("\n".join(f"fox {number}" for number in range(9)))
    said = mjtask("bulk", name, "--out", "out", "--in-flight", "2", "--journal", "run.db")

    assert (said.code, said.err) == (130, "mjtask: interrupted\n")
    assert sum(row["status"] == "succeeded" for row in read_results()) >= finished
    assert len(server.accepted) < 9


def test_cancelled_from_elsewhere_it_is_cancelled(mjtask: CommandLine, server: Simulator) -> None:
    del server
    plan = Plan(Path(prompts("a fox")), Path("out"), None, 1, (), "report")

    with pytest.raises(TimeoutError):
        mjtask.run(asyncio.wait_for(bulk(PlainScreen(), plan), 5))


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
