"""Pictures and videos come home whole, under safe names, or not at all."""

import asyncio
import zlib
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from mjtask_async import (
    ClosedError,
    DownloadError,
    ImageExpiredError,
    MediaUrl,
    MJSession,
    Task,
    Timeouts,
    TransportError,
)
from mjtask_async.simulator import Fault, Simulator

from .support_cancel import cancel_everywhere
from .support_disk import SlowDisk
from .support_server import KEY, Got, Server, never, reply
from .support_session import Stopwatch, asking, until

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 10 + b"\0\0\0\0IEND\xaeB`\x82"
JPG = b"\xff\xd8\xff" + b"pixels" * 10
MP4 = b"\0\0\0\x18ftypmp42" + b"frames" * 10


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def links(server: Server, *paths: str) -> tuple[MediaUrl, ...]:
    return tuple(MediaUrl(url=f"{server.base_url}/{path}") for path in paths)


# -- where it goes --------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["novicezk", "new-api"])
async def test_a_finished_tasks_picture_comes_home(profile: str, tmp_path: Path) -> None:
    async with (
        Simulator(profile=profile) as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
    ):
        submission = await session.imagine("a cat")
        await asyncio.sleep(1_000)
        task = await session.fetch(submission.task_id or "")
        assert task.is_final
        [path] = await session.download(task, tmp_path)
        assert path == tmp_path / f"{task.id}.png"
        assert path.read_bytes().startswith(PNG[:8])
        assert names(tmp_path) == [path.name]


async def test_a_name_is_kept_and_its_folder_is_made(tmp_path: Path) -> None:
    async with asking(reply(200, PNG)) as (server, session):
        dest = tmp_path / "new" / "folder" / "cat.picture"
        assert await session.download(f"{server.base_url}/x", dest) == [dest]
        assert dest.read_bytes() == PNG


async def test_a_slash_at_the_end_makes_a_folder(tmp_path: Path) -> None:
    async with asking(reply(200, PNG)) as (server, session):
        [path] = await session.download(f"{server.base_url}/a/grid.webp?ex=1", f"{tmp_path}/new/")
        assert path == tmp_path / "new" / "grid.png"


@pytest.mark.parametrize(
    ("body", "suffix"),
    [
        (PNG, ".png"),
        (JPG, ".jpg"),
        (b"GIF89a...", ".gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", ".webp"),
        (b"\0\0\0\x1cftypavif....", ".avif"),
        (MP4, ".mp4"),
        (b"\x1a\x45\xdf\xa3....", ".webm"),
    ],
)
async def test_the_first_bytes_decide_the_suffix(body: bytes, suffix: str, tmp_path: Path) -> None:
    answer = reply(200, body, headers={"Content-Type": "image/jpeg"})
    async with asking(answer) as (server, session):
        task = Task("7", image_url=f"{server.base_url}/x.jpeg")
        assert await session.download(task, tmp_path) == [tmp_path / f"7{suffix}"]
        assert (tmp_path / f"7{suffix}").read_bytes() == body


@pytest.mark.parametrize(
    ("task_id", "name"),
    [
        ("../../etc/passwd", "_.._etc_passwd.png"),
        ("con", "_con.png"),
        ("..", "_.png"),
        ("a\0b:c", "a_b_c.png"),
        ("ü" * 100, "ü" * 40 + ".png"),
    ],
)
async def test_names_out_of_ids_are_safe(task_id: str, name: str, tmp_path: Path) -> None:
    async with asking(reply(200, PNG)) as (server, session):
        task = Task(task_id, image_url=f"{server.base_url}/x")
        assert await session.download(task, tmp_path) == [tmp_path / name]
        assert names(tmp_path) == [name]


async def test_names_out_of_links_are_safe(tmp_path: Path) -> None:
    async with asking(reply(200, PNG)) as (server, session):
        for path in ("/", "/..%2F..%2Fevil.png", "/a/.%00"):
            [found] = await session.download(server.base_url + path, tmp_path, overwrite=True)
            assert found.parent == tmp_path
        assert all("/" not in name for name in names(tmp_path))


async def test_a_file_that_exists_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    old = tmp_path / "7.png"
    old.write_bytes(b"precious")
    async with asking(reply(200, PNG)) as (server, session):
        task = Task("7", image_url=f"{server.base_url}/x")
        for dest in (tmp_path, old):
            with pytest.raises(DownloadError, match="overwrite=True"):
                await session.download(task, dest)
        assert old.read_bytes() == b"precious"
        assert names(tmp_path) == ["7.png"]
        await session.download(task, tmp_path, overwrite=True)
        assert old.read_bytes() == PNG


