"""What a journal's records say each bulk job still needs.

1. A record is a fact, written when it is known. Folding facts in the order they were
   written gives a job's state, in a running process as after a crash.
2. A job has steps, and each sends at most one submit that counts: ``""`` is the prompt
   itself, ``"U1"`` a button, and either plus `MODAL` the second request it asked for.
3. INTENT holds the ``state`` before the first byte, SENDING says that bytes may be out.
   Only a step without SENDING after its INTENT is certain not to have been sent.
4. `MOVES` is the machine. A record that does not fit means a damaged journal.
"""

from collections.abc import Iterable
from enum import Enum, StrEnum, auto

from msgspec import Struct

from ..errors import JournalError
from .failures import Failure

MODAL = "+modal"
"""What follows a step's name for the second request that it asked for."""


class Kind(StrEnum):
    """What a record says; the values stand in journals."""

    INTENT = "intent"
    SENDING = "sending"
    REFUSED = "refused"
    """Nothing was taken; it is to be sent again."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNCERTAIN = "uncertain"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PLACING = "placing"
    """Its files are about to get their names."""
    PLACED = "placed"
    ENDED = "ended"
    """The job has its outcome."""
    WANTED = "wanted"
    """Other buttons are to be pressed than were when the job was first intended."""


class Record(Struct, frozen=True, omit_defaults=True):
    """One fact about one job.

    Attributes:
        job: Whose.
        step: Of which of its steps.
        kind: What happened.
        at: UNIX seconds.
        state: What the submit carries, for INTENT.
        index: Where the job stood among the run's, from 0, for INTENT.
        prompt: The job's, for INTENT of the first step.
        then: The buttons to press, for WANTED and INTENT of the first step; None in journals
            that did not tell.
        task_id: For ACCEPTED.
        needs_modal: For ACCEPTED.
        error: For REJECTED and FAILED.
        paths: For PLACING.
        patience: Seconds that the server has for its answer, for SENDING.
    """

    job: str
    step: str
    kind: Kind
    at: float = 0.0
    state: str = ""
    index: int = 0
    prompt: str = ""
    then: tuple[str, ...] | None = None
    task_id: str = ""
    needs_modal: bool = False
    error: Failure | None = None
    paths: tuple[str, ...] = ()
    patience: float = 0.0


class Phase(Enum):
    """Where a step stands."""

    NEW = auto()
    INTENDED = auto()
    SENDING = auto()
    UNCERTAIN = auto()
    ACCEPTED = auto()
    REJECTED = auto()
    SUCCEEDED = auto()
    FAILED = auto()


class Need(Enum):
    """What a step still needs."""

    SUBMIT = auto()
    RECONCILE = auto()
    WATCH = auto()
    NOTHING = auto()


MOVES: dict[Kind, tuple[frozenset[Phase], Phase]] = {
    Kind.INTENT: (
        frozenset((Phase.NEW, Phase.INTENDED, Phase.SENDING, Phase.UNCERTAIN)),
        Phase.INTENDED,
    ),
    Kind.SENDING: (frozenset((Phase.INTENDED,)), Phase.SENDING),
    Kind.REFUSED: (frozenset((Phase.SENDING,)), Phase.INTENDED),
    Kind.UNCERTAIN: (frozenset((Phase.SENDING,)), Phase.UNCERTAIN),
    Kind.ACCEPTED: (frozenset((Phase.SENDING, Phase.UNCERTAIN)), Phase.ACCEPTED),
    Kind.REJECTED: (frozenset((Phase.SENDING,)), Phase.REJECTED),
    Kind.SUCCEEDED: (frozenset((Phase.ACCEPTED,)), Phase.SUCCEEDED),
    Kind.FAILED: (frozenset((Phase.ACCEPTED,)), Phase.FAILED),
    Kind.PLACING: (frozenset((Phase.SUCCEEDED,)), Phase.SUCCEEDED),
    Kind.PLACED: (frozenset((Phase.SUCCEEDED,)), Phase.SUCCEEDED),
}
"""From which phases a record may come, and where it leads."""

_NEEDS = {
    Phase.NEW: Need.SUBMIT,
    Phase.INTENDED: Need.SUBMIT,
    Phase.SENDING: Need.RECONCILE,
    Phase.UNCERTAIN: Need.RECONCILE,
    Phase.ACCEPTED: Need.WATCH,
}


class StepState(Struct):
    """One step of a job.

    Attributes:
        phase: Where it stands.
        state: What its last submit carries, or will carry.
        sent_at: UNIX seconds just before its last submit; 0 without one.
        task_id: The task it became.
        needs_modal: Whether the server asked for a second request.
        error: Why it ended without success.
        paths: The names that its files have or are about to get.
        placed: Whether they have them.
        ended_at: UNIX seconds when its last submit had ended without an answer; 0 unless it has.
        patience: Seconds for which its last submit waits for an answer; 0 where nobody told.
    """

    phase: Phase = Phase.NEW
    state: str = ""
    sent_at: float = 0.0
    task_id: str = ""
    needs_modal: bool = False
    error: Failure | None = None
    paths: tuple[str, ...] = ()
    placed: bool = False
    ended_at: float = 0.0
    patience: float = 0.0

    @property
    def need(self) -> Need:
        """What it still needs."""
        return _NEEDS.get(self.phase, Need.NOTHING)

    def apply(self, record: Record) -> None:
        """Take a record in.

        Raises:
            JournalError: It does not fit what came before; nothing has changed.
        """
        sources, target = MOVES[record.kind]
        if self.phase not in sources:
            raise JournalError(
                f"the journal is damaged: {record.kind} follows {self.phase.name.lower()} "
                f"in step {record.step!r} of job {record.job}"
            )
        self.phase = target
        match record.kind:
            case Kind.INTENT:
                self.state = record.state
            case Kind.SENDING:
                self.sent_at, self.patience = record.at, record.patience
            case Kind.UNCERTAIN:
                self.ended_at = record.at
            case Kind.ACCEPTED:
                self.task_id, self.needs_modal = record.task_id, record.needs_modal
            case Kind.PLACING:
                self.paths, self.placed = record.paths, False
            case Kind.PLACED:
                self.placed = True
            case _:
                self.error = record.error


class JobState(Struct):
    """One job, as far as its records go.

    Attributes:
        index: Where it stood among the run's when it was last intended.
        prompt: Its prompt.
        then: The buttons it was last to press; None where the journal does not tell.
        steps: Its steps by name, in the order in which they began.
        ended: Whether it once had its outcome.
    """

    index: int = 0
    prompt: str = ""
    then: tuple[str, ...] | None = None
    steps: dict[str, StepState] = {}
    ended: bool = False

    def step(self, name: str) -> StepState:
        """Give a step, a new one if nothing is known of it."""
        return self.steps.setdefault(name, StepState())

    def refusal(self, name: str) -> Failure | None:
        """Tell why a step comes no further, if it or its second request has failed for good."""
        found = (self.steps.get(each) for each in (name, name + MODAL))
        return next((step.error for step in found if step and step.error), None)

    def apply(self, record: Record) -> None:
        """Take a record in.

        Raises:
            JournalError: It does not fit what came before.
        """
        if record.kind is Kind.ENDED:
            self.ended = True
            return
        if record.kind is Kind.WANTED:
            self.then = record.then
            return
        self.step(record.step).apply(record)
        if record.kind is Kind.INTENT and not record.step:
            self.index, self.prompt, self.then = record.index, record.prompt, record.then


def fold(records: Iterable[Record]) -> dict[str, JobState]:
    """Fold records, in the order they were written, to the states of their jobs.

    Raises:
        JournalError: They contradict each other.
    """
    jobs: dict[str, JobState] = {}
    for record in records:
        jobs.setdefault(record.job, JobState()).apply(record)
    return jobs
