"""What a bulk run leaves behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mjtask_async import BulkJob, BulkOutcome, Task
from mjtask_async.cli import results
from mjtask_async.cli.results import Row

from .test_gallery import EVIL, Reader


def test_every_text_of_the_gallery_is_escaped(tmp_path: Path) -> None:
    rows = [
        Row(0, EVIL, status="failed", error={"kind": "X", "message": EVIL}),
        Row(1, "b", status="succeeded", images=('a"b.png', "c.png"), seconds=61.0),
        Row(2, "c"),
    ]

    page = Reader(results.page(EVIL, rows, tmp_path))

    assert page.open == []
    assert page.tags.count("script") == 0
    assert page.tags.count("figure") == 3
    assert page.tags.count("input") == 4
    assert "a%22b.png" in page.links
    assert any(EVIL in word for word in page.words)


def test_half_a_character_of_a_server_is_written_as_something_else(tmp_path: Path) -> None:
    row = Row(0, "a", status="failed", error={"kind": "X", "message": "no \ud83d fox"})

    results.leave(tmp_path, "t", [row])

    assert "no ? fox" in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "results.jsonl").read_text())["error"] == row.error


def test_a_video_is_shown_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a video")
    row = Row(0, EVIL, images=("a.mp4",))

    results.thumbnails(tmp_path, row)
    page = Reader(results.page("t", [row], tmp_path))

    assert page.tags.count("video") == 1
    assert "img" not in page.tags
    assert page.links == ["a.mp4"]


def broken(*_: object, **__: object) -> Any:
    raise SyntaxError("broken PNG file")


def bomb(*_: object, **__: object) -> Any:
    raise Image.DecompressionBombError("too many pixels")


def cut_off(self: Image.Image, path: Path, *_: object, **__: object) -> None:
    del self
    Path(path).write_bytes(b"half a pict")
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(("name", "fault"), [("open", broken), ("open", bomb), ("save", cut_off)])
def test_a_picture_that_pillow_cannot_read_is_shown_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fault: Callable[..., Any]
) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image if name == "open" else Image.Image, name, fault)
    row = Row(0, "a", images=("a.png",))

    results.thumbnails(tmp_path, row)
    results.leave(tmp_path, "t", [row])

    assert 'src="a.png"' in (tmp_path / "index.html").read_text()
    assert list((tmp_path / "thumbs").glob("*")) == []


def test_a_thumbnail_takes_its_place_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    row = Row(0, "a", images=("a.png",))

    def killed(self: Image.Image, path: Path, *_: object, **__: object) -> None:
        del self
        Path(path).write_bytes(b"half a pict")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            results.thumbnails(tmp_path, row)
    results.thumbnails(tmp_path, row)

    (small,) = (tmp_path / "thumbs").iterdir()
    with Image.open(small) as picture:
        picture.load()


def test_thumbnails_are_made_once(tmp_path: Path) -> None:
    Image.new("RGBA", (9, 9)).save(tmp_path / "a.png")
    row = Row(0, "a", images=("a.png",))
    results.thumbnails(tmp_path, row)
    (small,) = (tmp_path / "thumbs").iterdir()
    small.write_bytes(b"kept")

    results.thumbnails(tmp_path, row)

    assert small.read_bytes() == b"kept"


def test_each_picture_has_a_thumbnail_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    Image.new("RGB", (9, 9), "red").save(out / "a.png")
    Image.new("RGB", (9, 9), "lime").save(out / "a.webp", lossless=True)
    Image.new("RGB", (9, 9), "blue").save(tmp_path / "a.png")
    row = Row(0, "a", images=("a.png", "a.webp", "../a.png"))

    results.thumbnails(out, row)
    page = Reader(results.page("t", [row], out))

    seen: list[Any] = []
    for link in page.links[1::2]:
        with Image.open(out / link) as picture:
            seen.append(picture.getpixel((4, 4)))
    assert [max(range(3), key=colour.__getitem__) for colour in seen] == [0, 1, 2]


@pytest.mark.parametrize(
    ("tasks", "seconds"),
    [
        ((), None),
        ((Task("1", submit_time=1000),), None),
        ((Task("1", submit_time=1000, finish_time=3000), Task("2", finish_time=9000)), 8.0),
        ((Task("1", submit_time=9000, finish_time=3000),), 0.0),
    ],
)
def test_a_job_s_time_is_the_server_s(tasks: tuple[Task, ...], seconds: float | None) -> None:
    row = results.row_of(BulkOutcome(0, BulkJob("a"), tasks), Path())

    assert row.seconds == seconds
