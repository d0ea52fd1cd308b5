"""Ids whose request failed: how they are asked again, and how a culprit among them is found.

1. An attempt asks for the whole lot first. That fails because of the ids themselves where it
   is refused, or ends in the server's trouble three times in a row: then it is drilled.
2. Drilling asks for the two halves at once, and while exactly one half fails, for its halves.
   So one culprit costs two requests a level, once.
3. Where both halves fail, it is the server, or two culprits: the attempt is over. Each later
   one asks for the whole lot and then for one failing part, one level down, taking turns:
   three requests at most while nothing succeeds.
4. A culprit is a lot of its own: a list call, and where that fails a fetch.
5. Whatever says nothing about the ids (no answer, too many requests, a refused key) ends an
   attempt at once.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto

from msgspec import Struct

IN_A_ROW = 3
"""So many failures of the server in a row are taken for the ids' fault."""


class Trouble(Enum):
    """What a failed request says about the ids it asked for."""

    PASSING = auto()
    """Nothing: no answer, too many requests, no such endpoint."""
    KEY = auto()
    """Nothing: the key was refused."""
    SERVER = auto()
    """Perhaps something: the server, or the one behind it, is in trouble."""
    REFUSED = auto()
    """Something: the request was refused, or its answer cannot be read."""


class Kind(Enum):
    """What a request of an attempt is."""

    WHOLE = auto()
    HALF = auto()
    ALONE = auto()
    """A list call for one id, in a lot of several."""
    FETCH = auto()


class Step(Struct, frozen=True, eq=False):
    """One request of an attempt."""

    kind: Kind
    ids: tuple[str, ...]


class Streak(Struct, frozen=True):
    """How many attempts in a row began with the same trouble, and since when."""

    trouble: Trouble | None = None
    count: int = 0
    since: float = 0.0

    def then(self, trouble: Trouble, at: float) -> "Streak":
        """Count one more."""
        if trouble is not self.trouble:
            return Streak(trouble, 1, at)
        return Streak(trouble, self.count + 1, self.since)


