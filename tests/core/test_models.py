import copy
import pickle
from datetime import UTC, datetime
from math import inf, nan
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from mjtask_async import Button, Submission, Task, TaskUpdate, UpdateKind
from mjtask_async.models import (
    FINAL_PHASES,
    TaskAction,
    TaskPhase,
    TaskStatus,
    Timeouts,
    WatchLimits,
)

from .support import task


@pytest.mark.parametrize("kind", [TaskAction, TaskPhase, TaskStatus, UpdateKind])
def test_an_enum_s_values_are_its_names(kind: type[TaskAction]) -> None:
    for member in kind:
        assert member == member.name
        assert f"{member}" == member.name


@pytest.mark.parametrize(
    ("status", "reason", "phase"),
    [
        (None, None, "WAITING"),
        ("", None, "WAITING"),
        ("NOT_START", "r", "WAITING"),
        ("MODAL", None, "NEEDS_INPUT"),
        ("SUBMITTED", None, "RUNNING"),
        ("IN_PROGRESS", None, "RUNNING"),
        ("success", None, "RUNNING"),
        ("whatever", "取消任务", "RUNNING"),
        ("SUCCESS", "取消任务", "SUCCEEDED"),
        ("FAILURE", None, "FAILED"),
        ("FAILURE", "取消任务 ", "FAILED"),
        ("FAILURE", "取消任务", "CANCELLED"),
        ("CANCEL", None, "CANCELLED"),
    ],
)
def test_the_phase_is_a_closed_set(status: str | None, reason: str | None, phase: str) -> None:
    """Contract 3.3 and 2.4: trueai-org makes a failure of a cancelled task."""
    found = task(status, fail_reason=reason)

    assert found.phase == phase
    assert found.is_final == (phase in {"SUCCEEDED", "FAILED", "CANCELLED"})


def test_three_phases_are_final() -> None:
    assert {"SUCCEEDED", "FAILED", "CANCELLED"} == FINAL_PHASES


@pytest.mark.parametrize(
    ("progress", "percent"),
    [
        (None, None),
        ("", None),
        ("0%", 0),
        ("7%", 7),
        ("100%", 100),
        ("101%", 100),
        ("999%", 100),
        ("42", 42),
        (" 42 % ", 42),
        ("42.9%", 42),
        ("42.", 42),
        ("042%", 42),
        ("1000%", None),
        ("-1%", None),
        ("+1%", None),
        ("%", None),
        ("42%%", None),
        ("42 of 100", None),
        ("Waiting to start", None),
        ("fast", None),
        ("4_2%", None),
        ("\u0664\u0662%", None),
        ("\u00b2%", None),
        ("42\u00a0%", None),
        ("(42%)", None),
        ("42%\n", 42),
        ("1e1%", None),
    ],
)
def test_percent_is_read_or_none(progress: str | None, percent: int | None) -> None:
    """Contract 3.2: novicezk copies whatever stands in the parentheses."""
    assert task(progress=progress).percent == percent


@given(progress=st.none() | st.text(max_size=8) | st.from_regex(r"[ \d.%]{0,8}"))
def test_percent_is_0_to_100_of_any_text(progress: str | None) -> None:
    percent = task(progress=progress).percent

    assert percent is None or 0 <= percent <= 100


@pytest.mark.parametrize("field", ["submit_time", "start_time", "finish_time"])
@pytest.mark.parametrize(
    ("ms", "instant"),
    [
        (None, None),
        (0, None),
        (-1, None),
        (1, datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC)),
        (1730621826053, datetime(2024, 11, 3, 8, 17, 6, 53000, tzinfo=UTC)),
        (253_402_300_799_000, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (253_402_300_800_000, None),
        (10**30, None),
    ],
)
def test_wire_times_are_instants_in_utc(
    field: str, ms: int | None, instant: datetime | None
) -> None:
    fields: dict[str, Any] = {field: ms}
    found = task(**fields)
    names = {
        "submit_time": "submitted_at",
        "start_time": "started_at",
        "finish_time": "finished_at",
    }

    assert {name: getattr(found, name) for name in names.values()} == dict.fromkeys(
        names.values()
    ) | {names[field]: instant}


@given(ms=st.integers())
def test_any_number_is_an_instant_or_none(ms: int) -> None:
    instant = task(submit_time=ms).submitted_at

    assert instant is None or instant.tzinfo is UTC


