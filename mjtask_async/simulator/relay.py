# ruff: noqa: RUF001 -- the servers' own words
"""The relay: forwards submits to an origin and answers reads from rows of its own.

A refresh pass copies the state of every unfinished row from the origin. Passes lie on
a grid; like the origin's states they are evaluated when somebody looks, each with the
time at which it happened. A row is finished when its progress is ``"100%"``, whatever
its status (contract 3.3), so rows can freeze (contract Q9, Q10, Q11).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from ..models import TaskStatus
from .dialects import as_object, go_json
from .direct import Errand, Spoken
from .engine import Engine
from .forwarding import Forwarder, RelayRefusal
from .origin import Wire
from .records import Change, Picture
from .switches import DEFAULTS, Switches
from .timeline import Step

HOUR_MS = 3_600_000
HOUR_RULE = "上游任务超时（超过1小时）"
TOO_MANY_IDS = 32_766
"""So many ids break the relay's query, which it answers with no tasks at all (contract 2.2)."""
_RAND = "?rand=\ue000\uf8ff"  # private characters, until somebody reads the row

_VIDEOS = ("videoUrl", "videoUrls")
_BLANK = (
    *((name, "") for name in ("id", "action", "customId", "botType", "prompt", "promptEn")),
    *(("description", ""), ("state", ""), ("submitTime", 0), ("startTime", 0), ("finishTime", 0)),
    *(("imageUrl", ""), ("videoUrl", ""), ("videoUrls", None), ("status", ""), ("progress", "0%")),
    *(("failReason", ""), ("buttons", None), ("maskBase64", ""), ("properties", None)),
)
"""A row as it is inserted, in the order of its keys on the wire (contract 3.1)."""
_COPIED = ("promptEn", "state", "imageUrl", "status", "failReason", "progress")
ABOUT_A_TASK = frozenset(
    ("submit/change", "submit/simple-change", "submit/action", "submit/modal", "submit/video")
)
_PROMPTS = ("finalPrompt", "finalZhPrompt")
_TIMES = ("submitTime", "startTime", "finishTime")


@dataclass(frozen=True, slots=True)
class RelayRules:
    """What sets a family of relays apart.

    Attributes:
        period: Seconds between the points of the refresh grid.
        single: How likely a pass follows the last one after one period; else it takes two.
        eager: Whether an idle relay refreshes as soon as something is submitted.
        videos: Whether a row has ``videoUrl`` and ``videoUrls``.
        rewrites: Whether links to pictures lead to the relay itself.
        steady: Whether an image-seed is answered with 200, whatever upstream's status is.
        fragile: Whether one item that was not asked for ends all refreshing (contract Q11).
        modes: Whether the speed is chosen here, and upstream's errors are kept back.
    """

    period: float = 15.0
    single: float = 1.0
    eager: bool = False
    videos: bool = True
    rewrites: bool = True
    steady: bool = False
    fragile: bool = False
    modes: bool = False


