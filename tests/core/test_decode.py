import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from msgspec import Struct

from mjtask_async import Button, Task
from mjtask_async._core.decode import TaskDecoder, first_value, is_page
from mjtask_async.models import MediaUrl

from .support import JSON, decoder

FIELDS = [field.encode_name for field in msgspec.structs.fields(Task)]


class Inner(Struct, frozen=True):
    number: int
    """Without a default: what holds none is no `Inner`."""


class MyTask(Task, frozen=True):
    parent_id: str | None = None
    inner: Inner | None = None
    inners: tuple[Inner, ...] = ()

    def __post_init__(self) -> None:
        if self.parent_id == "refused":
            message = "not this parent"
            raise ValueError(message)


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def one(value: object) -> Task | None:
    return decoder().one(encoded({"id": "1"} | value if isinstance(value, dict) else value))


# A body


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"  [1] ", [1]),
        (b"\xef\xbb\xbf[1]", [1]),
        (b'{"a":1}{"b":2}', {"a": 1}),
        (b"null and more", None),
        (b'"a\nb\tc\x00"', "a\nb\tc\0"),
        (b'"\\ud800 \\udfff x"', "\ufffd \ufffd x"),
        (b'"\\ud83d\\ude00 \\u00e9"', "\U0001f600 é"),
        (b'{"\\ud800":["\\ud800",{"a":"\\ud800"}]}', {"\ufffd": ["\ufffd", {"a": "\ufffd"}]}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b"-0", 0),
        (b"Infinity", float("inf")),
        (b"1e999", float("inf")),
        (b"1" * 5000, float("inf")),
        (b"1" * 4000, int("1" * 4000)),
        (b"-" + b"1" * 5000, float("-inf")),
    ],
)
def test_the_first_value_of_a_body_counts(body: bytes, value: object) -> None:
    assert first_value(body) == value


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b"]", b"<html>", b"\xff\xfe", b'"\xff"', b"{'a':1}", b"[" * 10_000, b'{"a"'],
)
def test_a_body_without_a_value_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- any
        first_value(body)


def test_ten_thousand_levels_are_too_many() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        first_value(b'{"a":' * 10_000 + b"1" + b"}" * 10_000)


@pytest.mark.parametrize(
    ("body", "page"),
    [
        (b"<!doctype html>", True),
        (b" \r\n\t<html>", True),
        (b"\xef\xbb\xbf<html>", True),
        (b"", False),
        (b'{"a":"<"}', False),
        (b"x<", False),
        (b" " * 255 + b"<", True),
        (b" " * 256 + b"<", False),
    ],
)
def test_a_page_begins_with_a_tag(body: bytes, page: bool) -> None:  # noqa: FBT001
    assert is_page(body) == page


# A task


def test_a_task_has_the_wire_s_names() -> None:
    """Contract 3.1: camelCase everywhere."""
    found = one({"submitTime": 5, "maskBase64": "m", "promptEn": "p", "jobId": "j", "status": "X"})

    assert found == Task(
        id="1", submit_time=5, mask_base64="m", prompt_en="p", job_id="j", status="X"
    )


def test_null_absent_and_unknown_fields_are_fine() -> None:
    fields = dict.fromkeys(FIELDS) | {"unknown": {"a": [1]}}
    made = decoder()

    assert made.one(encoded(fields | {"id": "1"})) == Task(id="1")
    assert made.one(b'{"id":"1"}') == Task(id="1")
    assert made.misfits == 0


