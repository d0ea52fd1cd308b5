"""Submits to requests: fields and their ranges (contract 1.5).

Everything is checked before anything is sent; a `ConfigurationError` names the field, as
the caller knows it, and what it may be. Pictures come in as links and data URLs.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, cast

import msgspec
from msgspec import Struct

from ..errors import ConfigurationError
from .custom_id import clean_custom_id
from .media import LARGEST_BODY, is_link
from .wire import Request, clean_id

Bot = Literal["MID_JOURNEY", "NIJI_JOURNEY"]
Dimensions = Literal["PORTRAIT", "SQUARE", "LANDSCAPE"]
ChangeAction = Literal["UPSCALE", "VARIATION", "REROLL"]
Motion = Literal["low", "high"]
VideoType = Literal["vid_1.1_i2v_480", "vid_1.1_i2v_720"]
MAX_STATE = 255
MAX_HOOK = 2000
_BOTS = ("MID_JOURNEY", "NIJI_JOURNEY", "mj", "niji")
_SPEEDS = ("RELAX", "FAST", "TURBO")
_DIMENSIONS = ("PORTRAIT", "SQUARE", "LANDSCAPE")
_CHANGES = ("UPSCALE", "VARIATION", "REROLL")
_MOTIONS = ("low", "high")
_VIDEO_TYPES = ("vid_1.1_i2v_480", "vid_1.1_i2v_720")
_BATCHES = (1, 2, 4)


class Common(Struct, frozen=True):
    """What every submit may carry.

    Attributes:
        state: Comes back in the task; 1 to 255 characters.
        notify_hook: An http(s) address of at most 2,000 characters.
        bot: One of ``MID_JOURNEY`` and ``NIJI_JOURNEY``, or their short forms.
        account_filter: What trueai-org's server chooses an account by.
    """

    state: str
    notify_hook: str | None = None
    bot: str | None = None
    account_filter: Mapping[str, Any] | None = None

    def fields(self) -> dict[str, Any]:
        """Check them and give them their names on the wire.

        Raises:
            ConfigurationError: One is out of its range.
        """
        if self.bot is not None:
            _one_of("bot", self.bot, _BOTS)
        return {
            "botType": self.bot,
            "accountFilter": _account_filter(self.account_filter),
            "state": clean_state(self.state),
            "notifyHook": _hook(self.notify_hook),
        }


def imagine(common: Common, prompt: str, images: Sequence[str]) -> Request:
    """Ask for a picture."""
    fields = {"prompt": _text("prompt", prompt), "base64Array": list(images) or None}
    return _submit("submit/imagine", common, fields)


def blend(common: Common, images: Sequence[str], dimensions: str) -> Request:
    """Ask for a mixture of two to five pictures."""
    if not 2 <= len(images) <= 5:
        raise ConfigurationError(f"images has {len(images)} pictures; give 2 to 5")
    _one_of("dimensions", dimensions, _DIMENSIONS)
    fields = {"base64Array": list(images), "dimensions": dimensions}
    return _submit("submit/blend", common, fields)


def describe(common: Common, image: str, language: str | None) -> Request:
    """Ask for words for a picture: ``link`` for an address, else ``base64``."""
    if language is not None:
        _text("language", language)
    fields = {"link" if is_link(image) else "base64": image, "language": language}
    return _submit("submit/describe", common, fields)


def shorten(common: Common, prompt: str) -> Request:
    """Ask which words of a prompt matter."""
    return _submit("submit/shorten", common, {"prompt": _text("prompt", prompt)})


def change(common: Common, task_id: str, action: str, index: int | None) -> Request:
    """Ask for a follow-up; relays want an index above 0 for a reroll, too."""
    _one_of("action", action, _CHANGES)
    if index is None and action != "REROLL":
        raise ConfigurationError(f"index is needed for {action}; use 1 to 4")
    number = _in_range("index", 1 if index is None else index, 1, 4)
    fields = {"taskId": clean_id(task_id), "action": str(action), "index": number}
    return _submit("submit/change", common, fields)


def action(common: Common, task_id: str, custom_id: str) -> Request:
    """Press a button."""
    fields = {"taskId": clean_id(task_id), "customId": clean_custom_id(custom_id)}
    return _submit("submit/action", common, fields)


def modal(common: Common, task_id: str, prompt: str | None, mask: str | None) -> Request:
    """Answer what a button asked."""
    fields = {
        "taskId": clean_id(task_id),
        "prompt": None if prompt is None else _text("prompt", prompt),
        "maskBase64": _data_only("mask", mask),
    }
    return _submit("submit/modal", common, fields)


def swap_face(common: Common, source: str, target: str) -> Request:
    """Ask for the face of ``source`` on ``target``; each is a link or data by itself."""
    fields = {
        "sourceUrl" if is_link(source) else "sourceBase64": source,
        "targetUrl" if is_link(target) else "targetBase64": target,
    }
    return _submit("insight-face/swap", common, fields)


def edit(common: Common, prompt: str, image: str, mask: str | None) -> Request:
    """Ask for a change to a picture."""
    fields = {
        "prompt": _text("prompt", prompt),
        "image": image,
        "maskBase64": _data_only("mask", mask),
    }
    return _submit("submit/edits", common, fields)


class Video(Struct, frozen=True):
    """What a video may carry besides its prompt; None leaves a field to the server."""

    image: str | None = None
    end_image: str | None = None
    motion: str | None = None
    loop: bool | None = None
    action: str | None = None
    task_id: str | None = None
    index: int | None = None
    video_type: str | None = None
    batch_size: int | None = None

    def fields(self) -> dict[str, Any]:
        """Check them and give them their names on the wire."""
        for name, allowed in (("motion", _MOTIONS), ("video_type", _VIDEO_TYPES)):
            if getattr(self, name) is not None:
                _one_of(name, getattr(self, name), allowed)
        if self.batch_size is not None:
            _one_of("batch_size", self.batch_size, _BATCHES)
        return {
            "image": self.image,
            "endImage": self.end_image,
            "motion": self.motion,
            "loop": _flag("loop", self.loop),
            "videoType": self.video_type,
            "batchSize": self.batch_size,
            **self._extension(),
        }

    def _extension(self) -> dict[str, Any]:
        if self.action is not None:
            _one_of("action", self.action, ("extend",))
        if (self.action is None) != (self.task_id is None):
            raise ConfigurationError(
                "action='extend' and task_id go together: give both to extend a video, or neither"
            )
        index = None if self.index is None else _in_range("index", self.index, 0, 3)
        task_id = None if self.task_id is None else clean_id(self.task_id)
        return {"action": self.action, "index": index, "taskId": task_id}


def video(common: Common, prompt: str, options: Video) -> Request:
    """Ask for a video."""
    fields = {"prompt": _text("prompt", prompt)} | options.fields()
    return _submit("submit/video", common, fields)


def upload(common: Common, images: Sequence[str]) -> Request:
    """Ask to put pictures where Discord finds them."""
    if not images:
        raise ConfigurationError("images is empty; give 1 picture or more")
    return _submit("submit/upload-discord-images", common, {"base64Array": list(images)})


def _text(field: str, text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ConfigurationError(f"{field} is empty or no str; give a text")
    return text


def _one_of(field: str, value: object, allowed: Collection[object]) -> None:
    if isinstance(value, (bool, float)) or value not in allowed:
        names = ", ".join(map(str, allowed))
        raise ConfigurationError(
            f"{field} is {value!r}; use {'one of ' * (len(allowed) > 1)}{names}"
        )


def _in_range(field: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigurationError(f"{field} is {value!r}; use a whole number from {low} to {high}")
    return value


def _flag(field: str, value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise ConfigurationError(f"{field} is {value!r}; use True or False")
    return value


def _data_only(field: str, image: str | None) -> str | None:
    if image is not None and is_link(image):
        raise ConfigurationError(f"{field} is a link; give a data URL, bytes, or a pathlib.Path")
    return image


def clean_state(state: object) -> str:
    """Check a ``state``, which servers hand back in the task.

    Raises:
        ConfigurationError: It is empty or longer than servers take.
    """
    if not isinstance(state, str) or not 0 < len(state) <= MAX_STATE:
        raise ConfigurationError(
            f"state is {state!r:.80}; use a str of 1 to {MAX_STATE} characters"
        )
    return state


def _hook(address: object) -> str | None:
    if address is None:
        return None
    if not isinstance(address, str) or not is_link(address) or len(address) > MAX_HOOK:
        raise ConfigurationError(
            f"notify_hook is {address!r:.80}; "
            f"use an http(s) address of at most {MAX_HOOK} characters"
        )
    return address


def _account_filter(given: object) -> dict[str, Any] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"account_filter is a {type(given).__name__}; use a dict such as {{'modes': ['FAST']}}"
        )
    wanted = dict(cast("Mapping[str, Any]", given))
    modes: Any = wanted.get("modes") or ()
    if not isinstance(modes, (list, tuple)):
        raise ConfigurationError(f"account_filter['modes'] is {modes!r}; use a list")
    for mode in cast("Sequence[Any]", modes):
        _one_of("account_filter['modes']", mode, _SPEEDS)
    return wanted


def _submit(path: str, common: Common, fields: Mapping[str, Any]) -> Request:
    everything = dict(fields) | common.fields()
    given = {name: value for name, value in everything.items() if value is not None}
    try:
        body = msgspec.json.encode(given)
    except (TypeError, UnicodeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"a field of {path} is no JSON: {error}") from error
    if len(body) > LARGEST_BODY:
        raise ConfigurationError(
            f"the request has {len(body):,} bytes; servers take {LARGEST_BODY:,}: "
            "give smaller or fewer pictures, or links"
        )
    return Request("POST", path, body)
