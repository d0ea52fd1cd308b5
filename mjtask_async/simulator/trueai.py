"""trueai-org's server as an origin: what it makes of orders (contract 1.5, 2.3 and 4.2, column T).

It also stands behind the relays. There it takes ``submit/change``, too, as the paid
servers do that relays were written for; its own front door does not lead there.
"""

from collections.abc import Callable, Mapping
from typing import Any
from zlib import crc32

from ..models import TaskAction, TaskStatus
from .dialects import as_array, as_object
from .engine import Engine
from .families import PIC_READER, Family, family_of
from .orders import (
    DESCRIBED,
    UNKNOWN_PARENT,
    WRONG_STATUS,
    images_of,
    is_base64,
    is_data_url,
    read_change,
    refused,
)
from .origin import ID_MARK, Draft, Job, Said, Submit, Wire, envelope

SEED_PATIENCE = 60.0
"""Seconds that an image-seed takes at most."""
CANCELLED = "取消任务"
SHORTENED = "Shortened prompts\n\n1️⃣ a lighthouse, oil\n\n2️⃣ lighthouse, sea\n\n3️⃣ sea"
_LONGEST = {"state": 255, "notifyHook": 2000}
_STRINGS = (
    *("prompt", "state", "notifyHook", "botType", "base64", "link", "language", "taskId"),
    *("customId", "maskBase64", "image", "motion", "endImage", "action", "videoType", "content"),
    *("sourceBase64", "sourceUrl", "targetBase64", "targetUrl"),
)
_DIMENSIONS = frozenset((None, "PORTRAIT", "SQUARE", "LANDSCAPE"))
_RANGES: Mapping[str, frozenset[Any]] = {
    "motion": frozenset((None, "", "low", "high")),
    "videoType": frozenset((None, "", "vid_1.1_i2v_480", "vid_1.1_i2v_720")),
    "batchSize": frozenset((None, 1, 2, 4)),
    "index": frozenset((None, 0, 1, 2, 3)),
    "action": frozenset((None, "", "extend")),
}
_NIJI = frozenset(("niji", "NIJI_JOURNEY"))
_NO_REROLL = frozenset(("SWAP_FACE", "SWAP_VIDEO_FACE", "INPAINT"))
_QUICK = frozenset(("described", "shortened", "plain", "upscaled"))

Order = Mapping[str, Any]


def result_shape(engine: Engine, now: float, words: str) -> Said:
    """Answer in the Result envelope (contract 4.2)."""
    ticks = round((engine.epoch + now + 62_135_596_800) * 10_000_000)
    return Said(200, {"success": False, "code": -1, "message": words, "timestamp": str(ticks)})


def misfit(order: Order) -> str | None:
    """Tell which field System.Text.Json could not convert (contract 1.4)."""
    for name in _STRINGS:
        if not isinstance(order.get(name), str | None):
            return name
    images = as_array([] if order.get("base64Array") is None else order["base64Array"])
    if images is None or not all(isinstance(item, str) for item in images):
        return "base64Array"
    return None if order.get("dimensions") in _DIMENSIONS else "dimensions"


def _checked(take: Submit, *, plain: bool = False) -> Submit:
    """Check what is checked of every order; ``plain`` turns a broken limit into code 4."""

    def submit(engine: Engine, order: Order, now: float) -> Said:
        if name := misfit(order):
            words = f"The JSON value could not be converted. Path: $.{name}"
            return result_shape(engine, now, words)
        for name, longest in _LONGEST.items():
            if len(order.get(name) or "") > longest:
                words = f"{name} 长度不能超过 {longest}"
                return refused(4, words) if plain else result_shape(engine, now, words)
        return take(engine, order, now)

    return submit


