"""One job's way through a bulk run: submit, watch, press buttons, bring the pictures home.

1. What the journal knows is not done again; what it does not know is asked first.
2. The steps after the prompt's own are independent: one that fails leaves the others be.
3. An error that speaks of the job is its outcome. One that speaks of the server stops the
   run and leaves the job to the next one.
"""

import asyncio
import errno
import time
from collections.abc import Awaitable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic

from msgspec import Struct, json

from ._core.failures import error_of, failure_of
from ._core.replay import MODAL, JobState, Kind, Need, Phase, Record, StepState
from .errors import (
    AuthenticationError,
    ClosedError,
    DownloadError,
    JournalError,
    MJTaskError,
    NeedsInputError,
    OutageError,
    SubmitUncertainError,
    TaskCancelledError,
    TaskFailedError,
)
from .fetching import Home
from .jobs import BulkOutcome, Entry
from .models import Submission, T, WatchLimits
from .recorder import Recorder
from .session import MJSession
from .submitting import Send, Submitting
from .turnstile import Stopped
from .watcher import TaskWatcher

GRID = "grid"
"""The label of the prompt's own picture."""
_OF_A_NAME = frozenset((errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ))
"""What a disk says of one file; all else it says would meet every file."""


class Tools(Struct, Generic[T], frozen=True):
    """What the jobs of a run share."""

    session: MJSession[T]
    watcher: TaskWatcher[T]
    recorder: Recorder
    submitting: Submitting[T]
    home: Home[T] | None
    limits: WatchLimits | None


