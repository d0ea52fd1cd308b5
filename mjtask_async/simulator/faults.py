"""What can go wrong with a request: scripted faults, each for one endpoint and a number of times."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import fsum
from random import Random

from .direct import Spoken
from .exchange import ENDPOINTS, UNKNOWN, Answer

ANY = "*"
"""Stands for whichever API endpoint is asked next."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one request; built by the class methods below.

    Every one takes ``delay``, seconds on the simulator's clock that pass before the
    answer or the hang-up. A request that is served is served before the delay. Those that
    hang up take ``resets``: the connection is then reset (RST) instead of closed (FIN).

    Attributes:
        reads: Whether the server reads the request's body.
        serves: Whether the server does what is asked: takes the task, moves the state.
        answers: Whether anything is sent back.
        instead: What is sent in place of the server's own answer.
        keep: How much of the answer's body is sent before the connection is cut.
        resets: Whether a connection that is cut ends in a reset (RST), not in a close (FIN).
        delay: Seconds on the simulator's clock.
        upstream: What a relay's upstream says in place of the origin.
        alters: Changes the body of the server's own answer.
    """

    reads: bool = True
    serves: bool = True
    answers: bool = True
    instead: Answer | None = None
    keep: float = 1.0
    resets: bool = False
    delay: float = 0.0
    upstream: Spoken | None = None
    alters: Callable[[bytes], bytes] | None = None

    @classmethod
    def close_before_reading(cls, *, resets: bool = False, delay: float = 0.0) -> "Fault":
        """Hang up once the headers are read; nothing is accepted."""
        return cls(reads=False, serves=False, answers=False, resets=resets, delay=delay)

    @classmethod
    def close_after_reading(cls, *, resets: bool = False, delay: float = 0.0) -> "Fault":
        """Hang up once the body is read; nothing is accepted."""
        return cls(serves=False, answers=False, resets=resets, delay=delay)

    @classmethod
    def accept_and_close(cls, *, resets: bool = False, delay: float = 0.0) -> "Fault":
        """Do what is asked, and hang up without an answer."""
        return cls(answers=False, resets=resets, delay=delay)

    @classmethod
    def accept_and_answer(
        cls,
        status: int,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
        *,
        delay: float = 0.0,
    ) -> "Fault":
        """Do what is asked, and answer something else."""
        return cls(instead=_raw(status, body, headers), delay=delay)

    @classmethod
    def answer(
        cls,
        status: int,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
        *,
        delay: float = 0.0,
    ) -> "Fault":
        """Answer this and do nothing, as a proxy in front of the server would."""
        return cls(serves=False, instead=_raw(status, body, headers), delay=delay)

    @classmethod
    def truncate(cls, keep: float = 0.5, *, resets: bool = False, delay: float = 0.0) -> "Fault":
        """Do what is asked, and cut the connection after a part of the answer's body.

        Args:
            keep: The part that is sent, from 0 to below 1.
            resets: Whether the connection is reset, not closed.
            delay: Seconds before the answer.
        """
        if not 0 <= keep < 1:
            message = f"keep must be from 0 to below 1, not {keep!r}"
            raise ValueError(message)
        return cls(keep=keep, resets=resets, delay=delay)

    @classmethod
    def slow(cls, delay: float) -> "Fault":
        """Do what is asked, and answer late."""
        return cls(delay=delay)

    @classmethod
    def alter(cls, alters: Callable[[bytes], bytes], *, delay: float = 0.0) -> "Fault":
        """Do what is asked, and change the body of the answer if its status is 200."""
        return cls(alters=alters, delay=delay)

    @classmethod
    def upstream_says(
        cls, status: int, body: str = "", *, after: float = 0.0, delay: float = 0.0
    ) -> "Fault":
        """Let a relay's upstream answer this to an order, without the origin's learning of it.

        Args:
            status: The status.
            body: The body; empty is none at all.
            after: Seconds that upstream takes; a relay gives a submit up after 60, a seed
                after 30.
            delay: Seconds before the relay's own answer.
        """
        return cls(upstream=Spoken(status, body or None, after), delay=delay)

    def __post_init__(self) -> None:
        """Refuse a delay into the past."""
        if self.delay < 0:
            message = f"delay must not be negative, not {self.delay!r}"
            raise ValueError(message)


class Script:
    """The faults still to come, per endpoint and in order.

    Args:
        faults: Pairs of an endpoint and a fault, each for one request.
        seed: Of what goes wrong by chance.
    """

    def __init__(self, faults: Iterable[tuple[str, Fault]] = (), *, seed: int = 0) -> None:
        self._coming: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._windows: list[tuple[str, Fault, float]] = []
        self._chances: list[tuple[str, Fault, float]] = []
        self._random = Random(f"{seed}:faults")  # noqa: S311 -- a simulation
        self._poison: dict[str, dict[str, Fault]] = defaultdict(dict)
        for endpoint, fault in faults:
            self.add(endpoint, fault, 1)

    def add(self, endpoint: str, fault: Fault, times: int) -> None:
        """Let the next ``times`` requests for an endpoint go wrong.

        Raises:
            ValueError: No such endpoint, or ``times`` is below 1.
        """
        check_endpoint(endpoint)
        if times < 1:
            message = f"times must be 1 or more, not {times!r}"
            raise ValueError(message)
        self._coming[endpoint].extend([fault] * times)

    def last(self, endpoint: str, fault: Fault, until: float) -> None:
        """Let all requests for an endpoint go wrong until a time of the simulator's clock.

        Raises:
            ValueError: No such endpoint.
        """
        check_endpoint(endpoint)
        self._windows.append((endpoint, fault, until))

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._coming.clear()
        self._windows.clear()
        self._chances.clear()
        self._poison.clear()

    def poison(self, endpoint: str, task_id: str, fault: Fault | None) -> None:
        """Let every request for an endpoint go wrong that asks for an id; None heals it.

        Raises:
            ValueError: No such endpoint.
        """
        check_endpoint(endpoint)
        self._poison[endpoint].pop(task_id, None)
        if fault is not None:
            self._poison[endpoint][task_id] = fault

    def for_ids(self, endpoint: str, ids: Iterable[str]) -> Fault | None:
        """Find the fault of a request that asks for ids, if one of them is poison."""
        poison = self._poison[endpoint]
        return next((poison[task_id] for task_id in ids if task_id in poison), None)

    def take(self, endpoint: str, now: float) -> Fault:
        """Use up the next fault of an endpoint; without one nothing goes wrong."""
        names = (endpoint, ANY) if endpoint in ENDPOINTS else (endpoint,)
        for name in names:
            if self._coming[name]:
                return self._coming[name].popleft()
        self._windows = [window for window in self._windows if now < window[2]]
        lasting = next((fault for name, fault, _ in self._windows if name in names), None)
        return lasting or self._draw(names)

    def chance(self, endpoint: str, fault: Fault, odds: float) -> None:
        """Let requests for an endpoint go wrong by chance; odds of 0 end that.

        Raises:
            ValueError: No such endpoint, ``odds`` is no probability, or the odds of what can
                happen to one request add up to more than 1.
        """
        check_endpoint(endpoint)
        if not 0 <= odds <= 1:
            message = f"odds must be from 0 to 1, not {odds!r}"
            raise ValueError(message)
        chances = [each for each in self._chances if each[:2] != (endpoint, fault)]
        if odds:
            chances.append((endpoint, fault, odds))
            _check_sums(chances)
        self._chances = chances

    def _draw(self, names: tuple[str, ...]) -> Fault:
        drawn = self._random.random()
        for name, fault, odds in self._chances:
            if name in names:
                drawn -= odds
                if drawn < 0:
                    return fault
        return _NONE


def check_endpoint(endpoint: str) -> None:
    """Refuse an endpoint that no server has.

    Raises:
        ValueError: With the list of those there are.
    """
    known = [*ENDPOINTS, "attachments", UNKNOWN, ANY]
    if endpoint not in known:
        message = f"unknown endpoint {endpoint!r}; the endpoints are: {', '.join(known)}"
        raise ValueError(message)


def _check_sums(chances: Iterable[tuple[str, Fault, float]]) -> None:
    """Refuse odds that would leave no room for the last of them."""
    sums: defaultdict[str, list[float]] = defaultdict(list)
    for endpoint, _, odds in chances:
        sums[endpoint].append(odds)
    for endpoint in sums:
        anywhere = sums.get(ANY, []) if endpoint in ENDPOINTS else []
        if (total := fsum(sums[endpoint] + anywhere)) > 1 + _ROUNDING:
            message = f"the odds of {endpoint} add up to {total:g}; they must not be above 1"
            raise ValueError(message)


def _raw(status: int, body: bytes | str, headers: Mapping[str, str] | None) -> Answer:
    raw = body.encode() if isinstance(body, str) else body
    return Answer(status, raw, dict(headers or {}))


_NONE = Fault()
