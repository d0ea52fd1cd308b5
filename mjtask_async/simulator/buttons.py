"""The buttons that trueai shows below a finished task (contract 8), in the origin's key order."""

from typing import NamedTuple

from .origin import Wire


class Plate(NamedTuple):
    """One button; ``{}`` in its custom id stands for the task's message hash."""

    custom_id: str
    label: str = ""
    emoji: str = ""


_REROLL = Plate("MJ::JOB::reroll::0::{}::SOLO", emoji="🔄")
_PANS = ((("left"), "⬅️"), ("right", "➡️"), ("up", "⬆️"), ("down", "⬇️"))
_DIGITS = ("1️⃣", "2️⃣", "3️⃣", "4️⃣", "5️⃣")
_LEVELS = (("high", "High"), ("low", "Low"))

PLATES: dict[str, tuple[Plate, ...]] = {
    "grid": (
        *(Plate(f"MJ::JOB::upsample::{n}::{{}}", f"U{n}") for n in range(1, 5)),
        _REROLL,
        *(Plate(f"MJ::JOB::variation::{n}::{{}}", f"V{n}") for n in range(1, 5)),
    ),
    "upscaled": (
        Plate("MJ::JOB::upsample_v7_2x_subtle::1::{}::SOLO", "Upscale (Subtle)", "upscale_1"),
        Plate("MJ::JOB::upsample_v7_2x_creative::1::{}::SOLO", "Upscale (Creative)", "upscale_1"),
        Plate("MJ::JOB::low_variation::1::{}::SOLO", "Vary (Subtle)", "🪄"),
        Plate("MJ::JOB::high_variation::1::{}::SOLO", "Vary (Strong)", "🪄"),
        Plate("MJ::Inpaint::1::{}::SOLO", "Vary (Region)", "🖌️"),
        Plate("MJ::Outpaint::50::1::{}::SOLO", "Zoom Out 2x", "🔍"),
        Plate("MJ::Outpaint::75::1::{}::SOLO", "Zoom Out 1.5x", "🔍"),
        Plate("MJ::CustomZoom::{}", "Custom Zoom", "🔍"),
        *(Plate(f"MJ::JOB::pan_{way}::1::{{}}::SOLO", emoji=arrow) for way, arrow in _PANS),
        *(
            Plate(f"MJ::JOB::animate_{level}::1::{{}}::SOLO", f"Animate ({name} motion)", "🎞️")
            for level, name in _LEVELS
        ),
        _REROLL,
    ),
    "video": (
        *(Plate(f"MJ::JOB::video_virtual_upscale::{n}::{{}}", f"U{n}") for n in range(1, 5)),
        _REROLL,
    ),
    "film": tuple(
        Plate(f"MJ::JOB::animate_{level}_extend::1::{{}}", f"Extend ({name} motion)", "🎞️")
        for level, name in _LEVELS
    ),
    "described": (
        *(
            Plate(f"MJ::Job::PicReader::{n}", emoji=digit)
            for n, digit in enumerate(_DIGITS[:4], start=1)
        ),
        Plate("MJ::Picread::Retry", emoji="\u1f504"),  # a corrupt code point (contract 3.1)
    ),
    "shortened": tuple(
        Plate(f"MJ::Job::PromptAnalyzer::{n}", emoji=digit)
        for n, digit in enumerate(_DIGITS, start=1)
    ),
    "plain": (),
}
"""The buttons of each kind of task."""


def buttons_of(kind: str, mark: str) -> list[Wire]:
    """Return the buttons of a finished task."""
    return [
        {
            "customId": plate.custom_id.format(mark),
            "emoji": plate.emoji,
            "label": plate.label,
            "style": 2,
            "type": 2,
        }
        for plate in PLATES[kind]
    ]
