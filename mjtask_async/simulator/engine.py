# ruff: noqa: RUF001 -- the servers' own words
"""The origin: a pure state machine of the server that runs the tasks.

Rules of this module:

1. No timers, no I/O and no clock: ``now`` (seconds on the simulator's clock) is an
   argument and never runs backwards.
2. Chance is a seeded ``random.Random``. A task's whole life is drawn when it is
   submitted; reading it is looking up a time.
3. What differs between server families is data: `OriginRules`.

Workers take tasks in the order of submission, so the moment at which a task will
start is known when it is submitted, too (contract section 9).
"""

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heapreplace
from random import Random
from typing import Any
from uuid import UUID

from ..models import TaskAction, TaskStatus
from .dialects import as_object
from .records import AcceptedTask, Change, Picture
from .timeline import (
    Moment,
    Preview,
    Step,
    as_snapshots,
    check_steps,
    draw_life,
    failing_life,
    moments_of,
)

CHANNEL = "1118138338562560102"
"""The Discord channel of the only account."""
LINK_SECONDS = 86_400
"""How long a picture's link works."""
BANNED_WORDS = re.compile(r"\b(nude|naked|gore|bloodbath)\b", re.IGNORECASE)
BANNED = "可能包含敏感词"
_LINK = re.compile(r"/attachments/\d+/\d+/grid_(\d+)_([0-9a-f-]{36})\.png")
_EXPIRY = re.compile(r"[?&]ex=([0-9a-f]{1,16})(?:&|$)")

Wire = dict[str, Any]
"""A JSON object as it stands on the wire."""


@dataclass(frozen=True, slots=True)
class OriginRules:
    """What sets a family of origins apart.

    Attributes:
        encode: Writes JSON as this family does.
        keys: The keys of a task object, in order.
        properties: The keys of its ``properties``, in order.
        blank_prompt: The words of code 4 for a prompt without text.
        queue_full: Code, description and whether the account is named in ``properties``.
        account: What ``properties`` of an accepted submit say of the account.
        banned_at_submit: Whether a banned word is refused with code 24 or fails the task.
        image_prefixes: How an entry of ``base64Array`` may begin.
        longest_state: The longest ``state``, or None.
        snapshot: Seconds between the moments at which a running task is stored; None is live.
        at_first: What a new task has besides.
        at_success: What a success writes besides, given the task's message hash.
        order: Sorts the tasks of a list answer, given the time and the number of ids asked for.
    """

    encode: Callable[[Any], str]
    keys: tuple[str, ...]
    properties: tuple[str, ...]
    blank_prompt: str
    queue_full: tuple[int, str, bool]
    account: Mapping[str, str]
    banned_at_submit: bool
    image_prefixes: tuple[str, ...]
    longest_state: int | None
    snapshot: float | None
    at_first: Mapping[str, Any]
    at_success: Callable[[str], Mapping[str, Any]]
    order: Callable[["Job", float, int], Any]


@dataclass(slots=True)
class Job:
    """A task inside the origin: what it began with and everything that will happen to it."""

    id: str
    number: int
    hash: str
    first: Wire
    moments: Sequence[Moment]
    texts: dict[int, str] = field(default_factory=dict[int, str])

    def index(self, now: float) -> int:
        """Count the moments that have come."""
        return bisect_right(self.moments, now, key=_time)


