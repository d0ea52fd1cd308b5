import io
import sys
from collections.abc import Iterator

import pytest
from PIL import Image, ImageChops, ImageStat

from mjtask_async.simulator import Simulator, pictures
from mjtask_async.simulator.records import Picture


@pytest.fixture(autouse=True)
def nothing_drawn() -> Iterator[None]:
    pictures.png.cache_clear()
    yield
    pictures.png.cache_clear()


def image(key: str, percent: int) -> Image.Image:
    opened = Image.open(io.BytesIO(pictures.png(Picture(key, percent))))
    opened.load()
    return opened


def difference(one: Image.Image, other: Image.Image) -> float:
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean)


def test_a_picture_is_a_png_of_modest_size() -> None:
    drawn = image("17", 100)
    assert (drawn.format, drawn.size) == ("PNG", (pictures.SIDE, pictures.SIDE))


def test_previews_come_nearer_to_the_picture_as_progress_grows() -> None:
    final = image("17", 100)
    distances = [difference(image("17", percent), final) for percent in (1, 10, 30, 60, 99, 100)]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > distances[-2] > distances[-1] == 0


def test_a_picture_depends_on_its_key_and_percentage_alone() -> None:
    drawn = pictures.png(Picture("17", 50))
    pictures.png.cache_clear()
    pictures._grid.cache_clear()
    assert pictures.png(Picture("17", 50)) == drawn != pictures.png(Picture("18", 50))


def test_the_four_quarters_differ() -> None:
    drawn, half = image("17", 100), pictures.SIDE // 2
    corners = [(0, 0), (half, 0), (0, half), (half, half)]
    tiles = [drawn.crop((x, y, x + half, y + half)).tobytes() for x, y in corners]
    assert len(set(tiles)) == 4


async def test_without_pillow_the_start_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, "PIL.Image")
    with pytest.raises(ImportError, match=r'pip install "mjtask_async\[simulator\]"'):
        await Simulator().__aenter__()
    with pytest.raises(ImportError, match=r"Pillow"):
        pictures.png(Picture("17", 1))
