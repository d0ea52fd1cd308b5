"""How the files of a bulk run are called."""

import re
from collections.abc import Iterator
from itertools import count
from string import Formatter

from ..errors import ConfigurationError
from .names import safe_name

_FIELDS = {"index": 0, "slug": "x", "label": "x", "ext": "png", "key": "x", "task_id": "1"}
_END = ".{ext}"
_SLUG = 40
"""Bytes of UTF-8, so that index and label have room beside it."""


def slug(text: str) -> str:
    """Make a part of a file's name of a prompt: its words, in lower case, joined by hyphens."""
    words = "-".join(re.findall(r"\w+", text.lower()))
    return words.encode()[:_SLUG].decode(errors="ignore").strip("-_") or "picture"


class Template:
    """Makes names of files.

    Args:
        text: A format string that ends in ``.{ext}``, with ``{index}`` (from 0), ``{slug}``,
            ``{label}``, ``{key}`` and ``{task_id}``.

    Raises:
        ConfigurationError: It is no such text.
    """

    def __init__(self, text: str) -> None:
        if not text.endswith(_END):
            raise ConfigurationError(f"names is {text!r}; it must end in {_END}")
        known = ", ".join(f"{{{name}}}" for name in _FIELDS)
        try:
            used = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
            if not used <= _FIELDS.keys():
                raise KeyError(*(used - _FIELDS.keys()))
            text.format(**_FIELDS)
        except (LookupError, ValueError, AttributeError) as error:
            raise ConfigurationError(f"names is {text!r}: {error}; it may hold {known}") from None
        self._stem = text.removesuffix(_END)

    def names(
        self, *, index: int, prompt: str, label: str, ext: str, key: str, task_id: str
    ) -> Iterator[str]:
        """Give names, one after the other, until one is free."""
        stem = safe_name(
            self._stem.format(
                index=index, slug=slug(prompt), label=label, ext=ext, key=key, task_id=task_id
            )
        )
        yield f"{stem}.{ext}"
        yield from (f"{stem}-{number}.{ext}" for number in count(2))
