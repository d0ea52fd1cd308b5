"""What a relay looks at before it forwards an order (contract 1.4, 1.5 and 4.1)."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Literal

from ..models import TaskAction
from .dialects import as_object, read_json
from .direct import Errand, Spoken
from .exchange import Answer, Call, Place
from .families import Panic, relayed_action
from .forwarding import RelayRefusal
from .go_body import unmarshal
from .origin import Wire
from .relay import ABOUT_A_TASK, Relay

PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
JSON_UTF8 = {"Content-Type": "application/json; charset=utf-8"}
_ACTIONS: Mapping[str, str] = {
    "submit/imagine": "IMAGINE",
    "submit/describe": "DESCRIBE",
    "submit/shorten": "SHORTEN",
    "submit/blend": "BLEND",
    "submit/edits": "EDITS",
    "submit/video": "VIDEO",
    "submit/modal": "MODAL",
    "submit/upload-discord-images": "UPLOAD",
    "insight-face/swap": "SWAP_FACE",
}
_CHANGES = frozenset(("submit/change", "submit/simple-change"))
_MODELS = frozenset(f"mj_{action.lower()}" for action in TaskAction)
_UNPARSED = frozenset(("submit/describe", "submit/shorten", "submit/blend"))
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")

Forms = Literal["ignored", "refused", "bound"]


class Objection(Exception):  # noqa: N818 -- carries an answer, is no error of ours
    """Something that each relay complains of in words of its own."""

    def __init__(self, about: str, detail: str) -> None:
        super().__init__(about)
        self.about = about
        self.detail = detail


class Panicked(Exception):  # noqa: N818 -- as Go calls it
    """A custom id could not be taken apart; ``second`` is what the relay goes on to say."""

    def __init__(self, words: str, second: Answer) -> None:
        super().__init__(words)
        self.words = words
        self.second = second


class Clerk:
    """Takes orders at a relay's door.

    Args:
        relay: Who forwards them.
        forms: What becomes of an order that is not sent as JSON.
        models: The models that the token may use; None is all.
    """

    def __init__(self, relay: Relay, *, forms: Forms, models: Collection[str] | None) -> None:
        self._relay = relay
        self._forms = forms
        self._models = models

    def take(self, call: Call, place: Place) -> Answer:
        """Forward an order, or refuse it.

        Raises:
            Objection: It does not fit.
            Panicked: The relay broke down over it.
        """
        try:
            errand = self._errand(call, place)
            return _spoken(self._relay.submit(errand, call.now))
        except RelayRefusal as refusal:
            return refused(refusal)

    def seed(self, task_id: str, now: float) -> Answer:
        """Ask upstream for a seed."""
        try:
            errand = Errand("task/{id}/image-seed", {"taskId": task_id})
            return _spoken(self._relay.submit(errand, now))
        except RelayRefusal as refusal:
            return refused(refusal)

    def _errand(self, call: Call, place: Place) -> Errand:
        errand = self._read(call, place)
        if errand.endpoint == "notify":
            return errand
        errand = replace(errand, action=self._action(errand))
        self._check_model(errand)
        _check_fields(errand)
        return errand

    def _read(self, call: Call, place: Place) -> Errand:
        kind, endpoint = call.header("content-type"), place.endpoint
        if kind.startswith("application/json"):
            return Errand(endpoint, _unmarshalled(call.body, endpoint), mode=place.mode)
        if self._forms == "refused" and kind.startswith(_FORMS):
            raise RelayRefusal(5, "read_request_body_failed")
        if endpoint in _UNPARSED or (self._forms == "bound" and endpoint == "submit/modal"):
            return Errand(endpoint, _unparsed(call.body), mode=place.mode, typed=False)
        return Errand(endpoint, {}, mode=place.mode)

    def _action(self, errand: Errand) -> str:
        order = errand.order
        if errand.endpoint in _CHANGES:
            return order.get("action") or ""
        if errand.endpoint != "submit/action":
            return _ACTIONS[errand.endpoint]
        custom_id = order.get("customId") or ""
        if not custom_id:
            raise Objection("action", "custom_id_is_required")
        try:
            action = relayed_action(custom_id)
        except Panic as panic:
            second = refused(self._relay.second_complaint(errand.parent))
            raise Panicked(str(panic), second) from None
        if action is None:
            raise Objection("action", f"unknown_action:{custom_id}")
        return action

    def _check_model(self, errand: Errand) -> None:
        swap = errand.endpoint == "insight-face/swap"
        model = "swap_face" if swap else f"mj_{errand.action.lower()}"
        if self._models is not None and model not in self._models:
            raise Objection("model", model)
        unserved = self._relay.banned and errand.endpoint not in ABOUT_A_TASK
        if unserved or (not swap and model not in _MODELS):
            raise Objection("channel", model)


def refused(refusal: RelayRefusal) -> Answer:
    """Answer in shape E2 (contract 4.1)."""
    return Answer(400, refusal.text.encode(), JSON_UTF8, delay=refusal.delay)


def _check_fields(errand: Errand) -> None:
    order = errand.order
    if errand.endpoint == "submit/imagine" and not order.get("prompt"):
        raise RelayRefusal(4, "prompt_is_required")
    if errand.endpoint in _CHANGES and errand.parent and not order.get("index"):
        raise RelayRefusal(4, "index_is_required")
    faces = ("sourceBase64", "targetBase64")
    if errand.endpoint == "insight-face/swap" and not all(order.get(name) for name in faces):
        raise RelayRefusal(4, "sour_base64_and_target_base64_is_required")


def _unmarshalled(body: bytes, endpoint: str) -> Wire:
    try:
        return unmarshal(body)
    except ValueError as error:
        if endpoint in {"notify", "insight-face/swap"}:
            raise RelayRefusal(4, "bind_request_body_failed") from None
        raise Objection("body", str(error)) from None


def _unparsed(body: bytes) -> Wire:
    """Look at an order of another content type, which goes to upstream as it is."""
    try:
        order = as_object(read_json(body.decode(errors="replace")))
    except ValueError:
        order = None
    if order is None:
        raise RelayRefusal(5, "read_request_body_failed")
    return order


def _spoken(spoken: Spoken) -> Answer:
    if not spoken.text:
        return Answer(spoken.status, delay=spoken.delay)
    body = spoken.text.encode(errors="replace")
    return Answer(spoken.status, body, PLAIN, delay=spoken.delay)