class Errand(Generic[T]):
    """Runs one job.

    Args:
        tools: What the run's jobs share.
        entry: The job.
        known: What the journal knows of it.
    """

    def __init__(self, tools: Tools[T], entry: Entry, known: JobState) -> None:
        self._tools = tools
        self._entry = entry
        self._then = entry.then
        self._known = known
        self._tasks: dict[str, T] = {}
        self._files: dict[str, list[Path]] = {}
        self._errors: dict[str, MJTaskError] = {}
        self._did_something = False
        self._is_open = False
        """Whether another run may come further."""
        self._was_stopped = False

    async def run(self) -> BulkOutcome[T] | None:
        """Run it to its outcome; None: the run was stopped, and the job is unfinished."""
        if self._known.steps and self._known.then != self._then:
            await self._note(self._record("", Kind.WANTED, then=self._then))
        try:
            task = await self._task("", self._imagine)
        except Stopped:
            self._was_stopped = True
        except MJTaskError as error:
            self._failed("", error)
        else:
            self._tasks[""] = task
            await self._rest(task)
        return await self._outcome()

    async def _rest(self, task: T) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._branch("", self._bring("", task)))
            for label in self._then:
                group.create_task(self._branch(label, self._press(task, label)))

    async def _outcome(self) -> BulkOutcome[T] | None:
        in_doubt = any(isinstance(e, SubmitUncertainError) for e in self._errors.values())
        if self._was_stopped and not in_doubt:
            return None
        steps = ("", *self._then)
        errors = {step or GRID: self._errors[step] for step in steps if step in self._errors}
        if not (self._was_stopped or self._is_open or self._known.ended):
            await self._note(Record(self._entry.name, "", Kind.ENDED, time.time()))
        return BulkOutcome(
            index=self._entry.index,
            job=self._entry.job,
            tasks=tuple(self._tasks[step] for step in steps if step in self._tasks),
            images=tuple(path for step in steps for path in self._files.get(step, ())),
            error=_worst(errors.values()),
            resumed=not self._did_something,
            errors=errors,
        )

    async def _branch(self, step: str, work: Awaitable[None]) -> None:
        try:
            await work
        except Stopped:
            self._was_stopped = True
        except MJTaskError as error:
            self._failed(step, error)

    def _failed(self, step: str, error: MJTaskError) -> None:
        """Sort an error: the run's, or the job's own."""
        if _stops(error):
            self._was_stopped = True
            self._tools.submitting.turns.stop(error)
            return
        self._is_open |= self._known.refusal(step) is None
        self._errors[step] = error

    # Steps

    async def _task(self, step: str, send: Send) -> T:
        """Bring a step to its success.

        Raises:
            Stopped: The run takes no more submits.
            MJTaskError: It did not succeed.
        """
        known = self._known.step(step)
        if known.phase is Phase.SUCCEEDED:
            body = await self._tools.recorder.task(self._entry.name, step)
            return self._tools.session._decode(body)
        refusal = self._known.refusal(step)
        if refusal is not None:
            raise error_of(refusal)
        self._did_something = True
        submission = await self._submission(step, send, known)
        try:
            task = await self._watched(step, submission)
        except (TaskFailedError, TaskCancelledError) as error:
            failure = failure_of(error)
            await self._note(self._record(step, Kind.FAILED, error=failure))
            raise
        await self._note(self._record(step, Kind.SUCCEEDED), json.encode(task))
        return task

    async def _submission(self, step: str, send: Send, known: StepState) -> Submission:
        if known.need is Need.WATCH:
            ids = (known.task_id,)
            return Submission(*ids, ids, state=known.state, needs_modal=known.needs_modal)
        if known.need is Need.RECONCILE:
            submission = await self._tools.submitting.find(self._entry, self._known, step)
            if submission is not None:
                return submission
        state = self._entry.job.state if not step else None
        return await self._tools.submitting.submit(
            self._entry, self._known, step, send, state=state
        )

    async def _watched(self, step: str, submission: Submission) -> T:
        """Wait for a task's end, and answer if it asks for more."""
        modal = self._known.steps.get(step + MODAL)
        if submission.needs_modal or modal is not None:
            submission = await self._answered(step, submission)
        try:
            return await self._wait(submission)
        except NeedsInputError:
            submission = await self._answered(step, submission)
            return await self._wait(submission)

    async def _answered(self, step: str, submission: Submission) -> Submission:
        """Send the second request, unless it has been sent."""
        name, task_id = step + MODAL, submission.task_id or ""
        known = self._known.step(name)

        async def send(state: str) -> Submission:
            return await self._tools.session.modal(task_id, state=state)

        while known.need is not Need.WATCH:
            if known.need is Need.RECONCILE and await self._has_moved(name, task_id):
                break
            with suppress(SubmitUncertainError):  # then it is looked for
                return await self._tools.submitting.submit(self._entry, self._known, name, send)
        return Submission(task_id, (task_id,), answers_modal=True)

    async def _has_moved(self, name: str, task_id: str) -> bool:
        """Look whether a second request arrived that may have been lost: the task goes on.

        Returns:
            False where it shall be sent again.

        Raises:
            SubmitUncertainError: Nobody can know.
        """
        submitting = self._tools.submitting
        await asyncio.sleep(await submitting.left(self._entry, self._known, name))
        try:
            await self._wait(task_id)
        except NeedsInputError as error:
            if submitting.resubmits:
                return False
            known = self._known.step(name)
            raise SubmitUncertainError(
                f"task {task_id} still waits for the second request that was sent to it; "
                "it may have been accepted",
                state=known.state,
                sent_at=known.sent_at,
            ) from error
        return True

    async def _wait(self, task: str | Submission) -> T:
        try:
            return await self._tools.watcher.wait(task, limits=self._tools.limits)
        finally:
            self._tools.submitting.turns.freed()

    async def _imagine(self, state: str) -> Submission:
        job = self._entry.job
        return await self._tools.session.imagine(
            job.prompt,
            images=job.images,
            bot=job.bot,
            account_filter=job.account_filter,
            notify_hook=job.notify_hook,
            state=state,
        )

    async def _press(self, task: T, label: str) -> None:
        async def send(state: str) -> Submission:
            hook = self._entry.job.notify_hook
            return await self._tools.session.action(task, label, state=state, notify_hook=hook)

        pressed = self._tasks[label] = await self._task(label, send)
        await self._bring(label, pressed)

    # Files

    async def _bring(self, step: str, task: T) -> None:
        home, known = self._tools.home, self._known.step(step)
        if home is None:
            return
        planned = list(map(Path, known.paths))
        if known.placed and await home.has(planned):
            self._files[step] = planned
            return
        self._did_something = True

        async def note(paths: list[Path]) -> None:
            names = tuple(map(str, paths))
            await self._note(self._record(step, Kind.PLACING, paths=names))

        staged, self._tasks[step] = await self._fetched(home, task)
        self._files[step] = await home.place(self._entry, step or GRID, staged, planned, note)
        await self._note(self._record(step, Kind.PLACED))

    async def _fetched(self, home: Home[T], task: T) -> tuple[list[Path], T]:
        """Download; that the key is refused for a fresh link speaks of the run (rule 16)."""
        turns, refused = self._tools.submitting.turns, False
        while True:
            try:
                found = await home.fetch(task)
            except AuthenticationError as error:
                await turns.refused(error)
                refused = True
            else:
                if refused:
                    turns.answered()
                return found

    # Records

    def _record(self, step: str, kind: Kind, **about: Any) -> Record:
        return Record(self._entry.name, step, kind, time.time(), **about)

    async def _note(self, record: Record, task: bytes | None = None) -> None:
        self._known.apply(record)
        await self._tools.recorder.write((record, task))


def _worst(errors: Collection[MJTaskError]) -> MJTaskError | None:
    """Choose what stands for a job: first of all that something may have been paid for."""
    uncertain = (error for error in errors if isinstance(error, SubmitUncertainError))
    return next(uncertain, next(iter(errors), None))


def _stops(error: MJTaskError) -> bool:
    """Whether an error speaks of the run: one refusal of the key by itself does not (Q37)."""
    if isinstance(error, AuthenticationError):
        return bool(error.ids)
    if isinstance(error, DownloadError):
        cause = error.__cause__
        return isinstance(cause, OSError) and cause.errno not in _OF_A_NAME
    return isinstance(error, (ClosedError, JournalError, OutageError))
