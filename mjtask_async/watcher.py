"""`TaskWatcher`: many tasks, one timer, few requests."""

from collections.abc import Iterable
from math import inf
from types import TracebackType
from typing import Generic, Self

from msgspec import Struct

from ._core import limits as limits_
from ._core.outcomes import error_of
from ._core.schedule import Schedule
from ._core.wire import MAX_IDS
from .consumers import ids_of
from .errors import ConfigurationError
from .models import Submission, T, Task, TaskUpdate, UpdateKind, WatchLimits
from .poller import Poller
from .session import MJSession
from .stream import Inbox, TaskStream


class WatcherStatistics(Struct, frozen=True):
    """What a watcher is doing and has done.

    Attributes:
        watched: Tasks it asks for.
        consumers: Open streams and waits.
        polls: List calls so far.
        polls_failed: How many of them failed, and how many fetches of an id that makes lists fail.
        confirmations: Single fetches: to confirm that a task is lost, or of such an id.
        updates: Updates of tasks so far.
        last_change_at: UNIX seconds of the last update that the server's copy of a task brought;
            None before.
    """

    watched: int
    consumers: int
    polls: int
    polls_failed: int
    confirmations: int
    updates: int
    last_change_at: float | None


class TaskWatcher(Generic[T]):
    """Follows many tasks at once: one batched list call for up to ``batch_size`` of them.

    Make one per session and share it: a thousand consumers of a task cost no more
    requests than one. Use it as ``async with TaskWatcher(session) as watcher``, or call
    `aclose` at the end; both may happen in another task than the beginning.

    Args:
        session: Where to ask.
        interval: Seconds between two ticks, above 0.
        batch_size: Ids in one request, 1 to 1,000.
        max_requests: Requests under way at once, 1 or more. From 2 on, one place is kept for
            ids that have not failed.
        limits: How long consumers wait unless they say otherwise.

    Raises:
        ConfigurationError: An argument is out of its range.
    """

    def __init__(
        self,
        session: MJSession[T],
        *,
        interval: float = 3.0,
        batch_size: int = 100,
        max_requests: int = 2,
        limits: WatchLimits = WatchLimits(),  # noqa: B008 -- frozen
    ) -> None:
        _check(interval, batch_size, max_requests)
        self._session = session
        self._limits = limits_.resolve(limits, None)
        self._poller = Poller(session, Schedule(interval, batch_size, max_requests))

    def __repr__(self) -> str:
        schedule = self._poller.schedule
        state = "closed" if self._poller.closed else f"{len(schedule)} watched"
        return f"<TaskWatcher {state}, every {schedule.interval:g} s>"

    async def __aenter__(self) -> Self:
        self._poller.running()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop asking. Open streams and waits end in `ClosedError`. Idempotent.

        The tasks themselves go on: watch their ids again, in this process or another.
        """
        await self._poller.aclose()

    def watch(
        self,
        *tasks: str | Submission | Task,
        limits: WatchLimits | None = None,
        timeout: float | None = None,
        keep_open: bool = False,
    ) -> TaskStream[T]:
        """Follow tasks; iterate over the result.

        A Submission's first update comes at once, from the submit's own answer; an id's
        after an early poll of its own, within a second.

        Args:
            tasks: Ids, Submissions or Tasks, in any mixture.
            limits: How long to wait for each; fields left out are the watcher's.
            timeout: Short for ``limits.total``, in seconds.
            keep_open: Whether the stream goes on without open tasks, for `TaskStream.add`.

        Raises:
            ConfigurationError: One of ``tasks`` holds no usable id, or a limit is wrong.
            ClosedError: The watcher or the session is closed.
        """
        resolved = limits_.resolve(limits, timeout, self._limits)
        inbox: Inbox[T] = Inbox(resolved, keep_open=keep_open)
        self._poller.open(inbox, tasks)
        return TaskStream(self._poller, inbox)

    def __aiter__(self) -> TaskStream[T]:
        """Iterate over the updates of all tasks that anybody watches, until the watcher closes.

        It holds no interest of its own: tasks that only it sees are not asked for.
        """
        inbox: Inbox[T] = Inbox(self._limits, everything=True)
        self._poller.open(inbox, ())
        return TaskStream(self._poller, inbox)

    async def wait(
        self,
        task: str | Submission | Task,
        *,
        limits: WatchLimits | None = None,
        timeout: float | None = None,
    ) -> T:
        """Wait for one task's success. Cancelling it disturbs nobody else.

        Args:
            task: Its id, Submission or last sighting.
            limits: How long to wait; fields left out are the watcher's.
            timeout: Short for ``limits.total``, in seconds.

        Raises:
            TaskFailedError: The server ended it without success.
            TaskCancelledError: Somebody cancelled it on the server.
            TaskLostError: The server no longer knows it.
            TaskTimeoutError: A limit ran out; the task may still go on.
            NeedsInputError: It waits for a second request: two polls in a row said so.
            OutageError: No poll has succeeded for ``limits.outage``.
            AuthenticationError: The server keeps refusing the key.
            ConfigurationError: ``task`` holds no id, or several.
        """
        if len(ids_of(task)) > 1:
            raise ConfigurationError("the submission has several tasks; use wait_all")
        inbox: Inbox[T] = Inbox(limits_.resolve(limits, timeout, self._limits), waits=True)
        self._poller.open(inbox, (task,))
        async with TaskStream(self._poller, inbox) as stream:
            update = await anext(stream)
        if update.kind is not UpdateKind.SUCCEEDED or update.task is None:
            raise error_of(update)
        return update.task

    async def wait_all(
        self,
        tasks: Iterable[str | Submission | Task],
        *,
        limits: WatchLimits | None = None,
        timeout: float | None = None,
    ) -> dict[str, TaskUpdate[T]]:
        """Wait for the end of many tasks, good or bad.

        Args:
            tasks: Ids, Submissions or Tasks.
            limits: How long to wait for each; fields left out are the watcher's.
            timeout: Short for ``limits.total``, in seconds.

        Returns:
            The last update of each, by id, in the order given: final, or NEEDS_INPUT where
            two polls in a row said that a task waits for a second request.

        Raises:
            OutageError: No poll has succeeded for ``limits.outage``.
            AuthenticationError: The server keeps refusing the key.
            ConfigurationError: One of ``tasks`` holds no usable id, or a limit is wrong.
        """
        if isinstance(tasks, str):
            raise ConfigurationError("give a list of tasks, not a single str")
        wanted = tuple(tasks)
        inbox: Inbox[T] = Inbox(limits_.resolve(limits, timeout, self._limits), waits=True)
        self._poller.open(inbox, wanted)
        found: dict[str, TaskUpdate[T]] = {}
        async with TaskStream(self._poller, inbox) as stream:
            async for update in stream:
                found[update.task_id] = update
                stream.discard(update.task_id)
        return {task_id: found[task_id] for task in wanted for task_id in ids_of(task)}

    def feed(self, task: T | bytes, *, source: str = "webhook") -> None:
        """Merge a sighting that a server pushed.

        It is a hint: progress counts as a sighting, while a final status only makes the
        next poll come at once, because nothing proves who sent it (contract 6).

        Args:
            task: A Task, or the body of a webhook.
            source: What its update shall say in ``source``.

        Raises:
            ProtocolError: The body is no task.
            ClosedError: The watcher is closed.
        """
        self._poller.running()
        self._poller.feed(self._session._decode(task) if isinstance(task, bytes) else task, source)

    def statistics(self) -> WatcherStatistics:
        """Count what is going on and what has happened."""
        poller = self._poller
        return WatcherStatistics(
            watched=len(poller.schedule),
            consumers=len(poller.consumers.inboxes),
            polls=poller.polls,
            polls_failed=poller.polls_failed,
            confirmations=poller.confirmations,
            updates=poller.updates,
            last_change_at=poller.last_change_at,
        )


def _check(interval: float, batch_size: int, max_requests: int) -> None:
    if not limits_.is_seconds(interval) or interval == inf:
        raise ConfigurationError(f"interval is {interval!r}; use seconds above 0")
    if not _is_count(batch_size) or batch_size > MAX_IDS:
        raise ConfigurationError(f"batch_size is {batch_size!r}; use 1 to {MAX_IDS}")
    if not _is_count(max_requests):
        raise ConfigurationError(f"max_requests is {max_requests!r}; use 1 or more")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