def _draft(
    order: Order, action: TaskAction | str, prompt: str | None, kind: str, **more: Any
) -> Draft:
    """Begin a task with what an order says."""
    modes = as_array((as_object(order.get("accountFilter")) or {}).get("modes"))
    bot = "NIJI_JOURNEY" if order.get("botType") in _NIJI else "MID_JOURNEY"
    fields: Wire = {
        "action": str(action),
        "prompt": prompt,
        "promptEn": prompt,
        "description": f"/{str(action).lower()} {prompt or ID_MARK}",
        "state": order.get("state"),
        "botType": bot,
        "mode": (modes or [None])[0],
    }
    properties = {"notifyHook": order.get("notifyHook"), "botType": bot}
    return Draft(
        fields=fields | more.pop("fields", {}),
        properties=properties | more.pop("properties", {}),
        kind=kind,
        quick=kind in _QUICK,
        **more,
    )


def _accept(engine: Engine, draft: Draft, now: float) -> Said:
    return Said(200, engine.accept(draft, now))


def _is_picture(text: str) -> bool:
    links = text.startswith(("http://", "https://"))
    return links or is_data_url(text) or is_base64(text)


# -- orders without a parent ----------------------------------------------------------------


def _imagine(engine: Engine, order: Order, now: float) -> Said:
    prompt = order.get("prompt") or ""
    if not prompt.strip():
        return refused(4, "提示词不能为空")
    if not all(map(_is_picture, images_of(order))):
        return refused(4, "base64格式错误")
    if "--video" in prompt:
        return _accept(engine, _draft(order, TaskAction.VIDEO, prompt, "video"), now)
    return _accept(engine, _draft(order, TaskAction.IMAGINE, prompt, "grid"), now)


def _blend(engine: Engine, order: Order, now: float) -> Said:
    images = images_of(order)
    if not 2 <= len(images) <= 5:
        return refused(4, "base64List参数错误")
    if not all(map(_is_picture, images)):
        return refused(4, "base64格式错误")
    said = {"description": f"/blend {ID_MARK} {len(images)}"}
    return _accept(engine, _draft(order, TaskAction.BLEND, None, "grid", fields=said), now)


def _describe(engine: Engine, order: Order, now: float) -> Said:
    link, data = order.get("link") or "", order.get("base64") or ""
    if not link.startswith("http") and not data:
        return refused(4, "base64 或 link 参数错误")
    if data and not _is_picture(data):
        return refused(4, "base64格式错误")
    return _accept(engine, _described(engine, order, now), now)


def _described(engine: Engine, order: Order, now: float) -> Draft:
    picture = engine.keep_picture(now)
    success = {"promptEn": "\n\n".join(DESCRIBED), "imageUrl": picture}
    said = {"description": f"/describe {ID_MARK}.png"}
    action = TaskAction.DESCRIBE
    return _draft(order, action, None, "described", success=success, fields=said)


def _shorten(engine: Engine, order: Order, now: float) -> Said:
    success = {"description": SHORTENED, "imageUrl": None}
    prompt = order.get("prompt")
    draft = _draft(order, TaskAction.SHORTEN, prompt, "shortened", success=success)
    return _accept(engine, draft, now)


def _edits(action: TaskAction) -> Submit:
    def submit(engine: Engine, order: Order, now: float) -> Said:
        prompt, image = order.get("prompt") or "", order.get("image") or ""
        if not prompt.strip():
            return refused(4, "提示词不能为空")
        if not _is_picture(image):
            return refused(4, "image 参数错误")
        return _accept(engine, _draft(order, action, prompt, "grid"), now)

    return submit


def _video(engine: Engine, order: Order, now: float) -> Said:
    prompt, parent = order.get("prompt") or "", order.get("taskId") or ""
    if not prompt.strip():
        return refused(4, "提示词不能为空")
    for name, allowed in _RANGES.items():
        if order.get(name) not in allowed:
            return refused(4, f"{name} 参数错误")
    if parent and (order.get("action") != "extend" or not engine.job(parent)):
        return refused(3, UNKNOWN_PARENT, 404)
    return _accept(engine, _draft(order, TaskAction.VIDEO, prompt, "video"), now)


def _upload(engine: Engine, order: Order, now: float) -> Said:
    images = images_of(order)
    if not images or not all(map(_is_picture, images)):
        return Said(200, {"code": 4, "description": "base64 参数错误"})
    links = [engine.keep_picture(now) for _ in images]
    return Said(200, envelope(1, "提交成功", links))


