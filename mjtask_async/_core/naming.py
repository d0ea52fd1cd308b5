"""The names under which a journal knows the jobs of a bulk run.

1. A job with a key is known by it, whatever its content.
2. Others are known by their content (prompt, pictures, bot, accounts) and a number. Among
   equal ones a job is first the one of the journal that was to press the same buttons, then
   the first one that is left, and then a new one: the n-th equal content is the n-th job.
3. So lines may be moved, and buttons changed, without paying again for what is there. Which
   of several equal jobs is left can only be known when all have been seen: of a list, first
   `Names.same` is asked for all of them, then `Names.next` for the rest.
4. Journals of schema 1 to 3 digested the same content otherwise (`former_content_of`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from heapq import heappop, heappush
from typing import TypeAlias

from msgspec import json

Wanted: TypeAlias = tuple[str, ...] | None
"""The buttons that a job was to press; None if nobody knows."""
_CONTENT = "content"
_GONE = object()


class Names:
    """Gives jobs their names, each to one job.

    Args:
        begun: The names of the journal's jobs, and what each was to press.
    """

    def __init__(self, begun: Mapping[str, Wanted] | None = None) -> None:
        self._left: dict[str, dict[int, Wanted]] = {}
        self._first: dict[tuple[str, Wanted] | str, list[int]] = {}
        self._last: Counter[str] = Counter()
        for name, wanted in (begun or {}).items():
            kind, _, rest = name.partition(":")
            content, _, number = rest.partition(":")
            if kind == _CONTENT and number.isdecimal():
                self._add(content, int(number), wanted)

    def __contains__(self, content: str) -> bool:
        """Whether the journal holds, or has held, a job with this content."""
        return content in self._left

    def same(self, content: str, then: tuple[str, ...]) -> str | None:
        """Name a job that is in the journal with the same buttons; None if there is none."""
        return self._claim(content, (content, then))

    def next(self, content: str) -> str:
        """Name a job that is in the journal with other buttons, or not at all."""
        name = self._claim(content, content)
        if name is not None:
            return name
        self._last[content] += 1
        return f"{_CONTENT}:{content}:{self._last[content]}"

    def _add(self, content: str, number: int, wanted: Wanted) -> None:
        self._left.setdefault(content, {})[number] = wanted
        self._last[content] = max(self._last[content], number)
        for key in ((content, wanted), content):
            heappush(self._first.setdefault(key, []), number)

    def _claim(self, content: str, key: tuple[str, Wanted] | str) -> str | None:
        """Take the first job of a row that nobody has taken."""
        row, left = self._first.get(key, []), self._left.get(content, {})
        while row:
            number = heappop(row)
            if left.pop(number, _GONE) is not _GONE:
                return f"{_CONTENT}:{content}:{number}"
        return None


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


def former_content_of(prompt: str, images: Iterable[str], *more: object) -> str:
    """Digest a job as journals of schema 1 to 3 know it: files by their paths, keys in order."""
    return sha256(json.encode((prompt, list(images), *more))).digest()[:16].hex()
