"""Links to pictures on the origin's CDN, which expire as Discord's do (contract Q15)."""

import re

from .records import Picture
from .timeline import Preview

CHANNEL = "1118138338562560102"
"""The Discord channel of the only account."""
LINK_SECONDS = 86_400
"""How long a picture's link works."""
_LINK = re.compile(r"/attachments/\d+/\d+/(?:grid|film)_(\d+)_([0-9a-f-]{36})\.(png|mp4)")
_EXPIRY = re.compile(r"[?&]ex=([0-9a-f]{1,16})(?:&|$)")


def picture_link(cdn: str, number: int, mark: str, image: Preview, epoch: float) -> str:
    """Return the link to a picture as it was at a moment."""
    made, digest = int(epoch + image.at), mark.replace("-", "")
    return (
        f"{cdn}/attachments/{CHANNEL}/{1_200_000_000_000_000_000 + number}"
        f"/grid_{image.percent}_{mark}.png"
        f"?ex={made + LINK_SECONDS:x}&is={made:x}&hm={digest}{digest}"
    )


def film_link(cdn: str, number: int, mark: str, index: int) -> str:
    """Return the link to one of a task's videos."""
    return f"{cdn}/attachments/{CHANNEL}/{number}/film_{index}_{mark}.mp4"


def read_link(path: str, seconds: float) -> Picture | None:
    """Tell what a link's path and query stand for, unless it has expired.

    Args:
        path: The link without its origin.
        seconds: UNIX seconds now.
    """
    match = _LINK.match(path)
    expiry = _EXPIRY.search(path)
    if not match or (expiry and int(expiry[1], 16) < seconds):
        return None
    return Picture(match[2], int(match[1]), film=match[3] == "mp4")