def _swap(engine: Engine, order: Order, now: float) -> Said:
    for name in ("source", "target"):
        link, data = order.get(f"{name}Url") or "", order.get(f"{name}Base64") or ""
        if not link.startswith("http") and not _is_picture(data):
            return refused(4, f"{name} 参数错误")
    said = {"botType": "INSIGHT_FACE", "description": "/swap"}
    draft = _draft(order, TaskAction.SWAP_FACE, None, "plain", fields=said)
    return _accept(engine, draft, now)


def _video_swap(engine: Engine, order: Order, now: float) -> Said:
    said = {"botType": "INSIGHT_FACE", "description": "/video-swap"}
    draft = _draft(order, TaskAction.SWAP_VIDEO_FACE, None, "plain", fields=said)
    return _accept(engine, draft, now)


# -- orders about a task --------------------------------------------------------------------


def _action(engine: Engine, order: Order, now: float) -> Said:
    task_id, custom_id = order.get("taskId") or "", order.get("customId") or ""
    if not task_id.strip() or not custom_id.strip():
        return refused(4, "参数错误")
    parent = engine.job(task_id)
    if not parent:
        return refused(3, UNKNOWN_PARENT, 404)
    state = engine.state(parent, now)
    if state["status"] != TaskStatus.SUCCESS:
        return refused(4, WRONG_STATUS)
    if custom_id.startswith(PIC_READER):
        return _read_picture(engine, order, parent, state, now)
    family = family_of(custom_id)
    if not family:
        return refused(4, "未知的 Action 类型")
    return _press(engine, order, now, family, (parent, state))


def _press(
    engine: Engine, order: Order, now: float, family: Family, about: tuple[Job, Wire]
) -> Said:
    parent, state = about
    kept = "IMAGINE" if state["action"] == TaskAction.UPSCALE else state["action"]
    if family.action is None and state["action"] in _NO_REROLL:
        return refused(4, "该任务不支持重新生成")
    if family.action == TaskAction.DESCRIBE:
        return _accept(engine, _described(engine, order, now), now)
    draft = _pressed(order, family, parent, state, str(family.action or kept))
    remix = engine.switches.remix or order.get("enableRemix") is True
    if family.modal == "always" or (family.modal == "remix" and remix):
        return Said(200, engine.pause(draft, now))
    return _accept(engine, draft, now)


def _pressed(order: Order, family: Family, parent: Job, state: Wire, action: str) -> Draft:
    custom_id: str = order["customId"]
    index = custom_id.split("::")[3] if family.prefix == "MJ::JOB::upsample::" else ""
    tile = (parent.id, int(index) - 1) if index in {"1", "2", "3", "4"} else None
    blanked = family.prefix == "MJ::Inpaint::"
    fields = {
        "promptEn": "" if blanked else state["promptEn"],
        "description": f"/up {parent.id} {custom_id}",
        "parentId": parent.id,
    }
    return _draft(
        order,
        action,
        "" if blanked else state["prompt"],
        family.kind,
        fields=fields,
        properties={"custom_id": custom_id, "referencedMessageId": parent.hash},
        picture=tile,
        unbounded=family.action == TaskAction.UPSCALE,
    )


def _read_picture(engine: Engine, order: Order, parent: Job, state: Wire, now: float) -> Said:
    """Imagine a line of a describe, or all of them at once (contract 8)."""
    lines = [line for line in (state["promptEn"] or "").split("\n\n") if line.strip()]
    which = order["customId"].removeprefix(PIC_READER)
    if which == "all":
        return _read_all(engine, order, lines[:4], now)
    if not which.isdecimal() or not 1 <= int(which) <= len(lines):
        return refused(4, "未知的 Action 类型")
    prompt = _line_prompt(lines[int(which) - 1])
    fields = {"parentId": parent.id, "description": f"/imagine {prompt}"}
    return Said(
        200, engine.pause(_draft(order, TaskAction.IMAGINE, prompt, "grid", fields=fields), now)
    )


