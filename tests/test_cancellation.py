"""Cancelled or closed anywhere while a server misbehaves (rules 5, 6, 13, 20, 21).

All faults of the simulator: ``benchmarks/cancellation.py``.
"""

from pathlib import Path

import pytest

from .support_cancel_ways import CALLS, WAYS, cancelled, closed, closed_under

FAULTS = ("reset in place of an answer", "429", "half the JSON", "task not found")
SINGLE = (
    ("imagine", "slow"),
    ("fetch", "truncated"),
    ("watch", "truncated"),
    ("download", "truncated"),
)


@pytest.mark.parametrize(
    ("way", "fault"), [*((way, fault) for way in WAYS for fault in FAULTS), *SINGLE]
)
async def test_each_way_leaves_nothing_behind_wherever_it_is_cancelled(
    way: str, fault: str, tmp_path: Path
) -> None:
    assert await cancelled(way, fault, tmp_path) >= 4


@pytest.mark.parametrize("fault", [*FAULTS, "closed before the body is read"])
@pytest.mark.parametrize("closes", ["watcher", "session"])
async def test_closing_at_each_suspension_of_a_poll_ends_streams_and_requests(
    closes: str, fault: str, tmp_path: Path
) -> None:
    assert await closed(closes, fault, tmp_path) > 30


@pytest.mark.parametrize("fault", [*FAULTS, "truncated"])
@pytest.mark.parametrize("call", CALLS)
async def test_closing_a_session_at_each_suspension_of_a_call_ends_it_in_an_error_of_ours(
    call: str, fault: str, tmp_path: Path
) -> None:
    assert await closed_under(call, fault, tmp_path) >= 4