@pytest.mark.parametrize(
    ("url", "expires"),
    [
        (None, None),
        ("", None),
        ("https://x/y.png", None),
        ("https://x/y.png?ex=&is=1", None),
        ("https://x/y.png?ex=zz", None),
        ("https://x/y.png?ex=0", None),
        ("https://x/y.png?ex=-5", None),
        ("https://x/y.png?ex=" + "f" * 6000, None),
        ("https://[x/?ex=1", None),
        ("https://x/y.png?a=1&ex=6728831f&is=2", datetime(2024, 11, 4, 8, 17, 35, tzinfo=UTC)),
        ("https://x/y.png?ex=6728831F&ex=1", datetime(2024, 11, 4, 8, 17, 35, tzinfo=UTC)),
    ],
)
def test_a_discord_link_says_when_it_expires(url: str | None, expires: datetime | None) -> None:
    """Contract Q15."""
    assert task(image_url=url).image_expires_at == expires


@given(url=st.text() | st.from_regex(r"https?://.{0,9}\?ex=.{0,9}"))
def test_any_link_expires_or_not(url: str) -> None:
    assert isinstance(task(image_url=url).image_expires_at, datetime | None)


# Buttons

U1 = Button(custom_id="MJ::1", emoji="", label="U1")
AGAIN = Button(custom_id="MJ::2", emoji="🔄", label="")
BARE = Button(custom_id="MJ::3")


@pytest.mark.parametrize(
    ("name", "button"),
    [("U1", U1), ("MJ::1", U1), ("🔄", AGAIN), ("MJ::2", AGAIN), ("MJ::3", BARE)],
)
def test_a_button_is_found_by_any_of_its_names(name: str, button: Button) -> None:
    assert task(buttons=(U1, AGAIN, BARE)).button(name) is button


def test_of_two_buttons_of_one_name_the_first_is_found() -> None:
    assert task(buttons=(AGAIN, U1, Button(label="U1"))).button("U1") is U1


@pytest.mark.parametrize(
    ("buttons", "there"),
    [((U1, AGAIN, BARE), "'U1', '🔄', 'MJ::3'"), ((), "none"), (None, "none")],
)
@pytest.mark.parametrize("name", ["U9", "", "u1"])
def test_a_missing_button_says_which_there_are(
    buttons: tuple[Button, ...] | None, there: str, name: str
) -> None:
    with pytest.raises(LookupError) as caught:
        task(buttons=buttons).button(name)

    assert caught.value.args == (f"task 1 has no button {name!r}; it has: {there}",)


# Values


@pytest.mark.parametrize(
    ("kind", "final"),
    [
        ("PROGRESS", False),
        ("NEEDS_INPUT", False),
        ("SUCCEEDED", True),
        ("FAILED", True),
        ("CANCELLED", True),
        ("LOST", True),
        ("TIMED_OUT", True),
    ],
)
def test_all_updates_but_two_are_final(kind: str, final: bool) -> None:  # noqa: FBT001
    update: TaskUpdate[Task] = TaskUpdate("1", UpdateKind(kind), None, 1, 0.0, "poll")

    assert update.is_final == final


VALUES: list[Any] = [
    task("SUCCESS", "100%", buttons=(U1,), properties={"a": [1]}),
    Submission("1", ("1",), properties={"a": 1}),
    TaskUpdate("1", UpdateKind.PROGRESS, task(), 1, 0.0, "poll", percent=5),
    Timeouts(read=5),
    WatchLimits(total=None, missing=5),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_pickle_copy_and_stay_as_they_are(value: Any) -> None:
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 -- our own bytes
    assert copy.deepcopy(value) == value
    with pytest.raises(AttributeError):
        value.task_id = "2"


def test_a_task_goes_out_as_it_came_in() -> None:
    wire = {"id": "1", "submitTime": 5, "buttons": [{"customId": "c", "type": 2}], "jobId": "j"}
    found = msgspec.convert(wire, Task)

    assert msgspec.convert(msgspec.to_builtins(found), Task) == found
    assert msgspec.to_builtins(found).items() >= {"id": "1", "submitTime": 5, "jobId": "j"}.items()


def test_the_timeouts_leave_a_relay_its_minute() -> None:
    assert Timeouts() == Timeouts(connect=10, read=30, submit=90, seed=75, idle=30)


@pytest.mark.parametrize("number", [nan, inf, 1.5])
def test_a_time_is_a_whole_number(number: float) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"id": "1", "submitTime": number}, Task)
