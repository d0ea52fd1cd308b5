import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from mjtask_async.simulator import Simulator

from .conftest import CommandLine

Submit = Callable[..., list[str]]


def test_imagine_submits_watches_and_downloads(mjtask: CommandLine, server: Simulator) -> None:
    said = mjtask("imagine", "a fox", "--out", "new/pictures")

    lines = said.out.splitlines()
    (task,) = server.accepted
    assert (said.code, said.err) == (0, "")
    assert task.prompt == "a fox"
    assert lines[0].startswith("submitted as ")
    assert "  succeeded  http" in lines[-2]
    picture = Path(lines[-1])
    assert picture.parent == Path("new/pictures")
    with Image.open(picture) as image:
        image.load()


def test_imagine_downloads_only_where_asked(mjtask: CommandLine, server: Simulator) -> None:
    said = mjtask("imagine", "a fox")

    assert said.code == 0
    assert list(Path().iterdir()) == []
    assert server.accepted


def test_imagine_can_leave_at_once(mjtask: CommandLine, server: Simulator) -> None:
    said = mjtask("imagine", "a fox", "--no-wait")

    assert said.code == 0
    assert mjtask("fetch", said.out.strip()).code == 0
    assert len(server.requests) == 2


def test_json_of_imagine_is_its_updates(mjtask: CommandLine, server: Simulator) -> None:
    said = mjtask("imagine", "a fox", "--out", ".", "--json")

    updates = [json.loads(line) for line in said.out.splitlines()]
    assert updates[-1]["kind"] == "SUCCEEDED"
    assert {update["task_id"] for update in updates} == {updates[0]["task_id"]}
    assert said.err.splitlines()[0] == f"submitted as {updates[0]['task_id']}"
    assert server.accepted


def test_json_of_a_submission_is_one_object(mjtask: CommandLine, server: Simulator) -> None:
    said = mjtask("imagine", "a fox", "--no-wait", "--json")

    assert json.loads(said.out)["task_id"]
    assert said.err == ""
    assert server.accepted


def test_fetch_shows_the_task(mjtask: CommandLine, server: Simulator, submit: Submit) -> None:
    (task_id,) = submit("a fox")

    said = mjtask("fetch", task_id)
    data = json.loads(mjtask("fetch", task_id, "--json").out)

    assert f"id  {task_id}\n" in said.out
    assert "prompt  a fox" in said.out
    assert (data["id"], data["prompt"]) == (task_id, "a fox")
    assert server.accepted


def test_watch_ends_when_all_have_ended(
    mjtask: CommandLine, server: Simulator, submit: Submit
) -> None:
    ids = submit("a fox", "an owl")

    said = mjtask("watch", *ids, f" {ids[0]} ")

    assert said.code == 0
    for task_id in ids:
        assert said.out.count(f"{task_id}  succeeded") == 1
    assert {request.endpoint for request in server.requests[2:]} == {"task/list-by-condition"}


def test_watch_says_which_tasks_did_not_succeed(
    mjtask: CommandLine, serve: Callable[..., Simulator], submit: Submit
) -> None:
    serve(profile="novicezk")
    (task_id,) = submit("a fox")

    said = mjtask("watch", task_id, "1700000000000000")

    assert said.code == 7
    assert said.err == (
        "mjtask: 1 of 2 did not succeed: 1700000000000000 (lost: the server no longer knows it)\n"
    )


def test_watch_draws_bars_on_a_terminal(
    mjtask: CommandLine, server: Simulator, submit: Submit
) -> None:
    ids = submit("a fox", "an owl")
    console = Console(force_terminal=True, width=100, _environ={"TERM": "xterm"})

    said = mjtask("watch", *ids, console=console)

    assert said.code == 0
    assert "━" in said.out
    assert "succeeded" in said.out
    assert server.accepted


def test_download_brings_the_picture_of_a_finished_task(
    mjtask: CommandLine, server: Simulator, submit: Submit
) -> None:
    (task_id,) = submit("a fox")
    mjtask("watch", task_id)

    said = mjtask("download", task_id)
    data = json.loads(mjtask("download", task_id, "--out", "other", "--json").out)

    (picture,) = Path().glob("*.png")
    assert said == (0, f"{picture}\n", "")
    assert data == {"task_id": task_id, "files": [str(Path("other") / picture.name)]}
    assert server.accepted


def test_download_of_an_unfinished_task_says_so(
    mjtask: CommandLine, server: Simulator, submit: Submit
) -> None:
    (task_id,) = submit("a fox")

    said = mjtask("download", task_id)

    assert (said.code, said.out) == (9, "")
    assert said.err.startswith("mjtask: ")
    assert list(Path().iterdir()) == []
    assert server.accepted


def test_an_unknown_task_is_one_sentence(mjtask: CommandLine, server: Simulator) -> None:
    said = mjtask("fetch", "1700000000000000")

    assert (said.code, said.out) == (7, "")
    assert said.err.count("\n") == 1
    assert server.requests


def test_a_wrong_key_is_one_sentence_without_it(
    mjtask: CommandLine, server: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MJ_API_KEY", "sk-very-secret")

    said = mjtask("fetch", "1700000000000000")

    assert (said.code, said.out) == (3, "")
    assert said.err.count("\n") == 1
    assert "very-secret" not in said.err
    assert server.requests


def test_without_a_server_it_says_what_to_set(mjtask: CommandLine) -> None:
    assert mjtask("fetch", "1") == (
        2,
        "",
        "mjtask: no server: give base_url, or set MJ_BASE_URL\n",
    )


def test_a_server_that_does_not_answer_is_one_sentence(
    mjtask: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MJ_BASE_URL", "http://127.0.0.1:9")

    said = mjtask("fetch", "1")

    assert (said.code, said.out) == (4, "")
    assert said.err.count("\n") == 1
