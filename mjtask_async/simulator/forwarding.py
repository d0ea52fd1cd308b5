"""How a relay talks to its upstream, and what it makes of the answers (contract 2.3, 4.1).

An upstream may be scripted to say something else than the origin does.
"""

import json
from dataclasses import dataclass, replace

from .dialects import as_array, as_object, go_json
from .direct import Backend, Errand, Spoken
from .origin import Wire

SUBMIT_PATIENCE = 60.0
SEED_PATIENCE = 30.0
"""Seconds after which a relay gives an answer up."""
UNSUPPORTED = (
    '{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.16",'
    '"title":"Unsupported Media Type","status":415,'
    '"traceId":"00-00000000000000000000000000000000-0000000000000000-00"}'
)
"""What trueai says of an order that is not JSON (contract 4.2)."""
FREE = frozenset(("INPAINT", "CUSTOM_ZOOM"))
"""The actions that cost nothing, and whose code 21 stays (contract 2.3 and 8)."""
_SPEEDS = ("--fast", "--relax", "--turbo")
_REMOVED = frozenset(("accountFilter", "notifyHook"))


class RelayRefusal(Exception):  # noqa: N818 -- carries an answer, is no error of ours
    """What a relay says of its own accord, in shape E2 (contract 4.1)."""

    def __init__(self, code: int, word: str, delay: float = 0.0) -> None:
        super().__init__(word)
        self.code = code
        self.word = word
        self.delay = delay

    @property
    def text(self) -> str:
        """The answer's body; the blank before the quote is the servers' own."""
        said = {"code": self.code, "description": f"{self.word} ", "type": "upstream_error"}
        return go_json(said)


@dataclass(frozen=True, slots=True)
class Upstream:
    """Upstream's answer to an order; ``answer`` is None when its body was empty."""

    spoken: Spoken
    answer: Wire | None

    def rewritten(self, action: str) -> Spoken:
        """Turn 21 and 22 into 1, in the text, as the relays do it (contract 2.3)."""
        text = self.spoken.text
        for code in (22,) if action in FREE else (21, 22):
            text = text and text.replace(f'"code":{code}', '"code":1')
        return self.spoken._replace(text=text)

    def rebuilt(self) -> Spoken:
        """Write the envelope anew, as the relays do for a seed and a swap (contract 2.4)."""
        if self.answer is None:
            said = {"code": 5, "description": "empty_response_body", "properties": None}
            return self.spoken._replace(text=go_json({**said, "result": ""}))
        properties = as_object(self.answer.get("properties"))
        said = {
            "code": self.answer.get("code") or 0,
            "description": self.answer.get("description") or "",
            "properties": properties and dict(sorted(properties.items())),
            "result": self.answer.get("result") or "",
        }
        return self.spoken._replace(text=go_json(said))


class Forwarder:
    """Passes orders on.

    Args:
        upstream: Whom it passes them to: an origin, or another relay.
        modes: Whether the speed is chosen here, and upstream's errors are kept back.
    """

    def __init__(self, upstream: Backend, *, modes: bool) -> None:
        self.scripted: Spoken | None = None
        self._upstream = upstream
        self._modes = modes

    def submit(self, errand: Errand, mode: str | None, now: float) -> Upstream:
        """Pass an order on.

        Raises:
            RelayRefusal: Upstream's answer came too late or makes no sense.
        """
        spoken = self._ask(errand, mode or "FAST", now)
        if self._tries_relax(errand, mode) and '"code":3,' in (spoken.text or ""):
            spoken = self._ask(errand, "RELAX", now)  # silently (contract Q24)
        patience = SEED_PATIENCE if errand.endpoint.endswith("image-seed") else SUBMIT_PATIENCE
        if spoken.delay > patience:
            raise RelayRefusal(5, "do_request_failed", patience)
        if self._modes and spoken.status >= 400:
            raise RelayRefusal(5, "do_request_failed", spoken.delay)
        return Upstream(spoken, _understood(spoken.text) if spoken.text else None)

    def _ask(self, errand: Errand, mode: str, now: float) -> Spoken:
        scripted, self.scripted = self.scripted, None
        if scripted is not None:
            return scripted
        if not errand.typed:
            return Spoken(415, UNSUPPORTED)
        sent = replace(errand, order=self._sent(errand.order, mode), mode=mode)
        try:
            return self._upstream.submit(sent, now)
        except RelayRefusal as refusal:  # contract Q27: upstream is a relay itself
            return Spoken(400, refusal.text, refusal.delay)

    def _tries_relax(self, errand: Errand, mode: str | None) -> bool:
        return self._modes and mode in {None, "FAST"} and not errand.parent

    def _sent(self, order: Wire, mode: str) -> Wire:
        sent = {name: value for name, value in order.items() if name not in _REMOVED}
        if not self._modes:
            return sent
        for speed in _SPEEDS if isinstance(sent.get("prompt"), str) else ():
            sent["prompt"] = sent["prompt"].replace(speed, "")
        return sent | {"accountFilter": {"modes": [mode]}}


def _understood(text: str) -> Wire:
    """Read an envelope as Go does: an object, or null, whose result is no number."""
    try:
        value = json.loads(text)
    except ValueError:
        value = []
    answer = {} if value is None else as_object(value)
    result = answer.get("result") if answer is not None else None
    if answer is None or not (isinstance(result, str | None) or as_array(result) is not None):
        raise RelayRefusal(5, "unmarshal_response_body_failed")
    return answer
