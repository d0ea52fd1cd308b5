"""A server that answers from its own tasks: an origin without a relay in front."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from .engine import Engine
from .origin import Wire
from .records import Change, Picture
from .timeline import Step

NEWEST = 100
"""So many tasks trueai lists (contract 1.3)."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A decoded order on its way to a server.

    Attributes:
        endpoint: Where it was posted.
        order: Its body.
        action: What a relay makes of it.
        mode: The speed that the path's prefix asks for.
        typed: Whether it was sent as JSON.
    """

    endpoint: str
    order: Wire
    action: str = ""
    mode: str | None = None
    typed: bool = True

    @property
    def parent(self) -> str:
        """The task that it is about, or an empty text."""
        return str(self.order.get("taskId") or "")


class Spoken(NamedTuple):
    """An answer as it goes out; ``None`` is an empty body."""

    status: int
    text: str | None
    delay: float = 0.0
    """Seconds that pass before it."""


class Backend(Protocol):
    """What a front door or a relay finds behind it; answers are JSON texts as they go out."""

    epoch: float
    """UNIX seconds at the start of the simulator's clock."""

    def submit(self, errand: Errand, now: float) -> Spoken:
        """Take an order."""
        ...

    def fetch(self, task_id: str, now: float) -> str | None:
        """Return one task object, or None for an unknown id."""
        ...

    def find(self, ids: Sequence[str], now: float) -> str:
        """Return the array of the known tasks among ``ids``."""
        ...

    def tasks(self, ids: Iterable[str], now: float) -> list[Wire]:
        """Return what `find` does, as objects."""
        ...

    def image(self, task_id: str, now: float) -> tuple[str | None, Picture | None]:
        """Return the link behind a relay's ``image/{id}``, None if unknown, and the picture."""
        ...

    def owns(self, link: str) -> bool:
        """Tell whether a link leads here."""
        ...

    def picture(self, link: str, now: float) -> Picture | None:
        """Tell which picture a link that leads here means now."""
        ...

    def plant(self, task_id: str, steps: Sequence[Step], now: float, fields: Wire) -> None:
        """Add a task with a hand-written life."""
        ...

    def forget(self, task_id: str, now: float, *, row: bool) -> bool:
        """Lose a task; tells whether there was one."""
        ...

    def changes(self, task_id: str, now: float) -> list[Change]:
        """List the visible changes up to now."""
        ...


class Direct:
    """The `Backend` of a server that one asks directly."""

    def __init__(self, engine: Engine) -> None:
        self.epoch: float = engine.epoch
        self._engine = engine

    def submit(self, errand: Errand, now: float) -> Spoken:
        """Take an order."""
        status, body, delay = self._engine.submit(errand.endpoint, errand.order, now)
        return Spoken(status, None if body is None else self._engine.rules.encode(body), delay)

    def fetch(self, task_id: str, now: float) -> str | None:
        """Return one task object, or None for an unknown id."""
        job = self._engine.job(task_id)
        return self._engine.text(job, now) if job else None

    def find(self, ids: Sequence[str], now: float) -> str:
        """Return the array of the known tasks among ``ids``."""
        return self._array(self._engine.jobs(ids, now), now)

    def newest(self, now: float, *, most: int | None) -> str:
        """Return the array of all tasks, the latest first."""
        return self._array(self._engine.newest()[:most], now)

    def queue(self, now: float) -> str:
        """Return the array of the tasks under way, the earliest first."""
        jobs = reversed(self._engine.newest())
        return self._array([job for job in jobs if job.moments[-1].at > now], now)

    def tasks(self, ids: Iterable[str], now: float) -> list[Wire]:
        """Return what `find` does, as objects."""
        return [self._engine.wire(job, now) for job in self._engine.jobs(ids, now)]

    def owns(self, link: str) -> bool:
        """Tell whether a link leads to the CDN."""
        return link.startswith(f"{self._engine.cdn}/")

    def picture(self, link: str, now: float) -> Picture | None:
        """Tell which picture a link means now."""
        return self._engine.picture(link, now)

    def image(self, task_id: str, now: float) -> tuple[str | None, Picture | None]:
        """Know nothing: only relays have ``image/{id}``."""
        del task_id, now
        return None, None

    def plant(self, task_id: str, steps: Sequence[Step], now: float, fields: Wire) -> None:
        """Add a task with a hand-written life."""
        self._engine.plant(task_id, steps, now, fields)

    def forget(self, task_id: str, now: float, *, row: bool) -> bool:
        """Lose a task; there are no rows besides."""
        del now, row
        return self._engine.forget(task_id)

    def changes(self, task_id: str, now: float) -> list[Change]:
        """List the visible changes up to now."""
        return self._engine.changes(task_id, now)

    def _array(self, jobs: Sequence[Any], now: float) -> str:
        return f"[{','.join(self._engine.text(job, now) for job in jobs)}]"
