"""Bytes to tasks.

1. A whole list is one strict decode; nothing else runs in the normal case.
2. What that refuses is read again leniently: an optional field that does not fit
   becomes None, a row without a usable id is left out, and both are counted.
3. Only the first JSON value of a body counts: a relay's panic sends two.
4. Nothing but `ValueError` leaves here for bytes that are no JSON.
"""

import codecs
import json
from typing import Any, Generic, TypeGuard, get_args, get_origin

import msgspec
from msgspec.structs import fields

from ..models import T

_TROUBLE = (msgspec.MsgspecError, RecursionError, UnicodeError)


def _int(digits: str) -> int | float:
    """Read a number; one with more digits than Python reads is infinite, and fits nowhere."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


_JSON = json.JSONDecoder(strict=False, parse_int=_int)


def first_value(body: bytes) -> Any:
    """Read the first JSON value of ``body``, whatever follows it.

    Raises:
        ValueError: There is none.
    """
    try:
        text = body.removeprefix(codecs.BOM_UTF8).decode().lstrip()
        return _clean(_JSON.raw_decode(text)[0])
    except RecursionError as error:
        message = "nested too deeply"
        raise ValueError(message) from error


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a decoded JSON value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether a decoded JSON value is an array."""
    return isinstance(value, list)


def is_page(body: bytes) -> bool:
    """Whether ``body`` is a web page: relays answer unknown routes with one."""
    return body[:256].removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<"


class TaskDecoder(Generic[T]):
    """Decodes answers into one task type.

    Attributes:
        misfits: How many fields have become None and how many rows were left out so far.
    """

    def __init__(self, task_type: type[T]) -> None:
        self.misfits = 0
        self._type = task_type
        self._one = msgspec.json.Decoder(task_type)
        self._many = msgspec.json.Decoder(list[task_type])  # type: ignore[valid-type]

    def one(self, body: bytes) -> T | None:
        """Decode a task, or give None for a JSON value without a usable id.

        Raises:
            ValueError: The body holds no JSON.
        """
        try:
            task = self._one.decode(body)
        except _TROUBLE:
            return self._lenient(first_value(body))
        return task if _usable(task.id) else None

    def many(self, body: bytes) -> list[T] | None:
        """Decode a list of tasks, or give None for a JSON value that is no list.

        Raises:
            ValueError: The body holds no JSON.
        """
        try:
            return self._many.decode(body)
        except _TROUBLE:
            value = first_value(body)
        if not is_array(value):
            return None
        found = [self._lenient(row) for row in value]
        return [task for task in found if task is not None]

    def _lenient(self, value: Any) -> T | None:
        row = value if is_object(value) else {}
        task_id = _fit(row.get("id"), str)
        if not _usable(task_id):
            self.misfits += 1
            return None
        misfits, kept = _fields(row, self._type)
        self.misfits += misfits
        task: T | None = _build(self._type, kept | {"id": task_id})
        self.misfits += task is None
        return task


def _usable(task_id: object) -> bool:
    return isinstance(task_id, str) and bool(task_id.strip())


def _clean(value: Any) -> Any:
    """Replace lone surrogates, which no file, log or socket takes."""
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if is_array(value):
        return [_clean(item) for item in value]
    if is_object(value):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value


def _fields(row: dict[str, Any], kind: type[Any]) -> tuple[int, dict[str, Any]]:
    """Fit what fits of ``row`` into the fields of ``kind``; count what does not."""
    kept: dict[str, Any] = {}
    misfits = 0
    for field in fields(kind):
        value = row.get(field.encode_name)
        if value is None:
            continue
        fitted = _fit(value, field.type)
        if fitted is None:
            misfits += 1
        else:
            kept[field.name] = fitted
    return misfits, kept


def _build(kind: type[Any], kept: dict[str, Any]) -> Any:
    try:
        return kind(**kept)
    except (TypeError, ValueError):  # a user's own __post_init__, or a field without a default
        return None


def _fit(value: Any, kind: Any) -> Any:
    """Convert ``value`` to ``kind`` as far as that goes; None where it does not."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and _takes(kind, str):
        value = value if _takes(kind, int) else str(value)
    try:
        return msgspec.convert(value, kind, strict=False)
    except (msgspec.MsgspecError, RecursionError, OverflowError):
        return _fit_parts(value, kind)


def _takes(kind: Any, scalar: type[Any]) -> bool:
    return kind is scalar or scalar in get_args(kind)


def _fit_parts(value: Any, kind: Any) -> Any:
    """Fit a list's items and an object's fields one by one."""
    options = [kind, *get_args(kind)]
    if is_object(value):
        for option in options:
            if isinstance(option, type) and issubclass(option, msgspec.Struct):
                return _build(option, _fields(value, option)[1])
    if is_array(value):
        for option in options:
            if get_origin(option) is tuple:
                fitted = (_fit(item, get_args(option)[0]) for item in value)
                return tuple(item for item in fitted if item is not None)
    return None
