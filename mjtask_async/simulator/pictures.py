"""The pictures the simulator serves: PNG grids of four, blurred while a task runs.

Pillow is imported when a picture is drawn. A picture depends on its key and percentage
alone, and previews come nearer to the final picture as the percentage grows.
"""

from functools import lru_cache
from importlib import import_module
from random import Random
from typing import TYPE_CHECKING

from .records import Picture
from .timeline import DONE

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 256
"""Width and height of a grid, in pixels."""
MISSING = (
    "The simulator draws its pictures with Pillow, which is not installed:"
    ' pip install "mjtask_async[simulator]"'
)
_BLOBS = 7
FILM = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42\x00\x00\x00\x08free\x00\x00\x00\x08mdat"
"""Every video: an MP4 without a single frame."""


def require_pillow() -> None:
    """Check that pictures can be drawn.

    Raises:
        ImportError: Pillow is missing; the message says how to install it.
    """
    try:
        import_module("PIL.Image")
    except ImportError as error:
        raise ImportError(MISSING, name="PIL") from error


def drawn(picture: Picture) -> bytes:
    """Return what is behind a link: a PNG, or a film.

    Raises:
        ImportError: Pillow is missing; the message says how to install it.
    """
    return FILM if picture.film else png(picture)


@lru_cache(maxsize=512)
def png(picture: Picture) -> bytes:
    """Draw a picture.

    Raises:
        ImportError: Pillow is missing; the message says how to install it.
    """
    require_pillow()
    from io import BytesIO  # noqa: PLC0415 -- beside Pillow

    buffer = BytesIO()
    grid = _grid(picture.key)
    if picture.tile is not None:
        half = SIDE // 2
        left, top = half * (picture.tile % 2), half * (picture.tile // 2)
        tile = (left, top, left + half, top + half)
        grid = _stretched(grid, tile)
    _sharpened(grid, picture.percent).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@lru_cache(maxsize=64)
def _grid(key: str) -> "Image":
    from PIL import Image  # noqa: PLC0415 -- optional

    random = Random(key)  # noqa: S311 -- a picture
    grid = Image.new("RGB", (SIDE, SIDE))
    half = SIDE // 2
    for corner in ((0, 0), (half, 0), (0, half), (half, half)):
        grid.paste(_tile(random, half), corner)
    return grid


def _tile(random: Random, side: int) -> "Image":
    from PIL import Image, ImageDraw  # noqa: PLC0415 -- optional

    tile = Image.new("RGB", (side, side), _colour(random))
    draw = ImageDraw.Draw(tile)
    for number in range(_BLOBS, 0, -1):
        radius = side * number // (2 * _BLOBS)
        x, y = random.randrange(side), random.randrange(side)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(random))
    return tile


def _colour(random: Random) -> tuple[int, int, int]:
    return random.randrange(256), random.randrange(256), random.randrange(256)


def _sharpened(grid: "Image", percent: int) -> "Image":
    if percent >= DONE:
        return grid
    coarse = max(4, SIDE * percent // 200)
    small = grid.reduce(SIDE // coarse)
    return _stretched(small, (0, 0, *small.size))


def _stretched(image: "Image", box: tuple[int, int, int, int]) -> "Image":
    """Blow a part of an image up to a whole picture."""
    from PIL import Image  # noqa: PLC0415 -- optional

    extent, smoothly = Image.Transform.EXTENT, Image.Resampling.BILINEAR
    return image.transform((SIDE, SIDE), extent, box, smoothly)
