"""Grids are cut into their four pictures on the way home."""

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from mjtask_async import ConfigurationError, DownloadError, MJSession, Task, TaskWatcher
from mjtask_async.simulator import Simulator

from .support_stub import PNG, Reply, stubbed

ID = "1700000000000001"
COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]


def drawn(kind: str = "PNG", side: int = 32) -> bytes:
    """Draw a grid with a colour in each quarter."""
    grid = Image.new("RGB", (2 * side, 2 * side))
    for number, colour in enumerate(COLOURS):
        corner = (side * (number % 2), side * (number // 2))
        grid.paste(Image.new("RGB", (side, side), colour), corner)
    buffer = io.BytesIO()
    grid.save(buffer, kind)
    return buffer.getvalue()


def colours(paths: list[Path]) -> list[tuple[int, ...]]:
    """Read the colour in the middle of each picture, to the nearest 50."""
    found = []
    for path in paths:
        with Image.open(path) as picture:
            assert picture.size == (32, 32)
            pixel = picture.convert("RGB").getpixel((16, 16))
        assert isinstance(pixel, tuple)
        found.append(tuple(50 * round(part / 50) for part in pixel))
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("kind", "suffix"), [("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("GIF", ".gif")]
)
async def test_a_grid_becomes_four_pictures_of_its_kind(
    kind: str, suffix: str, tmp_path: Path
) -> None:
    async with stubbed(Reply(200, drawn(kind))) as (stub, session):
        task = Task(id=ID, action="IMAGINE", image_url=f"{stub.base_url}/a")
        paths = await session.download(task, tmp_path, split=True)
    assert [path.name for path in paths] == [f"{ID}-{n}{suffix}" for n in range(1, 5)]
    assert names(tmp_path) == [path.name for path in paths]
    assert colours(paths) == COLOURS


async def test_a_name_and_a_link_give_four_numbered_names(tmp_path: Path) -> None:
    async with stubbed(Reply(200, drawn())) as (stub, session):
        link = f"{stub.base_url}/a.png"
        await session.download(link, tmp_path / "cat.png", split=True)
        with pytest.raises(DownloadError, match=r"cat-1\.png exists"):
            await session.download(link, tmp_path / "cat.png", split=True)
        await session.download(link, tmp_path / "cat.png", split=True, overwrite=True)
    assert names(tmp_path) == [f"cat-{n}.png" for n in range(1, 5)]


@pytest.mark.parametrize("action", ["UPSCALE", "UPSCALE_HD", "SWAP_FACE"])
async def test_a_single_picture_stays_whole(action: str, tmp_path: Path) -> None:
    async with stubbed(Reply(200, drawn())) as (stub, session):
        task = Task(id=ID, action=action, image_url=f"{stub.base_url}/a.png")
        await session.download(task, tmp_path, split=True)
    assert names(tmp_path) == [f"{ID}.png"]


async def test_a_video_stays_whole(tmp_path: Path) -> None:
    async with stubbed(Reply(200, b"\0\0\0\x18ftypmp42" + bytes(20))) as (stub, session):
        task = Task(id=ID, video_url=f"{stub.base_url}/a.mp4")
        await session.download(task, tmp_path, split=True)
    assert names(tmp_path) == [f"{ID}.mp4"]


async def test_what_cannot_be_cut_leaves_nothing(tmp_path: Path) -> None:
    async with stubbed(Reply(200, PNG + b"IEND")) as (stub, session):
        with pytest.raises(DownloadError, match="cannot be cut into four"):
            await session.download(f"{stub.base_url}/a.png", tmp_path, split=True)
    assert names(tmp_path) == []


async def test_without_pillow_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    async with stubbed(Reply(200, drawn())) as (stub, session):
        with pytest.raises(ConfigurationError, match="pip install"):
            await session.download(f"{stub.base_url}/a.png", tmp_path, split=True)
    assert stub.asked == []


async def test_the_grid_of_a_simulated_task_is_cut(tmp_path: Path) -> None:
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
        TaskWatcher(session) as watcher,
    ):
        task = await watcher.wait(await session.imagine("a cat"))
        (grid,) = await session.download(task, tmp_path / "grid.png")
        pieces = await session.download(task, tmp_path / "piece.png", split=True)
    with Image.open(grid) as whole, Image.open(pieces[3]) as last:
        width, height = whole.size
        corner = whole.crop((width // 2, height // 2, width, height))
        assert last.tobytes() == corner.tobytes()
