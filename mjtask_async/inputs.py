"""Pictures that callers give: links, data URLs, bytes and paths become what requests hold.

Disks are slow, and base64 of megabytes is, too: both happen in a worker thread.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from anyio import to_thread

from ._core.media import LARGEST_IMAGE_IN, check_size, clean_data_url, data_url, is_link
from .errors import ConfigurationError
from .models import ImageInput


async def read_images(
    images: Iterable[ImageInput], field: str = "images", *, limit: int = LARGEST_IMAGE_IN
) -> list[str]:
    """Turn pictures into links (as they are) and data URLs, in the order given.

    A cancelled call returns when the worker thread is done with its file.

    Args:
        images: The pictures.
        field: What to call them in an error.
        limit: Bytes that one picture may have.

    Raises:
        ConfigurationError: One is no picture, cannot be read, or is too large; or a single
            one was given.
    """
    if isinstance(images, (str, bytes, os.PathLike)) or not isinstance(images, Iterable):
        raise ConfigurationError(f"{field} is no list of pictures; give a list")
    return await _read([(f"{field}[{n}]", image) for n, image in enumerate(images)], limit)


async def read_image(image: ImageInput, field: str, *, limit: int = LARGEST_IMAGE_IN) -> str:
    """Turn one picture into a link or a data URL; see `read_images`.

    Raises:
        ConfigurationError: It is no picture, cannot be read, or is too large.
    """
    return (await _read([(field, image)], limit))[0]


async def _read(named: Sequence[tuple[str, ImageInput]], limit: int) -> list[str]:
    links = [i.strip() for _, i in named if isinstance(i, str) and is_link(i)]
    if len(links) == len(named):
        return links
    return await to_thread.run_sync(_all_of, named, limit)


def _all_of(named: Sequence[tuple[str, ImageInput]], limit: int) -> list[str]:
    return [_one_of(field, image, limit) for field, image in named]


def _one_of(field: str, image: ImageInput, limit: int) -> str:
    if isinstance(image, str):
        return image.strip() if is_link(image) else clean_data_url(image, field, limit)
    if isinstance(image, bytes):
        return data_url(image, field, limit)
    if isinstance(image, os.PathLike):
        return data_url(_content(Path(image), field, limit), field, limit)
    raise ConfigurationError(
        f"{field} is a {type(image).__name__}; "
        "give an http(s) link, a data URL, bytes, or a pathlib.Path"
    )


def _content(path: Path, field: str, limit: int) -> bytes:
    """Read a file, but not one that is too large."""
    try:
        with path.open("rb") as file:
            check_size(os.fstat(file.fileno()).st_size, field, limit)
            return file.read(limit + 1)
    except OSError as error:
        raise ConfigurationError(f"{field} cannot be read: {error}") from error
