"""What tests let happen at a simulated server: the part of `Simulator` without the serving."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import inf
from threading import RLock
from typing import Any

from .desk import Desk
from .faults import Fault
from .origin import imagined
from .profiles import Profile
from .relay import Relay
from .serving import Front
from .timeline import Step


class Stage(ABC):
    """Faults, states of relays and keys, and tasks with a life written by hand."""

    _profile: Profile
    _desk: Desk
    _front: Front
    _lock: RLock

    @abstractmethod
    def now(self) -> float:
        """Return the seconds on the simulator's clock."""

    @property
    @abstractmethod
    def api_key(self) -> str:
        """The first key that is accepted."""

    def script(
        self, endpoint: str, fault: Fault, times: int = 1, *, seconds: float | None = None
    ) -> None:
        """Let the next ``times`` requests for an endpoint go wrong.

        Args:
            endpoint: For example ``"submit/imagine"``, ``"task/{id}/fetch"`` or
                ``"task/list-by-condition"``; ``"attachments"`` for pictures; ``"*"`` for
                whichever API endpoint is asked.
            fault: What goes wrong.
            times: How many requests.
            seconds: Instead of ``times``: all requests of so many seconds from now on.

        Raises:
            ValueError: No such endpoint, ``times`` is below 1, or the fault is of an upstream and
                this server has none.
        """
        if fault.upstream and not self._profile.relay:
            message = f"{self._profile.name} has no upstream"
            raise ValueError(message)
        if seconds is None:
            self._front.script(endpoint, fault, times)
        else:
            self._front.script_until(endpoint, fault, self.now() + seconds)

    def chance(self, endpoint: str, fault: Fault, odds: float) -> None:
        """Let requests for an endpoint go wrong by chance, drawn from the simulator's seed.

        A request meets one fault at most, so that the odds of an endpoint, with those of
        ``"*"``, add up to 1 at most.

        Args:
            endpoint: As for `script`. Scripted faults come first.
            fault: What goes wrong; `mishaps.MISHAPS` names the usual ones.
            odds: How likely for each request, from 0 to 1; 0 ends it.

        Raises:
            ValueError: No such endpoint, ``odds`` is no probability, or all of them are above 1.
        """
        self._front.chance(endpoint, fault, odds)

    def stop_refreshing(self, seconds: float = inf, *, wakes: bool = False) -> None:
        """Let a relay's updater die, or sleep: reads go on with 200 (contract Q11, Q33).

        Args:
            seconds: How long; infinity is until its process is started again.
            wakes: Whether anybody's submit wakes it before.

        Raises:
            ValueError: This server is no relay.
        """
        relay = self._relay("is no relay")
        with self._lock:
            relay.sleep(self.now(), self.now() + seconds, wakes=wakes)

    def hide(self, task_id: str, *, hidden: bool = True) -> None:
        """Let a task belong to another user of the relay.

        This user's reads do not show it, and no order or image-seed about it is taken. Its
        picture under ``/mj/image/{id}`` needs no key and is there all the same.

        Raises:
            ValueError: This server is no relay; others show everything to everybody.
        """
        relay = self._relay("shows all tasks to everybody")
        with self._lock:
            relay.hidden -= {task_id}
            relay.hidden |= {task_id} if hidden else set()

    def add_key(self, key: str) -> None:
        """Let another key of the same account of a relay be accepted.

        Raises:
            ValueError: This server is no relay.
        """
        relay = self._relay("has one key")
        with self._lock:
            relay.account.add(key)

    def set_quota(self, submits: int | None, *, key: str | None = None) -> None:
        """Let a relay's key pay for so many more submits (contract 1.1).

        The submit that spends it is accepted; from then on every request with this key is
        answered with 401, polls of its own running tasks, too. Another key of the account
        goes on.

        Args:
            submits: How many; 0 is a key that is spent, None is any number.
            key: Which of the keys; None is `api_key`.

        Raises:
            ValueError: There is no such key, or this server is no relay.
        """
        account = self._relay("has no quotas").account
        if (token := account.tokens.get(key or self.api_key)) is None:
            message = "no such key; add_key() makes one known"
            raise ValueError(message)
        with self._lock:
            token.credit, token.noticed = submits, False

    def set_account_quota(self, submits: int | None) -> None:
        """Let the user of a relay pay for so many more submits, with whichever key.

        A user who cannot pay has his submits refused; his polls go on (contract 1.1).

        Args:
            submits: How many; None is any number.

        Raises:
            ValueError: This server is no relay.
        """
        account = self._relay("has no quotas").account
        with self._lock:
            account.credit = submits

    def poison(self, endpoint: str, task_id: str, fault: Fault | None) -> None:
        """Let every request for an endpoint go wrong that asks for a task among others.

        A stored task that cannot be read makes novicezk answer 500 to every list call that
        names it (contract 4.3). The request is served all the same, in vain.

        Args:
            endpoint: ``"task/list-by-condition"`` or ``"task/{id}/fetch"``.
            task_id: Its id.
            fault: What goes wrong; None heals it.

        Raises:
            ValueError: No such endpoint.
        """
        self._front.poison(endpoint, task_id, fault)

    def heal(self) -> None:
        """Let no more requests go wrong: forget what `script`, `chance` and `poison` were told."""
        self._front.heal()

    def plant(
        self,
        task_id: str,
        steps: Sequence[Step],
        *,
        prompt: str = "planted",
        state: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Put a task with a hand-written life into the server, past workers and queue.

        Through a relay it looks freshly submitted until the first refresh.

        Args:
            task_id: Its id.
            steps: Its life, in seconds from now.
            prompt: Its prompt.
            state: Its ``state``.
            fields: What its object holds from the start besides, under names on the wire.

        Raises:
            ValueError: The steps are out of order, or the id is taken.
        """
        first = imagined(prompt, state) | dict(fields or {})
        with self._lock:
            self._desk.backend.plant(task_id, steps, self.now(), first)

    def forget(self, task_id: str, *, row: bool = False) -> None:
        """Let the origin lose a task, and with ``row`` the relay's copy, too.

        Raises:
            LookupError: There is no such task.
        """
        with self._lock:
            known = self._desk.backend.forget(task_id, self.now(), row=row)
        if not known:
            message = f"the server knows no task {task_id!r}"
            raise LookupError(message)

    def _relay(self, otherwise: str) -> Relay:
        """Return the relay in front.

        Raises:
            ValueError: There is none; the message says ``otherwise`` of this server.
        """
        if not self._desk.relays:
            message = f"{self._profile.name} {otherwise}"
            raise ValueError(message)
        return self._desk.relays[-1]
