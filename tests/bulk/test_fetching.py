"""Pictures of a bulk run: named, checked, placed; and where they may not come from."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from mjtask_async import AuthenticationError, BulkRun, DownloadError, Task, TransportError
from mjtask_async.fetching import _Guarded

from ..support_bulk import PICTURE, Origin, always, origin, outcomes
from ..support_stub import Asked, Reply

TASK = "1700000000000000"
LINK = f"/pictures/{TASK}.png"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def with_link(server: Origin, link: str, **fields: Any) -> Any:
    return lambda asked: server.submit(asked, imageUrl=link, **fields)


async def test_pictures_are_named_and_nothing_else_stays(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "pictures"
    async with origin() as (_, session):
        options: dict[str, Any] = {"then": ("U1",), "download_to": folder}
        (outcome,) = await outcomes(session, ["Ein Fuchs"], **options)

    assert names(folder) == ["0000-ein-fuchs-U1.png", "0000-ein-fuchs-grid.png"]
    assert [path.name for path in outcome.images] == [
        *("0000-ein-fuchs-grid.png", "0000-ein-fuchs-U1.png")
    ]


async def test_several_pictures_of_a_task_are_numbered(tmp_path: Path) -> None:
    async with origin() as (server, session):

        def act(asked: Asked) -> Reply:
            links = [{"url": f"{server.base_url}/pictures/{n}.png"} for n in range(2)]
            return server.submit(asked, imageUrl=None, imageUrls=links)

        server.hooks["submit/imagine"] = [act]
        await outcomes(session, ["fox"], download_to=tmp_path)

    assert names(tmp_path) == ["0000-fox-grid-1.png", "0000-fox-grid-2.png"]


async def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    (tmp_path / "fox.png").write_text("mine")
    async with origin() as (_, session):
        await outcomes(session, ["fox", "fox"], download_to=tmp_path, names="{slug}.{ext}")

    assert names(tmp_path) == ["fox-2.png", "fox-3.png", "fox.png"]
    assert (tmp_path / "fox.png").read_text() == "mine"


@pytest.mark.parametrize("reply", [Reply(403, ""), Reply(404, ""), Reply(410, "")])
async def test_an_expired_link_is_fetched_again_once(tmp_path: Path, reply: Reply) -> None:
    async with origin() as (server, session):
        server.hooks[LINK] = [always(reply)]
        (outcome,) = await outcomes(session, ["fox"], download_to=tmp_path)
        assert outcome.error is None
        server.hooks[f"/pictures/{int(TASK) + 1}.png"] = [always(reply)] * 2
        (outcome,) = await outcomes(session, ["owl"], download_to=tmp_path)

    assert isinstance(outcome.error, DownloadError)


def with_dead_links(server: Origin, *refusals: Reply) -> Any:
    """Take a task whose link has expired, and refuse the key when a fresh one is asked for."""

    def act(asked: Asked) -> Reply:
        reply = server.submit(asked)
        task_id = list(server.rows)[-1]
        gone = [always(Reply(404, ""))] * (len(refusals) + 1)
        server.hooks[f"/pictures/{task_id}.png"] = gone
        server.hooks[f"task/{task_id}/fetch"] = [always(each) for each in refusals]
        return reply

    return act


async def test_a_key_that_is_refused_for_fresh_links_stops_the_run(tmp_path: Path) -> None:
    options: dict[str, Any] = {"download_to": tmp_path / "p", "journal": tmp_path / "run.db"}
    async with origin() as (server, session):
        refused = [Reply(401, "Invalid token")] * 99
        server.hooks["submit/imagine"] = [with_dead_links(server, *refused)] * 6
        jobs = [f"{number}" for number in range(6)]
        async with BulkRun(session, jobs, **options) as run:
            with pytest.raises(AuthenticationError):
                await anext(run)
        server.hooks.clear()
        found = await outcomes(session, jobs, **options)

    assert [outcome.error for outcome in found] == [None] * 6
    assert set(server.prompts.values()) == {1}


async def test_a_key_that_is_refused_for_a_moment_is_tried_again(tmp_path: Path) -> None:
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [with_dead_links(server, Reply(401, "a hiccup"))] * 2
        found = await outcomes(session, ["a", "b"], download_to=tmp_path)

    assert [outcome.error for outcome in found] == [None, None]


async def test_a_stopped_run_asks_for_no_fresh_links(tmp_path: Path) -> None:
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [with_dead_links(server, *[Reply(401, "no")] * 9)]
        async with BulkRun(session, ["a"], download_to=tmp_path) as run:
            await asyncio.sleep(1)
            run.stop()
            assert [outcome async for outcome in run] == []


async def test_a_link_known_to_have_expired_is_not_tried(tmp_path: Path) -> None:
    async with origin() as (server, session):
        old = f"{server.base_url}{LINK}?ex={int(time.time()) - 9:x}"
        server.hooks["submit/imagine"] = [with_link(server, old)]

        def fresh(_: Asked) -> None:
            server.rows[TASK]["imageUrl"] = f"{server.base_url}{LINK}"

        server.hooks[f"task/{TASK}/fetch"] = [fresh]
        (outcome,) = await outcomes(session, ["fox"], download_to=tmp_path)

    assert outcome.error is None
    assert not any("ex=" in asked.path for asked in server.asked)


async def test_a_download_that_is_cut_off_is_tried_three_times(tmp_path: Path) -> None:
    cut = Reply(200, PICTURE, cut=20)
    async with origin() as (server, session):
        server.hooks[LINK] = [always(cut)] * 2
        server.hooks[f"/pictures/{int(TASK) + 1}.png"] = [always(cut)] * 3
        found = await outcomes(session, ["fox", "owl"], download_to=tmp_path, ordered=True)

    assert found[0].error is None
    assert isinstance(found[1].error, TransportError)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>", "not a picture"),
        (PICTURE[:40] + bytes(30) + PICTURE[-12:], "cannot be decoded"),
    ],
)
async def test_what_is_no_picture_is_an_error(tmp_path: Path, content: bytes, words: str) -> None:
    async with origin() as (server, session):
        server.hooks[LINK] = [always(Reply(200, content))]
        (outcome,) = await outcomes(session, ["fox"], download_to=tmp_path)

    assert isinstance(outcome.error, DownloadError)
    assert words in str(outcome.error)
    assert names(tmp_path) == []


async def test_without_pillow_the_first_bytes_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    async with origin() as (server, session):
        server.hooks[LINK] = [always(Reply(200, PICTURE[:40] + bytes(30) + PICTURE[-12:]))]
        (outcome,) = await outcomes(session, ["fox"], download_to=tmp_path)

    assert outcome.error is None


async def test_a_video_is_not_decoded(tmp_path: Path) -> None:
    async with origin() as (server, session):
        server.hooks[LINK] = [always(Reply(200, b"\0\0\0\x18ftypmp42" + bytes(100)))]
        await outcomes(session, ["fox"], download_to=tmp_path)

    assert names(tmp_path) == ["0000-fox-grid.mp4"]


@pytest.mark.parametrize("link", ["http://127.0.0.2/a.png", "http://localhost/a.png"])
async def test_a_private_address_is_not_asked(tmp_path: Path, link: str) -> None:
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [with_link(server, link)]
        (outcome,) = await outcomes(session, ["fox"], download_to=tmp_path)

    assert isinstance(outcome.error, DownloadError)
    assert "private network" in str(outcome.error)


async def test_a_redirect_is_looked_at_again(tmp_path: Path) -> None:
    async with origin() as (server, session):
        server.hooks[LINK] = [always(Reply(302, "", {"Location": "http://10.0.0.1/secret"}))]
        (outcome,) = await outcomes(session, ["fox"], download_to=tmp_path)

    assert "private network" in str(outcome.error)


async def test_a_host_can_be_allowed_by_name(tmp_path: Path) -> None:
    async with origin() as (server, session):
        link = f"{server.base_url}{LINK}".replace("127.0.0.1", "localhost")
        server.hooks["submit/imagine"] = [with_link(server, link)]
        options: dict[str, Any] = {"download_to": tmp_path, "allow_hosts": ["localhost"]}
        (outcome,) = await outcomes(session, ["fox"], **options)

    assert outcome.error is None


@pytest.mark.parametrize("link", ["file:///etc/passwd", "ftp://example.com/a.png"])
async def test_only_http_is_followed(tmp_path: Path, link: str) -> None:
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [with_link(server, link)]
        (outcome,) = await outcomes(session, ["fox"], download_to=tmp_path)

    assert isinstance(outcome.error, DownloadError)


async def test_a_name_that_nobody_knows_is_the_transport_s_error(tmp_path: Path) -> None:
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [with_link(server, "http://nowhere.invalid/a.png")]
        (outcome,) = await outcomes(session, ["fox"], download_to=tmp_path)

    assert isinstance(outcome.error, TransportError)


async def test_a_public_address_is_fine() -> None:
    async with origin() as (_, session):
        guarded = _Guarded(session._transport, ())
        await guarded._check(URL("http://93.184.216.34/a.png"))
        assert guarded.root == session._transport.root


async def test_few_pictures_come_at_once(tmp_path: Path) -> None:
    async with origin() as (_, session):
        prompts = [f"{number}" for number in range(12)]
        async with BulkRun(session, prompts, in_flight=12, download_to=tmp_path) as run:
            assert run._tools is not None
            home = run._tools.home
            assert home is not None
            found = [outcome async for outcome in run]
            assert home._turns._value == 4

    assert len(found) == len(names(tmp_path)) == 12


async def test_a_folder_that_cannot_be_made_is_said_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    async with origin() as (server, session):
        with pytest.raises(DownloadError, match="cannot be used"):
            await outcomes(session, ["fox"], download_to=tmp_path / "file" / "pictures")
    assert server.asked == []


async def test_a_task_without_a_picture_is_its_job_s_error(tmp_path: Path) -> None:
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [with_link(server, "")]
        (outcome,) = await outcomes(session, ["fox"], download_to=tmp_path)

    assert isinstance(outcome.error, DownloadError)
    assert isinstance(outcome.tasks[0], Task)
    await asyncio.sleep(0)
