"""Pictures that callers give: links, data URLs, bytes, paths."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from mjtask_async import ConfigurationError
from mjtask_async._core.media import LARGEST_IMAGE_IN, LARGEST_SWAP
from mjtask_async.inputs import read_image, read_images

from .support_stub import DATA_URL, PNG

LINK = "https://host/a.png?sig=1"
HEADS = [
    (PNG, "image/png"),
    (b"\xff\xd8\xff\xe0" + bytes(20), "image/jpeg"),
    (b"GIF89a" + bytes(20), "image/gif"),
    (b"RIFF\x10\0\0\0WEBPVP8 " + bytes(20), "image/webp"),
]


@pytest.mark.parametrize(("data", "mime"), HEADS)
async def test_bytes_and_files_become_data_urls_by_their_first_bytes(
    data: bytes, mime: str, tmp_path: Path
) -> None:
    path = tmp_path / "picture.txt"
    path.write_bytes(data)
    expected = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    assert await read_images([data, path]) == [expected] * 2


async def test_links_and_data_urls_stay_as_they_are() -> None:
    assert await read_images([f" {LINK}", DATA_URL, PNG]) == [LINK, DATA_URL, DATA_URL]
    assert await read_images([LINK, "HTTP://host"]) == [LINK, "HTTP://host"]
    assert await read_images([]) == []
    assert await read_image(f"{DATA_URL}\n", "image") == DATA_URL


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (b"", "image has 0 bytes; servers take 1 to"),
        (b"plain text", "image begins with b'plain text'; give a PNG, JPEG, GIF or WebP"),
        (b"\0\0\0\x18ftypmp42" + bytes(9), "PNG, JPEG, GIF or WebP"),
        ("cat.png", "image is 'cat.png'; give an http"),
        ("", "give an http"),
        ("data:text/plain;base64,AAAA", "give an http"),
        ("data:image/png,AAAA", "give an http"),
        ("data:image/png;base64,!!!!", "without good base64"),
        ("data:image/png;base64,AAA", "without good base64"),
        ("data:image/png;base64,é", "without good base64"),
        ("data:image/png;base64,", "image has 0 bytes"),
        (7, "image is a int; give an http"),
        (None, "image is a NoneType"),
    ],
)
async def test_what_is_no_picture_is_refused(image: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        await read_image(image, "image")


async def test_the_error_names_the_picture() -> None:
    with pytest.raises(ConfigurationError, match=r"images\[1\] begins with"):
        await read_images([PNG, b"no"])


@pytest.mark.parametrize("one", [LINK, PNG, Path("cat.png")])
async def test_a_single_picture_is_no_list(one: Any) -> None:
    with pytest.raises(ConfigurationError, match="images is no list of pictures; give a list"):
        await read_images(one)


async def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.png", tmp_path):
        with pytest.raises(ConfigurationError, match="image cannot be read") as caught:
            await read_image(path, "image")
        assert isinstance(caught.value.__cause__, OSError)


async def test_what_is_larger_than_servers_take_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(PNG)
    os.truncate(path, LARGEST_IMAGE_IN + 1)
    with pytest.raises(ConfigurationError, match="image has 22,500,001 bytes"):
        await read_image(path, "image")
    os.truncate(path, LARGEST_SWAP + 1)
    with pytest.raises(ConfigurationError, match="servers take 1 to 10,485,760"):
        await read_image(path, "image", limit=LARGEST_SWAP)
    with pytest.raises(ConfigurationError, match="image has 10,485,761 bytes"):
        await read_image(path.read_bytes(), "image", limit=LARGEST_SWAP)
    with pytest.raises(ConfigurationError, match="image has 5 bytes"):
        await read_image("data:image/png;base64,AAAAAAA=", "image", limit=4)
