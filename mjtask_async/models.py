"""Tasks, submissions and updates, as the wire has them.

Wire times are milliseconds since the epoch with ``datetime`` properties beside
them; everything else is in seconds. Texts stay texts: a server may send a
status, an action or a progress that nobody has seen before, so ``status`` and
``action`` are plain strings to compare with `TaskStatus` and `TaskAction`, and
`Task.phase` is the closed set to branch on.
"""

import os
import re
import sys
from datetime import UTC, datetime
from enum import StrEnum, auto
from typing import Any, Generic, TypeAlias
from urllib.parse import parse_qs, urlsplit

from msgspec import UNSET, Struct, UnsetType

if sys.version_info >= (3, 13):
    from typing import TypeVar
else:
    from typing_extensions import TypeVar


ImageInput: TypeAlias = str | bytes | os.PathLike[str]
"""A picture: an http(s) link, a data URL, its bytes, or the path of its file."""


class _Upper(StrEnum):
    """A string enum whose values are its names."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[str]) -> str:
        del start, count, last_values
        return name


class TaskStatus(_Upper):
    """The statuses servers are known to send; expect others."""

    NOT_START = auto()
    SUBMITTED = auto()
    MODAL = auto()
    IN_PROGRESS = auto()
    SUCCESS = auto()
    FAILURE = auto()
    CANCEL = auto()


class TaskAction(_Upper):
    """The actions servers are known to send; a relay derives its own, so they differ per server."""

    IMAGINE = auto()
    UPSCALE = auto()
    VARIATION = auto()
    REROLL = auto()
    DESCRIBE = auto()
    BLEND = auto()
    ACTION = auto()
    PAN = auto()
    OUTPAINT = auto()
    INPAINT = auto()
    ZOOM = auto()
    SHOW = auto()
    SHORTEN = auto()
    SWAP_FACE = auto()
    SWAP_VIDEO_FACE = auto()
    VIDEO = auto()
    VIDEO_EXTEND = auto()
    EDIT = auto()
    EDITS = auto()
    RETEXTURE = auto()
    PIC_READER = auto()
    UPSCALE_HD = auto()
    MODAL = auto()
    CUSTOM_ZOOM = auto()
    HIGH_VARIATION = auto()
    LOW_VARIATION = auto()
    UPLOAD = auto()


class TaskPhase(_Upper):
    """Where a task stands, whatever words its server has for it."""

    WAITING = auto()
    """In a queue: null, ``""`` or NOT_START."""
    NEEDS_INPUT = auto()
    """MODAL: the server waits for a second request."""
    RUNNING = auto()
    """SUBMITTED, IN_PROGRESS or any unknown text."""
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELLED = auto()
    """CANCEL, or the FAILURE that trueai-org's servers make of a cancelled task."""


_PHASES: dict[str | None, TaskPhase] = {
    None: TaskPhase.WAITING,
    "": TaskPhase.WAITING,
    "NOT_START": TaskPhase.WAITING,
    "MODAL": TaskPhase.NEEDS_INPUT,
    "SUCCESS": TaskPhase.SUCCEEDED,
    "FAILURE": TaskPhase.FAILED,
    "CANCEL": TaskPhase.CANCELLED,
}
FINAL_PHASES = frozenset((TaskPhase.SUCCEEDED, TaskPhase.FAILED, TaskPhase.CANCELLED))
_CANCELLED_REASON = "取消任务"
_PERCENT = re.compile(r"\s*(\d{1,3})(?:\.\d*)?\s*%?\s*", re.ASCII)
_LAST_MS = 253_402_300_799_999  # the last instant a datetime can hold


class Button(Struct, frozen=True, rename="camel", gc=False):
    """A follow-up a server offers on a finished task; pressed by sending its ``custom_id``."""

    custom_id: str | None = None
    emoji: str | None = None
    label: str | None = None
    style: int | None = None
    type: int | None = None


class MediaUrl(Struct, frozen=True, rename="camel", gc=False):
    """One of a task's pictures or videos."""

    url: str | None = None
    thumbnail: str | None = None


