from html.parser import HTMLParser

from mjtask_async.cli.gallery import Picture, page

EVIL = '"><script>alert(1)</script>&'


class Reader(HTMLParser):
    """Collects what a browser would see."""

    VOID = frozenset(("meta", "img", "input"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_every_picture_has_a_tile_with_its_prompt() -> None:
    reader = Reader(page("demo", [Picture("01 a.png", "a fox", "succeeded")], {"tasks": "1 of 1"}))

    assert reader.links == ["01%20a.png", "01%20a.png"]
    assert {"a fox", "succeeded", "tasks", "1 of 1", "demo"} <= set(reader.words)
    assert not reader.open


def test_no_text_becomes_markup() -> None:
    reader = Reader(page(EVIL, [Picture("a.png", EVIL, EVIL)], {EVIL: EVIL}))

    assert "script" not in reader.tags
    assert reader.words.count(EVIL) == 6
    assert not reader.open


def test_the_page_needs_nothing_from_elsewhere() -> None:
    text = page("demo", [Picture("a.png", "a fox", "")], {})

    assert "://" not in text
    assert Reader(text).links == ["a.png", "a.png"]


def test_a_task_without_a_picture_keeps_its_tile() -> None:
    reader = Reader(page("demo", [Picture("", "a fox", "failed")], {}))

    assert "img" not in reader.tags
    assert {"a fox", "failed"} <= set(reader.words)
