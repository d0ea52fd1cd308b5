# ruff: noqa: RUF001 -- the servers' own words
"""The two families of servers that run tasks."""

from zlib import crc32

from . import novicezk, trueai, trueai_task
from .dialects import dotnet, jackson
from .links import CHANNEL
from .origin import Job, OriginRules, Wire


def _novicezk_order(job: Job, now: float, asked: int) -> tuple[bool, int]:
    """Put tasks under way first and the rest in an order that changes with the request."""
    return job.moments[-1].at <= now, crc32(f"{asked}:{job.id}".encode())


def _insertion_order(job: Job, now: float, asked: int) -> int:
    del now, asked
    return job.number


def _novicezk_success(job: Job, cdn: str) -> Wire:
    del job, cdn
    return {}


def _nothing(state: Wire) -> Wire:
    del state
    return {}


TRUEAI = OriginRules(
    encode=dotnet,
    keys=trueai_task.KEYS,
    properties=trueai_task.PROPERTIES,
    queue_full=(9, "提交失败，队列已满，请稍后重试", False),
    account={"discordInstanceId": CHANNEL, "discordChannelId": CHANNEL},
    snapshot=3.0,
    at_success=trueai_task.at_success,
    present=trueai_task.present,
    order=_insertion_order,
    submits=trueai.SUBMITS,
)

NOVICEZK = OriginRules(
    encode=jackson,
    keys=dict.fromkeys(
        (
            *("id", "properties", "action", "status", "prompt", "promptEn", "description"),
            *("state", "submitTime", "startTime", "finishTime", "imageUrl", "progress"),
            "failReason",
        ),
    ),
    properties=(
        *("notifyHook", "discordInstanceId", "flags", "messageId", "messageHash", "nonce"),
        *("finalPrompt", "progressMessageId", "referencedMessageId"),
    ),
    queue_full=(23, "队列已满，请稍后尝试", True),
    account={"discordInstanceId": CHANNEL},
    snapshot=None,
    at_success=_novicezk_success,
    present=_nothing,
    order=_novicezk_order,
    submits=novicezk.SUBMITS,
)
