"""JSON as three families of servers write it, and as strictly as they read it.

All write compactly; they differ in what they escape (contract 2.0).
"""

import json
import re
from typing import Any, NoReturn, TypeGuard

_GO = re.compile("[<>&\u2028\u2029]")
_BEYOND_BMP = re.compile("[\U00010000-\U0010ffff]")
_DOTNET = re.compile(r"""\\.|[&'+<>`\x7f]|[^\x00-\x7f]""")


def go_json(value: Any) -> str:
    """Write as Go's encoding/json does: HTML characters escaped, other text as it is."""
    return _GO.sub(lambda match: f"\\u{ord(match[0]):04x}", _compact(value))


def jackson(value: Any) -> str:
    r"""Write as Jackson does: only characters beyond the BMP escaped, as ``\uXXXX`` pairs."""
    return _BEYOND_BMP.sub(lambda match: _utf16(match[0]), _compact(value))


def dotnet(value: Any) -> str:
    r"""Write as System.Text.Json does: everything but plain ASCII as ``\uXXXX``."""
    return _DOTNET.sub(lambda match: _dotnet_escape(match[0]), _compact(value))


def read_json(text: str) -> Any:
    """Read one JSON value and nothing after it.

    Raises:
        ValueError: Not JSON; NaN and infinities are none.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        message = "exceeded max depth"
        raise ValueError(message) from None


def read_first_json(text: str) -> Any:
    """Read the first JSON value and ignore what follows it.

    Raises:
        ValueError: Not JSON.
    """
    try:
        return _DECODER.raw_decode(text.lstrip(" \t\r\n"))[0]
    except RecursionError:
        message = "exceeded max depth"
        raise ValueError(message) from None


def as_object(value: Any) -> dict[str, Any] | None:
    """Return a decoded value if it is an object."""
    return value if _is_object(value) else None


def as_array(value: Any) -> list[Any] | None:
    """Return a decoded value if it is an array."""
    return value if _is_array(value) else None


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_array(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _utf16(text: str) -> str:
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02X}{units[at + 1]:02X}" for at in range(0, len(units), 2))


def _dotnet_escape(found: str) -> str:
    if found == '\\"':
        return "\\u0022"
    return found if found[0] == "\\" else _utf16(found)


def _refuse(name: str) -> NoReturn:
    message = f"invalid character {name[0]!r} looking for beginning of value"
    raise ValueError(message)


_DECODER = json.JSONDecoder(parse_constant=_refuse)
