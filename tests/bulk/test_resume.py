"""Runs that go on where another one was cut off."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mjtask_async import (
    AuthenticationError,
    BannedPromptError,
    BulkJob,
    BulkRun,
    ConfigurationError,
    DownloadError,
    JournalError,
    MJSession,
    NeedsInputError,
    QuotaError,
    SubmitRejectedError,
    SubmitUncertainError,
    Task,
    TaskFailedError,
    Timeouts,
)
from mjtask_async._core.failures import Failure
from mjtask_async._core.replay import MODAL, Kind, Record
from mjtask_async.jobs import content, former_content
from mjtask_async.journal import Journal, read

from ..support_bulk import always, origin, outcomes, refusal
from ..support_stub import PNG, Reply, novicezks

FOX = BulkJob("a fox", key="fox")
NAME = "key:fox"
TASK = "1700000000000000"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


def write_now(
    path: Path, session: MJSession[Task], *kinds: Kind, step: str = "", **more: Any
) -> None:
    """Leave a journal behind as a killed process would."""
    at = more.pop("at", time.time() - 10_000)
    about: dict[Kind, dict[str, Any]] = {
        Kind.INTENT: {"state": "known", "prompt": "a fox"},
        Kind.ACCEPTED: {"task_id": TASK, **more},
        Kind.REJECTED: {"error": Failure("SubmitRejectedError", "no", {})},
        Kind.FAILED: {"error": Failure("TaskFailedError", "no luck", {})},
    }
    lines = [Record(NAME, step, kind, at, **about.get(kind, {})) for kind in kinds]
    with Journal(path, server=str(session._transport.origin)) as journal:
        body = b'{"id":"%b","status":"SUCCESS"}' % TASK.encode()
        journal.append([(line, body if line.kind is Kind.SUCCEEDED else None) for line in lines])


async def write(*args: Any, **more: Any) -> None:
    await asyncio.to_thread(write_now, *args, **more)


async def on_journal(
    path: Path, session: MJSession[Task], work: Callable[[Journal], object]
) -> None:
    def with_it() -> None:
        with Journal(path, server=str(session._transport.origin)) as journal:
            work(journal)

    await asyncio.to_thread(with_it)


SENT = (Kind.INTENT, Kind.SENDING)
TAKEN = (*SENT, Kind.ACCEPTED)


async def test_what_is_done_is_told_again_and_not_done_again(path: Path) -> None:
    folder = path.parent / "pictures"
    options: dict[str, Any] = {
        "journal": path,
        "download_to": folder,
        "then": ("U1",),
        "in_flight": 1,
    }
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [lambda _: None, refusal(24, "banned")]
        jobs = ["a fox", "a naked owl"]
        first = await outcomes(session, jobs, ordered=True, **options)
        asked = len(server.asked)
        again = await outcomes(session, jobs, ordered=True, **options)

        assert len(server.asked) == asked
    assert [outcome.resumed for outcome in [*first, *again]] == [False, False, True, True]
    assert again[0].images == first[0].images
    assert [t.id for t in again[0].tasks] == [t.id for t in first[0].tasks]
    assert isinstance(again[1].error, BannedPromptError)
    assert str(again[1].error) == str(first[1].error)


async def test_finished_jobs_of_a_list_come_first(path: Path) -> None:
    async with origin() as (_, session):
        await outcomes(session, ["d", "c"], journal=path)
        found = await outcomes(session, ["a", "b", "c", "d"], journal=path, in_flight=1)

    assert [(o.index, o.resumed) for o in found] == [(2, True), (3, True), (0, False), (1, False)]


async def test_an_edited_file_costs_only_what_is_new(path: Path) -> None:
    async with origin() as (server, session):
        await outcomes(session, iter(["fox", "owl", "fox"]), journal=path)
        found = await outcomes(session, iter(["hare", "fox", "fox", "fox"]), journal=path)

    assert server.prompts == {"fox": 3, "owl": 1, "hare": 1}
    assert sum(outcome.resumed for outcome in found) == 2


async def test_a_job_with_a_key_is_known_by_it(path: Path) -> None:
    async with origin() as (server, session):
        await outcomes(session, [FOX], journal=path)
        (again,) = await outcomes(session, [BulkJob("a red fox", key="fox")], journal=path)

    assert again.resumed
    assert server.prompts == {"a fox": 1}


async def test_more_buttons_need_no_new_prompt(path: Path) -> None:
    async with origin() as (server, session):
        await outcomes(session, ["a fox"], journal=path)
        (again,) = await outcomes(session, ["a fox"], journal=path, then=("U1",))

    assert (len(again.tasks), again.resumed) == (2, False)
    assert server.count("submit/imagine") == 1


def make_older(path: Path) -> None:
    """Turn a journal into one of schema 3, which told nothing of the buttons to press."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "DROP INDEX planned; DROP INDEX begun; PRAGMA user_version = 3;"
            "UPDATE records SET data = CAST(json_remove(data, '$.then') AS BLOB);"
        )


