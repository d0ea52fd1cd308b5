"""What a server's list tells of a submit that may have been accepted (contract 1.3, 3.1)."""

import json
from typing import Any

import pytest

from mjtask_async import Reconciled, Task
from mjtask_async._core.reconcile import is_novicezks, reconciled

from ..support_stub import novicezks

NOW = 2_000_000_000.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([novicezks("1")], True),
        ([], True),
        ([novicezks("1"), {"id": "2"}], False),
        ([novicezks("1") | {"buttons": []}], False),
        (novicezks("1"), False),
        (["1"], False),
        (None, False),
    ],
)
def test_a_list_is_novicezks_by_its_keys(value: Any, expected: bool) -> None:  # noqa: FBT001
    assert is_novicezks(json.dumps(value).encode()) is expected


def test_what_is_no_json_is_nobodys_list() -> None:
    assert not is_novicezks(b"<html>")


@pytest.mark.parametrize(
    ("age", "sent", "conclusive"),
    [(200, 120, True), (181, 120, True), (180, 120, False), (200, 89, False), (200, 90, True)],
)
def test_a_miss_needs_time_and_an_older_task(age: float, sent: float, conclusive: bool) -> None:  # noqa: FBT001
    tasks = [Task(id="1", submit_time=int((NOW - age) * 1000)), Task(id="2", submit_time=None)]
    found = reconciled(tasks, "mine", is_complete=True, sent_at=NOW - sent, now=NOW, patience=90.0)
    assert found == Reconciled(None, conclusive)


def test_the_very_state_comes_before_a_numbered_one() -> None:
    tasks = [Task(id="1", state="mine::1"), Task(id="2", state="mine"), Task(id="3", state=None)]
    found = reconciled(tasks, "mine", is_complete=False, sent_at=None, now=NOW, patience=90.0)
    assert found == Reconciled(tasks[1], conclusive=True)