class Engine:
    """The origin's tasks, workers and queue.

    Args:
        rules: The family.
        seed: Of everything drawn.
        workers: How many tasks run at once; 0 is a server without a usable account.
        queue_size: How many may wait.
        epoch: UNIX seconds at the start of the simulator's clock.
    """

    def __init__(
        self,
        rules: OriginRules,
        *,
        seed: int = 0,
        workers: int = 3,
        queue_size: int = 10,
        epoch: float = 0.0,
    ) -> None:
        self.rules = rules
        self.epoch = epoch
        self.cdn = ""
        self.accepted: list[AcceptedTask] = []
        self._random = Random(f"{seed}:origin")  # noqa: S311 -- a simulation
        self._free = [float("-inf")] * workers
        heapify(self._free)
        self._queue_size = queue_size
        self._waiting: deque[float] = deque()
        self._jobs: dict[str, Job] = {}
        self._hashes: dict[str, str] = {}

    def imagine(self, order: Mapping[str, Any], now: float) -> Wire:
        """Take an imagine order, or refuse it; the answer is a submit envelope."""
        return self._refusal(order) or self._enqueue(order, now)

    def job(self, task_id: str) -> Job | None:
        """Return a task that the origin knows."""
        return self._jobs.get(task_id)

    def jobs(self, ids: Iterable[str], now: float) -> list[Job]:
        """Return the known ones among ``ids``, each once, in this family's order."""
        asked = set(ids)
        found = [job for task_id in asked if (job := self._jobs.get(task_id))]
        return sorted(found, key=lambda job: self.rules.order(job, now, len(asked)))

    def wire(self, job: Job, now: float) -> Wire:
        """Return the task object as this origin shows it now."""
        state = self._fold(job, job.index(now))
        known = {name: state.pop(name, None) for name in self.rules.keys}
        return known | state

    def text(self, job: Job, now: float) -> str:
        """Return `wire` as JSON; written once for each state."""
        index = job.index(now)
        if index not in job.texts:
            job.texts = {index: self.rules.encode(self.wire(job, now))}
        return job.texts[index]

    def plant(self, task_id: str, steps: Sequence[Step], now: float, fields: Wire) -> Job:
        """Add a task with a hand-written life.

        Raises:
            ValueError: The steps are out of order, or the id is taken.
        """
        check_steps(steps)
        if task_id in self._jobs:
            message = f"task {task_id} exists already"
            raise ValueError(message)
        return self._add(task_id, fields, now, moments_of(steps, now, self.epoch))

    def forget(self, task_id: str) -> bool:
        """Lose a task; its pictures stay. Tells whether it was known."""
        return self._jobs.pop(task_id, None) is not None

    def changes(self, task_id: str, now: float) -> list[Change]:
        """List the changes of status and progress up to now, the first state included."""
        job = self._jobs.get(task_id)
        return _visible_changes(job, now) if job else []

    def picture(self, link: str, now: float) -> Picture | None:
        """Tell which picture a link of this origin, or its path with the query, means now."""
        match = _LINK.match(link.removeprefix(self.cdn))
        if not match or match[2] not in self._hashes:
            return None
        expiry = _EXPIRY.search(link)
        if expiry and int(expiry[1], 16) < self.epoch + now:
            return None
        return Picture(self._hashes[match[2]], int(match[1]))

    def _refusal(self, order: Mapping[str, Any]) -> Wire | None:
        rules, prompt = self.rules, order.get("prompt") or ""
        if not prompt.strip():
            return envelope(4, rules.blank_prompt)
        if rules.longest_state is not None and len(order.get("state") or "") > rules.longest_state:
            return envelope(4, f"state 长度不能超过 {rules.longest_state}")
        if rules.banned_at_submit and (word := BANNED_WORDS.search(prompt)):
            said = {"promptEn": prompt, "bannedWord": word[0]}
            return envelope(24, BANNED, properties=said)
        images: list[str] = order.get("base64Array") or []
        if not all(image.startswith(rules.image_prefixes) for image in images):
            return envelope(4, "base64格式错误")
        return None if self._free else envelope(3, "无可用的账号实例")

    def _enqueue(self, order: Mapping[str, Any], now: float) -> Wire:
        while self._waiting and self._waiting[0] <= now:
            self._waiting.popleft()
        ahead = len(self._waiting)
        account = dict(self.rules.account)
        if ahead >= self._queue_size:
            code, words, named = self.rules.queue_full
            return envelope(code, words, properties=account if named else {})
        task_id = self._start(order, now)
        if not ahead:
            return envelope(1, "提交成功", task_id, account)
        said = {"numberOfQueues": ahead} | account
        return envelope(22, f"排队中，前面还有{ahead}个任务", task_id, said)

    def _start(self, order: Mapping[str, Any], now: float) -> str:
        start = max(now, self._free[0])
        moments = self._life(order["prompt"], start)
        heapreplace(self._free, moments[-1].at)
        if start > now:
            self._waiting.append(start)
        task_id = self._new_id(now)
        prompt, state = order["prompt"], order.get("state")
        job = self._add(task_id, imagined(prompt, state), now, moments)
        job.first["properties"]["notifyHook"] = order.get("notifyHook")
        self.accepted.append(AcceptedTask(task_id, prompt, state, now))
        return task_id

    def _life(self, prompt: str, start: float) -> list[Moment]:
        steps = draw_life(self._random)
        if BANNED_WORDS.search(prompt):
            steps = failing_life(BANNED)
        moments = moments_of(steps, start, self.epoch)
        every = self.rules.snapshot
        return moments if every is None else as_snapshots(moments, every)

    def _add(self, task_id: str, fields: Wire, now: float, moments: Sequence[Moment]) -> Job:
        key = str(UUID(int=self._random.getrandbits(128), version=4))
        first = {
            "id": task_id,
            "status": TaskStatus.NOT_START.value,
            "submitTime": round((self.epoch + now) * 1000),
            "properties": self._account_facts(),
            **self.rules.at_first,
            **fields,
        }
        job = Job(task_id, len(self._hashes), key, first, [Moment(now, {}), *moments])
        self._jobs[task_id] = job
        self._hashes[key] = task_id
        return job

    def _account_facts(self) -> Wire:
        nonce = str(1_800_000_000_000_000_000 + self._random.getrandbits(56))
        return {"notifyHook": None, "nonce": nonce, **self.rules.account}

    def _fold(self, job: Job, index: int) -> Wire:
        """Put together what a task is after so many moments."""
        state = dict(job.first)
        for moment in job.moments[:index]:
            if facts := self._facts(job, moment.fields):
                state["properties"] = (as_object(state["properties"]) or {}) | facts
            if moment.fields.get("status") == TaskStatus.SUCCESS:
                state |= self.rules.at_success(job.hash)
            state |= moment.fields
        if isinstance(image := state.get("imageUrl"), Preview):
            state["imageUrl"] = self._link(job, image)
        state["properties"] = self._in_order(state["properties"])
        return state

    def _in_order(self, properties: Any) -> Any:
        if (said := as_object(properties)) is None:
            return properties
        return {name: said[name] for name in self.rules.properties if name in said} | said

    def _facts(self, job: Job, fields: Wire) -> Wire:
        known = {"finalPrompt": job.first.get("promptEn"), "messageHash": job.hash}
        message = str(1_100_000_000_000_000_000 + job.number)
        match fields.get("status"):
            case TaskStatus.IN_PROGRESS:
                return {**known, "progressMessageId": message}
            case TaskStatus.SUCCESS:
                return {**known, "flags": 0, "messageId": message}
            case _:
                return {}

    def _link(self, job: Job, image: Preview) -> str:
        made = int(self.epoch + image.at)
        mark = job.hash.replace("-", "")
        return (
            f"{self.cdn}/attachments/{CHANNEL}/{1_200_000_000_000_000_000 + job.number}"
            f"/grid_{image.percent}_{job.hash}.png"
            f"?ex={made + LINK_SECONDS:x}&is={made:x}&hm={mark}{mark}"
        )

    def _new_id(self, now: float) -> str:
        """Draw an id as contract Q1 has it; here two never collide."""
        ms = int((self.epoch + now) * 1000)
        while True:
            for _ in range(50):
                task_id = f"{ms}{self._random.randrange(1000):03}"
                if task_id not in self._jobs:
                    return task_id
            ms += 1


def envelope(
    code: int, description: str, result: str | None = None, properties: Wire | None = None
) -> Wire:
    """Return the answer to a submit (contract 2.3)."""
    return {
        "code": code,
        "description": description,
        "result": result,
        "properties": properties or {},
    }


def imagined(prompt: str, state: str | None) -> Wire:
    """Return the first fields of an imagine task."""
    return {
        "action": TaskAction.IMAGINE.value,
        "prompt": prompt,
        "promptEn": prompt,
        "description": f"/imagine {prompt}",
        "state": state,
    }


def _time(moment: Moment) -> float:
    return moment.at


def _visible_changes(job: Job, now: float) -> list[Change]:
    said: tuple[Any, Any] = (job.first["status"], job.first.get("progress"))
    changes: list[Change] = []
    for at, fields in job.moments[: job.index(now)]:
        seen = (fields.get("status", said[0]), fields.get("progress", said[1]))
        if changes and changes[-1].at == at:
            changes.pop()
        if not changes or seen != changes[-1][1:]:
            changes.append(Change(at, *seen))
        said = seen
    return changes
