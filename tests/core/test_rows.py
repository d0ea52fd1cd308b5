import json

import pytest
from hypothesis import given, strategies as st

from mjtask_async import Task
from mjtask_async._core.answers import read_rows
from mjtask_async._core.rows import RowReader, Rows
from mjtask_async.errors import ProtocolError, ServerError, UnsupportedError

from .support import answer, decoder, task

ASKED = ("1", "2", "3", "4")


def body(*rows: str) -> bytes:
    """Make an answer of rows such as ``1:5%``, an id and what it shows."""
    parts = [row.partition(":") for row in rows]
    return json.dumps([{"id": task_id, "progress": text} for task_id, _, text in parts]).encode()


def read(reader: RowReader[Task], content: bytes, last: Rows[Task] | None = None) -> Rows[Task]:
    rows = reader.read(ASKED, content, last)

    assert rows is not None
    return rows


def percents(rows: Rows[Task]) -> dict[str, int | None]:
    return {task_id: row.percent for task_id, row in rows.tasks.items()}


def test_a_first_answer_is_all_new() -> None:
    rows = read(RowReader(decoder()), body("2:5%", "1:0%", "9:7%"))

    assert percents(rows) == {"2": 5, "1": 0, "9": 7}
    assert (rows.changed, rows.absent, len(rows.twins)) == (["2", "1"], frozenset("34"), 0)


def test_the_same_answer_again_changes_nothing() -> None:
    reader = RowReader(decoder())
    rows = read(reader, body("1:5%", "2:5%"), read(reader, body("1:5%", "2:5%")))

    assert (percents(rows), rows.changed, rows.absent) == (
        {"1": 5, "2": 5},
        [],
        frozenset("34"),
    )


def test_a_row_that_differs_is_changed() -> None:
    reader = RowReader(decoder())
    rows = read(reader, body("1:5%", "2:5%", "3:1%", "4:1%"))
    rows = read(reader, body("1:5%", "2:6%", "3:1%", "4:1%"), rows)

    assert (percents(rows), rows.changed) == ({"1": 5, "2": 6, "3": 1, "4": 1}, ["2"])

    rows = read(reader, body("1:5%", "2:6%", "3:1%", "4:2%"), rows)

    assert (percents(rows), rows.changed) == ({"1": 5, "2": 6, "3": 1, "4": 2}, ["4"])


def test_a_row_nobody_asked_for_is_never_changed() -> None:
    reader = RowReader(decoder())
    rows = read(reader, body("9:1%", "1:1%"))
    rows = read(reader, body("9:2%", "1:1%"), rows)

    assert (percents(rows), rows.changed) == ({"9": 2, "1": 1}, [])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["1:1%", "2:1%"], ["2:1%", "1:1%"]),
        (["1:1%", "2:1%"], ["1:1%"]),
        (["1:1%", "2:1%"], ["1:1%", "3:1%"]),
        (["1:1%", "2:1%"], ["1:1%", "2:1%", "3:1%"]),
        (["1:1%", "2:1%"], []),
        ([], ["1:1%"]),
        (["1:1%", "1:2%", "2:1%"], ["1:1%", "1:3%", "2:1%"]),
        (["1:1%", "1:2%", "2:1%"], ["1:1%", "1:2%", "2:1%"]),
        (["1:1%", "2:2%", "3:1%"], ["1:1%", "1:2%", "3:1%"]),
        (["1:1%", "2:1%", "3:1%", ":1%"], ["1:1%", "2:1%", "3:1%", ":2%"]),
    ],
)
def test_rows_in_other_places_are_read_again(first: list[str], second: list[str]) -> None:
    reader = RowReader(decoder())
    rows = read(reader, body(*second), read(reader, body(*first)))
    alone = read(RowReader(decoder()), body(*second))

    assert (rows.tasks, rows.twins, rows.absent) == (alone.tasks, alone.twins, alone.absent)


def test_an_answer_for_other_ids_is_no_measure() -> None:
    reader = RowReader(decoder())
    rows = reader.read(("1",), body("1:5%"), read(reader, body("1:5%")))

    assert rows is not None
    assert (rows.changed, rows.absent) == (["1"], frozenset())