async def test_a_run_goes_on_with_an_older_journal(path: Path) -> None:
    jobs = ["a fox", BulkJob("a fox", then=("U1",)), FOX]
    async with origin() as (server, session):
        await outcomes(session, jobs, journal=path)
        asked = len(server.asked)
        await asyncio.to_thread(make_older, path)
        for _ in range(2):
            found = await outcomes(session, jobs, journal=path)
            assert [outcome.resumed for outcome in found] == [True] * 3
        assert len(server.asked) == asked
        moved = await outcomes(session, [jobs[1], jobs[0]], journal=path, ordered=True)

    assert [len(outcome.tasks) for outcome in moved] == [2, 1]
    assert len(server.asked) == asked


def make_former(path: Path, jobs: list[BulkJob]) -> None:
    """Name jobs as journals of schema 3 did."""
    make_older(path)
    with closing(sqlite3.connect(path)) as database:
        for job in jobs:
            database.execute(
                "UPDATE records SET job = replace(job, :new, :old),"
                "data = CAST(replace(CAST(data AS TEXT), :new, :old) AS BLOB)",
                {"new": content(job), "old": former_content(job)},
            )
        database.commit()


@pytest.mark.parametrize("kind", [list, iter])
async def test_jobs_that_an_older_journal_names_otherwise_are_not_paid_for_again(
    path: Path, kind: Callable[[list[BulkJob]], Any]
) -> None:
    picture = path.with_name("a.png")
    picture.write_bytes(PNG)
    jobs = [
        BulkJob("with a picture", images=(picture,)),
        BulkJob("with bytes", images=(PNG,)),
        BulkJob("with accounts", account_filter={"remark": "a", "modes": ["FAST"]}),
    ]
    async with origin() as (server, session):
        await outcomes(session, kind([*jobs, jobs[0]]), journal=path)
        await asyncio.to_thread(make_former, path, jobs)
        for more in (0, 1):
            found = await outcomes(session, kind([*jobs, *jobs[:1] * (1 + more)]), journal=path)
            assert sum(outcome.resumed for outcome in found) == 4
        again = await outcomes(session, kind([*jobs, *jobs[:1] * 2]), journal=path)

    assert server.prompts == {"with a picture": 3, "with bytes": 1, "with accounts": 1}
    assert [outcome.resumed for outcome in again] == [True] * 5


@pytest.mark.parametrize("kinds", [(Kind.INTENT,), (*SENT, Kind.REFUSED)])
async def test_what_was_never_sent_is_sent_with_its_state(
    path: Path, kinds: tuple[Kind, ...]
) -> None:
    async with origin() as (server, session):
        await write(path, session, *kinds)
        (outcome,) = await outcomes(session, [FOX], journal=path)

    assert outcome.error is None
    assert server.asked[0].json["state"] == "known"


@pytest.mark.parametrize("kinds", [SENT, (*SENT, Kind.UNCERTAIN)])
async def test_what_may_have_been_sent_is_reported_where_nobody_can_know(
    path: Path, kinds: tuple[Kind, ...]
) -> None:
    async with origin() as (server, session):
        await write(path, session, *kinds)
        for _ in range(2):
            (outcome,) = await outcomes(session, [FOX], journal=path)
            assert isinstance(outcome.error, SubmitUncertainError)
            assert outcome.error.state == "known"

    assert server.count("submit/imagine") == 0


async def test_it_is_sent_again_if_so_wished(path: Path) -> None:
    async with origin() as (server, session):
        await write(path, session, *SENT)
        (outcome,) = await outcomes(session, [FOX], journal=path, on_uncertain="resubmit")

    assert outcome.error is None
    assert server.count("submit/imagine") == 1
    (sent,) = [each.json for each in server.asked if each.path == "submit/imagine"]
    assert sent["state"] != "known"