class Task(Struct, frozen=True, rename="camel", gc=False):
    """What a server said of a task at one moment.

    Every field but ``id`` may be absent or null on the wire and is then None.
    A subclass (``class MyTask(Task, frozen=True)``) adds fields of its own and goes
    into `MJSession` as ``task_type``; each added field needs a default.
    """

    id: str
    action: str | None = None
    custom_id: str | None = None
    bot_type: str | None = None
    prompt: str | None = None
    prompt_en: str | None = None
    description: str | None = None
    state: str | None = None
    submit_time: int | None = None
    """Milliseconds since the epoch by the server's clock; 0 or None while unset."""
    start_time: int | None = None
    finish_time: int | None = None
    image_url: str | None = None
    """A preview that changes while the task runs; the picture once it has succeeded."""
    video_url: str | None = None
    video_urls: tuple[MediaUrl, ...] | None = None
    status: str | None = None
    progress: str | None = None
    fail_reason: str | None = None
    buttons: tuple[Button, ...] | None = None
    mask_base64: str | None = None
    properties: dict[str, Any] | None = None
    image_urls: tuple[MediaUrl, ...] | None = None
    seed: str | int | None = None
    job_id: str | None = None

    @property
    def phase(self) -> TaskPhase:
        """The closed set behind ``status``."""
        phase = _PHASES.get(self.status, TaskPhase.RUNNING)
        if phase is TaskPhase.FAILED and self.fail_reason == _CANCELLED_REASON:
            return TaskPhase.CANCELLED
        return phase

    @property
    def is_final(self) -> bool:
        """Whether the status says that the task has ended."""
        return self.phase in FINAL_PHASES

    @property
    def percent(self) -> int | None:
        """The progress in 0 to 100, or None where the server says nothing or a text."""
        text = self.progress or ""
        digits = text.removesuffix("%")
        if not (digits.isascii() and digits.isdecimal()):
            match = _PERCENT.fullmatch(text)
            digits = match[1] if match else ""
        return min(int(digits), 100) if 0 < len(digits) < 4 else None

    @property
    def submitted_at(self) -> datetime | None:
        """When the server took the task, by the server's clock, in UTC."""
        return _instant(self.submit_time)

    @property
    def started_at(self) -> datetime | None:
        """When the task left the queue, by the server's clock, in UTC."""
        return _instant(self.start_time)

    @property
    def finished_at(self) -> datetime | None:
        """When the task ended, by the server's clock, in UTC."""
        return _instant(self.finish_time)

    @property
    def image_expires_at(self) -> datetime | None:
        """When the link in ``image_url`` stops working: the ``ex=`` of Discord's links, in UTC."""
        return _expiry(self.image_url or "")

    def button(self, name: str) -> Button:
        """Find a button by its label (``"U1"``, ``"Vary (Strong)"``), emoji or custom id.

        Raises:
            LookupError: No such button; the message says which there are.
        """
        buttons = self.buttons or ()
        wanted = bare(name)
        for button in buttons:
            if wanted and wanted in map(bare, (button.label, button.emoji, button.custom_id)):
                return button
        names = ", ".join(repr(b.label or b.emoji or b.custom_id) for b in buttons) or "none"
        message = f"task {self.id} has no button {name!r}; it has: {names}"
        raise LookupError(message)


def bare(name: str | None) -> str:
    """Drop what tells an emoji's look, which servers send and keyboards leave out."""
    return (name or "").replace("\ufe0f", "").strip()


T = TypeVar("T", bound=Task, default=Task)
"""The task type of a session: `Task` or a user's subclass of it."""


def _instant(ms: int | None) -> datetime | None:
    if not ms or not 0 < ms <= _LAST_MS:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC)


def _expiry(url: str) -> datetime | None:
    try:
        seconds = int(parse_qs(urlsplit(url).query)["ex"][0], 16)
    except (KeyError, ValueError):
        return None
    return _instant(seconds * 1000)


