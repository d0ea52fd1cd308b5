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
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heapreplace
from random import Random
from typing import Any
from uuid import UUID

from ..models import TaskStatus
from .dialects import as_object
from .links import picture_link, read_link
from .origin import ID_MARK, Draft, Job, OriginRules, Said, Wire, envelope
from .records import AcceptedTask, Change, Picture
from .switches import DEFAULTS, Switches
from .timeline import (
    Moment,
    Preview,
    Step,
    as_snapshots,
    check_steps,
    draw_life,
    failing_life,
    moments_of,
    quick_life,
)

BANNED_WORDS = re.compile(r"\b(nude|naked|gore|bloodbath)\b", re.IGNORECASE)
BANNED = "可能包含敏感词"
_FINISHED = frozenset(("SUCCESS", "FAILURE"))


class Engine:
    """The origin's tasks, workers and queue.

    Args:
        rules: The family.
        seed: Of everything drawn.
        workers: How many tasks run at once; 0 is a server without a usable account.
        queue_size: How many may wait.
        epoch: UNIX seconds at the start of the simulator's clock.
        switches: What its operator set up.
    """

    def __init__(
        self,
        rules: OriginRules,
        *,
        seed: int = 0,
        workers: int = 3,
        queue_size: int = 10,
        epoch: float = 0.0,
        switches: Switches = DEFAULTS,
    ) -> None:
        self.rules = rules
        self.epoch = epoch
        self.switches = switches
        self.cdn = ""
        self.accepted: list[AcceptedTask] = []
        self._random = Random(f"{seed}:origin")  # noqa: S311 -- a simulation
        self._free = [float("-inf")] * workers
        heapify(self._free)
        self._queue_size = queue_size
        self._waiting: deque[float] = deque()
        self._jobs: dict[str, Job] = {}
        self._pictures: dict[str, tuple[str, int | None]] = {}

    # -- taking orders --------------------------------------------------------------------

    def submit(self, endpoint: str, order: Mapping[str, Any], now: float) -> Said:
        """Take an order at an endpoint, or refuse it."""
        return self.rules.submits[endpoint](self, order, now)

    def accept(self, draft: Draft, now: float) -> Wire:
        """Let a worker run a task as soon as one is free; the answer is a submit envelope."""
        ahead = self._ahead(now)
        if refusal := self._refusal(ahead, draft):
            return refusal
        job = self._take(draft, now)
        self._work(job, now)
        return self._taken(job.id, ahead)

    def pause(self, draft: Draft, now: float) -> Wire:
        """Keep a task until its modal comes (contract 2.3, code 21)."""
        if refusal := self._refusal(0, draft):
            return refusal
        job = self._take(draft, now)
        job.first["status"] = TaskStatus.MODAL.value
        said = {"finalPrompt": draft.fields["promptEn"], "remix": True}
        return envelope(21, "Waiting for window confirm", job.id, said)

    def resume(self, job: Job, fields: Wire, now: float) -> Wire:
        """Let a worker run a task that had to wait; it stays MODAL until then."""
        ahead = self._ahead(now)
        if refusal := self._refusal(ahead, job.draft):
            return refusal
        job.learn(now, fields)
        self._work(job, now)
        return self._taken(job.id, ahead)

    def cancel(self, task_id: str, now: float, reason: str) -> None:
        """End an unfinished task; its worker stays busy for as long as it was going to."""
        job = self._jobs.get(task_id)
        if not job or self.status(job, now) in _FINISHED:
            return
        del job.moments[job.index(now) :]
        job.texts.clear()
        end = {"status": TaskStatus.FAILURE.value, "progress": "", "failReason": reason}
        job.learn(now, {**end, "finishTime": self.ms(now)})

    def plant(self, task_id: str, steps: Sequence[Step], now: float, fields: Wire) -> Job:
        """Add a task with a hand-written life.

        Raises:
            ValueError: The steps are out of order, or the id is taken.
        """
        check_steps(steps)
        if task_id in self._jobs:
            message = f"task {task_id} exists already"
            raise ValueError(message)
        job = self._add(task_id, Draft(fields=fields), now)
        job.first |= fields
        job.moments.extend(moments_of(steps, now, self.epoch))
        return job

    def forget(self, task_id: str) -> bool:
        """Lose a task; its pictures stay. Tells whether it was known."""
        return self._jobs.pop(task_id, None) is not None

    def keep_picture(self, now: float) -> str:
        """Keep an uploaded picture, and return the link to it."""
        key = self._new_hash()
        self._pictures[key] = (key, None)
        return picture_link(self.cdn, len(self._pictures), key, Preview(100, now), self.epoch)

    # -- looking --------------------------------------------------------------------------

    def job(self, task_id: str) -> Job | None:
        """Return a task that the origin knows."""
        return self._jobs.get(task_id)

    def jobs(self, ids: Iterable[str], now: float) -> list[Job]:
        """Return the known ones among ``ids``, each once, in this family's order."""
        asked = set(ids)
        found = [job for task_id in asked if (job := self._jobs.get(task_id))]
        return sorted(found, key=lambda job: self.rules.order(job, now, len(asked)))

    def newest(self) -> list[Job]:
        """Return all tasks, the latest first."""
        return list(reversed(self._jobs.values()))

    def status(self, job: Job, now: float) -> Any:
        """Return a task's status now."""
        return self.state(job, now)["status"]

    def state(self, job: Job, now: float) -> Wire:
        """Return everything that the origin knows of a task now."""
        return self._fold(job, job.index(now))

    def wire(self, job: Job, now: float) -> Wire:
        """Return the task object as this origin shows it now."""
        state = self.state(job, now)
        state = self.rules.present(state) | state
        known = {name: state.pop(name, blank) for name, blank in self.rules.keys.items()}
        return known | state

    def text(self, job: Job, now: float) -> str:
        """Return `wire` as JSON; written once for each state."""
        index = job.index(now)
        if index not in job.texts:
            job.texts = {index: self.rules.encode(self.wire(job, now))}
        return job.texts[index]

    def changes(self, task_id: str, now: float) -> list[Change]:
        """List the changes of status and progress up to now, the first state included."""
        job = self._jobs.get(task_id)
        return _visible_changes(job, now) if job else []

    def picture(self, link: str, now: float) -> Picture | None:
        """Tell which picture a link of this origin, or its path with the query, means now."""
        found = read_link(link.removeprefix(self.cdn), self.epoch + now)
        if not found or found.key not in self._pictures:
            return None
        key, tile = self._pictures[found.key]
        return found._replace(key=key, tile=tile)

    def ms(self, now: float) -> int:
        """Return a moment as the wire has it."""
        return round((self.epoch + now) * 1000)

    # -- inside -----------------------------------------------------------------------------

    def _ahead(self, now: float) -> int:
        while self._waiting and self._waiting[0] <= now:
            self._waiting.popleft()
        return len(self._waiting)

    def _refusal(self, ahead: int, draft: Draft) -> Wire | None:
        if not self._free:
            return envelope(3, "无可用的账号实例")
        if ahead < self._queue_size or draft.unbounded:
            return None
        code, words, named = self.rules.queue_full
        return envelope(code, words, properties=dict(self.rules.account) if named else {})

    def _taken(self, task_id: str, ahead: int) -> Wire:
        account = dict(self.rules.account)
        if not ahead:
            return envelope(1, "提交成功", task_id, account)
        said = {"numberOfQueues": ahead} | account
        return envelope(22, f"排队中，前面还有{ahead}个任务", task_id, said)

    def _take(self, draft: Draft, now: float) -> Job:
        job = self._add(self._new_id(now), draft, now)
        job.first["description"] = job.first["description"].replace(ID_MARK, job.id)
        said = draft.fields
        prompt, action = said.get("prompt") or "", said["action"]
        self.accepted.append(AcceptedTask(job.id, prompt, said.get("state"), now, action))
        return job

    def _work(self, job: Job, now: float) -> None:
        """Give a task to the worker who is free first, and draw what will happen to it."""
        start = max(now, self._free[0])
        life = moments_of(self._life(job), start, self.epoch)
        if self.rules.snapshot is not None:
            life = as_snapshots(life, self.rules.snapshot)
        heapreplace(self._free, life[-1].at)
        if start > now:
            self._waiting.append(start)
        job.moments.extend(life)

    def _life(self, job: Job) -> Sequence[Step]:
        prompt = self.state(job, job.moments[-1].at)["promptEn"] or ""
        if BANNED_WORDS.search(prompt):
            return failing_life(BANNED)
        return quick_life(self._random) if job.draft.quick else draw_life(self._random)

    def _add(self, task_id: str, draft: Draft, now: float) -> Job:
        key = self._new_hash()
        nonce = str(1_800_000_000_000_000_000 + self._random.getrandbits(56))
        account = {"notifyHook": None, "nonce": nonce, **self.rules.account}
        first = {
            "id": task_id,
            "status": TaskStatus.NOT_START.value,
            "submitTime": self.ms(now),
            "properties": self._in_order(account | draft.properties),
            **draft.fields,
        }
        job = Job(task_id, len(self._pictures), key, first, [Moment(now, {})], draft)
        self._jobs[task_id] = job
        self._pictures[key] = draft.picture or (task_id, None)
        return job

    def _fold(self, job: Job, index: int) -> Wire:
        """Put together what a task is after so many moments."""
        state = {"progress": None, **job.first}
        for moment in job.moments[:index]:
            done = moment.fields.get("status") == TaskStatus.SUCCESS
            extra = self.rules.at_success(job, self.cdn) if done else {}
            if facts := self._facts(job, state, moment.fields):
                known = (as_object(state["properties"]) or {}) | facts
                state["properties"] = self._in_order(known)
            state |= extra | moment.fields | (job.draft.success if done else {})
        if isinstance(image := state.get("imageUrl"), Preview):
            state["imageUrl"] = picture_link(self.cdn, job.number, job.hash, image, self.epoch)
        return state

    def _in_order(self, said: Wire) -> Wire:
        return {name: said[name] for name in self.rules.properties if name in said} | said

    def _facts(self, job: Job, state: Wire, fields: Wire) -> Wire:
        known = {"finalPrompt": state.get("promptEn"), "messageHash": job.hash}
        message = str(1_100_000_000_000_000_000 + job.number)
        match fields.get("status"):
            case TaskStatus.IN_PROGRESS:
                return {**known, "progressMessageId": message}
            case TaskStatus.SUCCESS:
                known["finalPrompt"] = job.draft.success.get("promptEn", state.get("promptEn"))
                shown = (as_object(state["properties"]) or {}).get("progressMessageId", message)
                return {**known, "flags": 0, "messageId": message, "progressMessageId": shown}
            case _:
                return {}

    def _new_hash(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def _new_id(self, now: float) -> str:
        """Draw an id as contract Q1 has it; here two never collide."""
        ms = int((self.epoch + now) * 1000)
        while True:
            for _ in range(50):
                task_id = f"{self.switches.id_prefix}{ms}{self._random.randrange(1000):03}"
                if task_id not in self._jobs:
                    return task_id
            ms += 1


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