def test_both_rows_of_an_id_are_twins() -> None:
    """Contract Q7."""
    rows = read(RowReader(decoder()), body("1:0%", "2:5%", "1:9%"))

    twins = (task(None, "0%"), task(None, "9%"))
    assert (rows.twins, rows.tasks["1"], rows.changed) == ({"1": twins}, twins[1], ["1", "2"])


def test_a_row_that_does_not_fit_is_read_as_far_as_it_does() -> None:
    reader = RowReader(decoder())
    last = read(reader, body("1:1%", "2:1%", "3:1%"))
    odd = b'[{"id":"1","progress":"1%"},{"id":"2","seed":[]},{"id":"3"}]'

    assert read(reader, odd, last).tasks == {
        "1": task(None, "1%"),
        "2": Task(id="2"),
        "3": Task(id="3"),
    }
    assert read(reader, b'[{"id":"1"},5,{"id":"2"}]').tasks.keys() == {"1", "2"}


@pytest.mark.parametrize("content", [b"null", b"{}", b"5", b'{"id":"1"}'])
def test_what_is_no_list_is_none(content: bytes) -> None:
    reader = RowReader(decoder())

    assert reader.read(ASKED, content, None) is None
    assert reader.read(ASKED, content, read(reader, body("1:1%"))) is None


@pytest.mark.parametrize("content", [b"", b"[", b"<html>", b"\xff", b"[" * 10_000])
def test_what_is_no_json_is_a_value_error(content: bytes) -> None:
    reader = RowReader(decoder())
    for last in (None, read(reader, body("1:1%"))):
        with pytest.raises(ValueError):  # noqa: PT011 -- any
            reader.read(ASKED, content, last)


def test_rows_come_out_of_an_answer() -> None:
    made, reader = decoder(), RowReader(decoder())
    first = read_rows(answer(body("1:1%")), made, reader, ASKED, None)
    second = read_rows(answer(body("1:1%")), made, reader, ASKED, first)
    single = read_rows(answer({"id": "1"}), made, reader, ASKED, None)

    assert (percents(second), second.changed) == ({"1": 1}, [])
    assert single.tasks == {"1": Task(id="1")}


@pytest.mark.parametrize(
    ("content", "status", "error"),
    [
        (b"", 200, ProtocolError),
        (b"null", 200, ProtocolError),
        (b"<html>", 200, UnsupportedError),
        (body("1:1%"), 500, ServerError),
    ],
)
def test_an_answer_without_rows_is_an_error(
    content: bytes, status: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        read_rows(answer(content, status), decoder(), RowReader(decoder()), ASKED, None)


ROWS = st.lists(
    st.sampled_from(["1:1%", "1:2%", "2:1%", "2:2%", "3:", "3:9%", "4:1%", "9:1%", ":1%", "1:5x"]),
    max_size=6,
)


@given(answers=st.lists(ROWS, max_size=8), odd=st.sets(st.integers(0, 7)))
def test_what_is_read_by_comparing_is_what_is_read_alone(
    answers: list[list[str]], odd: set[int]
) -> None:
    reader, last = RowReader(decoder()), None
    before: dict[str, tuple[str, ...]] = {}
    for number, rows in enumerate(answers):
        content = body(*rows)
        if number in odd:
            content = content.replace(b'"1%"', b"[]")
        last = read(reader, content, last)
        alone = read(RowReader(decoder()), content)
        shown = {
            task_id: tuple(row for row in rows if row.startswith(f"{task_id}:"))
            for task_id in ASKED
        }

        assert (last.tasks, last.twins) == (alone.tasks, alone.twins)
        assert (last.absent, last.wanted) == (alone.absent, alone.wanted)
        assert set(last.changed) <= set(alone.changed)
        assert len(last.changed) == len(set(last.changed))
        differ = {each for each in alone.changed if shown[each] != before.get(each)}
        assert set(last.changed) >= differ
        before = shown
