import json

import pytest

from mjtask_async.cli import render
from mjtask_async.models import Button, Task, TaskUpdate, UpdateKind


def update(
    kind: UpdateKind, *, percent: int | None = None, limit: str | None = None, **fields: str
) -> TaskUpdate[Task]:
    task = Task("1", **fields) if fields else None  # type: ignore[arg-type]
    return TaskUpdate("1", kind, task, 1, 0.0, "poll", limit, percent)


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        ("waiting", update(UpdateKind.PROGRESS)),
        ("waiting", update(UpdateKind.PROGRESS, status="")),
        ("in progress", update(UpdateKind.PROGRESS, status="IN_PROGRESS")),
        ("0 %", update(UpdateKind.PROGRESS, percent=0, status="SUBMITTED")),
        ("45 %", update(UpdateKind.PROGRESS, percent=45)),
        ("waits for a second request", update(UpdateKind.NEEDS_INPUT, status="MODAL")),
        ("succeeded", update(UpdateKind.SUCCEEDED, fail_reason="left over")),
        ("failed", update(UpdateKind.FAILED)),
        ("failed: banned \u8bcd", update(UpdateKind.FAILED, fail_reason="banned\n\u8bcd")),
        ("cancelled", update(UpdateKind.CANCELLED, fail_reason="\u53d6\u6d88")),
        ("lost: the server no longer knows it", update(UpdateKind.LOST)),
        ("timed out: total", update(UpdateKind.TIMED_OUT, limit="total")),
    ],
)
def test_a_state_is_a_few_words(expected: str, given: TaskUpdate[Task]) -> None:
    assert render.state(given) == expected


def test_a_line_names_the_task_and_the_picture() -> None:
    done = update(UpdateKind.SUCCEEDED, image_url="https://cdn.example/1.png")

    assert render.line(done, "a fox") == "a fox  succeeded  https://cdn.example/1.png"
    assert render.line(update(UpdateKind.SUCCEEDED), "a fox") == "a fox  succeeded"
    assert render.line(update(UpdateKind.PROGRESS, image_url="x"), "a fox") == "a fox  waiting"


@pytest.mark.parametrize(
    "text", ["a\x1b[2Jb", "a\r\nb", "a\x00b", "a\u202eb", "a\u2028b", "a\x9bb", "a\x07\x08b"]
)
def test_no_text_from_a_server_steers_the_terminal(text: str) -> None:
    cleaned = render.clean(text)

    assert cleaned.isprintable()
    assert cleaned[0] + cleaned[-1] == "ab"


def test_long_texts_end_in_an_ellipsis() -> None:
    assert render.shorten("a fox asleep", 12) == "a fox asleep"
    assert render.shorten("a fox asleep", 7) == "a fox…"


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("a-fox-asleep", "A fox, asleep!"),
        ("etc-passwd", "../../etc/passwd"),
        ("picture", "\u72d0\u72f8"),
        ("x" * 40, "x" * 90),
        ("x" * 39, "x" * 39 + " y"),
    ],
)
def test_a_slug_is_safe_in_a_file_name(expected: str, text: str) -> None:
    assert render.slug(text) == expected


def test_a_task_is_described_by_the_facts_it_has() -> None:
    task = Task(
        "17",
        status="SUCCESS",
        prompt="a fox\nasleep",
        submit_time=1_700_000_000_000,
        buttons=(Button(label="U1"), Button(emoji="🔄"), Button()),
    )

    assert render.described(task).splitlines() == [
        "       id  17",
        "   status  SUCCESS",
        "   prompt  a fox asleep",
        "submitted  2023-11-14 22:13:20+00:00",
        "  buttons  U1 🔄 ?",
    ]


def test_json_is_one_line_of_ascii() -> None:
    text = render.as_json(update(UpdateKind.PROGRESS, percent=5, prompt="\u72d0\n"))

    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text)["task"]["prompt"] == "\u72d0\n"
    assert json.loads(text)["kind"] == "PROGRESS"


def test_environment_variables_are_set_in_the_shell_of_the_platform() -> None:
    variables = {"MJ_BASE_URL": "http://127.0.0.1:1", "MJ_API_KEY": "a b"}

    assert render.exports(variables, platform="linux") == (
        "export MJ_BASE_URL=http://127.0.0.1:1\nexport MJ_API_KEY='a b'"
    )
    assert render.exports(variables, platform="win32") == (
        "$env:MJ_BASE_URL = 'http://127.0.0.1:1'\n$env:MJ_API_KEY = 'a b'"
    )