@pytest.mark.parametrize(
    ("wire", "field", "value"),
    [
        ({"status": 5}, "status", "5"),
        ({"progress": 1.5}, "progress", "1.5"),
        ({"prompt": True}, "prompt", None),
        ({"prompt": ["a"]}, "prompt", None),
        ({"prompt": {"a": 1}}, "prompt", None),
        ({"submitTime": "1730621826053"}, "submit_time", 1730621826053),
        ({"submitTime": 5.0}, "submit_time", 5),
        ({"submitTime": 5.5}, "submit_time", None),
        ({"submitTime": "soon"}, "submit_time", None),
        ({"submitTime": float("nan")}, "submit_time", None),
        ({"submitTime": float("inf")}, "submit_time", None),
        ({"submitTime": -1}, "submit_time", -1),
        ({"submitTime": 10**30}, "submit_time", 10**30),
        ({"submitTime": []}, "submit_time", None),
        ({"seed": 5}, "seed", 5),
        ({"seed": "5"}, "seed", "5"),
        ({"seed": True}, "seed", None),
        ({"seed": {}}, "seed", None),
        ({"properties": {"a": [None, {"b": 1}]}}, "properties", {"a": [None, {"b": 1}]}),
        ({"properties": {}}, "properties", {}),
        ({"properties": []}, "properties", None),
        ({"properties": "x"}, "properties", None),
        ({"buttons": []}, "buttons", ()),
        ({"buttons": {}}, "buttons", None),
        ({"buttons": [{}]}, "buttons", (Button(),)),
        ({"buttons": [5, None, {"label": "U1"}]}, "buttons", (Button(label="U1"),)),
        (
            {"buttons": [{"customId": "c", "style": "2", "type": "x"}, {"label": 1}]},
            "buttons",
            (Button(custom_id="c", style=2), Button(label="1")),
        ),
        ({"videoUrls": [{"url": "u", "x": 1}]}, "video_urls", (MediaUrl("u"),)),
        ({"imageUrls": [{"url": 5}, "u"]}, "image_urls", (MediaUrl("5"),)),
    ],
)
def test_a_field_is_read_as_far_as_it_fits(wire: dict[str, Any], field: str, value: object) -> None:
    found = one(wire)

    assert found is not None
    assert getattr(found, field) == value
    assert msgspec.structs.replace(found, **{field: None}) == Task(id="1")


@pytest.mark.parametrize(
    ("task_id", "read"),
    [
        ("1", "1"),
        (1730621826053455, "1730621826053455"),
        (1.5, "1.5"),
        ("a\ud800", "a\ufffd"),
        (" 1 ", " 1 "),
        ("", None),
        ("  ", None),
        (None, None),
        (True, None),
        ([], None),
        ({}, None),
    ],
)
def test_only_a_row_with_an_id_is_a_task(task_id: object, read: str | None) -> None:
    found = decoder().one(encoded({"id": task_id, "status": None}))

    assert (found and found.id) == read


