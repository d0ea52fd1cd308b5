"""`TaskStream`: what one consumer receives, and how long it waits.

1. One slot per task: a newer update takes the place of an unread older one, so a slow
   consumer costs a slot per task and delays nobody. A final update is never replaced.
2. The watcher holds the inbox, the consumer holds the stream. When the stream is dropped,
   by ``break`` or an exception, its interest ends in the same turn of the loop.
"""

import asyncio
from types import TracebackType
from typing import Generic, Protocol, Self

from ._core.limits import Joined  # noqa: TC001 -- annotations are evaluated by tools
from .errors import ClosedError, ConfigurationError
from .models import Submission, T, Task, TaskUpdate, WatchLimits


class Inbox(Generic[T]):
    """The watcher's end of a stream.

    Attributes:
        limits: How long its consumer waits for each task.
        open: The tasks without a final update, and when the consumer began to watch each.
        everything: Whether it receives the updates of all tasks and holds no interest.
        waits: Whether MODAL shall come once it is confirmed only.
    """

    def __init__(
        self,
        limits: WatchLimits,
        *,
        keep_open: bool = False,
        everything: bool = False,
        waits: bool = False,
    ) -> None:
        self.limits: WatchLimits = limits
        self.open: dict[str, Joined] = {}
        self.everything: bool = everything
        self.waits: bool = waits
        self.closed: bool = False
        self._error: BaseException | None = None
        self._keep_open = keep_open
        self._slots: dict[str, TaskUpdate[T]] = {}
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def has_ended(self) -> bool:
        """Whether it was closed, or ended by an error."""
        return self.closed or self._error is not None

    @property
    def expects_more(self) -> bool:
        """Whether an end now would come before the tasks' own."""
        return bool(self.open) or self._keep_open

    def deliver(self, update: TaskUpdate[T]) -> None:
        """Put an update into its task's slot."""
        if update.is_final:
            self.open.pop(update.task_id, None)
        elif self.waits or self._has_unread_end(update.task_id):
            return
        if not self._slots:
            self._woken.set()
        self._slots[update.task_id] = update

    def _has_unread_end(self, task_id: str) -> bool:
        unread = self._slots.get(task_id)
        return unread is not None and unread.is_final

    def deliver_confirmed(self, update: TaskUpdate[T]) -> None:
        """Tell a consumer that waits for an outcome that its task waits for input."""
        if self.waits:
            self._slots[update.task_id] = update
            self._woken.set()

    def end(self, error: BaseException | None = None) -> None:
        """End, with an error or without, once what is there has been read."""
        self.open.clear()
        self._keep_open = self.everything = False
        self._error = error
        self._woken.set()

    def close(self, *, expected_more: bool) -> None:
        """End at once, by the consumer's own wish; more than once is harmless."""
        if not self.closed:
            self.closed = True
            self._slots.clear()
            error = ClosedError("the stream is closed; watch the ids again to go on")
            self.end(error if expected_more else self._error)

    def discard(self, task_id: str) -> None:
        """Stop caring for a task."""
        self.open.pop(task_id, None)
        self._slots.pop(task_id, None)
        self._woken.set()

    def take(self) -> TaskUpdate[T]:
        """Take the update that has waited longest; `news` says that there is one."""
        return self._slots.pop(next(iter(self._slots)))

    def take_all(self) -> list[TaskUpdate[T]]:
        """Take everything pending."""
        updates = list(self._slots.values())
        self._slots.clear()
        return updates

    async def news(self) -> bool:
        """Wait until something is pending; False at the end.

        Raises:
            MJTaskError: The stream has ended with an error, or belongs to another loop.
        """
        if asyncio.get_running_loop() is not self._loop:
            raise ConfigurationError("the stream belongs to another event loop; read it there")
        while not self._slots:
            if self._error is not None:
                raise self._error
            if not (self.expects_more or self.everything):
                return False
            self._woken.clear()
            await self._woken.wait()
        return True


class Source(Protocol[T]):
    """What a stream needs of its watcher."""

    def join(self, inbox: Inbox[T], tasks: tuple[str | Submission | Task, ...]) -> None:
        """Begin to watch tasks for an inbox."""

    def leave(self, inbox: Inbox[T], tasks: tuple[str | Submission | Task, ...]) -> None:
        """Stop watching tasks for an inbox."""

    def release(self, inbox: Inbox[T]) -> None:
        """Forget an inbox."""

    def abandon(self, inbox: Inbox[T]) -> None:
        """Forget an inbox whose stream is gone; called in any thread, at any moment."""


class TaskStream(Generic[T]):
    """Updates of watched tasks, as an async iterator; made by `TaskWatcher.watch`.

    Iteration ends when every task has given its final update. Intermediate updates of a
    task replace each other while they are unread; final ones never get lost. Several
    tasks may read one stream; each update goes to one of them.

    Leaving (``break``, an exception, dropping the stream, `aclose` or ``async with``)
    ends the interest at once and disturbs nobody else; nothing is cancelled on the
    server. Cancelling a read loses no update.
    """

    def __init__(self, source: Source[T], inbox: Inbox[T]) -> None:
        self._source = source
        self._inbox = inbox

    def __repr__(self) -> str:
        state = "closed" if self._inbox.closed else f"{len(self._inbox.open)} open"
        return f"<TaskStream {state}>"

    def __del__(self) -> None:
        self._source.abandon(self._inbox)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the interest; a reader that waits gets `ClosedError`. Idempotent."""
        self._source.release(self._inbox)

    def add(self, *tasks: str | Submission | Task) -> None:
        """Watch more tasks: ids, Submissions or Tasks.

        Raises:
            ClosedError: The stream is closed, or has ended.
            ConfigurationError: One of them holds no usable id.
        """
        self._source.join(self._inbox, tasks)

    def discard(self, *tasks: str | Submission | Task) -> None:
        """Stop watching some tasks; unread updates of theirs are dropped."""
        self._source.leave(self._inbox, tasks)

    def __aiter__(self) -> Self:
        """Iterate over the stream itself."""
        return self

    async def __anext__(self) -> TaskUpdate[T]:
        """Wait for the next update.

        Raises:
            OutageError: No poll has succeeded for the limit ``outage``.
            AuthenticationError: The server keeps refusing the key.
            ClosedError: The stream, its watcher or the session was closed before the end.
        """
        try:
            if await self._inbox.news():
                return self._inbox.take()
        finally:
            del self  # a traceback that somebody keeps must not keep the stream
        raise StopAsyncIteration

    async def next_batch(self) -> list[TaskUpdate[T]]:
        """Wait for everything pending, at least one update; an empty list is the end.

        Raises:
            MJTaskError: As ``__anext__``.
        """
        try:
            await self._inbox.news()
            return self._inbox.take_all()
        finally:
            del self  # as above