async def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    body = PNG[:-12] + bytes(2**21) + PNG[-12:]
    async with asking(reply(200, body[:-9], length=len(body))) as (server, session):
        call = asyncio.ensure_future(session.download(f"{server.base_url}/7", tmp_path))
        await asyncio.sleep(1)
        assert [Path(name).suffix for name in names(tmp_path)] == [".part"]
        (tmp_path / "7.png").write_bytes(b"precious")
        server.push(body[-9:])
        with pytest.raises(DownloadError, match="overwrite=True"):
            await call
    assert names(tmp_path) == ["7.png"]
    assert (tmp_path / "7.png").read_bytes() == b"precious"


async def test_several_links_are_numbered(tmp_path: Path) -> None:
    async with asking(reply(200, PNG)) as (server, session):
        task = Task("7", image_urls=links(server, "a", "b"))
        assert [path.name for path in await session.download(task, tmp_path)] == [
            "7-1.png",
            "7-2.png",
        ]
        named = await session.download(task, tmp_path / "cat.png")
        assert [path.name for path in named] == ["cat-1.png", "cat-2.png"]


async def test_videos_come_before_pictures_and_the_grid_before_its_parts(tmp_path: Path) -> None:
    async with asking(reply(200, MP4)) as (server, session):
        everything = {
            "image_url": f"{server.base_url}/grid",
            "image_urls": links(server, "one"),
            "video_url": f"{server.base_url}/video",
            "video_urls": (*links(server, "videos"), MediaUrl()),
        }
        for gone in ("video_urls", "video_url", "image_url"):
            await session.download(Task("7", **everything), tmp_path, overwrite=True)  # type: ignore[arg-type]
            del everything[gone]
        await session.download(Task("7", **everything), tmp_path, overwrite=True)  # type: ignore[arg-type]
        assert [got.path for got in server.requests] == ["/videos", "/video", "/grid", "/one"]


async def test_a_task_without_a_picture_says_so(tmp_path: Path) -> None:
    async with asking(reply(200, PNG)) as (server, session):
        for task in (Task("7"), Task("7", image_url="", image_urls=(MediaUrl(),))):
            with pytest.raises(DownloadError, match="task 7 has no picture"):
                await session.download(task, tmp_path)
        assert server.requests == []


@pytest.mark.parametrize("dest", ["file/x.png", "file/folder/"])
async def test_a_folder_that_cannot_be_is_a_download_error(dest: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    async with asking(reply(200, PNG)) as (server, session):
        with pytest.raises(DownloadError, match="cannot write") as caught:
            await session.download(f"{server.base_url}/x", f"{tmp_path}/{dest}")
        assert isinstance(caught.value.__cause__, OSError)
        await until(lambda: server.open <= 1)
    assert names(tmp_path) == ["file"]


# -- what comes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"<html>not found</html>", b'{"error": "midjourney_task_not_found"}', b"", b"\x89PN"]
)
async def test_what_is_no_picture_leaves_nothing(body: bytes, tmp_path: Path) -> None:
    async with asking(reply(200, body)) as (server, session):
        with pytest.raises(DownloadError, match="not a picture") as caught:
            await session.download(f"{server.base_url}/x.png", tmp_path)
        assert caught.value.url == f"{server.base_url}/x.png"
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(200, PNG[:-12]), DownloadError),
        (reply(200, PNG[:-12], length=len(PNG), headers={"Connection": "close"}), TransportError),
        (reply(200, PNG, headers={"Content-Encoding": "gzip"}), TransportError),
        (None, TransportError),
    ],
)
async def test_what_is_cut_off_leaves_nothing(
    answer: bytes | None, error: type[Exception], tmp_path: Path
) -> None:
    async with asking(answer) as (server, session):
        with pytest.raises(error):
            await session.download(f"{server.base_url}/x.png", tmp_path)
    assert names(tmp_path) == []


async def test_a_picture_cut_off_after_its_first_mebibyte_leaves_nothing(tmp_path: Path) -> None:
    body = PNG[:-12] + bytes(3 * 2**20)
    answer = reply(200, body, length=2**24, headers={"Connection": "close"})
    async with asking(answer) as (server, session):
        with pytest.raises(TransportError, match="cut off"):
            await session.download(f"{server.base_url}/x.png", tmp_path)
    assert names(tmp_path) == []


