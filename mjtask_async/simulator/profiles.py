"""Which servers the simulator plays: each profile is data, joined from small functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from zlib import crc32

from .dialects import dotnet, jackson
from .direct import Backend
from .engine import CHANNEL, Job, OriginRules, Wire
from .exchange import Answer, Call, Place
from .gin import GinDoor, GinRules, Words
from .relay import RelayRules
from .spring import SpringDoor

DEFAULT = "new-api"


class Door(Protocol):
    """What stands between HTTP and a `Backend`: routes, keys, strictness, shapes."""

    def locate(self, method: str, raw_path: str) -> Place:
        """Tell which endpoint a request is for."""
        ...

    def answer(self, call: Call, place: Place, backend: Backend) -> Answer:
        """Answer a call."""
        ...

    def ids(self, call: Call, place: Place) -> tuple[str, ...]:
        """Tell which task ids a call names."""
        ...


class DoorMaker(Protocol):
    """Builds a profile's door."""

    def __call__(self, key: str, *, epoch: float, seed: int) -> Door:
        """Build it for one simulator."""
        ...


@dataclass(frozen=True, slots=True)
class Profile:
    """One server as it was seen.

    Attributes:
        name: What `Simulator` calls it.
        auth: How a client shows its key: ``"bearer"`` or ``"secret"``.
        origin: The server that runs the tasks.
        relay: What stands in front of the origin, or None.
        door: Builds the front door.
        keep_alive: Seconds after which an idle connection is closed.
        connection_requests: After so many a connection is closed; None is never.
    """

    name: str
    auth: Literal["bearer", "secret"]
    origin: OriginRules
    relay: RelayRules | None
    door: DoorMaker
    keep_alive: float
    connection_requests: int | None


def grid_buttons(mark: str) -> list[Wire]:
    """Return the buttons of a finished grid (contract 3.1: origin's key order)."""
    names = [(f"upsample::{n}", f"U{n}") for n in range(1, 5)]
    more = [(f"variation::{n}", f"V{n}") for n in range(1, 5)]
    plain = {label: _button(f"MJ::JOB::{name}::{mark}", "", label) for name, label in names + more}
    reroll = _button(f"MJ::JOB::reroll::0::{mark}::SOLO", "🔄", "")
    buttons = list(plain.values())
    return [*buttons[:4], reroll, *buttons[4:]]


def bearer_or_secret(call: Call, key: str) -> tuple[int, Words] | None:
    """Check a key as today's new-api does (contract 1.1, column A2)."""
    sent = _strip_bearer(call.header("authorization"))
    if sent in {"", "midjourney-proxy"}:
        sent = _strip_bearer(call.header("mj-api-secret"))
    sent, wanted = sent.removeprefix("sk-"), key.removeprefix("sk-")
    if sent == wanted:
        return None
    if sent.partition("-")[0] == wanted:
        return 403, _NO_CHANNEL
    return 401, _INVALID


def _strip_bearer(value: str) -> str:
    if value.startswith(("Bearer ", "bearer ")):
        return value[7:].strip()
    return value


def _button(custom_id: str, emoji: str, label: str) -> Wire:
    return {"customId": custom_id, "emoji": emoji, "label": label, "style": 2, "type": 2}


def _novicezk_order(job: Job, now: float, asked: int) -> tuple[bool, int]:
    """Put tasks under way first and the rest in an order that changes with the request."""
    return job.moments[-1].at <= now, crc32(f"{asked}:{job.id}".encode())


def _insertion_order(job: Job, now: float, asked: int) -> int:
    del now, asked
    return job.number


def _nothing(mark: str) -> Mapping[str, Any]:
    del mark
    return {}


def _trueai_success(mark: str) -> Mapping[str, Any]:
    return {"buttons": grid_buttons(mark), "state": "", "failReason": ""}


def _new_api_error(code: str, message: str, request_id: str) -> Wire:
    text = f"{message} (request id: {request_id})"
    return {"code": code, "message": text, "type": "new_api_error"}


def _any_segment(segment: str) -> bool:
    return bool(segment)


_INVALID: Words = {"en": "Invalid token", "zh": "无效的令牌"}
_NO_CHANNEL: Words = {"zh": "普通用户不支持指定渠道"}

