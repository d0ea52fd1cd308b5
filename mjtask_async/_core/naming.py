"""The names under which a journal knows the jobs of a bulk run.

1. A job with a key is known by it, whatever its content.
2. Others are known by their content (prompt, pictures, bot, accounts) and a number. Among
   equal ones a job is first the one of the journal that was to press the same buttons, then
   the first one that is left, and then a new one: the n-th equal content is the n-th job.
3. So lines may be moved, and buttons changed, without paying again for what is there. Which
   of several equal jobs is left can only be known when all have been seen: of a list, first
   `Names.same` is asked for all of them, then `Names.next` for the rest.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import TypeAlias

from msgspec import json

Wanted: TypeAlias = tuple[str, ...] | None
"""The buttons that a job was to press; None if nobody knows."""
_CONTENT = "content"


class Names:
    """Gives jobs their names, each to one job.

    Args:
        begun: The names of the journal's jobs, and what each was to press.
    """

    def __init__(self, begun: Mapping[str, Wanted] | None = None) -> None:
        self._left: dict[str, dict[int, Wanted]] = {}
        self._last: Counter[str] = Counter()
        for name, wanted in (begun or {}).items():
            kind, _, rest = name.partition(":")
            content, _, number = rest.partition(":")
            if kind == _CONTENT and number.isdecimal():
                self._left.setdefault(content, {})[int(number)] = wanted
                self._last[content] = max(self._last[content], int(number))

    def same(self, content: str, then: tuple[str, ...]) -> str | None:
        """Name a job that is in the journal with the same buttons; None if there is none."""
        left = self._left.get(content, {})
        number = next((each for each in sorted(left) if left[each] == then), None)
        return None if number is None else self._claim(content, number)

    def next(self, content: str) -> str:
        """Name a job that is in the journal with other buttons, or not at all."""
        left = self._left.get(content)
        if left:
            return self._claim(content, min(left))
        self._last[content] += 1
        return f"{_CONTENT}:{content}:{self._last[content]}"

    def _claim(self, content: str, number: int) -> str:
        del self._left[content][number]
        return f"{_CONTENT}:{content}:{number}"


def name_of_key(key: str) -> str:
    """Name a job by its key."""
    return f"key:{key}"


def content_of(prompt: str, images: Iterable[str], *more: object) -> str:
    """Digest what makes a job the same job.

    Args:
        prompt: Its prompt.
        images: A digest of each picture, or its link.
        more: Whatever else; the order of keys does not count.
    """
    content = (prompt, list(images), *more)
    return sha256(json.encode(content, order="deterministic")).digest()[:16].hex()