async def test_a_large_picture_comes_in_blocks(tmp_path: Path) -> None:
    body = PNG[:-12] + bytes(3 * 2**20) + PNG[-12:]
    async with asking(reply(200, body)) as (server, session):
        [path] = await session.download(f"{server.base_url}/x.png", tmp_path)
        assert path.read_bytes() == body


async def test_what_is_too_large_ends_at_the_limit_and_leaves_nothing(tmp_path: Path) -> None:
    packer = zlib.compressobj(1, wbits=31)
    head = packer.compress(JPG) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    bomb = reply(200, head + again * 300, headers={"Content-Encoding": "gzip"})
    async with asking(bomb) as (server, session):
        with pytest.raises(DownloadError, match="larger than 104857600 bytes"):
            await session.download(f"{server.base_url}/x.jpg", tmp_path)
        await until(lambda: server.open == 0)
    assert names(tmp_path) == []


async def test_a_download_may_take_long_but_not_fall_silent(tmp_path: Path) -> None:
    async with asking(never, timeout=Timeouts(idle=7)) as (server, session):
        watch = Stopwatch()
        with pytest.raises(TransportError, match="no answer in time"):
            await session.download(f"{server.base_url}/x.png", tmp_path)
        assert watch.seconds == pytest.approx(7, abs=1)


@pytest.mark.parametrize(
    ("status", "query", "error"),
    [
        (403, "?ex=6b02f44e&is=1", ImageExpiredError),
        (404, "?ex=6b02f44e", ImageExpiredError),
        (410, "", ImageExpiredError),
        (404, "", DownloadError),
        (500, "?ex=6b02f44e", DownloadError),
        (204, "", DownloadError),
    ],
)
async def test_a_link_that_has_expired_is_told_from_others(
    status: int, query: str, error: type[DownloadError], tmp_path: Path
) -> None:
    async with asking(reply(status)) as (server, session):
        with pytest.raises(DownloadError) as caught:
            await session.download(f"{server.base_url}/x.png{query}", tmp_path)
        assert type(caught.value) is error
        assert caught.value.status == status
        assert caught.value.url == f"{server.base_url}/x.png{query}"


async def test_an_expired_link_of_the_simulator(tmp_path: Path) -> None:
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
    ):
        submission = await session.imagine("a cat")
        await asyncio.sleep(1_000)
        task = await session.fetch(submission.task_id or "")
        sim.script("attachments", Fault.answer(404, "This content is no longer available."))
        with pytest.raises(ImageExpiredError, match="fetch the task again"):
            await session.download(task, tmp_path)


# -- addresses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        "",
        "x.png",
        "/x.png",
        "ftp://h/x.png",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://",
        "http://[::1",
        "http://h:99999/x",
        "http://a..b/x",
        "http://user:password@h/x",
        "data:image/png;base64,AAAA",
    ],
)
async def test_what_is_no_link_is_refused(link: str, tmp_path: Path) -> None:
    async with asking(reply(200, PNG)) as (server, session):
        for source in (link, Task("7", image_urls=(MediaUrl(url=link or " "),))):
            with pytest.raises(DownloadError, match=r"no http\(s\) link"):
                await session.download(source, tmp_path)
        assert server.requests == []


async def test_signed_links_stay_as_they_are(tmp_path: Path) -> None:
    async with asking(reply(200, PNG)) as (server, session):
        path = "/a%2Fb/x.png?hm=%7e~+%2B&x=a%20b"
        await session.download(server.base_url + path, tmp_path)
        await session.download(f"{server.base_url}/a b/ü.png", tmp_path)
        assert [got.path for got in server.requests] == [path, "/a%20b/%C3%BC.png"]


async def test_the_key_goes_to_the_apis_own_origin_only(tmp_path: Path) -> None:
    async with Server(reply(200, PNG)) as other, asking(reply(200, PNG)) as (server, session):
        await session.download(f"{server.base_url}/x.png", tmp_path / "1.png")
        await session.download(f"{other.base_url}/x.png", tmp_path / "2.png")
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        assert not {"authorization", "mj-api-secret"} & other.requests[0].headers.keys()


