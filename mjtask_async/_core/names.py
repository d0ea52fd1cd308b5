"""File names out of texts that come from servers and prompts."""

import re
import unicodedata

LONGEST = 80
"""Bytes of UTF-8."""
_BAD = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\u2028\u2029\ud800-\udfff]+')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?\Z", re.IGNORECASE)


def safe_name(text: str) -> str:
    """Make a file's name of any text: no path, no reserved name, short, never empty."""
    name = _BAD.sub("_", unicodedata.normalize("NFC", text)).strip(" .")
    if not name or _RESERVED.match(name):
        name = f"_{name}"
    return name.encode()[:LONGEST].decode(errors="ignore").strip(" .")
