"""The journal of a bulk run: one SQLite file, written before and after every submit.

1. Synchronous throughout, and safe to call from several threads, one call at a time.
2. `Journal.append` returns when its records are on the disk: WAL, synchronous=FULL.
3. One process at a time: a lock of the operating system on a file beside the journal,
   which ends with the process, however that ends, and whatever it has forked. Symbolic
   links lead to the same lock; hard links and bind mounts do not, and SQLite itself cannot
   bear them.
4. A journal belongs to one server, and no key stands in it.
"""

import os
import secrets
import sqlite3
import sys
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self
from weakref import WeakSet

import msgspec

from ._core.naming import Wanted
from ._core.replay import JobState, Record, fold
from .errors import JournalError

_STEPS = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE records (
        number INTEGER PRIMARY KEY,
        job TEXT NOT NULL,
        step TEXT NOT NULL,
        kind TEXT NOT NULL,
        at REAL NOT NULL,
        data BLOB NOT NULL,
        task BLOB
    );
    """,
    "CREATE INDEX records_of_a_job ON records (job);",
    "CREATE INDEX ended ON records (job) WHERE kind = 'ended';",
    """
    CREATE INDEX planned ON records (number) WHERE kind = 'placing';
    CREATE INDEX begun ON records (number) WHERE step = '' AND kind IN ('intent', 'wanted');
    """,
)
"""What leads from each version of the schema to the next; the last one is today's."""
VERSION = len(_STEPS)
Row = tuple[str, str, str, float, bytes, bytes | None]
_APPLICATION = 0x6D6A746B
"""Marks a SQLite file as one of ours."""
_SAID = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it cannot be written: the file or its folder is read-only",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened or created there",
    sqlite3.SQLITE_NOTADB: "it is no journal",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_IOERR: "reading or writing it failed; is the disk full or gone?",
    sqlite3.SQLITE_BUSY: "another process has it open",
}


class Journal:
    """An open journal.

    Args:
        path: The file; it is made if there is none, but its folder is not.
        server: The address of the server whose tasks it holds.

    Attributes:
        token: A word that no other journal has; unfinished files are named by it.

    Raises:
        JournalError: It cannot be used; the message names the file and says why.
    """

    def __init__(self, path: str | os.PathLike[str], *, server: str) -> None:
        self.path: Path = Path(path)
        self._mutex = Lock()
        file = _resolved(self.path)
        self._lock = _FileLock(file, self.path)
        try:
            self._database = _opened(file, self.path)
            try:
                with self._translated():
                    self._prepare(server)
            except BaseException:
                self._database.close()
                raise
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def append(self, records: Iterable[tuple[Record, bytes | None]]) -> None:
        """Write records, all or none, each with the task that it tells of, as JSON.

        Raises:
            JournalError: They could not be written.
        """
        self.insert([row_of(record, task) for record, task in records])

    def insert(self, rows: Iterable[Row]) -> None:
        """Write records that `row_of` has made ready, all or none.

        Raises:
            JournalError: They could not be written.
        """
        with self._translated(), self._database:
            self._database.executemany(
                "INSERT INTO records (job, step, kind, at, data, task) VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )

    def job(self, name: str) -> JobState:
        """Fold the records of one job; of an unknown one a new state.

        Raises:
            JournalError: They cannot be read, or contradict each other.
        """
        query = f"{_SELECT} WHERE job = ? ORDER BY number"
        with self._translated():
            rows = self._database.execute(query, (name,)).fetchall()
        return fold(map(_record, rows)).get(name) or JobState()

    def task(self, job: str, step: str) -> bytes | None:
        """Read the task that a step became, as JSON; None without one.

        Raises:
            JournalError: It cannot be read.
        """
        query = (
            "SELECT task FROM records WHERE job = ? AND step = ? AND task IS NOT NULL "
            "ORDER BY number DESC LIMIT 1"
        )
        with self._translated():
            row = self._database.execute(query, (job, step)).fetchone()
        return row[0] if row else None

    def ended(self) -> set[str]:
        """Name the jobs that have had their outcome.

        Raises:
            JournalError: They cannot be read.
        """
        query = "SELECT DISTINCT job FROM records WHERE kind = 'ended'"
        with self._translated():
            return {job for (job,) in self._database.execute(query)}

    def begun(self) -> dict[str, Wanted]:
        """Name the jobs that it holds, and say what each was last to press.

        Raises:
            JournalError: They cannot be read.
        """
        query = f"{_SELECT} WHERE step = '' AND kind IN ('intent', 'wanted') ORDER BY number"
        with self._translated():
            records = map(_record, self._database.execute(query))
            return {record.job: record.then for record in records}

    def planned(self) -> set[str]:
        """List the paths that were promised to files.

        Raises:
            JournalError: They cannot be read.
        """
        query = f"{_SELECT} WHERE kind = 'placing'"
        with self._translated():
            records = map(_record, self._database.execute(query))
            return {path for record in records for path in record.paths}

    def close(self) -> None:
        """Close the file and let others have it. Idempotent."""
        with self._mutex:
            self._database.close()
            self._lock.release()

    def _prepare(self, server: str) -> None:
        database = self._database
        found = _version(database, self.path)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA foreign_keys = ON")
        _check_health(database)
        for version in range(found, VERSION):
            _migrate(database, version)
        self._bind(server)
        self.token: str = _meta(database, "token")

    def _bind(self, server: str) -> None:
        with self._database:
            self._database.executemany(
                "INSERT OR IGNORE INTO meta VALUES (?, ?)",
                [("server", server), ("token", secrets.token_hex(8))],
            )
        bound = _meta(self._database, "server")
        if bound != server:
            raise JournalError(
                f"journal {self.path} belongs to {bound}, not to {server}; "
                "take another file, or the server it belongs to"
            )

    @contextmanager
    def _translated(self) -> Generator[None]:
        with self._mutex, _translated(self.path):
            yield


def row_of(record: Record, task: bytes | None) -> Row:
    """Make a record ready to be written, with the task it tells of, as JSON.

    Raises:
        JournalError: One of its texts cannot be written down.
    """
    try:
        rest = msgspec.json.encode(record)
    except (TypeError, ValueError) as error:
        raise JournalError(f"{record.kind} of job {record.job!r}: {error}") from error
    return record.job, record.step, record.kind.value, record.at, rest, task


def read(path: str | os.PathLike[str]) -> tuple[str, dict[str, JobState]]:
    """Read what is in a journal, even while a run is using it.

    Returns:
        The address of its server, and its jobs in the order in which they began.

    Raises:
        JournalError: It cannot be read, or is none.
    """
    place = Path(path)
    if not place.is_file():
        raise JournalError(f"journal {place}: there is no such file")
    with _translated(place), closing(_opened(place, place)) as database:
        found = _version(database, place)
        if not found:
            raise JournalError(f"journal {place}: it is no journal")
        jobs = fold(map(_record, database.execute(f"{_SELECT} ORDER BY number")))
        return _meta(database, "server"), jobs


class _FileLock:
    """A lock on a file beside the journal; the system drops it with the process."""

    def __init__(self, file: Path, journal: Path) -> None:
        path = file.with_name(f"{file.name}.lock")
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise JournalError(f"journal {journal}: {error}") from error
        _LOCKS.add(self)
        try:
            _hold(self._file.fileno())
        except OSError as error:
            self._file.close()
            raise JournalError(
                f"journal {journal} is in use by another run; "
                "wait until that has ended, or take another file"
            ) from error

    def release(self) -> None:
        self._file.close()


_LOCKS: WeakSet[_FileLock] = WeakSet()


if sys.platform == "win32":  # pragma: no cover -- the other system's way

    def _hold(number: int) -> None:
        import msvcrt  # noqa: PLC0415 -- only there

        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)