async def test_what_the_server_lists_is_watched_again(path: Path) -> None:
    async with origin(lists=True) as (server, session):
        server.take(TASK, {"prompt": "a fox", "state": "known"})
        await write(path, session, *SENT)
        (outcome,) = await outcomes(session, [FOX], journal=path)

    assert (outcome.error, outcome.tasks[0].id) == (None, TASK)
    assert server.count("submit/imagine") == 0


async def test_only_a_conclusive_miss_is_submitted_again(path: Path) -> None:
    long_ago = round((time.time() - 20_000) * 1000)
    async with origin(lists=True) as (server, session):
        server.rows["1"] = novicezks("1", submitTime=long_ago, status="SUCCESS")
        await write(path, session, *SENT)
        (outcome,) = await outcomes(session, [FOX], journal=path)

    assert outcome.error is None
    assert server.count("submit/imagine") == 1


async def test_a_submit_of_a_moment_ago_is_waited_for(path: Path) -> None:
    timeout = Timeouts(submit=60.0)
    async with origin(lists=True, timeout=timeout) as (server, session):
        await write(path, session, *SENT, at=time.time())
        started = asyncio.get_running_loop().time()

        async def arrive() -> None:
            await asyncio.sleep(30)
            server.take(TASK, {"prompt": "a fox", "state": "known"})

        late = asyncio.create_task(arrive())
        (outcome,) = await outcomes(session, [FOX], journal=path)
        await late
        assert 59 < asyncio.get_running_loop().time() - started < 70

    assert outcome.error is None
    assert server.count("submit/imagine") == 0


async def test_a_watched_task_is_watched_again(path: Path) -> None:
    async with origin() as (server, session):
        server.take(TASK, {"prompt": "a fox"})
        await write(path, session, *TAKEN)
        (outcome,) = await outcomes(session, [FOX], journal=path)

    assert outcome.tasks[0].id == TASK
    assert not outcome.resumed
    assert server.count("submit/imagine") == 0


@pytest.mark.parametrize(
    ("kind", "error"), [(Kind.REJECTED, SubmitRejectedError), (Kind.FAILED, TaskFailedError)]
)
async def test_what_has_failed_stays_so(path: Path, kind: Kind, error: type[Exception]) -> None:
    kinds = (*SENT, kind) if kind is Kind.REJECTED else (*TAKEN, kind)
    async with origin() as (server, session):
        await write(path, session, *kinds)
        (outcome,) = await outcomes(session, [FOX], journal=path)

    assert isinstance(outcome.error, error)
    assert outcome.resumed
    assert server.asked == []


async def test_a_wrong_picture_can_be_put_right(path: Path) -> None:
    picture = path.parent / "a.png"
    job = BulkJob("a fox", images=(picture,))
    async with origin() as (_, session):
        (first,) = await outcomes(session, [job], journal=path)
        picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(16))
        (second,) = await outcomes(session, [job], journal=path)

    assert isinstance(first.error, ConfigurationError)
    assert second.error is None


async def test_a_list_that_may_have_been_emptied_proves_nothing(path: Path) -> None:
    async with origin(lists=True) as (server, session):
        await write(path, session, *SENT)
        (outcome,) = await outcomes(session, [FOX], journal=path)

    assert isinstance(outcome.error, SubmitUncertainError)
    assert server.count("submit/imagine") == 0


async def test_a_button_that_could_not_be_pressed_is_pressed_by_the_next_run(path: Path) -> None:
    async with origin() as (server, session):
        server.hooks["submit/action"] = [refusal(4, "quota")]
        async with BulkRun(session, ["a fox"], journal=path, then=("U1",)) as run:
            with pytest.raises(QuotaError):
                await anext(run)
        (outcome,) = await outcomes(session, ["a fox"], journal=path, then=("U1",))

    assert len(outcome.tasks) == 2
    assert (server.count("submit/imagine"), server.count("submit/action")) == (1, 2)