@pytest.mark.parametrize("value", [None, [], 5, "1", True, [{"id": "1"}], {}])
def test_what_is_no_object_is_no_task(value: object) -> None:
    assert decoder().one(encoded(value)) is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff", b'{"id":' + b"[" * 10_000])
def test_what_is_no_json_is_no_task_and_no_list(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- any
        decoder().one(body)
    with pytest.raises(ValueError):  # noqa: PT011 -- any
        decoder().many(body)


@pytest.mark.parametrize(
    ("body", "misfits"),
    [
        (b'{"id":"1"}', 0),
        (b'{"id":"1"}{"code":4}', 0),
        (b'{"id":"1","prompt":"\\ud800"}', 0),
        (b'{"id":"1","submitTime":"x"}', 1),
        (b'{"id":"1","submitTime":"x","seed":[],"status":null}', 2),
        (b'{"status":"x"}', 1),
        (b"[]", 1),
        (b'[{"id":"1"}]', 1),
    ],
)
def test_what_does_not_fit_is_counted(body: bytes, misfits: int) -> None:
    made = decoder()
    made.one(body)

    assert made.misfits == misfits


# A list


def test_a_list_is_read_in_its_order() -> None:
    body = b'[{"id":"2"},{"id":"1"},{"id":"2","status":"MODAL"}]'

    assert decoder().many(body) == [Task(id="2"), Task(id="1"), Task(id="2", status="MODAL")]


def test_a_row_that_fits_nowhere_costs_no_other() -> None:
    made = decoder()
    body = encoded([{"id": "1"}, 5, None, {"id": ""}, [], {"id": "2", "submitTime": {}}])

    assert made.many(body) == [Task(id="1"), Task(id="2")]
    assert made.misfits == 5


def test_a_number_of_any_length_costs_its_field_only() -> None:
    digits = b"1" * 5000
    body = b'[{"id":"1","submitTime":%b},{"id":"2","seed":"s"}]' % digits

    assert decoder().many(body) == [Task(id="1"), Task(id="2", seed="s")]


@pytest.mark.parametrize("body", [b"null", b"{}", b'{"id":"1"}', b"5", b'"[]"'])
def test_what_is_no_list_is_none(body: bytes) -> None:
    assert decoder().many(body) is None


def test_only_the_first_list_counts() -> None:
    assert decoder().many(b'[{"id":"1"}]{"code":5}') == [Task(id="1")]
    assert decoder().many(b"[] trailing") == []


def test_a_byte_order_mark_is_nothing() -> None:
    assert decoder().many(b"\xef\xbb\xbf[]") == []
    assert decoder().one(b'\xef\xbb\xbf{"id":"1"}') == Task(id="1")


def test_raw_control_characters_are_text() -> None:
    assert decoder().one(b'{"id":"1","prompt":"a\nb\x01"}') == Task(id="1", prompt="a\nb\x01")


# A user's own type


def test_a_user_s_type_flows_through() -> None:
    made = TaskDecoder(MyTask)
    strict = made.one(b'{"id":"1","parentId":"p","inner":{"number":5},"inners":[{"number":1}]}')
    many = made.many(b'[{"id":"1","parentId":"p"},{"id":"2","submitTime":"x"}]')

    assert strict == MyTask(id="1", parent_id="p", inner=Inner(5), inners=(Inner(1),))
    assert many == [MyTask(id="1", parent_id="p"), MyTask(id="2")]


@pytest.mark.parametrize("inner", [{}, {"number": "x"}, {"number": None}, [], 5, "x"])
def test_a_user_s_struct_that_does_not_fit_is_left_out(inner: object) -> None:
    body = encoded({"id": "1", "parentId": "p", "inner": inner, "inners": [inner, {"number": 1}]})
    made = TaskDecoder(MyTask)

    assert made.one(body) == MyTask(id="1", parent_id="p", inners=(Inner(1),))
    assert made.misfits == 1


def test_a_row_that_a_user_s_type_refuses_is_left_out() -> None:
    made = TaskDecoder(MyTask)
    body = encoded([{"id": "1", "parentId": "refused"}, {"id": "2"}])

    assert made.many(body) == [MyTask(id="2")]
    assert made.misfits == 1


# Anything

ROW = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)) | JSON
BLANK = {b"", b" ", b"\xef\xbb\xbf"}
OUTSIDE = st.sampled_from([b"", b"\xef\xbb\xbf", b" ", b"\x00", b"{}", b"[1]", b"\xff"])


@settings(max_examples=150)
@given(row=ROW, before=OUTSIDE, after=OUTSIDE)
def test_any_value_is_a_task_or_none_or_a_value_error(
    row: object, before: bytes, after: bytes
) -> None:
    for kind in (Task, MyTask):
        made = TaskDecoder(kind)
        try:
            found = made.one(before + encoded(row) + after)
        except ValueError:
            assert before not in BLANK or after == b"\xff"
            continue
        assert found is None or (type(found) is kind and found.id.strip())
        json.dumps(msgspec.to_builtins(found), ensure_ascii=False).encode()


@settings(max_examples=100)
@given(rows=st.lists(ROW, max_size=4), depth=st.sampled_from([0, 1, 50]))
def test_any_list_is_rows_that_were_in_it(rows: list[Any], depth: int) -> None:
    value = rows
    for _ in range(depth):
        value = [{"id": "1", "properties": {"nested": value}}]
    found = decoder().many(encoded(value))

    assert found is not None
    assert len(found) <= len(value)
    ids = [row.get("id") for row in value if isinstance(row, dict)]
    assert len(found) <= sum(task_id is not None for task_id in ids)


@given(body=st.binary(max_size=60))
def test_any_bytes_are_read_or_a_value_error(body: bytes) -> None:
    made = decoder()
    for read in (made.one, made.many, first_value):
        with suppress(ValueError):
            read(body)