else:

    def _hold(number: int) -> None:
        import fcntl  # noqa: PLC0415 -- not on Windows

        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _let_go() -> None:  # pragma: no cover -- only children do
        """Close a fork's copies: the lock would last until the last of them is closed."""
        for lock in list(_LOCKS):
            lock.release()

    os.register_at_fork(after_in_child=_let_go)


_SELECT = "SELECT job, step, kind, at, data FROM records"


def _resolved(path: Path) -> Path:
    """Find the file itself, whichever links lead to it."""
    found = Path(os.path.realpath(path))
    folder = found.parent
    if not folder.is_dir():
        raise JournalError(f"journal {path}: there is no folder {folder}; make it first")
    if path.is_dir():
        raise JournalError(f"journal {path}: that is a folder; name a file in it")
    return found


def _opened(file: Path, path: Path) -> sqlite3.Connection:
    with _translated(path):
        return sqlite3.connect(file, timeout=5.0, check_same_thread=False)


def _version(database: sqlite3.Connection, path: Path) -> int:
    """Tell the schema's version; 0 of an empty file."""
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != _APPLICATION and (tables or application):
        raise JournalError(f"journal {path}: it is a database of something else")
    if version > VERSION:
        raise JournalError(
            f"journal {path} was written by a newer mjtask_async (its schema is {version}, "
            f"this one knows {VERSION}); update mjtask_async"
        )
    return int(version)


def _check_health(database: sqlite3.Connection) -> None:
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _migrate(database: sqlite3.Connection, version: int) -> None:
    marks = f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {version + 1};"
    try:
        database.executescript(f"BEGIN; {_STEPS[version]} {marks} COMMIT;")
    except sqlite3.Error:
        database.rollback()
        raise


def _meta(database: sqlite3.Connection, name: str) -> str:
    (value,) = database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return str(value)


def _record(row: tuple[str, str, str, float, bytes]) -> Record:
    try:
        return msgspec.json.decode(row[-1], type=Record)
    except msgspec.MsgspecError as error:
        raise JournalError(f"the journal is damaged: a record of job {row[0]}: {error}") from error


@contextmanager
def _translated(path: Path) -> Generator[None]:
    """Raise our error for SQLite's, with the file's name and what to think of it."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        words = _SAID.get(code, "it is damaged or cannot be used")
        raise JournalError(f"journal {path}: {words} ({error})") from error