@pytest.mark.parametrize("kind", ["intent", "sending"])
async def test_a_damaged_record_stops_the_run(path: Path, kind: str) -> None:
    def damage(journal: Journal) -> None:
        with journal._database as database:
            database.execute("UPDATE records SET data = '{' WHERE kind = ?", (kind,))

    async with origin() as (server, session):
        await write(path, session, *SENT)
        await on_journal(path, session, damage)
        with pytest.raises(JournalError, match="damaged"):
            await outcomes(session, [FOX], journal=path)
    assert server.asked == []


async def test_a_spent_quota_leaves_jobs_to_another_key(path: Path) -> None:
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [lambda _: None, *[refusal(4, "quota")] * 9]
        async with BulkRun(session, list("abcd"), journal=path, in_flight=1) as run:
            with pytest.raises(QuotaError):
                [outcome async for outcome in run]
        server.hooks.clear()
        async with MJSession(server.base_url, "another", auth="bearer") as other:
            found = await outcomes(other, list("abcd"), journal=path)

    assert [outcome.resumed for outcome in found].count(True) == 1
    assert server.prompts == {"a": 1, "b": 2, "c": 1, "d": 1}


async def test_a_key_that_cannot_read_stops_the_run_and_loses_nothing(path: Path) -> None:
    async with origin() as (server, session):
        server.hooks["task/list-by-condition"] = [always(Reply(401, "spent"))] * 9
        async with BulkRun(session, ["a fox"], journal=path) as run:
            with pytest.raises(AuthenticationError):
                [outcome async for outcome in run]
        server.hooks.clear()
        (outcome,) = await outcomes(session, ["a fox"], journal=path)

    assert outcome.error is None
    assert server.count("submit/imagine") == 1


class TestModal:
    """The second request of a button, cut off at each of its moments."""

    async def resumed(
        self, path: Path, *kinds: Kind, run: dict[str, Any] | None = None, **fields: Any
    ) -> tuple[Any, list[str]]:
        async with origin(timeout=Timeouts(submit=5.0)) as (server, session):
            other = "1700000000000009"
            server.take(TASK, {"prompt": "a fox"})
            server.take(other, {}, **fields)
            await write(path, session, *TAKEN, Kind.SUCCEEDED)
            await write(path, session, *SENT, step="V1")
            taken = Record(NAME, "V1", Kind.ACCEPTED, task_id=other, needs_modal=True)
            await on_journal(path, session, lambda journal: journal.append([(taken, None)]))
            await write(path, session, *kinds, step="V1" + MODAL)
            options = {"journal": path, "then": ("V1",)} | (run or {})
            (outcome,) = await outcomes(session, [FOX], **options)
            (again,) = await outcomes(session, [FOX], **options)
            assert again.resumed is not isinstance(outcome.error, SubmitUncertainError)
            return outcome.error, [each.path for each in server.asked]

    async def test_it_is_sent_if_it_was_not(self, path: Path) -> None:
        error, asked = await self.resumed(path)

        assert error is None
        assert asked.count("submit/modal") == 1

    async def test_it_is_watched_if_it_was_accepted(self, path: Path) -> None:
        error, asked = await self.resumed(path, *TAKEN)

        assert error is None
        assert "submit/modal" not in asked

    async def test_the_task_tells_whether_it_arrived(self, path: Path) -> None:
        error, asked = await self.resumed(path, *SENT)

        assert error is None
        assert "submit/modal" not in asked

    async def test_or_nobody_can_know(self, path: Path) -> None:
        error, asked = await self.resumed(path, *SENT, status="MODAL", progress="0%")

        assert isinstance(error, SubmitUncertainError)
        assert isinstance(error.__cause__, NeedsInputError)
        assert "submit/modal" not in asked

    async def test_it_is_sent_again_if_so_wished(self, path: Path) -> None:
        waiting = {"status": "MODAL", "progress": "0%"}
        run = {"on_uncertain": "resubmit"}
        error, asked = await self.resumed(path, *SENT, run=run, **waiting)

        assert error is None
        assert asked.count("submit/modal") == 1

    async def test_a_refusal_stays_one(self, path: Path) -> None:
        error, asked = await self.resumed(path, *SENT, Kind.REJECTED)

        assert isinstance(error, SubmitRejectedError)
        assert "submit/modal" not in asked


async def test_a_second_run_is_kept_out(path: Path) -> None:
    async with origin() as (_, session), BulkRun(session, ["a fox"], journal=path):
        with pytest.raises(JournalError, match="in use"):
            await BulkRun(session, ["a fox"], journal=path).__aenter__()