class Submission(Struct, frozen=True):
    """A server's answer to an accepted submit.

    Attributes:
        task_id: The new task; None where the answer holds links instead (upload).
        task_ids: All new tasks: one, or several of a button that starts several.
        code: 1 accepted, 22 queued, 21 waits for `modal`; relays turn 21 and 22 into 1.
        description: The server's words.
        state: What was sent as ``state`` and comes back in the task.
        queued_ahead: How many tasks wait before this one, where the server says so.
        needs_modal: Whether the task waits for a second request (contract: code 21).
        urls: Links, in the answer to an upload.
        properties: What else the server said.
        answers_modal: Whether it answers a `modal`; the server shows MODAL for a while longer,
            which then means waiting.
    """

    task_id: str | None
    task_ids: tuple[str, ...] = ()
    code: int = 1
    description: str = ""
    state: str | None = None
    queued_ahead: int | None = None
    needs_modal: bool = False
    urls: tuple[str, ...] = ()
    properties: dict[str, Any] | None = None
    answers_modal: bool = False


class Reconciled(Struct, Generic[T], frozen=True):
    """What became of a submit that may have been accepted.

    Attributes:
        found: The task with the ``state`` that was asked for; None where no list holds it.
        conclusive: Whether that is certain. A task that was found always is; that there is
            none can be known on novicezk's server only.
    """

    found: T | None
    conclusive: bool


class UpdateKind(_Upper):
    """What an update says; all but the first two are final."""

    PROGRESS = auto()
    NEEDS_INPUT = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELLED = auto()
    LOST = auto()
    """The server no longer knows the task."""
    TIMED_OUT = auto()
    """A limit of this consumer ran out; the task itself may still go on."""


class TaskUpdate(Struct, Generic[T], frozen=True, gc=False):
    """A step of one task, as one consumer receives it.

    Attributes:
        task_id: The task.
        kind: What happened.
        task: The sighting behind it; None before the first one.
        sequence: Grows with each update of this task; gaps are updates that a newer one replaced.
        observed_at: UNIX seconds at the start of the request that saw it.
        source: ``submit``, ``poll``, ``fetch``, ``webhook``, ``given`` or ``limit``.
        limit: Which of `WatchLimits` ran out, for TIMED_OUT.
        percent: The last known progress in 0 to 100; ``task.percent`` is what this sighting says.
    """

    task_id: str
    kind: UpdateKind
    task: T | None
    sequence: int
    observed_at: float
    source: str
    limit: str | None = None
    percent: int | None = None

    @property
    def is_final(self) -> bool:
        """Whether no more updates of this task will come to this consumer."""
        return self.kind not in _OPEN_KINDS


_OPEN_KINDS = frozenset((UpdateKind.PROGRESS, UpdateKind.NEEDS_INPUT))


class Timeouts(Struct, frozen=True):
    """How long to wait, in seconds.

    Attributes:
        connect: For a connection, its TLS handshake included.
        read: For a whole answer to a read.
        submit: For a whole answer to a submit; relays themselves wait 60 s for their upstream.
        seed: For an image's seed, which a server may look for during a minute.
        idle: Between two pieces of a download.
    """

    connect: float = 10
    read: float = 30
    submit: float = 90
    seed: float = 75
    idle: float = 30


class RateLimit(Struct, frozen=True):
    """How many requests a session may send, spread evenly.

    Attributes:
        requests: So many, above 0,
        per: in so many seconds.
    """

    requests: float
    per: float


class WatchLimits(Struct, frozen=True):
    """How long a consumer waits for one task, in seconds; None switches a limit off.

    A field left out takes the watcher's value, and there the default below.
    Time in which no poll succeeds counts for ``total`` only.

    Attributes:
        total: From the start of watching; 3600.
        queued: In the server's queue; None.
        running: Once started; None.
        stalled: Without any change; None. (100 % without an end is stalled after 180 s anyway.)
        missing: Absent from the server's answers before the task is LOST; 60.
        outage: Without a successful poll before `OutageError`; 300.
    """

    total: float | UnsetType | None = UNSET
    queued: float | UnsetType | None = UNSET
    running: float | UnsetType | None = UNSET
    stalled: float | UnsetType | None = UNSET
    missing: float | UnsetType | None = UNSET
    outage: float | UnsetType | None = UNSET
