import io
import json

import pytest
from rich.console import Console

from mjtask_async.cli.screen import BarScreen, JsonScreen, PlainScreen, screen_for
from mjtask_async.models import Task, TaskUpdate, UpdateKind

HALF = TaskUpdate("1", UpdateKind.PROGRESS, Task("1"), 1, 0.0, "poll", None, 50)
DONE = TaskUpdate("1", UpdateKind.SUCCEEDED, Task("1"), 2, 0.0, "poll", None, 50)


def terminal(**options: str) -> Console:
    environment = {"TERM": "xterm", **options}
    return Console(file=io.StringIO(), force_terminal=True, width=100, _environ=environment)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_output_decides_between_bars_and_lines() -> None:
    pipe = Console(file=io.StringIO())

    assert isinstance(screen_for(terminal(), as_json=False), BarScreen)
    assert isinstance(screen_for(terminal(TERM="dumb"), as_json=False), PlainScreen)
    assert isinstance(screen_for(pipe, as_json=False), PlainScreen)
    assert isinstance(screen_for(terminal(), as_json=True), JsonScreen)


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainScreen() as screen:
        screen.add("1", "a fox")
        screen.show(HALF)
        screen.show(DONE)
        screen.say("told")
        screen.result("text", {"data": 1})
        screen.table("facts", {"a": "1", "bcd": "2"})

    lines = "a fox  50 %\na fox  succeeded\ntold\ntext\nfacts\n  a    1\n  bcd  2\n"
    assert capsys.readouterr() == (lines, "")


def test_json_alone_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonScreen() as screen:
        screen.add("1", "a fox")
        screen.show(HALF)
        screen.say("told")
        screen.result("text", {"data": 1})
        screen.table("facts", {"a": "1", "b": "2"})

    out, err = capsys.readouterr()
    first, second = map(json.loads, out.splitlines())
    assert (first["task_id"], first["kind"], first["percent"]) == ("1", "PROGRESS", 50)
    assert second == {"data": 1}
    assert err == "told\nfacts; a: 1; b: 2\n"


def test_bars_show_every_task_and_its_state() -> None:
    console = terminal()

    with BarScreen(console) as screen:
        screen.add("1", "a [bold]fox\x1b[2J")
        screen.show(HALF)
        screen.show(DONE)
        screen.say("told [red]you[/]")
        screen.result("text", {})
        screen.table("facts", {"a": "1"})

    text = written(console)
    for words in ("a [bold]fox [2J", "50 %", "succeeded", "told [red]you[/]", "text", "facts"):
        assert words in text
    assert "\x1b[2J" not in text


def test_facts_stand_below_the_bars() -> None:
    console = terminal()

    with BarScreen(console) as screen:
        screen.add("1", "a fox")
        screen.table("facts", {"a": "1"})
        screen.say("the last line")

    text = written(console)
    assert text.endswith("\nthe last line\n")
    assert text.rindex("a fox") < text.index("facts")


def test_an_update_of_a_task_nobody_announced_is_shown_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = terminal()

    with BarScreen(console) as screen:
        screen.show(HALF)
    PlainScreen().show(HALF)

    assert "50 %" in written(console)
    assert capsys.readouterr().out == "1  50 %\n"
