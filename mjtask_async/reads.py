"""What `MJSession` can ask a server without asking it to do anything that costs.

Reads are tried again, up to ``attempts`` times, where the last try gives a reason to.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from math import inf
from typing import Any, Generic, TypeVar

from ._core import answers, reconcile, wire
from ._core.calls import clean_state
from ._core.decode import TaskDecoder
from ._core.retry import read_delay
from ._core.rows import RowReader, Rows
from ._core.tracker import fold
from ._transport import CutOffError, Transport
from .errors import ConfigurationError, MJTaskError, UnsupportedError
from .models import Reconciled, T, Timeouts

R = TypeVar("R")


class Reads(Generic[T]):
    """The reads of a session, and the cancel."""

    _transport: Transport
    _decoder: TaskDecoder[T]
    _reader: RowReader[T]
    _timeouts: Timeouts
    _attempts: int
    _retries: int = 0
    _has_no_list: bool = False

    async def fetch(self, task_id: str, *, timeout: float | None = None) -> T:
        """Ask for one task (contract 2.1).

        To follow tasks use a `TaskWatcher`: it asks for all of them at once.

        Args:
            task_id: Its id.
            timeout: Seconds for each try; None takes ``Timeouts.read``.

        Raises:
            TaskNotFoundError: The server does not know it, or a relay is in trouble.
            RequestError: No answer, or none that helps, after all attempts.
            ConfigurationError: ``task_id`` cannot be an id.
        """
        request = wire.fetch(task_id)
        asked = wire.clean_id(task_id)
        return await self._read(
            request, timeout, lambda a: answers.read_task(a, self._decoder, asked)
        )

    async def list_by_condition(
        self, ids: Iterable[str], *, timeout: float | None = None
    ) -> list[T]:
        """Ask for many tasks at once (contract 2.2), up to 1,000 in a request.

        Args:
            ids: Their ids.
            timeout: Seconds for each try; None takes ``Timeouts.read``.

        Returns:
            The tasks the server knows, one per id, in the order asked.

        Raises:
            RequestError: No answer, or none that helps, after all attempts.
            ConfigurationError: One of ``ids`` cannot be an id.
        """
        wanted = wire.clean_ids(ids)
        found: dict[str, T] = {}
        for start in range(0, len(wanted), wire.MAX_IDS):
            request = wire.list_by_condition(wanted[start : start + wire.MAX_IDS])
            found |= fold(await self._read(request, timeout, self._rows))
        return [found[task_id] for task_id in wanted if task_id in found]

    async def image_seed(self, task_id: str, *, timeout: float | None = None) -> int:
        """Ask for the seed of a task's picture (contract 2.4), which may take a minute.

        Args:
            task_id: A task that has succeeded.
            timeout: Seconds for each try; None takes ``Timeouts.seed``.

        Raises:
            TaskNotFoundError: The server does not know the task, or a relay is in trouble.
            UnsupportedError: The server tells no seeds (novicezk).
            RequestError: It found none, or there was no answer that helps.
            ConfigurationError: ``task_id`` cannot be an id.
        """
        request = wire.image_seed(task_id)
        patience = self._timeouts.seed if timeout is None else timeout
        return await self._read(request, patience, lambda a: answers.read_seed(a, task_id.strip()))

    async def list_recent(self, *, timeout: float | None = None) -> list[T]:
        """Ask for the server's own list, newest first (contract 1.3).

        novicezk lists all of its tasks, trueai the newest 100 of all users.

        Args:
            timeout: Seconds for each try; None takes ``Timeouts.read``.

        Raises:
            UnsupportedError: The server has no list: all relays.
            RequestError: No answer, or none that helps, after all attempts.
        """
        return await self._read(wire.list_recent(), timeout, self._rows)

    async def queue(self, *, timeout: float | None = None) -> list[T]:
        """Ask for the tasks that run or wait (contract 1.3), which only novicezk tells.

        Args:
            timeout: Seconds for each try; None takes ``Timeouts.read``.

        Raises:
            UnsupportedError: The server does not tell.
            RequestError: No answer, or none that helps, after all attempts.
        """
        return await self._read(wire.queue(), timeout, self._rows)

    async def cancel(self, task_id: str, *, timeout: float | None = None) -> None:
        """Ask the server to end a task (contract 2.4), which only trueai does, for admins.

        It says the same for unknown and finished tasks; what became of the task shows in
        the task: cancelled ones end as FAILURE, and ``phase`` is CANCELLED.

        Args:
            task_id: The task.
            timeout: Seconds for each try; None takes ``Timeouts.read``.

        Raises:
            UnsupportedError: The server cannot.
            RequestError: It refuses, or there was no answer that helps.
            ConfigurationError: ``task_id`` cannot be an id.
        """
        await self._read(wire.cancel(task_id), timeout, answers.read_nothing)

    async def reconcile(
        self, state: str, *, sent_at: float | None = None, timeout: float | None = None
    ) -> Reconciled[T]:
        """Find out what became of a submit that may have been accepted.

        Args:
            state: The submit's ``state``; `SubmitUncertainError` has it.
            sent_at: UNIX seconds at the start of the submit; `SubmitUncertainError` has it.
                Without it a miss is never conclusive.
            timeout: Seconds for each try; None takes ``Timeouts.read``.

        Returns:
            The task, if one is found. That there is none is conclusive on novicezk's server
            only, once twice ``Timeouts.submit`` has passed since ``sent_at`` (until then it
            may still be taken), and if the list also holds a task from over a minute before:
            its store was not emptied meanwhile.

        Raises:
            RequestError: No answer, or none that helps, after all attempts. Of a server
                without a list nothing is raised: nothing is known.
            ConfigurationError: ``state`` can be none.
        """
        patience = 2 * self._timeouts.submit  # for our wait to end, and then for the server's
        return await self._reconcile(state, sent_at, patience, timeout)

    async def _reconcile(
        self, state: str, sent_at: float | None, patience: float, timeout: float | None = None
    ) -> Reconciled[T]:
        wanted, started = clean_state(state), time.time()
        if self._has_no_list:  # relays count unknown routes, and then answer 429 (contract fact 5)
            return Reconciled(None, conclusive=False)
        try:
            tasks, is_complete = await self._read(wire.list_recent(), timeout, self._all_rows)
        except UnsupportedError:
            self._has_no_list = True
            return Reconciled(None, conclusive=False)
        return reconcile.reconciled(
            tasks,
            wanted,
            is_complete=is_complete,
            sent_at=sent_at,
            now=started,
            patience=patience,
        )

    def _decode(self, body: bytes) -> T:
        return answers.read_pushed(body, self._decoder)

    async def _poll(self, ids: tuple[str, ...], last: Rows[T] | None) -> Rows[T]:
        """Ask once for clean ids: rows in any order, some ids twice, others missing."""
        request = wire.list_by_condition(list(ids))

        def understand(answer: wire.Answer) -> Rows[T]:
            return answers.read_rows(answer, self._decoder, self._reader, ids, last)

        return await self._ask_once(request, understand)

    async def _fetch_once(self, task_id: str) -> T:
        """Ask for one task whose id is clean, with one try."""
        return await self._ask_once(
            wire.fetch(task_id), lambda answer: answers.read_task(answer, self._decoder, task_id)
        )

    async def _ask_once(self, request: wire.Request, understand: Callable[[wire.Answer], R]) -> R:
        """Send a poll, and once more only if it was cut off before the answer's first byte."""
        try:
            return await self._transport.ask(request, understand, timeout=self._timeouts.read)
        except CutOffError:
            self._retries += 1
        await self._transport.budget.take()
        return await self._transport.ask(request, understand, timeout=self._timeouts.read)

    async def _admit(self, patience: float) -> None:
        """Wait for a poll's turn: submits go first, for at most ``patience`` seconds."""
        await self._transport.budget.take(patience)

    def _rows(self, answer: wire.Answer) -> list[T]:
        return answers.read_tasks(answer, self._decoder)

    def _all_rows(self, answer: wire.Answer) -> tuple[list[T], bool]:
        """Read a list; say whether it is one that holds all there is."""
        return self._rows(answer), reconcile.is_novicezks(answer.body)

    async def _read(
        self, request: wire.Request, timeout: float | None, understand: Callable[[wire.Answer], R]
    ) -> R:
        patience = self._timeouts.read if timeout is None else seconds("timeout", timeout)
        attempt = 1
        while True:
            await self._transport.budget.take()
            try:
                return await self._transport.ask(request, understand, timeout=patience)
            except MJTaskError as error:
                delay = read_delay(error, attempt, random.random())  # noqa: S311 -- jitter
                if delay is None or attempt >= self._attempts:
                    raise
            attempt += 1
            self._retries += 1
            await asyncio.sleep(delay)


def seconds(name: str, value: Any) -> float:
    """Check how long to wait: event loops know no infinite time, and aiohttp's 0 means for ever.

    Raises:
        ConfigurationError: It is not a time.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < inf:
        raise ConfigurationError(f"{name} is {value!r}; use seconds above 0, but not infinity")
    return float(value)
