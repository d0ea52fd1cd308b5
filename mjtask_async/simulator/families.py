"""The families of custom ids: what trueai and what the relays make of a button (contract 8)."""

from typing import Literal, NamedTuple

from ..models import TaskAction as A

Modal = Literal["never", "remix", "always"]
"""When a button's task waits for ``submit/modal``."""


class Family(NamedTuple):
    """Custom ids with one beginning, as trueai understands them.

    Attributes:
        prefix: What they begin with.
        action: What the task becomes; None is the parent's own action.
        modal: When it waits for a modal.
        kind: Which buttons it gets on success, and how it runs.
    """

    prefix: str
    action: A | None
    modal: Modal
    kind: str


FAMILIES = (
    Family("MJ::JOB::upsample::", A.UPSCALE, "never", "upscaled"),
    Family("MJ::JOB::upsample_", A.UPSCALE_HD, "never", "upscaled"),
    Family("MJ::JOB::variation::", A.VARIATION, "remix", "grid"),
    Family("MJ::JOB::high_variation::", A.VARIATION, "remix", "grid"),
    Family("MJ::JOB::low_variation::", A.VARIATION, "remix", "grid"),
    Family("MJ::JOB::reroll::", None, "remix", "grid"),
    Family("MJ::JOB::pan_", A.PAN, "remix", "grid"),
    Family("MJ::Outpaint::", A.ZOOM, "never", "grid"),
    Family("MJ::CustomZoom::", A.ZOOM, "always", "grid"),
    Family("MJ::Inpaint::", A.VARIATION, "always", "grid"),
    Family("MJ::JOB::animate_", A.VIDEO, "remix", "video"),
    Family("MJ::JOB::video_virtual_upscale::", A.UPSCALE, "never", "film"),
    Family("MJ::Picread::Retry", A.DESCRIBE, "never", "described"),
)
"""trueai's buttons but the ones of describe, which are pressed by line."""
PIC_READER = "MJ::Job::PicReader::"

_RELAYED = {
    "variation": A.VARIATION,
    "low_variation": A.LOW_VARIATION,
    "high_variation": A.HIGH_VARIATION,
    "reroll": A.REROLL,
    "Outpaint": A.ZOOM,
    "CustomZoom": A.CUSTOM_ZOOM,
    "Inpaint": A.INPAINT,
}
_CONTAINED = {"upsample": A.UPSCALE, "pan": A.PAN}


class Panic(Exception):  # noqa: N818 -- as Go calls it
    """A relay looked for a part that a custom id does not have (contract Q22)."""


def family_of(custom_id: str) -> Family | None:
    """Return the family of a custom id as trueai dispatches it."""
    return next((family for family in FAMILIES if custom_id.startswith(family.prefix)), None)


def relayed_action(custom_id: str) -> str | None:
    """Return the action that a relay derives from a custom id, or None for an unknown one.

    Raises:
        Panic: With Go's words.
    """
    parts = custom_id.split("::")
    name = _part(parts, 1)
    if name == "JOB":
        name = _part(parts, 2)
    if name == "variation" or "upsample" in name:
        _part(parts, 3)
    contained = (action for text, action in _CONTAINED.items() if text in name)
    action = _RELAYED.get(name) or next(contained, None)
    return action.value if action else None


def _part(parts: list[str], number: int) -> str:
    if number < len(parts):
        return parts[number]
    message = f"index out of range [{number}] with length {len(parts)}"
    raise Panic(message)
