"""What a file is, by its first bytes; never by its name or content type."""

import re
from base64 import b64encode
from binascii import Error as Base64Error, a2b_base64

from ..errors import ConfigurationError

_KINDS: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, ".png"),
    (b"\xff\xd8\xff", 0, ".jpg"),
    (b"GIF8", 0, ".gif"),
    (b"WEBP", 8, ".webp"),
    (b"ftypavif", 4, ".avif"),
    (b"ftyp", 4, ".mp4"),
    (b"\x1a\x45\xdf\xa3", 0, ".webm"),
)
HEAD = 16
"""So many first bytes tell."""
VIDEOS = frozenset((".mp4", ".webm"))
LARGEST_IMAGE = 100 * 2**20
LARGEST_VIDEO = 2**30


def suffix_of(head: bytes) -> str | None:
    """Say which suffix a picture or video has, or None for anything else."""
    for magic, offset, suffix in _KINDS:
        if head[offset : offset + len(magic)] == magic:
            return suffix
    return None


def is_whole(suffix: str, tail: bytes) -> bool:
    """Whether a file's last bytes are those of a whole one, as far as its kind tells."""
    return suffix != ".png" or b"IEND" in tail


# What goes up

LARGEST_BODY = 30_000_000
"""Bytes of a request that every server takes: trueai-org's limit (contract 1.4)."""
LARGEST_SWAP = 10 * 2**20
"""Bytes of one picture of a face swap (contract 1.5)."""
_MIMES = {".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp"}
_DATA = re.compile(r"data:image/[\w.+-]+(?:;[^,;]*)*?;base64,", re.IGNORECASE | re.ASCII)
LARGEST_IMAGE_IN = LARGEST_BODY * 3 // 4
"""Bytes of one picture: in a request they become four thirds of it."""


def is_link(text: str) -> bool:
    """Whether a text is an http(s) address."""
    return text.lstrip()[:8].lower().startswith(("http://", "https://"))


def data_url(data: bytes, field: str, limit: int) -> str:
    """Turn a picture into the form that every server takes.

    Args:
        data: The picture's bytes.
        field: What to call it in an error.
        limit: How many bytes it may have.

    Raises:
        ConfigurationError: It is no picture that servers take, or too large.
    """
    check_size(len(data), field, limit)
    mime = _MIMES.get(suffix_of(data[:HEAD]) or "")
    if mime is None:
        raise ConfigurationError(
            f"{field} begins with {data[:HEAD]!r}; give a PNG, JPEG, GIF or WebP picture"
        )
    return f"data:{mime};base64,{b64encode(data).decode()}"


def clean_data_url(text: str, field: str, limit: int) -> str:
    """Check a picture that is given as a data URL.

    Raises:
        ConfigurationError: It is none of a picture in base64, or too large.
    """
    text = text.strip()
    head = _DATA.match(text)
    if head is None:
        raise ConfigurationError(
            f"{field} is {text[:60]!r}; give an http(s) link, a data URL "
            "(data:image/png;base64,…), bytes, or a pathlib.Path"
        )
    try:
        data = a2b_base64(text[head.end() :], strict_mode=True)
    except (Base64Error, ValueError) as error:
        raise ConfigurationError(f"{field} is a data URL without good base64: {error}") from None
    check_size(len(data), field, limit)
    return text


def check_size(size: int, field: str, limit: int) -> None:
    """Check that a server takes a picture of so many bytes.

    Raises:
        ConfigurationError: It is empty or too large.
    """
    if not 0 < size <= limit:
        raise ConfigurationError(f"{field} has {size:,} bytes; servers take 1 to {limit:,}")
