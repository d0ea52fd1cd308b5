"""Names of pictures: told to the journal first, given once, and never to two files."""

import asyncio
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mjtask_async import BulkJob, BulkRun, DownloadError, MJSession, Task
from mjtask_async.journal import Journal

from ..support_bulk import origin, outcomes, picture
from ..support_stub import Reply

A, B = BulkJob("a fox", key="A"), BulkJob("a fox", key="B")
NAMES = "{slug}-{label}.{ext}"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.png"))


def fails(number: int) -> Callable[..., None]:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def give_no_name(
    patched: pytest.MonkeyPatch, number: int, which: str = "", *, replaces: bool = False
) -> None:
    """Let the disk refuse a name to whole pictures: at once, or once it has been taken."""
    link, opened, renamed, fail = os.link, os.open, Path.replace, fails(number)

    def refuse_link(part: Path, path: Path) -> None:
        fail() if which in path.name else link(part, path)

    def refuse_open(path: Any, flags: int, *args: Any, **more: Any) -> int:
        if flags & os.O_EXCL and not replaces:
            fail()
        return opened(path, flags, *args, **more)

    def refuse_replace(part: Path, path: Path) -> Path:
        if not path.parent.name.endswith(".part") and not path.parent.parent.name.endswith(".part"):
            fail()
        return renamed(part, path)

    patched.setattr(os, "link", refuse_link)
    patched.setattr(os, "open", refuse_open)
    patched.setattr(Path, "replace", refuse_replace)


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    return {"journal": tmp_path / "run.db", "download_to": tmp_path / "pictures", "names": NAMES}


async def cut_off_while_naming(
    session: MJSession[Task], jobs: list[Any], options: dict[str, Any]
) -> None:
    """Run until a name is in the journal that no file bears yet."""
    with pytest.MonkeyPatch.context() as patched:
        give_no_name(patched, errno.ENOSPC)
        async with BulkRun(session, jobs, in_flight=1, **options) as run:
            with pytest.raises(DownloadError, match="No space left"):
                await anext(run)


async def test_a_promised_name_is_given_to_nobody_else(options: dict[str, Any]) -> None:
    async with origin() as (_, session):
        await cut_off_while_naming(session, [A], options)
        found = await outcomes(session, [B, A], in_flight=1, ordered=True, **options)

    assert [[path.name for path in outcome.images] for outcome in found] == [
        *(["a-fox-grid-2.png"], ["a-fox-grid.png"])
    ]
    assert names(options["download_to"]) == ["a-fox-grid-2.png", "a-fox-grid.png"]


@pytest.mark.parametrize("linked", [True, False])
async def test_two_runs_in_one_folder_overwrite_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    linked: bool,  # noqa: FBT001
) -> None:
    if not linked:
        monkeypatch.setattr(os, "link", fails(errno.EPERM))
    async with origin() as (_, session):
        runs = [outcomes(session, ["a fox"] * 10, download_to=tmp_path) for _ in range(2)]
        found = [outcome for each in await asyncio.gather(*runs) for outcome in each]

    paths = [path for outcome in found for path in outcome.images]
    assert len(paths) == len(set(paths)) == 20
    assert names(tmp_path) == sorted(path.name for path in paths)


async def test_a_promised_name_that_a_stranger_took_is_left_to_him(
    options: dict[str, Any],
) -> None:
    async with origin() as (_, session):
        await cut_off_while_naming(session, [A], options)
        taken = options["download_to"] / "a-fox-grid.png"
        taken.write_bytes(picture(5))
        (outcome,) = await outcomes(session, [A], **options)

    assert [path.name for path in outcome.images] == ["a-fox-grid-2.png"]
    assert taken.read_bytes() == picture(5)


async def test_of_several_pictures_only_the_nameless_get_other_names(
    options: dict[str, Any],
) -> None:
    async with origin() as (server, session):
        links = [{"url": f"{server.base_url}/pictures/{number}.png"} for number in range(2)]
        server.hooks["submit/imagine"] = [
            lambda asked: server.submit(asked, imageUrl=None, imageUrls=links)
        ]
        await cut_off_while_naming(session, [A], options)
        (options["download_to"] / "a-fox-grid-2.png").write_bytes(picture(5))
        (outcome,) = await outcomes(session, [A], **options)

    assert [path.name for path in outcome.images] == ["a-fox-grid-1.png", "a-fox-grid-2-2.png"]


async def test_a_picture_that_had_its_name_when_the_run_was_killed_keeps_it(
    options: dict[str, Any],
) -> None:
    async with origin() as (_, session):
        await outcomes(session, [A], **options)
        await asyncio.to_thread(forget, options["journal"], session)
        (again,) = await outcomes(session, [A], **options)

    assert [path.name for path in again.images] == ["a-fox-grid.png"]
    assert names(options["download_to"]) == ["a-fox-grid.png"]