async def test_the_key_is_dropped_when_a_redirect_leaves_the_origin(tmp_path: Path) -> None:
    async with Server(reply(200, PNG)) as other:
        back: list[bytes] = []

        async def lead(got: Got) -> bytes:
            return back.pop() if got.path == "/start" else reply(200, PNG)

        async with asking(lead) as (server, session):
            back.append(reply(302, headers={"Location": f"{other.base_url}/far"}))
            await session.download(f"{server.base_url}/start", tmp_path / "1.png")
            assert "authorization" in server.requests[0].headers
            assert "authorization" not in other.requests[0].headers

            back.append(reply(307, headers={"Location": "/near?hm=%7e"}))
            await session.download(f"{server.base_url}/start", tmp_path / "2.png")
            assert server.requests[-1].path == "/near?hm=%7e"
            assert "authorization" in server.requests[-1].headers


@pytest.mark.parametrize(("times", "arrives"), [(5, True), (6, False)])
async def test_redirects_are_followed_five_times(
    times: int, *, arrives: bool, tmp_path: Path
) -> None:
    async def lead(got: Got) -> bytes:
        number = int(got.path[1:])
        if number == times:
            return reply(200, PNG)
        return reply(301, headers={"Location": f"/{number + 1}"})

    async with asking(lead) as (server, session):
        call = session.download(f"{server.base_url}/0", tmp_path)
        if arrives:
            assert len(await call) == 1
        else:
            with pytest.raises(DownloadError, match="more than 5 redirects"):
                await call
            assert len(server.requests) == 6


