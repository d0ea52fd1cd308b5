"""What a soak's server did: every request with the fault that met it, and what that explains."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from math import inf

from mjtask_async import AuthenticationError, OutageError
from mjtask_async.simulator import Fault, RequestRecord, Simulator
from mjtask_async.simulator.mishaps import MISHAPS

from .support_soak_truth import INTERVAL, MISSING, OUTAGE
from .support_watch import LIST

FETCH, IMAGINE = "task/{id}/fetch", "submit/imagine"
RESTART = Fault.close_before_reading()
FORBIDDEN = Fault.answer(403)
POISON = {500: Fault.answer(500, "torn"), 400: Fault.answer(400, "torn")}
_NAMES = {id(fault): name for name, fault in MISHAPS.items()}
_NAMES |= {id(RESTART): "restart", id(FORBIDDEN): "403"}
HARMLESS = frozenset(("", "slow", "two values", "partial items", "unknown fields"))
"""After these the client has surely read the answer, and tasks in it."""
_NOT_FOUND = frozenset(("204", "empty 200", "task not found", "no tasks"))
_REFUSALS, _REFUSED_FOR = 3, 10.0


class Book:
    """Reads the server's log together with its faults.

    Args:
        sim: The server.
        most: So many requests at most; one more is a storm.
        stop: What to do about a storm: where time stands still it would never end.
    """

    def __init__(self, sim: Simulator, most: int, stop: Callable[[], object]) -> None:
        self.names: list[str] = []
        self.poison: set[str] = set()
        self._sim, self._most, self._stop = sim, most, stop
        self._take = sim._front._script.take
        setattr(sim._front._script, "take", self._note)  # noqa: B010 -- a method

    def faults(self) -> Counter[str]:
        """Count the faults by name."""
        return Counter(filter(None, self.names))

    def submit_faults(self, since: int) -> list[str]:
        """List the faults that met submits since the log had so many entries."""
        return [name for each, name in self._entries() if each.endpoint == IMAGINE][since:]

    def refusal_is_explained(self, error: AuthenticationError) -> bool:
        """Whether the key was refused three times in a row, over ten seconds."""
        del error
        since = takewhile(lambda each: not _is_good(*each), self._polls_backwards())
        times = [each.started for each, _ in since if each.status in {401, 403}]
        return len(times) >= _REFUSALS and times[0] - times[-1] >= _REFUSED_FOR

    def outage_is_explained(self, error: OutageError) -> bool:
        """Whether no poll with one of the ids was answered for so long."""
        since = self._sim.now() - OUTAGE + INTERVAL
        return not any(self._was_shown(task_id, since) for task_id in error.ids)

    def loss_is_explained(self, task_id: str, since: float) -> bool:
        """Whether a fetch said that there is no such task, which had been absent for so long."""
        denials = [
            each.started
            for each, name in self._polls_backwards()
            if each.endpoint == FETCH and each.ids == (task_id,) and name in _NOT_FOUND
        ]
        long = MISSING - INTERVAL
        return any(at >= since and not self._was_shown(task_id, at - long, at) for at in denials)

    def _was_shown(self, task_id: str, since: float, until: float = inf) -> bool:
        return any(
            _is_good(each, name) and self.poison.isdisjoint(each.ids)
            for each, name in self._polls_backwards()
            if since <= each.started <= until and task_id in each.ids
        )

    def _polls_backwards(self) -> Iterable[tuple[RequestRecord, str]]:
        polls = [each for each in self._entries() if each[0].endpoint in {LIST, FETCH}]
        return reversed(polls)

    def _entries(self) -> Iterator[tuple[RequestRecord, str]]:
        return zip(self._sim.requests, self.names, strict=True)

    def _note(self, endpoint: str, now: float) -> Fault:
        """Note which fault comes, just after its request was noted."""
        fault = self._take(endpoint, now)
        self.names.append(_NAMES.get(id(fault), ""))
        {self._most: self._stop}.get(len(self.names), bool)()
        return fault


def _is_good(request: RequestRecord, fault: str) -> bool:
    return request.status == 200 and fault in HARMLESS
