"""A server that answers from its own tasks: an origin without a relay in front."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .engine import Engine, Wire
from .records import Change, Picture
from .timeline import Step


class Backend(Protocol):
    """What a front door finds behind it; answers are JSON texts as they go out."""

    def imagine(self, order: Mapping[str, Any], now: float) -> str:
        """Submit, and return the envelope."""
        ...

    def fetch(self, task_id: str, now: float) -> str | None:
        """Return one task object, or None for an unknown id."""
        ...

    def find(self, ids: Sequence[str], now: float) -> str:
        """Return the array of the known tasks among ``ids``."""
        ...

    def image(self, task_id: str, now: float) -> tuple[bool, Picture | None]:
        """Tell whether an id is known, and the picture behind a relay's ``image/{id}``."""
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
        self._engine = engine

    def imagine(self, order: Mapping[str, Any], now: float) -> str:
        """Submit, and return the envelope."""
        return self._engine.rules.encode(self._engine.imagine(order, now))

    def fetch(self, task_id: str, now: float) -> str | None:
        """Return one task object, or None for an unknown id."""
        job = self._engine.job(task_id)
        return self._engine.text(job, now) if job else None

    def find(self, ids: Sequence[str], now: float) -> str:
        """Return the array of the known tasks among ``ids``."""
        texts = (self._engine.text(job, now) for job in self._engine.jobs(ids, now))
        return f"[{','.join(texts)}]"

    def image(self, task_id: str, now: float) -> tuple[bool, Picture | None]:
        """Know nothing: only relays have ``image/{id}``."""
        del task_id, now
        return False, None

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