def forget(path: Path, session: MJSession[Task]) -> None:
    with Journal(path, server=str(session._transport.origin)) as journal, journal._database:
        journal._database.execute("DELETE FROM records WHERE kind IN ('placed', 'ended')")


async def test_a_run_into_another_folder_needs_the_first_no_more(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    async with origin() as (server, session):
        await cut_off_while_naming(session, [A], options)
        shutil.move(options["download_to"], tmp_path / "elsewhere")
        (outcome,) = await outcomes(session, [A], **options | {"download_to": tmp_path / "new"})

    assert outcome.images == (tmp_path / "new" / "a-fox-grid.png",)
    assert server.prompts == {"a fox": 1}


async def test_pictures_that_are_gone_are_fetched_again(options: dict[str, Any]) -> None:
    async with origin() as (server, session):
        (first,) = await outcomes(session, [A], **options)
        first.images[0].unlink()
        (again,) = await outcomes(session, [A], **options)

    assert again.images == first.images
    assert again.images[0].is_file()
    assert (again.error, again.resumed, server.prompts) == (None, False, {"a fox": 1})


async def test_a_picture_that_was_emptied_is_fetched_again(options: dict[str, Any]) -> None:
    async with origin() as (server, session):
        (first,) = await outcomes(session, [A], **options)
        first.images[0].write_bytes(b"")
        found = [outcome for _ in range(2) for outcome in await outcomes(session, [A], **options)]

    assert [path.name for path in found[0].images] == ["a-fox-grid-2.png"]
    assert found[0].images[0].read_bytes() == picture()
    assert [outcome.resumed for outcome in found] == [False, True]
    assert (found[1].images, server.prompts) == (found[0].images, {"a fox": 1})


async def test_a_name_is_not_given_again_when_its_file_is_moved(options: dict[str, Any]) -> None:
    async with origin() as (_, session), BulkRun(session, [A, B], in_flight=1, **options) as run:
        first = await anext(run)
        first.images[0].rename(first.images[0].with_name("mine.png"))
        second = await anext(run)

    assert second.images != first.images


@pytest.mark.parametrize("call", ["fsync", "link", "replace"])
async def test_a_full_disk_stops_the_run_and_loses_nothing(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    folder = options["download_to"] = tmp_path
    async with origin() as (server, session):
        with monkeypatch.context() as patched:
            if call == "fsync":
                patched.setattr(os, call, fails(errno.ENOSPC))
            else:
                give_no_name(patched, errno.ENOSPC, replaces=call == "replace")
            async with BulkRun(session, list("abcdef"), in_flight=1, **options) as run:
                with pytest.raises(DownloadError, match="No space left"):
                    [outcome async for outcome in run]
            assert names(folder) == []
        assert server.count("submit/imagine") == 1
        found = await outcomes(session, list("abcdef"), **options)

    assert all(outcome.error is None for outcome in found)
    assert set(server.prompts.values()) == {1}
    assert len(names(folder)) == 6


async def test_a_folder_that_cannot_be_flushed_stops_the_run(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with origin() as (_, session), BulkRun(session, ["a fox"], **options) as run:
        monkeypatch.setattr(os, "open", fails(errno.EIO))
        with pytest.raises(DownloadError, match="pictures cannot be written: "):
            await anext(run)


async def test_a_name_that_the_disk_does_not_take_is_its_job_s_error(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_no_name(monkeypatch, errno.ENAMETOOLONG, "fox")
    async with origin() as (_, session):
        found = await outcomes(session, ["a fox", "an owl"], ordered=True, **options)

    assert [type(outcome.error) for outcome in found] == [DownloadError, type(None)]
    assert "a-fox-grid.png cannot be written" in str(found[0].error)


async def test_a_folder_above_that_may_not_be_opened_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def refuse(path: Any, *args: Any, **more: Any) -> int:
        if path == tmp_path:
            raise PermissionError(errno.EACCES, "no")
        return opened(path, *args, **more)

    monkeypatch.setattr(os, "open", refuse)
    async with origin() as (_, session):
        (outcome,) = await outcomes(session, ["a fox"], download_to=tmp_path / "a" / "b")

    assert outcome.error is None


async def test_an_answer_that_is_no_picture_leaves_no_name_behind(
    options: dict[str, Any],
) -> None:
    async with origin() as (server, session):
        link = "/pictures/1700000000000000.png"
        server.hooks[link] = [lambda _: Reply(200, b"<html>")]
        (first,) = await outcomes(session, [A], **options)
        (second,) = await outcomes(session, [A], **options)

    assert isinstance(first.error, DownloadError)
    assert [path.name for path in second.images] == ["a-fox-grid.png"]
