"""The relay: forwards submits to an origin and answers reads from rows of its own.

A refresh pass copies the state of every unfinished row from the origin. Passes lie on
a grid; like the origin's states they are evaluated when somebody looks, each with the
time at which it happened. A row is finished when its progress is ``"100%"``, whatever
its status (contract 3.3), so rows can freeze (contract Q9, Q10, Q11).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from ..models import TaskStatus
from .accounts import Account
from .dialects import go_json
from .direct import Backend, Errand, Spoken
from .forwarding import FREE, Forwarder, RelayRefusal
from .origin import Wire
from .records import Change, Picture
from .rows import COPIED, TIMES, Row, blank_row, is_readable, read_task
from .switches import DEFAULTS, Switches
from .timeline import Step

HOUR_MS = 3_600_000
TOO_MANY_IDS = 32_766
"""So many ids break the relay's query, which it answers with no tasks at all (contract 2.2)."""
_ACCEPTED = frozenset((1, 21, 22))
_RAND = "?rand=\ue000\uf8ff"  # private characters, until somebody reads the row

ABOUT_A_TASK = frozenset(
    ("submit/change", "submit/simple-change", "submit/action", "submit/modal", "submit/video")
)


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
        broke: What it says when the account, and not the key, cannot pay.
    """

    period: float = 15.0
    single: float = 1.0
    eager: bool = False
    videos: bool = True
    rewrites: bool = True
    steady: bool = False
    fragile: bool = False
    modes: bool = False
    broke: str = "quota_not_enough"


class Relay:
    """The `Backend` of a server that stands in front of an origin.

    Args:
        upstream: The origin, or another relay.
        rules: The family.
        seed: Of the refresh grid's phase and gaps.
        switches: What its operator set up.
    """

    def __init__(
        self,
        upstream: Backend,
        rules: RelayRules,
        *,
        seed: int | str = 0,
        switches: Switches = DEFAULTS,
    ) -> None:
        self.address = ""
        self.banned: bool = False
        self._is_dead = False
        self._bans = switches.auto_ban and not rules.modes
        self.forwarder: Forwarder = Forwarder(upstream, modes=rules.modes)
        self.epoch: float = upstream.epoch
        self._upstream = upstream
        self._rules = rules
        self._rewrites = rules.rewrites and switches.forward_urls
        self._random = Random(f"{seed}:relay")  # noqa: S311 -- a simulation
        self._next_pass = None if rules.eager else self._random.uniform(0, rules.period)
        self._rows: dict[str, list[Row]] = {}
        self._unfinished: list[Row] = []
        self._count = 0
        self._reads = 0
        self.hidden: set[str] = set()
        self.account: Account = Account()
        self._asleep_until = float("-inf")
        self._wakes = False

    def sleep(self, now: float, until: float, *, wakes: bool) -> None:
        """Refresh nothing until a time, or until the next submit where it ``wakes``."""
        self._advance(now)
        self._asleep_until, self._wakes = until, wakes

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
        self._check_credit(errand.action)
        said = self.forwarder.submit(errand, mode, now)
        if said.answer is not None:
            prompt = parent.fields["prompt"] if parent else errand.order.get("prompt") or ""
            row = self._book(errand.action, prompt, said.answer, now, mode)
            if errand.endpoint == "submit/upload-discord-images" and said.answer.get("code") == 1:
                row.store({"status": TaskStatus.SUCCESS.value, "progress": "100%"}, now)
        return said.rewritten(errand.action)

    def _parent(self, errand: Errand) -> Row | None:
        """Look at the row of the task that an order is about (contract 8, preconditions).

        Raises:
            RelayRefusal: There is none, or it is not a success.
        """
        if not errand.parent or errand.endpoint not in ABOUT_A_TASK:
            return None
        rows = self._visible(errand.parent)
        if not rows:
            raise RelayRefusal(4, "task_not_found")
        if errand.endpoint != "submit/modal" and rows[0].fields["status"] != TaskStatus.SUCCESS:
            raise RelayRefusal(4, "task_status_not_success")
        self._check_channel()
        return rows[0]

    def _visible(self, task_id: str) -> Sequence[Row]:
        """Return an id's rows, unless they belong to another user (contract Q16)."""
        return () if task_id in self.hidden else self._rows.get(task_id, ())

    def _check_channel(self) -> None:
        if self.banned:
            raise RelayRefusal(4, "该任务所属渠道已被禁用")

    def _check_credit(self, action: str) -> None:
        if self.account.credit == 0 and action not in FREE:
            raise RelayRefusal(4, self._rules.broke)

    def _swap(self, errand: Errand, now: float) -> Spoken:
        self._check_credit("SWAP_FACE")
        said = self.forwarder.submit(errand, errand.mode, now)
        if said.answer is not None:
            row = self._book("SWAP_FACE", "InsightFace", said.answer, now, errand.mode)
            row.fields["startTime"] = row.fields["submitTime"]
        return said.rebuilt()

    def _seed(self, errand: Errand, now: float) -> Spoken:
        if not self._visible(errand.parent):
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
        said = {name: errand.order.get(name) or "" for name in COPIED}
        said |= {name: errand.order.get(name) or 0 for name in TIMES}
        rows[0].store(said, now)
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
        rows = self._visible(task_id)
        return self._text(rows[0], now) if rows else None

    def find(self, ids: Sequence[str], now: float) -> str:
        """Return all rows of the given ids, in the order of their insertion."""
        self._advance(now)
        if len(ids) >= TOO_MANY_IDS:
            return "[]"
        rows = [row for task_id in set(ids) for row in self._visible(task_id)]
        rows.sort(key=_number)
        return f"[{','.join(self._text(row, now) for row in rows)}]"

    def image(self, task_id: str, now: float) -> tuple[str | None, Picture | None]:
        """Return the link that an id's oldest row holds, and the picture behind it."""
        self._advance(now)
        rows = self._rows.get(task_id)
        if not rows:
            return None, None
        link: str = rows[0].fields["imageUrl"]
        return link, self._upstream.picture(link, now)

    def is_upstreams(self, link: str) -> bool:
        """Tell whether a link leads to what stands behind."""
        return self._upstream.owns(link)

    def tasks(self, ids: Iterable[str], now: float) -> list[Wire]:
        """Return what `find` does, as objects, to a relay in front."""
        rows: list[Wire] = json.loads(self.find(list(ids), now))
        return rows

    def owns(self, link: str) -> bool:
        """Tell whether a link leads here."""
        return link.startswith(f"{self.address}/")

    def picture(self, link: str, now: float) -> Picture | None:
        """Tell which picture is behind a link that leads here."""
        task_id = link.removeprefix(f"{self.address}/mj/image/").partition("?")[0]
        return self.image(task_id, now)[1]

    def plant(self, task_id: str, steps: Sequence[Step], now: float, fields: Wire) -> None:
        """Add a task to the origin, with a row as after its submit."""
        self._advance(now)
        self._upstream.plant(task_id, steps, now, fields)
        answer = {"code": 1, "description": "提交成功", "result": task_id}
        self._insert(fields["action"], fields["prompt"], answer, now, None)

    def forget(self, task_id: str, now: float, *, row: bool) -> bool:
        """Let the origin lose a task, and with ``row`` the relay, too."""
        self._advance(now)
        known = self._upstream.forget(task_id, now, row=row)
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
        if self._is_dead or now < self._asleep_until:
            return
        rows = {row.id: row for row in self._unfinished if row.id}  # the newest of an id wins
        for row in self._unfinished:
            if not row.id and not row.is_finished:
                row.store({"status": TaskStatus.FAILURE.value, "progress": "100%"}, now)
        tasks = self._upstream.tasks(rows, now)
        for task in tasks if all(map(is_readable, tasks)) else ():
            if task["id"] in rows:
                row = rows[task["id"]]
                row.store(self._read(row, task, now), now)
            elif self._rules.fragile:
                self._is_dead = True
                return
        self._unfinished = [row for row in self._unfinished if not row.is_finished]

    def _read(self, row: Row, task: Wire, now: float) -> Wire:
        late = self._ms(now) - row.fields["submitTime"] > HOUR_MS
        return read_task(task, videos=self._rules.videos, late=late)

    def _book(self, action: str, prompt: str, answer: Wire, now: float, mode: str | None) -> Row:
        """Keep the row of somebody's submit, charge it, and wake the updater (contract Q33)."""
        if answer.get("code") in _ACCEPTED and action not in FREE:
            self.account.charge()
        row = self._insert(action, prompt, answer, now, mode)
        if self._wakes:
            self._asleep_until, self._wakes = float("-inf"), False
            self._next_pass = now if self._rules.eager else self._next_pass
        return row

    def _insert(self, action: str, prompt: str, answer: Wire, now: float, mode: str | None) -> Row:
        """Keep a row of every answer, of refusals too (contract Q8)."""
        self.banned = self.banned or (self._bans and answer.get("code") == 3)
        said, result = answer.get("description") or "", answer.get("result")
        task_id = result if isinstance(result, str) else ""
        fields = blank_row(task_id, videos=self._rules.videos) | {
            "action": action,
            "prompt": prompt,
            "description": said,
            "submitTime": self._ms(now),
            "failReason": "" if answer.get("code") in _ACCEPTED else said,
        }
        row = Row(task_id, self._count, fields, [Change(now, "", "0%")], mode)
        self._count += 1
        self._rows.setdefault(task_id, []).append(row)
        self._unfinished.append(row)
        if self._rules.eager and self._next_pass is None:
            self._next_pass = now
        return row

    def _text(self, row: Row, now: float) -> str:
        """Return a row as JSON, its link rewritten (contract Q14)."""
        if not row.text:
            row.text = go_json(row.fields | {"imageUrl": self._own_link(row)})
        if _RAND not in row.text:
            return row.text
        self._reads += 1
        ns = int((self.epoch + now) * 1e9) + self._reads
        return row.text.replace(_RAND, f"?rand={ns}")

    def _own_link(self, row: Row) -> str:
        if not row.fields["imageUrl"] or not self._rewrites:
            return str(row.fields["imageUrl"])
        done = row.fields["status"] == TaskStatus.SUCCESS
        return f"{self.address}/mj/image/{row.id}{'' if done else _RAND}"

    def _ms(self, now: float) -> int:
        return round((self.epoch + now) * 1000)


def _number(row: Row) -> int:
    return row.number
