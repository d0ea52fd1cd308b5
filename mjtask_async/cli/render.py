"""What updates and tasks look like as text."""

import json
import re
import shlex
import sys
from typing import Any

import msgspec

from ..models import Task, TaskUpdate, UpdateKind

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_WORDS: dict[UpdateKind, str] = {
    UpdateKind.NEEDS_INPUT: "waits for a second request",
    UpdateKind.SUCCEEDED: "succeeded",
    UpdateKind.FAILED: "failed",
    UpdateKind.CANCELLED: "cancelled",
    UpdateKind.LOST: "lost: the server no longer knows it",
    UpdateKind.TIMED_OUT: "timed out",
}


def clean(text: str) -> str:
    """Put a text from a server on one line that cannot steer the terminal."""
    return _CONTROL.sub(" ", text).strip()


def shorten(text: str, width: int) -> str:
    """Cut a text to a width, with an ellipsis where something is missing."""
    text = clean(text)
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def slug(text: str, width: int = 40) -> str:
    """Make a file name's part of a text: lower-case ASCII words joined by hyphens."""
    words = "-".join(re.findall(r"[a-z0-9]+", text.lower()))
    return words[:width].strip("-") or "picture"


def state(update: TaskUpdate[Any]) -> str:
    """Say in a few words where a task stands."""
    if update.kind is UpdateKind.PROGRESS:
        return _progress(update)
    words = _WORDS[update.kind]
    reason = update.limit or (update.task and update.task.fail_reason)
    if reason and update.kind in (UpdateKind.FAILED, UpdateKind.TIMED_OUT):
        return f"{words}: {clean(reason)}"
    return words


def _progress(update: TaskUpdate[Any]) -> str:
    if update.percent is not None:
        return f"{update.percent} %"
    status = update.task and update.task.status
    return clean(status).lower().replace("_", " ") if status else "waiting"


def line(update: TaskUpdate[Any], label: str) -> str:
    """Render an update for a terminal that cannot move its cursor."""
    text = f"{clean(label)}  {state(update)}"
    if update.kind is UpdateKind.SUCCEEDED and update.task and update.task.image_url:
        text += f"  {clean(update.task.image_url)}"
    return text


def described(task: Task) -> str:
    """Render a task's facts, one a line."""
    buttons = [b.label or b.emoji or "?" for b in task.buttons or ()]
    facts = {
        "id": task.id,
        "action": task.action,
        "status": task.status,
        "progress": task.progress,
        "prompt": task.prompt,
        "submitted": task.submitted_at and task.submitted_at.isoformat(" ", "seconds"),
        "finished": task.finished_at and task.finished_at.isoformat(" ", "seconds"),
        "reason": task.fail_reason,
        "picture": task.image_url,
        "video": task.video_url,
        "buttons": " ".join(buttons),
    }
    return "\n".join(f"{name:>9}  {clean(value)}" for name, value in facts.items() if value)


def as_json(value: Any) -> str:
    """Render anything of ours as one line of JSON, in ASCII."""
    return json.dumps(msgspec.to_builtins(value))


def exports(variables: dict[str, str], *, platform: str = sys.platform) -> str:
    """Render the commands that set environment variables in this platform's usual shell."""
    if platform == "win32":
        return "\n".join(f"$env:{name} = '{value}'" for name, value in variables.items())
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())
