"""A submit's body, read as strictly as Go reads it (contract 1.4)."""

import json
from typing import Any

from .dialects import as_array, as_object, read_json
from .origin import Wire

_TEXTS = ("prompt", "customId", "botType", "notifyHook", "action", "state", "taskId", "content")
_MORE = ("maskBase64", "sourceBase64", "targetBase64")
_REQUEST_TYPES = {
    **dict.fromkeys((*_TEXTS, *_MORE), "string"),
    "index": "int",
    "base64Array": "[]string",
}
_KINDS = {
    bool: "bool",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_GO_KINDS = {"string": str, "int": int}


def unmarshal(body: bytes) -> Wire:
    """Read a submit's body as strictly as Go does.

    Raises:
        ValueError: With Go's words.
    """
    text = body.decode(errors="replace")
    try:
        value = read_json(text)
    except json.JSONDecodeError as error:
        raise ValueError(_syntax_words(text, error)) from None
    if value is None:
        return {}
    if (order := as_object(value)) is None:
        raise ValueError(_type_words(value, "Go value of type dto.MidjourneyRequest"))
    for name, wanted in _REQUEST_TYPES.items():
        _check(order.get(name), name, wanted)
    return order


def _check(value: Any, name: str, wanted: str) -> None:
    if wanted == "[]string" and (items := as_array(value)) is not None:
        for item in items:
            _check(item, name, "string")
    elif value is not None and type(value) is not _GO_KINDS.get(wanted):
        place = f"Go struct field MidjourneyRequest.{name} of type {wanted}"
        raise ValueError(_type_words(value, place))


def _type_words(value: Any, place: str) -> str:
    kind = _KINDS[type(value)]
    shown = f"number {value}" if isinstance(value, float) else kind
    return f"json: cannot unmarshal {shown} into {place}"


def _syntax_words(text: str, error: json.JSONDecodeError) -> str:
    rest = text[error.pos :].lstrip()
    if not rest or error.msg.startswith("Unterminated"):
        return "unexpected end of JSON input"
    where = (
        "after top-level value" if error.msg == "Extra data" else "looking for beginning of value"
    )
    return f"invalid character '{rest[0]}' {where}"
