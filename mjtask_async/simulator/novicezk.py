"""novicezk's server as an origin: what it makes of orders (contract 1.5 and 2.3, column N)."""

from collections.abc import Mapping
from typing import Any

from ..models import TaskAction, TaskStatus
from .engine import BANNED, BANNED_WORDS, Engine
from .orders import (
    DESCRIBED,
    UNKNOWN_PARENT,
    WRONG_STATUS,
    images_of,
    is_data_url,
    read_change,
    refused,
)
from .origin import ID_MARK, Draft, Job, Said, Submit, Wire, envelope

BAD_PICTURE = "base64格式错误"
_CHANGEABLE = frozenset(("IMAGINE", "VARIATION", "REROLL", "BLEND"))
_LETTERS = {TaskAction.UPSCALE: "U", TaskAction.VARIATION: "V", TaskAction.REROLL: "R"}
_BROKEN = Said(500, None)
"""A mistake that this server does not expect."""

Order = Mapping[str, Any]


def _draft(order: Order, action: TaskAction, prompt: str | None, words: str, **more: Any) -> Draft:
    """Begin a task with what an order says."""
    fields: Wire = {
        "action": action.value,
        "prompt": prompt,
        "promptEn": prompt,
        "description": words,
        "state": order.get("state"),
    }
    properties = {"notifyHook": order.get("notifyHook")} | more.pop("properties", {})
    return Draft(fields=fields, properties=properties, **more)


def _imagine(engine: Engine, order: Order, now: float) -> Said:
    prompt = order.get("prompt") or ""
    if not prompt.strip():
        return refused(4, "prompt不能为空")
    if word := BANNED_WORDS.search(prompt):
        said = {"promptEn": prompt, "bannedWord": word[0]}
        return Said(200, envelope(24, BANNED, properties=said))
    if not all(map(is_data_url, images_of(order))):
        return refused(4, BAD_PICTURE)
    draft = _draft(order, TaskAction.IMAGINE, prompt, f"/imagine {prompt}")
    return Said(200, engine.accept(draft, now))


def _blend(engine: Engine, order: Order, now: float) -> Said:
    images = images_of(order)
    if not 2 <= len(images) <= 5:
        return refused(4, "base64List参数错误")
    if not all(map(is_data_url, images)):
        return refused(4, BAD_PICTURE)
    words = f"/blend {ID_MARK} {len(images)}"
    return Said(200, engine.accept(_draft(order, TaskAction.BLEND, None, words), now))


def _describe(engine: Engine, order: Order, now: float) -> Said:
    data = order.get("base64") or ""
    if not data.strip():
        return refused(4, "base64不能为空")
    if not is_data_url(data):
        return refused(4, BAD_PICTURE)
    text = "\n\n".join(DESCRIBED)
    success = {"prompt": text, "promptEn": text, "imageUrl": engine.keep_picture(now)}
    words = f"/describe {ID_MARK}.png"
    draft = _draft(order, TaskAction.DESCRIBE, None, words, success=success, quick=True)
    return Said(200, engine.accept(draft, now))


def _change(engine: Engine, order: Order, now: float) -> Said:
    """Change a task; a missing action or index is a mistake of the server's own (contract 4.3)."""
    task_id, action = order.get("taskId") or "", order.get("action")
    if not task_id.strip():
        return refused(4, "taskId不能为空")
    if action is None:
        return _BROKEN
    if action not in set(_LETTERS):
        return refused(4, "action参数错误")
    parent = engine.job(task_id)
    if not parent:
        return refused(3, UNKNOWN_PARENT)
    return _changed(engine, order, parent, now)


def _changed(engine: Engine, order: Order, parent: Job, now: float) -> Said:
    state = engine.state(parent, now)
    if state["status"] != TaskStatus.SUCCESS:
        return refused(4, WRONG_STATUS)
    if state["action"] not in _CHANGEABLE:
        return refused(4, "关联任务不允许执行变化")
    said, account = state["properties"], engine.rules.account["discordInstanceId"]
    if "messageId" not in said or (order["action"] != "REROLL" and order.get("index") is None):
        return _BROKEN
    if said.get("discordInstanceId") != account:
        return refused(3, f"账号不可用: {said.get('discordInstanceId')}")
    action = TaskAction(order["action"])
    return Said(200, engine.accept(_step(order, action, parent, state), now))


def _step(order: Order, action: TaskAction, parent: Job, state: Wire) -> Draft:
    index: Any = "" if action == TaskAction.REROLL else order["index"]
    message = state["properties"]["messageId"]
    known = {
        "finalPrompt": state["promptEn"],
        "progressMessageId": message,
        "referencedMessageId": message,
    }
    is_upscale = action == TaskAction.UPSCALE
    tile = (parent.id, index - 1) if is_upscale and 1 <= index <= 4 else None
    words = f"/up {parent.id} {_LETTERS[action]}{index}"
    more = {"properties": known, "picture": tile, "quick": is_upscale}
    return _draft(order, action, state["prompt"], words, **more)


def _simple_change(engine: Engine, order: Order, now: float) -> Said:
    change = read_change(order.get("content") or "")
    if change is None:
        return refused(4, "content参数错误")
    return _change(engine, {**order, **change}, now)


SUBMITS: Mapping[str, Submit] = {
    "submit/imagine": _imagine,
    "submit/blend": _blend,
    "submit/describe": _describe,
    "submit/change": _change,
    "submit/simple-change": _simple_change,
}
