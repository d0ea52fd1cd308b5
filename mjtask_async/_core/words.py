"""What servers' words mean, in English, and what to use where an endpoint is missing.

The words stay as they came; a meaning stands beside them. Only words that users meet
often are here (contract 2.3, 4 and Q25, Q34), each with the server it was seen on.
"""

import re

_MEANINGS: tuple[tuple[str, str], ...] = (
    # keys
    (
        r"invalid token",
        (
            "the key is wrong, expired, disabled, or its quota is spent: today's new-api says "
            "the same for all; a key that worked before may have spent its quota"
        ),
    ),
    (r"令牌额度已用尽", "this key's quota is spent: raise it, or use another key of the account"),
    (r"令牌已过期", "this key has expired: make a new one"),
    (r"令牌状态不可用", "this key is disabled"),
    (
        r"无效的令牌",
        "the key is wrong, or the server's database is in trouble: one refusal is no proof",
    ),
    (r"未提供令牌|authorization header missing", "no key was sent, or not as this server wants it"),
    (r"账号已禁用|用户已被封禁|user has been banned", "this user is banned or disabled"),
    (r"未登录", "the server does not know this key"),
    (r"ip 不在令牌允许访问的列表中", "this key works from other IP addresses only"),
    (r"普通用户不支持指定渠道", "the key has a channel behind its '-', which only admins may name"),
    (
        r"无权访问模型|no access to model|not supported for current token",
        "this key may not use this model; keys limited to models cannot read tasks on new-api",
    ),
    (r"令牌分组 .*已被禁用|分组 .*不存在|无权访问 .*分组", "the key's group is disabled or gone"),
    (r"演示模式", "only an administrator's key may do this"),
    # money
    (r"quota_not_enough|quota is not enough", "the account's quota is spent: top it up"),
    (r"额度不足|余额不足", "the account's quota is spent: top it up"),
    (r"绘图次数已达上限", "the account's limit of pictures is reached"),
    # accounts, channels, queues
    (
        r"无可用渠道|無可用渠道|no available channel",
        "the relay has no channel for this now: none offers it, or all are disabled",
    ),
    (r"渠道已被禁用", "the channel that ran the task is disabled; the task cannot be used further"),
    (r"获取渠道信息失败", "the channel that ran the task was disabled or deleted"),
    (r"无可用的账号实例", "the server has no account that could run it now"),
    (r"^账号不可用:", "the account that ran the task is gone; the task cannot be used further"),
    (r"^账号不可用$", "this user has expired"),
    (r"队列已满|队列数已达上限|queue full", "the server's queue is full: try later"),
    (r"并发数已达上限", "too many tasks of this account run at once: try later"),
    (r"前面还有\s*\d+\s*个任务", "queued"),
    (r"速率达到上限", "too many requests of this account"),
    (r"system \w+ overloaded", "the relay's machine is busy; it refuses everything for a while"),
    (r"服务暂不可用", "the server is out of service: ask its operator"),
    # prompts and tasks
    (r"敏感词|banned prompt", "the prompt holds a banned word"),
    (r"关联任务不存在|task_not_found|task_no_found", "the server does not know this task"),
    (
        r"关联任务状态错误|task_status_not_success",
        "the task has not succeeded, as the server sees it",
    ),
    (r"关联任务不允许执行变化", "only a grid of four can be changed"),
    (r"^prompt_is_required|prompt不能为空|提示词不能为空", "the prompt is empty"),
    (r"sour_base64_and_target_base64", "a relay takes both pictures as data: give bytes or paths"),
    (
        r"base64.*(?:格式|参数)错误",
        "a picture was not understood: novicezk takes no links, only data",
    ),
    (r"unknown_action|未知的 ?action", "the server does not know this button"),
    (r"禁止上传", "the server takes no uploads"),
    (r"未找到 ?seed", "the server found no seed"),
    (r"上游任务超时", "a relay gives up on every task after an hour, finished or not"),
    (r"任务提交超时", "the task waited in the server's queue for too long"),
    (r"任务超时|执行超时", "the task ran for too long"),
    (r"^取消任务$", "somebody cancelled the task"),
    (r"panic detected", "the relay broke down over this request"),
)
_TABLE = tuple((re.compile(pattern, re.IGNORECASE), meaning) for pattern, meaning in _MEANINGS)
_REQUEST_ID = re.compile(r"\s*\(request id: ([^)]*)\)")
_INSTEAD = {
    "submit/shorten": "use a server of trueai or a relay",
    "submit/change": "use action() with one of the task's buttons",
    "submit/action": "use change() with UPSCALE, VARIATION or REROLL and an index",
    "submit/modal": "send the whole prompt with imagine()",
    "submit/edits": "use a button with modal() for a region, or a server of trueai or today's new-api",
    "submit/video": "use imagine() with --video, or a server of trueai or today's new-api",
    "submit/upload-discord-images": "give the pictures to imagine(), blend() or describe()",
    "insight-face/swap": "use a server of trueai or a relay",
    "image-seed": "use a server of trueai or a relay",
    "task/list": "use list_by_condition() with the ids you keep",
    "task/queue": "use list_by_condition() with the ids you keep, or list_recent() on trueai",
    "cancel": "only trueai has it, for admins; stop watching, the task goes on",
}


def meaning_of(words: str) -> str:
    """Say in English what a server's words mean; empty where they are not in the table."""
    words = plain(words)
    return next((meaning for pattern, meaning in _TABLE if pattern.search(words)), "")


def explained(words: str) -> str:
    """Put the meaning of a server's words beside them."""
    meaning = meaning_of(words)
    return f"{words} [{meaning}]" if meaning else words


def plain(words: str) -> str:
    """Take the relay's request id off its words."""
    return _REQUEST_ID.sub("", words).strip()


def quoted_request_id(words: str) -> str | None:
    """Read the request id that a relay put into its words."""
    match = _REQUEST_ID.search(words)
    return match[1] if match else None


def instead_of(endpoint: str) -> str:
    """Say what to use where a server lacks an endpoint; empty where nothing else will do.

    Args:
        endpoint: Method and path, such as ``POST /mj/submit/change``.
    """
    path = endpoint.partition("/mj/")[2]
    return _INSTEAD.get(path) or _INSTEAD.get(path.rpartition("/")[2], "")
