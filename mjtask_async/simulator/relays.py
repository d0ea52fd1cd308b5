# ruff: noqa: RUF001 -- the servers' own words
"""The three relays: today's new-api (contract column A2), that of 2025 (A), and one-hub (H)."""

from collections.abc import Callable, Mapping

from .accounts import Token
from .exchange import Call
from .gin import Complaint, GinRules, Words
from .origin import Wire
from .relay import RelayRules

_BUSY_ROUTES = frozenset(
    (
        *("task/{id}/fetch", "task/list-by-condition", "task/{id}/image-seed", "image/{id}"),
        *("submit/imagine", "submit/blend", "submit/describe", "submit/shorten"),
        *("submit/change", "submit/simple-change", "submit/action", "submit/modal"),
        *("submit/upload-discord-images", "insight-face/swap"),
    ),
)
_NO_CHANNEL_CHOICE: Words = {"zh": "普通用户不支持指定渠道"}
_PAGE = (
    '<!doctype html><html lang="{}"><head><title>{}</title></head>'
    '<body><div id="root"></div></body></html>\n'
)


def _bearer_or_secret(
    strip: Callable[[str], str], missing: Words, wrong: Words
) -> Callable[[Call, str], tuple[int, Words] | None]:
    """Check a key as new-api does (contract 1.1): a wrong Authorization hides a right secret."""

    def refuse(call: Call, key: str) -> tuple[int, Words] | None:
        sent = strip(call.header("authorization"))
        if sent in {"", "midjourney-proxy"}:
            sent = strip(call.header("mj-api-secret"))
        if not sent:
            return 401, missing
        sent, wanted = sent.removeprefix("sk-"), key.removeprefix("sk-")
        if sent == wanted:
            return None
        return (403, _NO_CHANNEL_CHOICE) if sent.partition("-")[0] == wanted else (401, wrong)

    return refuse


def _secret_only(call: Call, key: str) -> tuple[int, Words] | None:
    """Check a key as one-hub does: it never looks at Authorization (contract 1.1)."""
    sent = call.header("mj-api-secret").removeprefix("Bearer ").removeprefix("sk-")
    wanted = key.removeprefix("sk-")
    if sent == wanted:
        return None
    return (403, _NO_CHANNEL_CHOICE) if sent.partition("#")[0] == wanted else (401, _INVALID_H)


def _spent_2025(token: Token) -> Words:
    """Say so as new-api did: in other words once it has noticed."""
    if token.noticed:
        return {"zh": f"该令牌额度已用尽 TokenStatusExhausted{token.masked}"}
    token.noticed = True
    why = "!token.UnlimitedQuota && token.RemainQuota = 0"
    return {"zh": f"{token.masked} 该令牌额度已用尽 {why}"}


def _any_bearer(value: str) -> str:
    return value[7:].strip() if value.startswith(("Bearer ", "bearer ")) else value


def _error(kind: str, *, coded: bool = False) -> Callable[[str, str, str], Wire]:
    def build(code: str, message: str, request_id: str) -> Wire:
        said = {"message": f"{message} (request id: {request_id})", "type": kind}
        return {"code": code, **said} if coded else said

    return build


def _complaints(**said: Complaint) -> Mapping[str, Complaint]:
    return said


_INVALID_H: Words = {"zh": "无效的令牌"}
_INVALID_A: Words = {"zh": "无效的令牌"}
_INVALID_A2: Words = {"en": "Invalid token", "zh": "无效的令牌"}
_BAD_A2: Words = {
    "en": "Invalid request: Invalid Midjourney request: {}",
    "zh": "无效的请求，无效的midjourney请求，{}",
}

NEW_API = GinRules(
    routes=_BUSY_ROUTES | {"submit/edits", "submit/video"},
    page=_PAGE.format("en", "New API"),
    refuse=_bearer_or_secret(_any_bearer, _INVALID_A2, _INVALID_A2),
    spent=lambda _: _INVALID_A2,
    headers={"X-New-Api-Version": "v1.0.0"},
    error=_error("new_api_error", coded=True),
    complaints=_complaints(
        body=Complaint(_BAD_A2, 400),
        action=Complaint(_BAD_A2, 400),
        channel=Complaint(
            {
                "en": "No available channel for model {} under group default (distributor)",
                "zh": "分组 default 下模型 {} 无可用渠道（distributor）",
            },
            503,
            "model_not_found",
        ),
        model=Complaint(
            {"en": "This token has no access to model {}", "zh": "该令牌无权访问模型 {}"}, 403
        ),
    ),
    forms="refused",
    panic="hangs up",
    unknown_limit=120,
    unknown_retry_after="180",
    mark="8268d9d6",
    guards=True,
)
NEW_API_ROWS = RelayRules(single=0.375, steady=True)

NEW_API_2025 = GinRules(
    routes=_BUSY_ROUTES | {"notify"},
    page=_PAGE.format("zh", "New API"),
    refuse=_bearer_or_secret(
        lambda value: value.removeprefix("Bearer "), {"zh": "未提供令牌"}, _INVALID_A
    ),
    spent=_spent_2025,
    headers={},
    error=_error("new_api_error"),
    complaints=_complaints(
        body=Complaint({"zh": "Invalid request, {}"}, 400),
        action=Complaint({"zh": "Invalid request, {}"}, 400),
        channel=Complaint({"zh": "当前分组 default 下对于模型 {} 无可用渠道"}, 503),
        model=Complaint({"zh": "该令牌无权访问模型 {}"}, 403),
    ),
    forms="ignored",
    panic="goes on",
    unknown_limit=60,
)
NEW_API_2025_ROWS = RelayRules(videos=False, fragile=True)

ONE_HUB = GinRules(
    routes=_BUSY_ROUTES | {"notify"},
    page=_PAGE.format("zh", "One Hub"),
    refuse=_secret_only,
    spent=lambda _: {"zh": "令牌额度已用尽"},
    headers={},
    error=_error("one_hub_error"),
    complaints=_complaints(
        body=Complaint({"zh": "bind_request_body_failed"}, 400, 4, "upstream_error"),
        action=Complaint({"zh": "{}"}, 400, 4, "internal_error"),
        channel=Complaint(
            {"zh": "无法获取provider:当前分组 default 下对于模型 {} 无可用渠道"},
            400,
            5,
            "internal_error",
        ),
        model=Complaint(
            {"zh": "无法获取provider:Model {} is not supported for current token"},
            404,
            5,
            "internal_error",
            plain=True,
        ),
    ),
    forms="bound",
    panic="answers",
    unknown_limit=180,
    speeds=True,
    reads_models=False,
    limits=True,
)
ONE_HUB_ROWS = RelayRules(
    eager=True,
    videos=False,
    rewrites=False,
    fragile=True,
    modes=True,
    broke="user quota is not enough",
)
