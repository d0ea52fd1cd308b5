import pytest

from mjtask_async._core.media import (
    HEAD,
    LARGEST_IMAGE,
    LARGEST_VIDEO,
    VIDEOS,
    is_whole,
    suffix_of,
)


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", ".png"),
        (b"\xff\xd8\xff\xe0", ".jpg"),
        (b"GIF89a", ".gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", ".webp"),
        (b"\x00\x00\x00\x20ftypavif", ".avif"),
        (b"\x00\x00\x00\x20ftypisom", ".mp4"),
        (b"\x1a\x45\xdf\xa3", ".webm"),
        (b"", None),
        (b"<!doctype html>", None),
        (b'{"error":"midjourney_task_not_found"}', None),
        (b"\x89PNG", None),
        (b"RIFF\x10\x00\x00\x00WAVE", None),
        (b" GIF89a", None),
    ],
)
def test_a_file_is_what_its_first_bytes_say(head: bytes, suffix: str | None) -> None:
    assert suffix_of(head) == suffix
    assert suffix_of(head[:HEAD]) == suffix


@pytest.mark.parametrize(
    ("suffix", "tail", "whole"),
    [
        (".png", b"\x00\x00\x00\x00IEND\xaeB`\x82", True),
        (".png", b"IDAT", False),
        (".png", b"", False),
        (".jpg", b"", True),
        (".mp4", b"x", True),
    ],
)
def test_a_png_shows_its_end(suffix: str, tail: bytes, whole: bool) -> None:  # noqa: FBT001
    assert is_whole(suffix, tail) == whole


def test_sizes_are_bounded() -> None:
    assert (LARGEST_IMAGE, LARGEST_VIDEO) == (104_857_600, 1_073_741_824)


def test_two_kinds_are_videos() -> None:
    assert {".mp4", ".webm"} == VIDEOS
