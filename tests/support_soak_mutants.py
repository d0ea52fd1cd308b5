"""Ways to break the client that a soak must notice: each is a context in which it is broken."""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from mjtask_async import Task, TaskUpdate, UpdateKind, poller
from mjtask_async._core.drill import Lot
from mjtask_async._core.schedule import Schedule
from mjtask_async._core.tracker import Look
from mjtask_async.outlook import Outlook
from mjtask_async.stream import Inbox

Update = TaskUpdate[Task]
Mutant = Callable[[], AbstractContextManager[Any]]
Deliver = Callable[[Inbox[Task], Update], None]


def every(count: int) -> Callable[[], bool]:
    """Make a question that is answered yes every so many times."""
    asked = 0

    def yes() -> bool:
        nonlocal asked
        asked += 1
        return asked % count == 0

    return yes


@contextmanager
def delivering(instead: Callable[[Deliver, Inbox[Task], Update], None]) -> Iterator[None]:
    """Break how updates reach their inboxes."""
    deliver: Deliver = Inbox.deliver

    def delivers(inbox: Inbox[Task], update: Update) -> None:
        instead(deliver, inbox, update)

    with patch.object(Inbox, "deliver", delivers):
        yield


def half_of_the_ends_are_dropped() -> AbstractContextManager[None]:
    """Streams end without them."""
    now = every(2)

    def instead(deliver: Deliver, inbox: Inbox[Task], update: Update) -> None:
        if update.is_final and now():
            inbox.open.pop(update.task_id, None)
            inbox._woken.set()
        else:
            deliver(inbox, update)

    return delivering(instead)


@contextmanager
def ends_come_twice() -> Iterator[None]:
    """Each is read, and read again."""
    take = Inbox.take
    told: set[int] = set()

    def takes(inbox: Inbox[Task]) -> Update:
        update: Update = take(inbox)
        if update.is_final and id(update) not in told:
            told.add(id(update))
            inbox._slots[update.task_id] = update
        return update

    with patch.object(Inbox, "take", takes):
        yield


def some_ends_are_wrong() -> AbstractContextManager[None]:
    """One of twenty successes is told as a failure."""
    now = every(20)

    def instead(deliver: Deliver, inbox: Inbox[Task], update: Update) -> None:
        wrong = update.kind is UpdateKind.SUCCEEDED and now()
        deliver(inbox, replace(update, kind=UpdateKind.FAILED) if wrong else update)

    return delivering(instead)


def the_overview_hears_no_end() -> AbstractContextManager[None]:
    """Whoever iterates over the watcher hears of progress only."""

    def instead(deliver: Deliver, inbox: Inbox[Task], update: Update) -> None:
        if not (inbox.everything and update.is_final):
            deliver(inbox, update)

    return delivering(instead)


@contextmanager
def sockets_leak() -> Iterator[None]:
    """One for every second update."""
    now = every(2)
    with ExitStack() as stack:

        def instead(deliver: Deliver, inbox: Inbox[Task], update: Update) -> None:
            deliver(inbox, update)
            if now():
                stack.enter_context(closing(socket.socket()))

        stack.enter_context(delivering(instead))
        yield


@contextmanager
def a_slot_leaks() -> Iterator[None]:
    """One of the two, at the hundredth request."""
    done, now = Schedule._done, every(100)
    leaked: list[object] = []

    def does(schedule: Schedule, ask: Any) -> None:
        done(schedule, ask)
        if now() and not leaked:
            leaked.append(ask)
            schedule._sent += 1

    with patch.object(Schedule, "_done", does):
        yield


def one_refusal_ends_streams() -> AbstractContextManager[Any]:
    """Any single 401 is believed."""
    return patch.object(Outlook, "is_key_refused", lambda *_: True)


def nobody_drills() -> AbstractContextManager[Any]:
    """A culprit keeps its whole batch from being seen."""
    return patch.object(Lot, "_suspicious", lambda _: False)


@contextmanager
def losses_are_believed() -> Iterator[None]:
    """No fetch confirms that a task is lost."""
    expire = poller.Poller._expire

    def expires(self: Any, expired: Any) -> None:
        if expired.limit == "missing":
            self._finish(expired, UpdateKind.LOST, "poll", 0.0)
        else:
            expire(self, expired)

    with patch.object(poller.Poller, "_expire", expires):
        yield


def pushed_ends_are_believed() -> AbstractContextManager[Any]:
    """Whoever knows an id can end it."""

    def feed(self: Any, sighting: Task, source: str) -> None:
        look = Look(self.running().time(), 0.0, source)
        knows = sighting.id in self.consumers
        self._deliver(self.tracker.sight(sighting, look) if knows else None)

    return patch.object(poller.Poller, "feed", feed)


MUTANTS: Mapping[str, tuple[Mutant, set[str]]] = {
    make.__name__: (make, promises)
    for make, promises in (
        (half_of_the_ends_are_dropped, {"lost"}),
        (ends_come_twice, {"doubled"}),
        (some_ends_are_wrong, {"wrong"}),
        (the_overview_hears_no_end, {"overview"}),
        (sockets_leak, {"sockets"}),
        (a_slot_leaks, {"left"}),
        (one_refusal_ends_streams, {"AuthenticationError"}),
        (nobody_drills, {"hung", "OutageError"}),
        (losses_are_believed, {"wrong"}),
        (pushed_ends_are_believed, {"wrong", "early or late"}),
    )
}
"""By name, each with the promises of which it breaks one."""
