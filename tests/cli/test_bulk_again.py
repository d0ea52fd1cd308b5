"""The same command again: it goes on, and what earlier runs left is not lost."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mjtask_async.cli.earlier import earlier_rows
from mjtask_async.cli.prompts import read_prompts
from mjtask_async.journal import Journal
from mjtask_async.simulator import Fault, Simulator

from .conftest import CommandLine, Said, prompts, read_results

TWO = "a fox\nan owl"
BULK = ("bulk", "prompts.txt", "--out", "out")
Act = Callable[[Callable[[], object]], None]
signals = pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal there")


def leave_at_once() -> None:
    for _ in range(2):
        signal.raise_signal(signal.SIGINT)


def statuses() -> list[str]:
    return [row["status"] for row in read_results()]


def left() -> dict[str, bytes]:
    return {name: Path("out", name).read_bytes() for name in ("results.jsonl", "index.html")}


def test_the_same_command_goes_on(mjtask: CommandLine, server: Simulator) -> None:
    prompts(TWO)
    mjtask(*BULK)
    prompts(f"{TWO}\na hare")

    said = mjtask(*BULK)

    assert said.code == 0
    assert [row["resumed"] for row in read_results()] == [True, True, False]
    assert len(server.accepted) == 3
    assert Path("out", "journal.db").is_file()


def test_the_journal_may_lie_elsewhere(mjtask: CommandLine, server: Simulator) -> None:
    prompts(TWO)
    for _ in range(2):
        assert mjtask(*BULK, "--journal", "run.db").code == 0

    assert len(server.accepted) == 2
    assert Path("run.db").is_file()
    assert not Path("out", "journal.db").exists()


def test_without_a_journal_all_of_it_is_paid_for_again(
    mjtask: CommandLine, server: Simulator
) -> None:
    prompts(TWO)
    for _ in range(2):
        assert mjtask(*BULK, "--no-journal").code == 0

    assert len(server.accepted) == 4
    assert not list(Path().rglob("*.db"))
    assert mjtask(*BULK, "--no-journal", "--journal", "run.db").code == 2


def test_the_help_names_the_journal(mjtask: CommandLine) -> None:
    words = " ".join(mjtask("bulk", "--help").out.replace("│", "").split())

    assert "[default: journal.db in --out]" in words
    assert "--no-journal" in words


@pytest.fixture
def finished(mjtask: CommandLine, server: Simulator) -> dict[str, bytes]:
    """What a finished run has left."""
    del server
    prompts(TWO)
    assert mjtask(*BULK).code == 0
    return left()


def test_a_run_that_cannot_begin_changes_nothing(
    mjtask: CommandLine, finished: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MJ_BASE_URL")

    assert mjtask(*BULK).code == 2
    assert mjtask("bulk", "prompts.txt", "--out", "new").code == 2

    assert left() == finished
    assert not Path("new").exists()


def test_a_locked_journal_changes_nothing(
    mjtask: CommandLine, finished: dict[str, bytes], server: Simulator
) -> None:
    with Journal("out/journal.db", server=server.base_url.rstrip("/")):
        said = mjtask(*BULK)

    assert said.code == 11
    assert "out/journal.db is in use by another run" in said.err.replace("\\", "/")
    assert left() == finished


def test_a_foreign_journal_changes_nothing(
    mjtask: CommandLine, finished: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MJ_BASE_URL", "http://elsewhere.example")

    said = mjtask(*BULK)

    assert said.code == 11
    assert "belongs to" in said.err
    assert left() == finished


@signals
@pytest.mark.parametrize("options", [(), ("--no-journal",)])
def test_an_interrupted_run_keeps_what_earlier_runs_told(
    mjtask: CommandLine, server: Simulator, after_first: Act, options: tuple[str, ...]
) -> None:
    prompts('"a fox"\n"a nude owl"\n{"prompt": "a hare", "key": "h"}', "p.jsonl")
    command = ("bulk", "p.jsonl", "--out", "out", "--in-flight", "1", *options)
    assert mjtask(*command).code == 7
    before = {row["prompt"]: row for row in read_results()}
    with Path("out", "results.jsonl").open("ab") as file:
        file.write(b"no row\n")
    prompts('"a wolf"\n"a fox"\n{"prompt": "a hare", "key": "h"}\n"a nude owl"\n', "p.jsonl")
    after_first(leave_at_once)

    assert mjtask(*command).code == 130

    rows = read_results()
    assert [row["index"] for row in rows] == [0, 1, 2, 3]
    known = [row for row in rows if row["prompt"] != "a wolf"]
    for row in known:
        assert row["resumed"]
        assert row | {"index": 0} == before[row["prompt"]] | {"index": 0, "resumed": True}
    assert len(known) == 3
    assert server.accepted


@pytest.fixture
def mixed(mjtask: CommandLine, server: Simulator) -> Said:
    """A run that ended in every way."""
    prompts('"a wolf"\n{"prompt": "a nude owl", "key": "o"}\n"a hare"\n"a fox"', "p.jsonl")
    server.script("submit/imagine", Fault.accept_and_close())
    return mjtask("bulk", "p.jsonl", "--out", "out", "--in-flight", "1")


@signals
def test_where_results_are_missing_the_journal_tells(
    mjtask: CommandLine, mixed: Said, after_first: Act
) -> None:
    assert mixed.code == 6
    before = read_results()
    Path("out", "results.jsonl").unlink()
    after_first(leave_at_once)

    assert mjtask("bulk", "p.jsonl", "--out", "out", "--in-flight", "1").code == 130

    kept = ("index", "prompt", "key", "status", "tasks", "images")
    assert [{name: row[name] for name in kept} for row in read_results()] == [
        {name: row[name] for name in kept} for row in before
    ]
    assert statuses() == ["uncertain", "failed", "succeeded", "succeeded"]
    assert read_results()[1]["error"] == before[1]["error"]


@signals
def test_equal_prompts_are_told_in_their_order(
    mjtask: CommandLine, server: Simulator, after_first: Act
) -> None:
    prompts("a fox\na fox\na fox")
    assert mjtask(*BULK).code == 0
    before = read_results()
    prompts("a hare\na fox\na fox\na fox")
    after_first(leave_at_once)

    assert mjtask(*BULK, "--in-flight", "1").code == 130

    assert [row["tasks"] for row in read_results()[1:]] == [row["tasks"] for row in before]
    assert len(server.accepted) == 3


def test_a_journal_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("a fox")

    jobs = read_prompts(tmp_path / "p.txt")

    assert earlier_rows(tmp_path, tmp_path / "nowhere.db", jobs) == {}


def test_results_that_cannot_be_written_are_said(mjtask: CommandLine, server: Simulator) -> None:
    prompts("a fox")
    Path("out", "results.jsonl").mkdir(parents=True)

    said = mjtask(*BULK)

    assert said.code == 11
    assert "results.jsonl" in said.err
    assert len(server.accepted) == 1


@pytest.fixture
def poor(mjtask: CommandLine, server: Simulator) -> Said:
    """A run without quota whose results cannot be written."""
    prompts("a fox")
    Path("out", "results.jsonl").mkdir(parents=True)
    refusal = Fault.answer(200, '{"code":4,"description":"quota is not enough"}')
    server.script("submit/imagine", refusal, times=9)
    return mjtask(*BULK)


def test_what_ended_the_run_is_told_before_what_cannot_be_written(poor: Said) -> None:
    assert poor.code == 5
    assert "quota" in poor.err
    assert "the results cannot be written" in poor.out


@pytest.fixture
def sealed() -> Iterator[Path]:
    """A folder that this process may read and not write, even if it belongs to root."""
    with tempfile.TemporaryDirectory() as name:
        folder, user = Path(name), os.geteuid()
        (folder / "prompts.txt").write_text("a fox")
        folder.chmod(0o555)
        os.seteuid(user or 65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            folder.chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="permissions are others there")
@pytest.mark.parametrize("out", [".", "out"])
def test_a_folder_that_cannot_be_written_is_named(
    mjtask: CommandLine, server: Simulator, sealed: Path, out: str
) -> None:
    said = mjtask("bulk", str(sealed / "prompts.txt"), "--out", str(sealed / out))

    assert said.code == 11
    assert f"journal {sealed / out / 'journal.db'}: " in said.err
    assert "Permission denied" in said.err
    assert server.requests == []
