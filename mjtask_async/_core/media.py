"""What a file is, by its first bytes; never by its name or content type."""

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
