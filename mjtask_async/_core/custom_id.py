"""What a button sends: ``MJ::JOB::upsample::1::<job>::SOLO`` and its many cousins (contract 8)."""

import re
from typing import Self

from msgspec import Struct

from ..errors import ConfigurationError

_MARK = "MJ"
_JOB = "JOB"
_WITHOUT_OPERATION = frozenset(("CustomZoom", "Inpaint"))
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class CustomId(Struct, frozen=True):
    """A custom id, split on ``::``; ``str()`` prints it back as it was.

    Attributes:
        family: ``JOB``, ``Outpaint``, ``CustomZoom``, ``Inpaint``, ``Job``, ``Picread``, …;
            empty for a text that does not begin with ``MJ::``, which is then all ``suffix``.
        operation: ``upsample``, ``variation``, ``reroll``, ``pan_left``, … or, of ``Outpaint``,
            the zoom in percent; None where the family says it all.
        index: Which picture of a grid, from 1; 0 for all of it; None where there is none.
        job: The job of Midjourney that the button belongs to.
        suffix: What follows, such as ``SOLO``.
    """

    family: str
    operation: str | None = None
    index: int | None = None
    job: str | None = None
    suffix: str | None = None

    def __str__(self) -> str:
        if not self.family:
            return self.suffix or ""
        index = None if self.index is None else str(self.index)
        parts = (_MARK, self.family, self.operation, index, self.job, self.suffix)
        return "::".join(part for part in parts if part is not None)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split a custom id; a text of an unknown form survives the round trip, too."""
        mark, *parts = text.split("::")
        if mark != _MARK or not parts or not parts[0]:
            return cls("", suffix=text)
        family, rest = parts[0], parts[1:]
        operation = rest.pop(0) if rest and family not in _WITHOUT_OPERATION else None
        index = int(rest.pop(0)) if rest and _is_number(rest[0]) else None
        has_job = bool(rest) and (index is not None or family in _WITHOUT_OPERATION)
        job = rest.pop(0) if has_job else None
        return cls(family, operation, index, job, "::".join(rest) if rest else None)


def clean_custom_id(text: object) -> str:
    """Check a custom id's form: relays break down on others, which reads as uncertain (Q22).

    Raises:
        ConfigurationError: A relay would look for a part that is not there.
    """
    if not isinstance(text, str) or _CONTROL.search(text):
        raise ConfigurationError(f"customId is {text!r}; give the text of a button's custom_id")
    parts = text.split("::")
    if len(parts) < 2 or not all(parts[:2]):
        _refuse(text, "it has no '::'" if len(parts) < 2 else "a part is empty")
    operation = parts[1] if parts[1] != _JOB else "".join(parts[2:3])
    if not operation:
        _refuse(text, "it names no operation")
    if ("upsample" in operation or operation == "variation") and not _is_number(_fourth(parts)):
        _refuse(text, f"{operation} needs a picture's number behind it")
    return text


def _refuse(text: str, why: str) -> None:
    raise ConfigurationError(
        f"customId is {text[:200]!r}: {why}; "
        "give a button's custom_id, such as MJ::JOB::upsample::1::<job>"
    )


def _fourth(parts: list[str]) -> str:
    return "".join(parts[3:4])


def _is_number(text: str) -> bool:
    """Whether a number prints back as ``text``: no sign, no leading zero."""
    return text.isascii() and text.isdecimal() and len(text) < 10 and str(int(text)) == text
