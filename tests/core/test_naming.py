"""The names under which a journal knows jobs."""

from mjtask_async._core.naming import Names, content_of

FOX, OWL = content_of("fox", []), content_of("owl", [])


def test_the_nth_equal_content_is_the_nth_job() -> None:
    first, again = Names(), Names()

    names = [first.next(content) for content in (FOX, OWL, FOX)]

    assert len(set(names)) == 3
    assert [again.next(content) for content in (FOX, FOX, OWL)] == [names[0], names[2], names[1]]


def test_among_equal_ones_the_buttons_tell_which_is_which() -> None:
    begun = {f"content:{FOX}:1": ("U1",), f"content:{FOX}:2": ("V1",), "key:a": ()}
    names = Names(begun)

    assert names.same(FOX, ("V1",)) == f"content:{FOX}:2"
    assert names.same(FOX, ("V1",)) is None
    assert names.same(OWL, ("V1",)) is None
    assert [names.next(FOX) for _ in range(2)] == [f"content:{FOX}:1", f"content:{FOX}:3"]


def test_where_nobody_knows_the_buttons_the_order_counts() -> None:
    names = Names({f"content:{FOX}:{n}": None for n in (2, 1)} | {"content:strange": None})

    assert names.same(FOX, ()) is None
    assert [names.next(FOX) for _ in range(3)] == [f"content:{FOX}:{n}" for n in (1, 2, 3)]


def test_the_order_of_keys_does_not_count_but_that_of_pictures_does() -> None:
    assert content_of("a", [], {"x": 1, "y": 2}) == content_of("a", [], {"y": 2, "x": 1})
    assert content_of("a", ["1", "2"]) != content_of("a", ["2", "1"])


def test_names_stay_the_same_from_version_to_version() -> None:
    assert content_of("a fox", [], None, None) == "b23b9e6b7523d520045bbfde01bf14e5"
