"""What both families of origins look at in an order."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Any

from ..models import TaskAction
from .dialects import as_array
from .origin import Said, envelope

DESCRIBED = (
    "1️⃣ a lighthouse on a rock, oil painting --ar 1:1",
    "2️⃣ stormy sea at dusk, a lone tower, impressionism --ar 1:1",
    "3️⃣ a white lighthouse above dark waves --ar 1:1",
    "4️⃣ coast in the rain, light beam, wide shot --ar 1:1",
)
"""What every describe comes to."""
UNKNOWN_PARENT = "关联任务不存在或已失效"
WRONG_STATUS = "关联任务状态错误"
_CHANGE = re.compile(r"(\S+) (?:([uv])([1-4])|r)\S*", re.IGNORECASE)
_LETTERS = {"u": TaskAction.UPSCALE, "v": TaskAction.VARIATION, None: TaskAction.REROLL}


def refused(code: int, words: str, status: int = 200) -> Said:
    """Refuse an order in a submit envelope."""
    return Said(status, envelope(code, words))


def images_of(order: Mapping[str, Any]) -> list[str]:
    """Return the pictures of an order."""
    return [str(image) for image in as_array(order.get("base64Array")) or []]


def is_data_url(text: str) -> bool:
    """Tell whether a text is a data URL with base64 in it; its type does not matter."""
    head, mark, data = text.partition(";base64,")
    return bool(mark) and head.startswith("data:") and is_base64(data)


def is_base64(text: str) -> bool:
    """Tell whether a text is base64, and not an empty one; it need not be padded."""
    try:
        return bool(b64decode(text + "=" * (-len(text) % 4), validate=True))
    except (Base64Error, ValueError):
        return False


def read_change(content: str) -> Mapping[str, Any] | None:
    """Read the content of a simple-change; what follows the digit is ignored (contract 1.5)."""
    match = _CHANGE.fullmatch(content)
    if not match:
        return None
    letter = match[2] and match[2].lower()
    index = int(match[3]) if match[3] else None
    return {"taskId": match[1], "action": _LETTERS[letter].value, "index": index}
