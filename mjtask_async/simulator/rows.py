# ruff: noqa: RUF001 -- the servers' own words
"""A relay's own copies of tasks, and how it reads upstream's (contract 3.1, 3.2 and 7)."""

from dataclasses import dataclass

from ..models import TaskStatus
from .dialects import as_object
from .origin import Wire
from .records import Change

HOUR_RULE = "上游任务超时（超过1小时）"
COPIED = ("promptEn", "state", "imageUrl", "status", "failReason", "progress")
"""The texts that a refresh copies."""
TIMES = ("submitTime", "startTime", "finishTime")
"""The times that a refresh copies."""
_PROMPTS = ("finalPrompt", "finalZhPrompt")
_VIDEOS = ("videoUrl", "videoUrls")
_BLANK = (
    *((name, "") for name in ("id", "action", "customId", "botType", "prompt", "promptEn")),
    *(("description", ""), ("state", ""), ("submitTime", 0), ("startTime", 0), ("finishTime", 0)),
    *(("imageUrl", ""), ("videoUrl", ""), ("videoUrls", None), ("status", ""), ("progress", "0%")),
    *(("failReason", ""), ("buttons", None), ("maskBase64", ""), ("properties", None)),
)
"""A row as it is inserted, in the order of its keys on the wire (contract 3.1)."""


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

    def store(self, new: Wire, now: float) -> None:
        """Write fields, and note a visible change."""
        self.fields |= new
        self.text = ""
        seen = Change(now, self.fields["status"], self.fields["progress"])
        if seen[1:] != self.changes[-1][1:]:
            self.changes.append(seen)


def blank_row(task_id: str, *, videos: bool) -> Wire:
    """Return the fields of a row before its first refresh."""
    known = {name: value for name, value in _BLANK if videos or name not in _VIDEOS}
    return known | {"id": task_id}


def read_task(task: Wire, *, videos: bool, late: bool) -> Wire:
    """Read a task object as the updater does; ``late`` is over an hour after the submit."""
    new: Wire = {name: task.get(name) or "" for name in COPIED}
    new |= {name: task.get(name) or 0 for name in TIMES}
    if late:
        new |= {"failReason": HOUR_RULE, "status": TaskStatus.FAILURE.value}
    if new["failReason"]:
        new["progress"] = "100%"
    if videos:
        new |= _videos(task)
    if (buttons := task.get("buttons")) is not None:
        new["buttons"] = [_button(button) for button in buttons]
    if (properties := task.get("properties")) is not None:
        new["properties"] = {name: properties.get(name) or "" for name in _PROMPTS}
    return new


def is_readable(task: Wire) -> bool:
    """Tell whether Go can decode a task; one that it cannot freezes all of them (contract 7)."""
    properties = {} if task.get("properties") is None else as_object(task["properties"])
    return properties is not None and all(
        (
            all(isinstance(properties.get(name), str | None) for name in _PROMPTS),
            all(isinstance(task.get(name), str | None) for name in COPIED),
            all(type(task.get(name)) in {int, type(None)} for name in TIMES),
        ),
    )


def _videos(task: Wire) -> Wire:
    urls = [{"url": video.get("url") or ""} for video in task.get("videoUrls") or ()]
    return {"videoUrl": task.get("videoUrl") or "", "videoUrls": urls or None}


def _button(button: Wire) -> Wire:
    return {name: button.get(name) for name in ("customId", "emoji", "label", "type", "style")}