def _read_all(engine: Engine, order: Order, lines: list[str], now: float) -> Said:
    """Start a task for each line; ``result`` holds their ids (contract Q2 and Q18)."""
    ids: list[str] = []
    for number, line in enumerate(lines, start=1):
        said = {"state": f"{order.get('state') or ''}::{number}", "notifyHook": None}
        draft = _draft({**order, **said}, TaskAction.IMAGINE, _line_prompt(line), "grid")
        answer = engine.accept(draft, now)
        if answer["result"] is None:
            return Said(200, answer)
        ids.append(answer["result"])
    return Said(200, envelope(1, "提交成功", ",".join(ids)))


def _line_prompt(line: str) -> str:
    return line.partition(" ")[2] or line


def _modal(engine: Engine, order: Order, now: float) -> Said:
    job = engine.job(order.get("taskId") or "")
    if not (order.get("taskId") or "").strip():
        return refused(4, "参数错误")
    if not job:
        return refused(3, UNKNOWN_PARENT, 404)
    state = engine.state(job, now)
    if state["status"] != TaskStatus.MODAL or job.moments[-1].at > now:
        return refused(4, WRONG_STATUS)
    prompt = (order.get("prompt") or "").strip() or state["prompt"] or ""
    return Said(200, engine.resume(job, {"prompt": prompt, "promptEn": prompt}, now))


def _change(engine: Engine, order: Order, now: float) -> Said:
    parent = engine.job(order.get("taskId") or "")
    if not parent:
        return refused(3, UNKNOWN_PARENT, 404)
    number = order.get("index") or 0
    forms = {
        "UPSCALE": f"MJ::JOB::upsample::{number}::{parent.hash}",
        "VARIATION": f"MJ::JOB::variation::{number}::{parent.hash}",
        "REROLL": f"MJ::JOB::reroll::0::{parent.hash}::SOLO",
    }
    custom_id = forms.get(order.get("action") or "", "")
    return _action(engine, {**order, "customId": custom_id}, now)


def _simple_change(engine: Engine, order: Order, now: float) -> Said:
    change = read_change(order.get("content") or "")
    if change is None:
        return refused(4, "content参数错误")
    return _change(engine, {**order, **change}, now)


def _seed(engine: Engine, order: Order, now: float) -> Said:
    job = engine.job(order["taskId"])
    if not job:
        return refused(3, UNKNOWN_PARENT, 404)
    state = engine.state(job, now)
    if state["status"] != TaskStatus.SUCCESS:
        return refused(4, WRONG_STATUS, 400)
    delay = 0.0 if state.get("seed") else engine.switches.seed_delay
    if delay > SEED_PATIENCE:
        return Said(200, envelope(3, "未找到 seed"), SEED_PATIENCE)
    seed = state.get("seed") or str(crc32(job.hash.encode()))
    job.learn(now + delay, {"seed": seed})
    return Said(200, envelope(1, "成功", seed), delay)


def _cancel(engine: Engine, order: Order, now: float) -> Said:
    """End a task without a word, whether there is one or not (contract 2.4)."""
    engine.cancel(order["taskId"], now, CANCELLED)
    return Said(200, None)


_ORDERS: Mapping[str, Callable[..., Said]] = {
    "submit/blend": _blend,
    "submit/describe": _describe,
    "submit/shorten": _shorten,
    "submit/action": _action,
    "submit/modal": _modal,
    "submit/change": _change,
    "submit/simple-change": _simple_change,
    "submit/edit": _edits(TaskAction.EDIT),
    "submit/edits": _edits(TaskAction.EDIT),
    "submit/retexture": _edits(TaskAction.RETEXTURE),
    "submit/video": _video,
    "submit/upload-discord-images": _upload,
    "insight-face/swap": _swap,
    "insight-face/video-swap": _video_swap,
    "task/{id}/image-seed": _seed,
    "task/{id}/cancel": _cancel,
}
SUBMITS: Mapping[str, Submit] = {
    "submit/imagine": _checked(_imagine, plain=True),
    **{endpoint: _checked(take) for endpoint, take in _ORDERS.items()},
}