class Lot:
    """Ids that failed together and are asked for apart from the others.

    Args:
        ids: What it begins with.
        since: When it was made, in the loop's seconds.

    Attributes:
        ids: All of them.
        since: When it was made.
        failures: Attempts in a row in which nothing succeeded.
        again_at: When the next attempt is due, in the loop's seconds.
        streak: What the attempts began with.
        under_way: Whether an attempt goes on.
        culprits: Those found so far, each a lot of its own now; for the schedule to take.
    """

    def __init__(self, ids: tuple[str, ...], since: float = 0.0) -> None:
        self.ids: dict[str, None] = dict.fromkeys(ids)
        self.since: float = since
        self.failures: int = 0
        self.again_at: float = float("-inf")
        self.streak: Streak = Streak()
        self.under_way: bool = False
        self.culprits: list[Lot] = []
        self._parts = deque([ids])
        self._joined: list[tuple[str, ...]] = []
        self._drilled = False
        self._open = 0
        self._good: list[Step] = []
        self._bad: list[Step] = []
        self._stopped = False
        self._waits: list[Callable[[int], float]] = []

    def begin(self) -> Step:
        """Start an attempt: ask for the whole lot."""
        self.under_way, self._waits = True, []
        self._open = 1
        self._parts.extend(self._joined)
        self._joined.clear()
        return Step(Kind.WHOLE, tuple(self.ids))

    def hurry(self, at: float) -> bool:
        """Be due at ``at``, unless that is later, or the server is to be left alone."""
        if self.streak.trouble in {Trouble.PASSING, Trouble.KEY} or self.again_at <= at:
            return False
        self.again_at = at
        return True

    @property
    def is_blameless(self) -> bool:
        """Whether all that has failed says nothing about its ids."""
        return not self._drilled and self.streak.trouble in {Trouble.PASSING, Trouble.KEY}

    def add(self, ids: tuple[str, ...]) -> None:
        """Take ids in, from the next attempt on."""
        self.ids |= dict.fromkeys(ids)
        self._joined.append(ids)

    def discard(self, task_id: str) -> None:
        """Forget an id, wherever it is being asked for."""
        self.ids.pop(task_id, None)

    def succeeded(self, step: Step) -> None:
        """Note that a request has succeeded: its ids are well, unless one was fetched."""
        self._open -= 1
        self._good.append(step)
        if step.kind is not Kind.FETCH:
            self.failures = 0
            for task_id in step.ids:
                self.discard(task_id)

    def failed(
        self, step: Step, trouble: Trouble, sent_at: float, wait: Callable[[int], float]
    ) -> None:
        """Note that a request has failed.

        Args:
            step: The request.
            trouble: What its failure says.
            sent_at: When it was sent, in the loop's seconds.
            wait: Tells how many seconds to wait after so many attempts in vain.
        """
        self._open -= 1
        self._bad.append(step)
        self._waits.append(wait)
        if step.kind is Kind.WHOLE:
            self.streak = self.streak.then(trouble, sent_at)
        elif step.kind is Kind.HALF:
            self._parts.append(step.ids)
        self._stopped |= trouble in {Trouble.PASSING, Trouble.KEY}

    def dropped(self) -> None:
        """Note that a request was not sent, because nobody watches its ids any more."""
        self._open -= 1

    def follow(self, now: float) -> list[Step]:
        """Take the requests that come next in this attempt.

        There are none while others are unanswered, and none when the attempt is over.
        """
        if self._open:
            return []
        steps = [] if self._stopped or not self.ids else self._next(self._good, self._bad)
        self._good, self._bad, self._stopped = [], [], False
        self._open = len(steps)
        if not steps:
            self._rest(now)
        return steps

    def _next(self, good: list[Step], bad: list[Step]) -> list[Step]:
        match [step.kind for step in bad]:
            case [Kind.WHOLE] if self._suspicious():
                return self._drill()
            case [Kind.HALF] if good:
                return self._narrow()
            case [Kind.ALONE]:
                return [Step(Kind.FETCH, bad[0].ids)]
            case [] if good and good[0].kind is Kind.FETCH:
                self._isolate(good[0].ids)
                return []
            case _:
                return []

    def _suspicious(self) -> bool:
        if self.streak.trouble is Trouble.REFUSED:
            return True
        return self._drilled or self.streak.count >= IN_A_ROW

    def _drill(self) -> list[Step]:
        """Ask for one failing part, one level down; the others have their turn later."""
        self._drilled = True
        self._clear()
        if not self._parts:
            return []
        part = self._parts.popleft()
        if len(part) > 1:
            return _halves(part)
        self._parts.append(part)
        return [Step(Kind.FETCH if len(self.ids) == 1 else Kind.ALONE, part)]

    def _narrow(self) -> list[Step]:
        """Go on with the only half that failed."""
        part = self._kept(self._parts.pop())
        if len(part) > 1:
            return _halves(part)
        self._parts.append(part)
        self._isolate(part)
        return []

    def _isolate(self, part: tuple[str, ...]) -> None:
        """Let a culprit go on by itself."""
        if len(self.ids) > 1:
            for task_id in self._kept(part):
                self.discard(task_id)
                culprit = Lot((task_id,), self.since)
                culprit._drilled, culprit._waits = True, self._waits
                self.culprits.append(culprit)

    def _rest(self, now: float) -> None:
        """End the attempt; nothing is asked until the longest of its waits is over."""
        self._clear()
        self.failures += 1
        self.under_way = False
        self.again_at = now + max((wait(self.failures) for wait in self._waits), default=0.0)
        for culprit in self.culprits:
            culprit._rest(now)

    def _clear(self) -> None:
        """Leave out what nobody watches any more."""
        self._parts = deque(kept for part in self._parts if (kept := self._kept(part)))

    def _kept(self, part: tuple[str, ...]) -> tuple[str, ...]:
        return tuple([task_id for task_id in part if task_id in self.ids])


def _halves(part: tuple[str, ...]) -> list[Step]:
    half = len(part) // 2
    return [Step(Kind.HALF, part[:half]), Step(Kind.HALF, part[half:])]