@dataclass(slots=True, eq=False)
class Row:
    """A relay's own copy of a task."""

    id: str
    number: int
    fields: Wire
    changes: list[Change]
    mode: str | None = None
    text: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether it is never refreshed again."""
        return bool(self.fields["progress"] == "100%")


class Relay:
    """The `Backend` of a server that stands in front of an origin.

    Args:
        engine: The origin.
        rules: The family.
        seed: Of the refresh grid's phase and gaps.
        switches: What its operator set up.
    """

    def __init__(
        self, engine: Engine, rules: RelayRules, *, seed: int = 0, switches: Switches = DEFAULTS
    ) -> None:
        self.address = ""
        self.banned = False
        self._is_dead = False
        self._bans = switches.auto_ban and not rules.modes
        self.forwarder = Forwarder(engine, modes=rules.modes)
        self._engine = engine
        self._rules = rules
        self._rewrites = rules.rewrites and switches.forward_urls
        self._random = Random(f"{seed}:relay")  # noqa: S311 -- a simulation
        self._next_pass = None if rules.eager else self._random.uniform(0, rules.period)
        self._rows: dict[str, list[Row]] = {}
        self._unfinished: list[Row] = []
        self._count = 0
        self._reads = 0

    def submit(self, errand: Errand, now: float) -> Spoken:
        """Forward an order, and keep a row of what upstream made of it.

        Raises:
            RelayRefusal: The relay's own refusal.
        """
        self._advance(now)
        match errand.endpoint:
            case "task/{id}/image-seed":
                return self._seed(errand, now)
            case "notify":
                return self._notify(errand, now)
            case "insight-face/swap":
                return self._swap(errand, now)
            case _:
                return self._forward(errand, now)

    def _forward(self, errand: Errand, now: float) -> Spoken:
        parent = self._parent(errand)
        mode = parent.mode if parent else errand.mode
        said = self.forwarder.submit(errand, mode, now)
        if said.answer is not None:
            prompt = parent.fields["prompt"] if parent else errand.order.get("prompt") or ""
            row = self._insert(errand.action, prompt, said.answer, now, mode)
            if errand.endpoint == "submit/upload-discord-images" and said.answer.get("code") == 1:
                _store(row, {"status": TaskStatus.SUCCESS.value, "progress": "100%"}, now)
        return said.rewritten(errand.action)

    def _parent(self, errand: Errand) -> Row | None:
        """Look at the row of the task that an order is about (contract 8, preconditions).

        Raises:
            RelayRefusal: There is none, or it is not a success.
        """
        if not errand.parent or errand.endpoint not in ABOUT_A_TASK:
            return None
        rows = self._rows.get(errand.parent)
        if not rows:
            raise RelayRefusal(4, "task_not_found")
        if errand.endpoint != "submit/modal" and rows[0].fields["status"] != TaskStatus.SUCCESS:
            raise RelayRefusal(4, "task_status_not_success")
        self._check_channel()
        return rows[0]

    def _check_channel(self) -> None:
        if self.banned:
            raise RelayRefusal(4, "该任务所属渠道已被禁用")

    def _swap(self, errand: Errand, now: float) -> Spoken:
        said = self.forwarder.submit(errand, errand.mode, now)
        if said.answer is not None:
            row = self._insert("SWAP_FACE", "InsightFace", said.answer, now, errand.mode)
            row.fields["startTime"] = row.fields["submitTime"]
        return said.rebuilt()

    def _seed(self, errand: Errand, now: float) -> Spoken:
        if errand.parent not in self._rows:
            raise RelayRefusal(4, "task_no_found")
        self._check_channel()
        said = self.forwarder.submit(errand, None, now)
        answer = said.rebuilt()
        return answer._replace(status=200) if self._rules.steady and said.answer else answer

    def _notify(self, errand: Errand, now: float) -> Spoken:
        """Believe anybody who says how a task is (contract Q35)."""
        rows = self._rows.get(str(errand.order.get("id") or ""))
        if not rows:
            raise RelayRefusal(4, "midjourney_task_not_found")
        said = {name: errand.order.get(name) or "" for name in _COPIED}
        said |= {name: errand.order.get(name) or 0 for name in _TIMES}
        _store(rows[0], said, now)
        return Spoken(200, None)

    def second_complaint(self, task_id: str) -> RelayRefusal:
        """Tell what the relay says after it has panicked and gone on all the same (contract Q22).

        It has forgotten which task the order was about and looks at the rows without an id.
        """
        if not task_id:
            return RelayRefusal(5, "do_request_failed")
        rows = self._rows.get("")
        if not rows:
            return RelayRefusal(4, "task_not_found")
        done = rows[0].fields["status"] == TaskStatus.SUCCESS
        return (
            RelayRefusal(5, "do_request_failed")
            if done
            else RelayRefusal(4, "task_status_not_success")
        )

    def fetch(self, task_id: str, now: float) -> str | None:
        """Return the oldest row of an id, or None."""
        self._advance(now)
        rows = self._rows.get(task_id)
        return self._text(rows[0], now) if rows else None

    def find(self, ids: Sequence[str], now: float) -> str:
        """Return all rows of the given ids, in the order of their insertion."""
        self._advance(now)
        if len(ids) >= TOO_MANY_IDS:
            return "[]"
        rows = [row for task_id in set(ids) for row in self._rows.get(task_id, ())]
        rows.sort(key=_number)
        return f"[{','.join(self._text(row, now) for row in rows)}]"

    def image(self, task_id: str, now: float) -> tuple[str | None, Picture | None]:
        """Return the link that an id's oldest row holds, and the picture behind it."""
        self._advance(now)
        rows = self._rows.get(task_id)
        if not rows:
            return None, None
        link: str = rows[0].fields["imageUrl"]
        return link, self._engine.picture(link, now)

    def is_upstreams(self, link: str) -> bool:
        """Tell whether a link leads to the origin's CDN."""
        return link.startswith(f"{self._engine.cdn}/")

    def plant(self, task_id: str, steps: Sequence[Step], now: float, fields: Wire) -> None:
        """Add a task to the origin, with a row as after its submit."""
        self._advance(now)
        self._engine.plant(task_id, steps, now, fields)
        answer = {"code": 1, "description": "提交成功", "result": task_id}
        self._insert(fields["action"], fields["prompt"], answer, now, None)

    def forget(self, task_id: str, now: float, *, row: bool) -> bool:
        """Let the origin lose a task, and with ``row`` the relay, too."""
        self._advance(now)
        known = self._engine.forget(task_id)
        if row:
            gone = self._rows.pop(task_id, [])
            self._unfinished = [kept for kept in self._unfinished if kept not in gone]
            known = known or bool(gone)
        return known

    def changes(self, task_id: str, now: float) -> list[Change]:
        """List the visible changes of an id's rows up to now."""
        self._advance(now)
        return sorted(
            (change for row in self._rows.get(task_id, ()) for change in row.changes),
            key=lambda change: change.at,
        )

    def _advance(self, now: float) -> None:
        """Make up for the refresh passes since somebody last looked."""
        while self._next_pass is not None and self._next_pass <= now:
            self._pass(self._next_pass)

    def _pass(self, now: float) -> None:
        self._refresh(now)
        if self._rules.eager and not self._unfinished:
            self._next_pass = None
            return
        periods = 1 if self._random.random() < self._rules.single else 2
        self._next_pass = now + periods * self._rules.period

    def _refresh(self, now: float) -> None:
        if self._is_dead:
            return
        rows = {row.id: row for row in self._unfinished if row.id}  # the newest of an id wins
        for row in self._unfinished:
            if not row.id and not row.is_finished:
                _store(row, {"status": TaskStatus.FAILURE.value, "progress": "100%"}, now)
        tasks = [self._engine.wire(job, now) for job in self._engine.jobs(rows, now)]
        for task in tasks if all(map(_is_readable, tasks)) else ():
            if task["id"] in rows:
                row = rows[task["id"]]
                _store(row, self._copy(row, task, now), now)
            elif self._rules.fragile:
                self._is_dead = True
                return
        self._unfinished = [row for row in self._unfinished if not row.is_finished]

    def _copy(self, row: Row, task: Wire, now: float) -> Wire:
        """Read a task object as the updater does (contract 7)."""
        new: Wire = {name: task.get(name) or "" for name in _COPIED}
        new |= {name: task.get(name) or 0 for name in _TIMES}
        if self._ms(now) - row.fields["submitTime"] > HOUR_MS:
            new |= {"failReason": HOUR_RULE, "status": TaskStatus.FAILURE.value}
        if new["failReason"]:
            new["progress"] = "100%"
        if self._rules.videos:
            new |= _videos(task)
        if (buttons := task.get("buttons")) is not None:
            new["buttons"] = [_button(button) for button in buttons]
        if (properties := task.get("properties")) is not None:
            new["properties"] = {name: properties.get(name) or "" for name in _PROMPTS}
        return new

    def _insert(self, action: str, prompt: str, answer: Wire, now: float, mode: str | None) -> Row:
        """Keep a row of every answer, of refusals too (contract Q8)."""
        self.banned = self.banned or (self._bans and answer.get("code") == 3)
        said, result = answer.get("description") or "", answer.get("result")
        task_id = result if isinstance(result, str) else ""
        fields = self._blank(task_id) | {
            "action": action,
            "prompt": prompt,
            "description": said,
            "submitTime": self._ms(now),
            "failReason": "" if answer.get("code") in {1, 21, 22} else said,
        }
        row = Row(task_id, self._count, fields, [Change(now, "", "0%")], mode)
        self._count += 1
        self._rows.setdefault(task_id, []).append(row)
        self._unfinished.append(row)
        if self._rules.eager and self._next_pass is None:
            self._next_pass = now
        return row

    def _blank(self, task_id: str) -> Wire:
        """Return a row before its first refresh."""
        return {
            name: value for name, value in _BLANK if self._rules.videos or name not in _VIDEOS
        } | {"id": task_id}

    def _text(self, row: Row, now: float) -> str:
        """Return a row as JSON, its link rewritten (contract Q14)."""
        if not row.text:
            row.text = go_json(row.fields | {"imageUrl": self._own_link(row)})
        if _RAND not in row.text:
            return row.text
        self._reads += 1
        ns = int((self._engine.epoch + now) * 1e9) + self._reads
        return row.text.replace(_RAND, f"?rand={ns}")

    def _own_link(self, row: Row) -> str:
        if not row.fields["imageUrl"] or not self._rewrites:
            return str(row.fields["imageUrl"])
        done = row.fields["status"] == TaskStatus.SUCCESS
        return f"{self.address}/mj/image/{row.id}{'' if done else _RAND}"

    def _ms(self, now: float) -> int:
        return round((self._engine.epoch + now) * 1000)


def _store(row: Row, new: Wire, now: float) -> None:
    row.fields |= new
    row.text = ""
    seen = Change(now, row.fields["status"], row.fields["progress"])
    if seen[1:] != row.changes[-1][1:]:
        row.changes.append(seen)


def _is_readable(task: Wire) -> bool:
    """Tell whether Go can decode a task; one that it cannot freezes all of them (contract 7)."""
    properties = {} if task.get("properties") is None else as_object(task["properties"])
    return properties is not None and all(
        (
            all(isinstance(properties.get(name), str | None) for name in _PROMPTS),
            all(isinstance(task.get(name), str | None) for name in _COPIED),
            all(type(task.get(name)) in {int, type(None)} for name in _TIMES),
        ),
    )


def _videos(task: Wire) -> Wire:
    urls = [{"url": video.get("url") or ""} for video in task.get("videoUrls") or ()]
    return {"videoUrl": task.get("videoUrl") or "", "videoUrls": urls or None}


def _button(button: Wire) -> Wire:
    return {name: button.get(name) for name in ("customId", "emoji", "label", "type", "style")}


def _number(row: Row) -> int:
    return row.number
