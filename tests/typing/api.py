"""Types that callers rely on: never run, checked by mypy and pyright."""

from pathlib import Path
from typing import TYPE_CHECKING, assert_type

from mjtask_async import (
    MJSession,
    MJTaskError,
    Submission,
    SubmitUncertainError,
    Task,
    TaskStream,
    TaskUpdate,
    TaskWatcher,
    UpdateKind,
)

if TYPE_CHECKING:
    import aiohttp


class MyTask(Task, frozen=True):
    channel: str | None = None


def construction(http: "aiohttp.ClientSession") -> None:
    assert_type(MJSession(), MJSession[Task])
    assert_type(MJSession("https://h", "key", auth="raw", mode="fast"), MJSession[Task])
    assert_type(MJSession(http=http, attempts=1), MJSession[Task])
    assert_type(MJSession(task_type=MyTask), MJSession[MyTask])
    assert_type(MJSession(task_type=Task), MJSession[Task])
    MJSession(auth="basic")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    MJSession(task_type=int)  # type: ignore[type-var]  # pyright: ignore[reportCallIssue, reportArgumentType]


async def plain() -> None:
    async with MJSession() as session, TaskWatcher(session) as watcher:
        assert_type(session, MJSession[Task])
        assert_type(watcher, TaskWatcher[Task])
        assert_type(await session.fetch("1"), Task)
        assert_type(await session.list_by_condition(["1"]), list[Task])
        assert_type(await session.imagine("a cat"), Submission)
        assert_type(await session.download(Task("1"), "folder"), list[Path])
        assert_type(await watcher.wait("1"), Task)


async def own() -> None:
    async with MJSession(task_type=MyTask) as session, TaskWatcher(session) as watcher:
        assert_type(session, MJSession[MyTask])
        assert_type(watcher, TaskWatcher[MyTask])
        task = await session.fetch("1")
        assert_type(task, MyTask)
        assert_type(task.channel, str | None)
        assert_type(await session.list_by_condition({"1"}), list[MyTask])
        submission = await session.imagine("a cat")
        assert_type(await watcher.wait(submission), MyTask)
        assert_type(await watcher.wait_all(["1"]), dict[str, TaskUpdate[MyTask]])
        stream = watcher.watch("1", submission, task)
        assert_type(stream, TaskStream[MyTask])
        async for update in stream:
            assert_type(update, TaskUpdate[MyTask])
            assert_type(update.task, MyTask | None)
            assert_type(update.kind, UpdateKind)
            assert_type(update.percent, int | None)
        assert_type(await stream.next_batch(), list[TaskUpdate[MyTask]])


async def caught(session: MJSession) -> None:
    assert_type(session, MJSession[Task])
    try:
        await session.imagine("a cat")
    except SubmitUncertainError as error:
        assert_type(error.state, str)
        assert_type(error.sent_at, float)
    except MJTaskError as error:
        assert_type(str(error), str)


def helper(session: MJSession[Task]) -> None:
    assert_type(session.statistics().uncertain, int)
