"""One submit of a bulk run: told to the journal before, and after whatever comes of it.

1. A submit under way is finished even if the job that wants it is cancelled: what the
   server has accepted is paid for, so its id has to reach the journal.
2. One that may be lost can still arrive for ``Timeouts.submit`` seconds after its last try
   ended, however it ended. Until then only a find in the server's list counts, no miss. The
   session that sent it may have had more patience than this one, so the journal tells.
3. The last try of a process that was killed ended, at the latest, when the next one held
   the journal: the time at which it began says little, for a call may try for minutes.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Generic, Literal

from msgspec.structs import replace

from ._core.failures import failure_of
from ._core.pace import Verdict
from ._core.replay import MODAL, JobState, Kind, Need, Phase, Record, StepState
from .errors import (
    ConfigurationError,
    JournalError,
    MJTaskError,
    RequestError,
    SubmitUncertainError,
    UnsupportedError,
)
from .jobs import Entry
from .models import Reconciled, Submission, T
from .recorder import Recorder
from .sending import new_state
from .session import MJSession
from .turnstile import Stopped, Turnstile

_log = logging.getLogger(__name__)
OnUncertain = Literal["report", "resubmit"]
Send = Callable[[str], Awaitable[Submission]]


class Submitting(Generic[T]):
    """Sends the submits of one run.

    Args:
        session: To where.
        recorder: Told of everything.
        turns: Who may submit when.
        on_uncertain: What to do with a submit that may have been accepted.

    Attributes:
        turns: Who may submit when.
        resubmits: Whether a submit whose fate nobody can know is sent again.
    """

    def __init__(
        self,
        session: MJSession[T],
        recorder: Recorder,
        turns: Turnstile,
        on_uncertain: OnUncertain,
    ) -> None:
        self.turns = turns
        self._session = session
        self._recorder = recorder
        self.resubmits: bool = on_uncertain == "resubmit"
        self._under_way: set[asyncio.Task[Submission | None]] = set()
        self._opened_at = time.time()
        self._has_list: bool | None = None

    async def aclose(self, grace: float) -> None:
        """Wait for the submits under way, but no longer than ``grace`` seconds."""
        self.turns.stop()
        under_way = list(self._under_way)
        if under_way:
            await asyncio.wait(under_way, timeout=grace)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def submit(
        self, entry: Entry, job: JobState, step: str, send: Send, *, state: str | None = None
    ) -> Submission:
        """Send a step's submit, as often as it takes until it is accepted or refused for good.

        Args:
            entry: Whose.
            job: What is known of it.
            step: Which of its steps.
            send: Sends it, given its ``state``.
            state: The caller's own; None makes one.

        Raises:
            Stopped: The run takes no more submits; it can be sent by the next one.
            SubmitRejectedError: The server refused it.
            SubmitUncertainError: It may have been accepted.
        """
        known = job.step(step)
        token = state or (known.state if known.need is Need.SUBMIT else "") or new_state()
        if known.state != token or known.need is not Need.SUBMIT:
            await self._note(job, _intent(entry, step, token))
        while True:
            submission = await self._turn(entry, job, step, send)
            if submission is not None:
                return submission

    async def find(self, entry: Entry, job: JobState, step: str) -> Submission | None:
        """Find out what became of a submit that may have been accepted.

        Returns:
            What it became; None where it shall be sent again.

        Raises:
            SubmitUncertainError: Nobody can know.
        """
        found = await self._searched(entry, job, step)
        if found.found is not None:
            return await self._take(entry, job, step, found.found.id)
        if found.conclusive or self.resubmits:
            return None
        known = job.step(step)
        raise SubmitUncertainError(
            "an earlier run was cut off during this submit, so it may have been accepted and "
            f"charged; the server cannot tell (state {known.state})",
            state=known.state,
            sent_at=known.sent_at,
        )

    async def left(self, entry: Entry, job: JobState, step: str) -> float:
        """Say for how many seconds a submit that may be lost can still arrive."""
        if job.step(step).phase is Phase.SENDING:  # by a process that is gone
            await self._note(job, Record(entry.name, step, Kind.UNCERTAIN, self._opened_at))
        known = job.step(step)
        patience = max(known.patience, self._session._timeouts.submit)
        return min(known.ended_at + patience - time.time(), patience)

    async def _turn(self, entry: Entry, job: JobState, step: str, send: Send) -> Submission | None:
        """Send it when its turn comes; None: it is to be sent again."""
        await self.turns.enter()
        task = asyncio.create_task(self._once(entry, job, step, send))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(task)
        except SubmitUncertainError as error:
            if step.endswith(MODAL):  # it makes no task, so no list has its state
                raise
            return await self._in_doubt(entry, job, step, error)

    async def _once(self, entry: Entry, job: JobState, step: str, send: Send) -> Submission | None:
        """Send it once; None: it was refused for the moment."""
        state, patience = job.step(step).state, self._session._timeouts.submit
        try:
            sending = Record(entry.name, step, Kind.SENDING, time.time(), patience=patience)
            await self._note(job, sending)
            submission = await send(state)
        except MJTaskError as error:
            return await self._failed(entry, job, step, error)
        finally:
            self.turns.leave()
        self.turns.accepted()
        await self._accepted(entry, job, step, submission)
        return submission

    async def _accepted(
        self, entry: Entry, job: JobState, step: str, submission: Submission
    ) -> None:
        task_id, modal = submission.task_id or "", submission.needs_modal
        record = Record(
            entry.name, step, Kind.ACCEPTED, time.time(), task_id=task_id, needs_modal=modal
        )
        try:
            await self._note(job, record)
        except JournalError:
            _log.warning("task %s, state %s, is not in the journal", task_id, submission.state)
            raise

    async def _failed(
        self, entry: Entry, job: JobState, step: str, error: MJTaskError
    ) -> Submission | None:
        verdict = self.turns.failed(error)
        if isinstance(error, SubmitUncertainError):
            await self._note(job, Record(entry.name, step, Kind.UNCERTAIN, time.time()))
            raise error
        if verdict is Verdict.JOB and not isinstance(error, ConfigurationError):
            failure = failure_of(error)
            record = Record(entry.name, step, Kind.REJECTED, time.time(), error=failure)
            await self._note(job, record)
            raise error
        await self._note(job, Record(entry.name, step, Kind.REFUSED, time.time()))
        if verdict is Verdict.STOP:
            raise Stopped
        if verdict is Verdict.JOB:
            raise error  # nothing was sent: what was wrong with it can be put right
        return None

    async def _in_doubt(
        self, entry: Entry, job: JobState, step: str, error: SubmitUncertainError
    ) -> Submission | None:
        """Find out what became of it; None: it is to be sent again."""
        found = await self._searched(entry, job, step)
        if found.found is not None:
            self.turns.accepted()
            return await self._take(entry, job, step, found.found.id)
        if not (found.conclusive or self.resubmits):
            raise error
        own = error.state == entry.job.state
        again = error.state if own else new_state()
        await self._note(job, _intent(entry, step, again))
        return None

    async def _searched(self, entry: Entry, job: JobState, step: str) -> Reconciled[T]:
        """Look for a submit at once, and again when it can arrive no more."""
        left = await self.left(entry, job, step)
        found = await self._look(job.step(step))
        if left <= 0 or found.found is not None or self._has_list is False:
            return found
        await asyncio.sleep(left)
        return await self._look(job.step(step))

    async def _look(self, known: StepState) -> Reconciled[T]:
        """Ask the server's list, where it has one."""
        if self._has_list is None:
            self._has_list = await self._finds_list()
        if not self._has_list:
            return Reconciled(None, conclusive=False)
        try:
            return await self._session._reconcile(known.state, known.sent_at, patience=0)
        except RequestError:
            return Reconciled(None, conclusive=False)

    async def _finds_list(self) -> bool | None:
        try:
            await self._session.list_recent()
        except UnsupportedError:
            return False
        except RequestError:
            return None
        return True

    async def _take(self, entry: Entry, job: JobState, step: str, task_id: str) -> Submission:
        submission = Submission(task_id, (task_id,), state=job.step(step).state)
        await self._accepted(entry, job, step, submission)
        return submission

    async def _note(self, job: JobState, record: Record) -> None:
        job.apply(record)
        await self._recorder.write((record, None))


def _intent(entry: Entry, step: str, state: str) -> Record:
    known = Record(entry.name, step, Kind.INTENT, time.time(), state=state, index=entry.index)
    return known if step else replace(known, prompt=entry.job.prompt, then=entry.then)
