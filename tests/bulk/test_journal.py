"""The journal, without an event loop."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mjtask_async import JournalError, journal as module
from mjtask_async._core.replay import JobState, Kind, Need, Record
from mjtask_async.journal import Journal, read

SERVER = "http://api.example"
HOLDER = """
import sys
from mjtask_async.journal import Journal
journal = Journal(sys.argv[1], server="http://api.example")
print("held", flush=True)
sys.stdin.read()
"""


FORKING = """
import os
import sys
from mjtask_async.journal import Journal
journal = Journal(sys.argv[1], server="http://api.example")
if os.fork() == 0:
    print(os.getpid(), flush=True)
sys.stdin.read()
"""


def intent(job: str, at: float = 1.0) -> tuple[Record, None]:
    return Record(job, "", Kind.INTENT, at, state=f"s-{job}", prompt="a fox"), None


def sending(job: str) -> tuple[Record, None]:
    return Record(job, "", Kind.SENDING, 2.0), None


def accepted(job: str) -> tuple[Record, None]:
    return Record(job, "", Kind.ACCEPTED, 3.0, task_id="1"), None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


def test_what_is_written_is_read_again(path: Path) -> None:
    with Journal(path, server=SERVER) as journal:
        token = journal.token
        journal.append([intent("a"), sending("a"), intent("b")])
        journal.append([accepted("a"), (Record("a", "", Kind.SUCCEEDED), b'{"id":"1"}')])
        journal.append([(Record("a", "", Kind.ENDED), None)])

    with Journal(path, server=SERVER) as journal:
        assert journal.token == token
        assert journal.job("a").step("").task_id == "1"
        assert journal.job("b").step("").need is Need.SUBMIT
        assert journal.job("c") == JobState()
        assert journal.task("a", "") == b'{"id":"1"}'
        assert journal.task("b", "") is None
        assert journal.ended() == {"a"}
    server, jobs = read(path)
    assert (server, list(jobs)) == (SERVER, ["a", "b"])


def test_it_is_on_the_disk_before_anything_goes_on(path: Path) -> None:
    with Journal(path, server=SERVER) as journal:
        database = journal._database
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_records_are_written_all_or_none(path: Path) -> None:
    with Journal(path, server=SERVER) as journal:
        with pytest.raises(JournalError, match="damaged or cannot"):
            journal.append([intent("a"), (Record("b", "", Kind.INTENT), object())])  # type: ignore[list-item]
        assert journal.job("a") == JobState()


def test_a_journal_can_be_read_while_a_run_uses_it(path: Path) -> None:
    with Journal(path, server=SERVER) as journal:
        journal.append([intent("a")])
        assert list(read(path)[1]) == ["a"]


def test_a_second_user_is_kept_out(path: Path) -> None:
    with (
        Journal(path, server=SERVER) as journal,
        pytest.raises(JournalError, match=r"run\.db is in use by another run"),
    ):
        Journal(path, server=SERVER)
    journal.close()
    Journal(path, server=SERVER).close()


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_link_leads_to_the_same_lock(path: Path) -> None:
    link, beside = path.with_name("link.db"), path.with_name("folder")
    link.symlink_to(path)
    beside.symlink_to(path.parent)

    with Journal(link, server=SERVER):
        for other in (path, beside / "run.db", beside / "link.db"):
            with pytest.raises(JournalError, match="in use by another run"):
                Journal(other, server=SERVER)


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_links_in_a_circle_are_said(path: Path) -> None:
    path.symlink_to(path)

    with pytest.raises(JournalError, match=r"journal .*run\.db: "):
        Journal(path, server=SERVER)


def test_it_tells_which_jobs_began_and_which_names_it_has_promised(path: Path) -> None:
    wanted = Record("a", "", Kind.WANTED, then=("V1",))
    button = Record("a", "V1", Kind.INTENT, state="t")
    placing = Record("a", "", Kind.PLACING, paths=("/x/a.png", "/x/b.png"))
    with Journal(path, server=SERVER) as journal:
        journal.append([intent("a"), intent("b"), (wanted, None), (button, None)])
        journal.append([(placing, None)])

        assert journal.begun() == {"a": ("V1",), "b": None}
        assert journal.planned() == {"/x/a.png", "/x/b.png"}


@pytest.mark.parametrize("name", ["ended", "planned", "begun"])
def test_what_is_asked_at_the_start_is_found_by_an_index(path: Path, name: str) -> None:
    with Journal(path, server=SERVER) as journal:
        asked: list[str] = []
        journal._database.set_trace_callback(asked.append)
        getattr(journal, name)()
        plan = journal._database.execute(f"EXPLAIN QUERY PLAN {asked[0]}").fetchall()

    assert f"INDEX {name}" in plan[0][-1]


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
def test_a_killed_process_leaves_the_lock(path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(path)]
    folder = Path(module.__file__).parents[1]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=folder) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(JournalError, match="in use"):
            Journal(path, server=SERVER)
        holder.send_signal(signal.SIGKILL)
        holder.wait()

    Journal(path, server=SERVER).close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork there")
def test_a_forked_child_does_not_keep_the_lock(path: Path) -> None:
    command = [sys.executable, "-c", FORKING, str(path)]
    folder = Path(module.__file__).parents[1]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=folder) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        with pytest.raises(JournalError, match="in use"):
            Journal(path, server=SERVER)
        holder.kill()
        holder.wait()
        Journal(path, server=SERVER).close()
        os.kill(child, 0)  # it lives


def test_a_journal_belongs_to_one_server(path: Path) -> None:
    Journal(path, server=SERVER).close()

    with pytest.raises(JournalError, match=r"belongs to http://api\.example, not to http://b"):
        Journal(path, server="http://b.example")
    Journal(path, server=SERVER).close()


def test_a_newer_journal_is_refused_with_words(path: Path) -> None:
    Journal(path, server=SERVER).close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {module.VERSION + 1}")
    database.close()

    for opens in (lambda: Journal(path, server=SERVER), lambda: read(path)):
        with pytest.raises(JournalError, match="newer mjtask_async"):
            opens()


@pytest.mark.parametrize("version", range(1, module.VERSION))
def test_an_older_journal_is_migrated(path: Path, version: int) -> None:
    database = sqlite3.connect(path)
    for step in range(version):
        module._migrate(database, step)
    rows = [module.row_of(*intent("a"))]
    insert = "INSERT INTO records (job, step, kind, at, data, task) VALUES (?, ?, ?, ?, ?, ?)"
    database.executemany(insert, rows)
    database.commit()
    database.close()

    with Journal(path, server=SERVER) as journal:
        found = journal._database.execute("PRAGMA user_version").fetchone()
        assert found == (module.VERSION,)
        assert journal.job("a").prompt == "a fox"


def test_a_migration_happens_whole_or_not_at_all(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE records (number INTEGER)")
    with pytest.raises(sqlite3.Error):
        module._migrate(database, 0)

    assert database.execute("PRAGMA user_version").fetchone() == (0,)
    tables = database.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("records",)]
    database.close()


def test_a_full_disk_is_said_and_loses_nothing(path: Path) -> None:
    with Journal(path, server=SERVER) as journal:
        journal.append([intent("a")])
        (pages,) = journal._database.execute("PRAGMA page_count").fetchone()
        journal._database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match=r"run\.db: the disk is full"):
            journal.append([intent(f"{number}") for number in range(1000)])
        assert journal.job("a").prompt == "a fox"

    assert list(read(path)[1]) == ["a"]


def test_a_file_that_cannot_be_written_is_said(path: Path) -> None:
    with Journal(path, server=SERVER) as journal:
        journal._database.execute("PRAGMA query_only = ON")
        with pytest.raises(JournalError, match="read-only"):
            journal.append([intent("a")])


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder nobody can write")
def test_a_folder_that_cannot_be_written_is_said() -> None:
    with pytest.raises(JournalError, match=r"journal /proc/self/run\.db"):
        Journal("/proc/self/run.db", server=SERVER)


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"there is no folder .*nowhere; make it first"):
        Journal(tmp_path / "nowhere" / "run.db", server=SERVER)


def test_a_folder_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="that is a folder"):
        Journal(tmp_path, server=SERVER)


@pytest.mark.parametrize("content", [b"a text, and no database" * 100, b"\0" * 5000])
def test_something_else_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    for opens in (lambda: Journal(path, server=SERVER), lambda: read(path)):
        with pytest.raises(JournalError, match=r"run\.db: it is"):
            opens()
    assert path.read_bytes() == content


def test_another_program_s_database_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()

    with pytest.raises(JournalError, match="database of something else"):
        Journal(path, server=SERVER)


def test_a_damaged_journal_is_said(path: Path) -> None:
    with Journal(path, server=SERVER) as journal:
        journal.append([intent(f"{number}") for number in range(1000)])
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)

    with pytest.raises(JournalError, match=r"run\.db: it is damaged"):
        Journal(path, server=SERVER)


def test_a_damaged_record_is_said(path: Path) -> None:
    with Journal(path, server=SERVER) as journal:
        journal.append([intent("a")])
        with journal._database:
            journal._database.execute("UPDATE records SET data = '{'")
        with pytest.raises(JournalError, match="a record of job a"):
            journal.job("a")


@pytest.mark.parametrize("empty", [True, False])
def test_nothing_to_read_is_said(path: Path, empty: bool) -> None:  # noqa: FBT001
    if empty:
        path.touch()

    with pytest.raises(JournalError, match="no journal" if empty else "no such file"):
        read(path)
