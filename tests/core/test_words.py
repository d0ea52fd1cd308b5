# ruff: noqa: RUF001 -- the servers' own words
"""What servers' words mean (contract 2.3, 4, Q17, Q25, Q34)."""

import pytest

from mjtask_async._core.words import explained, instead_of, meaning_of, plain, quoted_request_id

SEEN = [
    ("quota_not_enough ", "quota is spent"),
    ("user quota is not enough ", "quota is spent"),
    (
        "[sk-EMP***GpW] 该令牌额度已用尽 !token.UnlimitedQuota && token.RemainQuota = 0",
        "quota is spent",
    ),
    ("令牌额度已用尽", "quota is spent"),
    ("Invalid token", "may have spent its quota"),
    ("无效的令牌 (request id: 2026)", "the key is wrong"),
    ("该令牌已过期 (request id: 2026)", "expired"),
    ("该令牌状态不可用", "disabled"),
    ("用户已被封禁", "banned"),
    ("User has been banned", "banned"),
    ("账号已禁用", "banned or disabled"),
    ("账号不可用", "user has expired"),
    ("账号不可用: 1012983546824114217", "account that ran the task is gone"),
    ("您的 IP 不在令牌允许访问的列表中", "other IP addresses"),
    ("该令牌无权访问模型 mj_describe", "may not use this model"),
    ("This token has no access to model ", "may not use this model"),
    ("无法获取provider:Model mj_imagine is not supported for current token ", "may not use"),
    ("当前分组 default 下对于模型 mj_imagine 无可用渠道", "no channel"),
    ("No available channel for model mj_imagine under group default (distributor)", "no channel"),
    ("该任务所属渠道已被禁用 ", "channel that ran the task is disabled"),
    ("无可用的账号实例", "no account"),
    ("提交失败，队列已满，请稍后重试", "queue is full"),
    ("并发数已达上限", "run at once"),
    ("system cpu overloaded (current: 100.0%, threshold: 90%)", "busy"),
    ("可能包含敏感词", "banned word"),
    ("上游任务超时（超过1小时）", "after an hour"),
    ("您的速率达到上限，请稍后再试。", "too many requests"),
    ("取消任务", "cancelled"),
    ("令牌分组 nosuch 已被禁用", "group is disabled"),
    ("无权访问 nosuch 分组", "group is disabled"),
    ("分组 nosuch 不存在", "group is disabled"),
    ("演示模式，禁止操作", "administrator"),
]


@pytest.mark.parametrize(("words", "meaning"), SEEN)
def test_words_that_users_meet_are_explained_beside_the_original(words: str, meaning: str) -> None:
    assert meaning in meaning_of(words)
    assert explained(words) == f"{words} [{meaning_of(words)}]"


def test_words_that_are_not_known_stay_alone() -> None:
    assert explained("Submit success") == "Submit success"
    assert explained("") == ""


def test_the_request_id_of_a_relay_is_read_and_taken_off() -> None:
    words = "无效的令牌 (request id: 2026AB)"
    assert quoted_request_id(words) == "2026AB"
    assert plain(words) == "无效的令牌"
    assert quoted_request_id("no") is None


@pytest.mark.parametrize(
    ("endpoint", "instead"),
    [
        ("POST /mj/submit/change", "action()"),
        ("POST /mj/submit/action", "change()"),
        ("GET /mj/task/list", "list_by_condition()"),
        ("GET /mj/task/7/image-seed", "trueai"),
        ("POST /mj/task/7/cancel", "stop watching"),
        ("GET /mj/task/7/fetch", ""),
        ("", ""),
    ],
)
def test_a_missing_endpoint_has_something_to_use_instead(endpoint: str, instead: str) -> None:
    found = instead_of(endpoint)
    assert instead in found
    assert bool(instead) == bool(found)