_TRUEAI_ORIGIN = OriginRules(
    encode=dotnet,
    keys=(
        *("id", "action", "botType", "status", "prompt", "promptEn", "description", "state"),
        *("submitTime", "startTime", "finishTime", "imageUrl", "imageUrls", "progress"),
        *("failReason", "properties", "buttons", "seed", "jobId", "videoUrl", "videoUrls"),
    ),
    properties=(
        *("notifyHook", "discordInstanceId", "discordChannelId", "flags", "messageId"),
        *("messageHash", "nonce", "finalPrompt", "progressMessageId"),
    ),
    blank_prompt="提示词不能为空",
    queue_full=(9, "提交失败，队列已满，请稍后重试", False),  # noqa: RUF001 -- its own words
    account={"discordInstanceId": CHANNEL, "discordChannelId": CHANNEL},
    banned_at_submit=False,
    image_prefixes=("",),
    longest_state=255,
    snapshot=3.0,
    at_first={"botType": "MID_JOURNEY", "buttons": []},
    at_success=_trueai_success,
    order=_insertion_order,
)

_NOVICEZK_ORIGIN = OriginRules(
    encode=jackson,
    keys=(
        *("id", "properties", "action", "status", "prompt", "promptEn", "description", "state"),
        *("submitTime", "startTime", "finishTime", "imageUrl", "progress", "failReason"),
    ),
    properties=(
        *("notifyHook", "discordInstanceId", "flags", "messageId", "messageHash", "nonce"),
        *("finalPrompt", "progressMessageId"),
    ),
    blank_prompt="prompt不能为空",
    queue_full=(23, "队列已满，请稍后尝试", True),  # noqa: RUF001 -- its own words
    account={"discordInstanceId": CHANNEL},
    banned_at_submit=True,
    image_prefixes=("data:",),
    longest_state=None,
    snapshot=None,
    at_first={},
    at_success=_nothing,
    order=_novicezk_order,
)

_RELAY_ROUTES = frozenset(
    (
        *("task/{id}/fetch", "task/list-by-condition", "task/{id}/image-seed", "image/{id}"),
        *("submit/imagine", "submit/blend", "submit/describe", "submit/shorten"),
        *("submit/change", "submit/simple-change", "submit/action", "submit/modal"),
        *("submit/upload-discord-images", "insight-face/swap"),
    ),
)

_NOVICEZK_ROUTES = frozenset(
    (
        *("task/{id}/fetch", "task/list-by-condition", "task/list", "task/queue"),
        *("submit/imagine", "submit/blend", "submit/describe", "submit/change"),
        "submit/simple-change",
    ),
)

_NEW_API = GinRules(
    routes=_RELAY_ROUTES | {"submit/edits", "submit/video"},
    is_prefix=_any_segment,
    refuse=bearer_or_secret,
    headers={"X-New-Api-Version": "v1.0.0"},
    error=_new_api_error,
    bad_request={
        "en": "Invalid request: Invalid Midjourney request: ",
        "zh": "无效的请求，无效的midjourney请求，",  # noqa: RUF001 -- its own words
    },
    unknown_limit=120,
    unknown_retry_after="180",
)


def _gin(rules: GinRules) -> DoorMaker:
    def make(key: str, *, epoch: float, seed: int) -> Door:
        return GinDoor(rules, key, epoch=epoch, seed=seed)

    return make


def _spring(routes: frozenset[str]) -> DoorMaker:
    def make(key: str, *, epoch: float, seed: int) -> Door:
        del seed
        return SpringDoor(routes, key, epoch=epoch)

    return make


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="new-api",
            auth="bearer",
            origin=_TRUEAI_ORIGIN,
            relay=RelayRules(period=15.0, single=0.375, videos=True),
            door=_gin(_NEW_API),
            keep_alive=3600.0,
            connection_requests=None,
        ),
        Profile(
            name="novicezk",
            auth="secret",
            origin=_NOVICEZK_ORIGIN,
            relay=None,
            door=_spring(_NOVICEZK_ROUTES),
            keep_alive=60.0,
            connection_requests=100,
        ),
    )
}
"""The profiles by name."""


def profile_named(name: str) -> Profile:
    """Return a profile.

    Raises:
        ValueError: There is none of this name; the message lists them.
    """
    if name not in PROFILES:
        message = f"unknown profile {name!r}; the profiles are: {', '.join(sorted(PROFILES))}"
        raise ValueError(message)
    return PROFILES[name]