@pytest.mark.parametrize(
    "location", ["ftp://h/x", "file:///etc/passwd", "http://[x", "http://h:99999/", "http://a..b/"]
)
async def test_a_redirect_to_nowhere_is_a_download_error(location: str, tmp_path: Path) -> None:
    async with asking(reply(302, headers={"Location": location})) as (server, session):
        with pytest.raises(DownloadError, match=r"no http\(s\) link"):
            await session.download(f"{server.base_url}/x", tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("host", ["localhost:3000", "127.0.0.1", "[::1]:8080"])
async def test_a_relay_that_does_not_know_its_address_is_asked_itself(
    host: str, tmp_path: Path
) -> None:
    async def proxy(got: Got) -> bytes:
        return reply(200, PNG) if got.path == "http://relay.example/mj/image/7%20x" else reply(502)

    async with (
        Server(proxy) as server,
        MJSession("http://relay.example", KEY, proxy=server.base_url) as session,
    ):
        task = Task("7", image_url=f"http://{host}/mj/image/7 x")
        assert await session.download(task, tmp_path) == [tmp_path / "7.png"]
        assert len(server.requests) == 1


async def test_on_loopback_a_localhost_link_is_tried_first(tmp_path: Path) -> None:
    async with Server(reply(200, PNG)) as other, asking(reply(200, PNG)) as (server, session):
        task = Task("7", image_url=f"{other.base_url}/mj/image/7")
        await session.download(task, tmp_path / "1.png")
        assert (len(other.requests), len(server.requests)) == (1, 0)
    async with asking(reply(200, PNG)) as (server, session):
        await session.download(task, tmp_path / "2.png")  # the other one has gone
        assert [got.path for got in server.requests] == ["/mj/image/7"]


async def test_where_both_addresses_fail_the_last_error_counts(tmp_path: Path) -> None:
    async with Server(reply(500)) as other, asking(reply(404)) as (_, session):
        with pytest.raises(DownloadError, match="HTTP 404"):
            await session.download(f"{other.base_url}/mj/image/7", tmp_path)


async def test_a_relay_is_asked_once_by_its_own_link(tmp_path: Path) -> None:
    async with asking(reply(410)) as (server, session):
        with pytest.raises(ImageExpiredError):
            await session.download(f"{server.base_url}/mj/image/7", tmp_path)
        assert len(server.requests) == 1


async def test_other_localhost_links_are_no_relays(tmp_path: Path) -> None:
    async with Server(reply(500)) as other, asking(reply(200, PNG)) as (server, session):
        with pytest.raises(DownloadError, match="HTTP 500"):
            await session.download(f"{other.base_url}/x.png", tmp_path)
        assert server.requests == []


async def test_a_relay_in_a_simulator_with_a_wrong_address(tmp_path: Path) -> None:
    async with (
        Simulator(profile="new-api", server_address="http://localhost:1") as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
    ):
        submission = await session.imagine("a cat")
        await asyncio.sleep(1_000)
        task = await session.fetch(submission.task_id or "")
        assert (task.image_url or "").startswith("http://localhost:1/mj/image/")
        [path] = await session.download(task, tmp_path)
        assert path.read_bytes().startswith(PNG[:8])


# -- leaving in the middle ------------------------------------------------------------------


async def test_a_download_can_be_cancelled_at_every_await(tmp_path: Path) -> None:
    body = PNG[:-12] + bytes(2**21) + PNG[-12:]
    async with Server(reply(302, headers={"Location": "/a"}), reply(200, body)) as server:

        async def run() -> None:
            async with MJSession(server.base_url, KEY) as session:
                await session.download(f"{server.base_url}/x", tmp_path, overwrite=True)

        async def check() -> None:
            assert set(names(tmp_path)) <= {"x.png"}
            for name in names(tmp_path):
                assert (tmp_path / name).stat().st_size == len(body)
                (tmp_path / name).unlink()

        assert await cancel_everywhere(run, check) > 15


@pytest.fixture(scope="module")
def disk() -> SlowDisk:
    return SlowDisk()


async def test_a_cancelled_download_waits_for_a_slow_disk(disk: SlowDisk, tmp_path: Path) -> None:
    async def run() -> None:
        async with MJSession(server.base_url, KEY) as session:
            await session.download(f"{server.base_url}/x", tmp_path, overwrite=True)

    async def check() -> None:
        assert not disk.busy
        assert set(names(tmp_path)) <= {"x.png"}

    async with Server(reply(200, PNG)) as server:
        with disk.slow(0.01):
            assert await cancel_everywhere(run, check) > 15


async def test_cancelled_again_it_waits_all_the_same(disk: SlowDisk, tmp_path: Path) -> None:
    async with asking(reply(200, PNG)) as (server, session):
        with disk.slow(0.1):
            call = asyncio.ensure_future(session.download(f"{server.base_url}/x", tmp_path))
            await until(lambda: disk.busy)
            for _ in range(3):
                call.cancel()
                await asyncio.sleep(0)
            await asyncio.wait({call})
            assert not disk.busy
        assert call.cancelled()
        assert names(tmp_path) == []


async def test_a_scope_of_anyio_may_end_a_download(disk: SlowDisk, tmp_path: Path) -> None:
    body = PNG[:-12] + bytes(2**21) + PNG[-12:]
    async with asking(reply(200, body)) as (server, session):
        with disk.slow(0.1):
            async with anyio.create_task_group() as group:
                group.start_soon(_download, session, f"{server.base_url}/x", tmp_path)
                await until(lambda: disk.busy)
                group.cancel_scope.cancel()
            assert not disk.busy
        assert names(tmp_path) == []


async def test_a_disk_that_fails_after_a_cancellation_says_nothing(
    disk: SlowDisk, tmp_path: Path
) -> None:
    async with asking(reply(200, PNG)) as (server, session):
        folder = tmp_path / "folder"
        with disk.slow(0.1):
            call = asyncio.ensure_future(session.download(f"{server.base_url}/x", f"{folder}/"))
            await until(lambda: disk.busy)
            folder.rmdir()
            call.cancel()
            await asyncio.wait({call})
        assert call.cancelled()
        assert names(tmp_path) == []


async def _download(session: MJSession[Any], link: str, folder: Path) -> None:
    await session.download(link, folder)


async def test_closing_the_session_ends_a_download_and_leaves_nothing(tmp_path: Path) -> None:
    answer = reply(200, PNG[:-12] + bytes(2**21), length=2**24)
    async with asking(answer) as (server, session):
        call = asyncio.ensure_future(session.download(f"{server.base_url}/x", tmp_path))
        await asyncio.sleep(1)
        assert [Path(name).suffix for name in names(tmp_path)] == [".part"]
        watch = Stopwatch()
        await session.aclose()
        with pytest.raises(ClosedError):
            await call
        assert watch.seconds == 0
    assert names(tmp_path) == []


async def test_a_borrowed_session_that_is_closed_ends_a_download(tmp_path: Path) -> None:
    answer = reply(200, PNG[:-12] + bytes(2**21), length=2**24)
    async with (
        aiohttp.ClientSession() as http,
        asking(answer, http=http, timeout=Timeouts(idle=9)) as (server, session),
    ):
        call = asyncio.ensure_future(session.download(f"{server.base_url}/x", tmp_path))
        await asyncio.sleep(1)
        await http.close()
        with pytest.raises(TransportError, match="no answer in time"):
            await call
    assert names(tmp_path) == []