async def test_a_journal_of_another_server_is_refused_before_anything_is_sent(path: Path) -> None:
    async with origin() as (server, session):
        await asyncio.to_thread(lambda: Journal(path, server="http://other.example").close())
        with pytest.raises(JournalError, match=r"other\.example"):
            await outcomes(session, ["a fox"], journal=path)
    assert server.asked == []


async def test_a_server_is_known_by_its_whole_address_but_for_the_mode(path: Path) -> None:
    async with origin() as (server, _):
        for where, mode, fits in (
            ("/shop-a", None, True),
            ("/shop-a/mj", "fast", True),
            ("/shop-a/mj-turbo/mj", None, True),
            ("/shop-b", None, False),
            ("", None, False),
        ):
            async with MJSession(f"{server.base_url}{where}", "k", mode=mode) as session:  # type: ignore[arg-type]
                run = BulkRun(session, [], journal=path)
                if fits:
                    assert [outcome async for outcome in await run.__aenter__()] == []
                else:
                    with pytest.raises(JournalError, match=r"belongs to .*/shop-a, not to"):
                        await run.__aenter__()
                await run.aclose()


async def test_a_journal_that_fills_its_disk_stops_the_run_and_loses_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with origin() as (server, session):

        def fill(_: Any) -> None:
            assert run._tools is not None
            journal = run._tools.recorder.journal
            assert journal is not None
            journal._database.execute("PRAGMA query_only = ON")

        server.hooks["submit/imagine"] = [lambda _: None, fill]
        async with BulkRun(session, ["a", "b", "c"], journal=path, in_flight=1) as run:
            with pytest.raises(JournalError, match=r"run\.db"):
                [outcome async for outcome in run]
        (warning,) = caplog.messages
        assert "is not in the journal" in warning
        assert server.count("submit/imagine") == 2
        found = await outcomes(session, ["a", "b", "c"], journal=path)

    assert server.prompts == {"a": 1, "b": 1, "c": 1}
    uncertain = [o.job.prompt for o in found if isinstance(o.error, SubmitUncertainError)]
    assert uncertain == ["b"]


async def test_a_failed_download_is_tried_again(path: Path) -> None:
    folder = path.parent / "pictures"
    async with origin() as (server, session):
        server.hooks[f"/pictures/{TASK}.png"] = [always(Reply(500, "no"))]
        (first,) = await outcomes(session, ["a fox"], journal=path, download_to=folder)
        (second,) = await outcomes(session, ["a fox"], journal=path, download_to=folder)

    assert isinstance(first.error, DownloadError)
    assert (second.error, len(second.images)) == (None, 1)
    assert server.count("submit/imagine") == 1


async def test_a_picture_without_its_record_keeps_its_name(path: Path) -> None:
    folder = path.parent / "pictures"
    async with origin() as (_, session):
        await outcomes(session, [FOX], journal=path, download_to=folder)

        def forget(journal: Journal) -> None:
            with journal._database as database:
                database.execute("DELETE FROM records WHERE kind IN ('placed', 'ended')")

        await on_journal(path, session, forget)
        (again,) = await outcomes(session, [FOX], journal=path, download_to=folder)

    assert [file.name for file in again.images] == ["0000-a-fox-grid.png"]
    assert sum(1 for _ in folder.iterdir()) == 1


async def test_what_a_killed_run_left_unfinished_is_removed(path: Path) -> None:
    folder = path.parent / "pictures"
    async with origin() as (_, session):
        other = folder / ".other.part"

        def leave(journal: Journal) -> None:
            left = folder / f".{journal.token}.part" / "x" / "half.png"
            left.parent.mkdir(parents=True)
            left.touch()
            other.touch()

        await on_journal(path, session, leave)
        await outcomes(session, [], journal=path, download_to=folder)

    assert list(folder.iterdir()) == [other]


async def test_the_journal_tells_what_happened(path: Path) -> None:
    async with origin() as (_, session):
        await outcomes(session, [FOX], journal=path)

    server, jobs = await asyncio.to_thread(read, path)
    assert server == str(session._transport.origin)
    assert (jobs[NAME].prompt, jobs[NAME].ended) == ("a fox", True)
