"""trueai-org's task object: some eighty keys, and what they say of each other (contract 3.6)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from .buttons import buttons_of
from .links import CHANNEL, film_link
from .origin import Job, Wire

KEYS: Mapping[str, Any] = {
    **dict.fromkeys(("id", "parentId", "action")),
    "botType": "MID_JOURNEY",
    **dict.fromkeys(("realBotType", "userId")),
    "isWhite": False,
    **dict.fromkeys(("nonce", "interactionMetadataId", "messageId", "remixModalMessageId")),
    **dict.fromkeys(("remixAutoSubmit", "remixModaling"), False),
    "instanceId": CHANNEL,
    "subInstanceId": None,
    "messageIds": [],
    "status": None,
    "isCompleted": False,
    **dict.fromkeys(("prompt", "promptEn", "promptFull", "description", "language", "state")),
    **dict.fromkeys(("submitTime", "startTime", "finishTime", "imageUrl", "baseImageUrl")),
    **dict.fromkeys(("imageUrls", "thumbnailUrl", "progress", "failReason")),
    **dict.fromkeys(("hasAIReviewRetried", "isThirdParty", "isPartner", "isPartnerRelax"), False),
    **dict.fromkeys(("partnerTaskId", "partnerTaskInfo")),
    "isOfficial": False,
    **dict.fromkeys(("officialTaskId", "officialTaskInfo")),
    "isDiscord": True,
    **dict.fromkeys(("properties", "displays")),
    "buttons": [],
    **dict.fromkeys(("seed", "seedError", "seedMessageId", "clientIp", "jobId")),
    "isReplicate": False,
    **dict.fromkeys(("replicateSource", "replicateTarget", "mode", "requestMode")),
    **dict.fromkeys(("accountFilter", "url", "proxyUrl", "height", "width", "size")),
    **dict.fromkeys(("contentType", "imageHeight", "imageWidth", "videoGenOriginImageUrl")),
    **dict.fromkeys(("videoDuration", "frameCount", "videoUrl", "videoUrls", "useTime")),
    **dict.fromkeys(("version", "storageOption", "videoType")),
    "isHdVideo": False,
}
"""The keys in the order of the server's class, with what a new task has there."""
PROPERTIES = (
    *("notifyHook", "discordInstanceId", "discordChannelId", "flags", "messageId"),
    *("messageHash", "nonce", "finalPrompt", "progressMessageId"),
)
_FINISHED = frozenset(("SUCCESS", "FAILURE", "CANCEL"))
_TIMES = ("submitTime", "startTime", "finishTime")
_CHINA = timedelta(hours=8)
_FILMS = {"video": 4, "film": 1}
_VIDEO_SECONDS = 5


def at_success(job: Job, cdn: str) -> Wire:
    """Return what a success writes besides (contract 3.1 and 8)."""
    kind = job.draft.kind
    said: Wire = {
        "buttons": buttons_of(kind, job.hash),
        "state": "",
        "failReason": "",
        "messageId": str(1_100_000_000_000_000_000 + job.number),
        "jobId": job.hash,
        "version": "v 7",
    }
    links = [film_link(cdn, job.number, job.hash, index) for index in range(_FILMS.get(kind, 0))]
    if not links:
        return said
    films = [{"url": link, "thumbnail": None} for link in links]
    more = {"videoUrl": links[0], "videoUrls": films, "videoDuration": _VIDEO_SECONDS}
    return said | more


def present(state: Wire) -> Wire:
    """Return what follows from the rest of a task."""
    start, end = state.get("startTime"), state.get("finishTime")
    shown = {name: _shown(state.get(name)) for name in _TIMES}
    return {
        "isCompleted": state.get("status") in _FINISHED,
        "promptFull": state.get("promptEn"),
        "requestMode": state.get("mode"),
        "displays": {
            "status": state.get("status"),
            **shown,
            "action": state.get("action"),
            "discordInstanceId": CHANNEL,
        },
        "useTime": _span(start, end),
    }


def _span(start: Any, end: Any) -> str:
    timed = isinstance(start, int) and isinstance(end, int)
    return f"{(end - start) / 1000:.2f} s" if timed else "-"


def _shown(ms: Any) -> str:
    """Show a time as the server's pages do, in Chinese time."""
    if not isinstance(ms, int):
        return ""
    return f"{datetime.fromtimestamp(ms / 1000, UTC) + _CHINA:%Y-%m-%d %H:%M:%S}"
