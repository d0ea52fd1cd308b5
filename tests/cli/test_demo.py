import json
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from mjtask_async.cli.demo import PROMPTS, Plan, chosen, new_folder
from mjtask_async.errors import ConfigurationError

from .conftest import CommandLine


def pictures(folder: Path) -> list[str]:
    names = sorted(path.name for path in folder.glob("*.png"))
    for name in names:
        with Image.open(folder / name) as image:
            image.load()
    return names


def test_the_demo_leaves_pictures_and_a_gallery(mjtask: CommandLine) -> None:
    said = mjtask("demo")

    folder = Path(said.out.splitlines()[-1])
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert (said.code, said.err) == (0, "")
    assert folder == Path("mjtask-demo")
    assert len(pictures(folder)) == 12
    assert all(name in page for name in pictures(folder))
    assert "12 of 12 succeeded" in said.out


def test_the_table_compares_one_poller_with_a_loop_per_task(mjtask: CommandLine) -> None:
    said = mjtask("demo")

    sent = int(re.findall(r"polls sent +(\d+)", said.out)[0])
    alone = int(re.findall(r"polls of a loop per task, every [\d.]+ s +(\d+)", said.out)[0])
    delay = float(re.findall(r"median delay, change to update +([\d.]+) s", said.out)[0])
    assert sent < alone / 3
    assert 0 <= delay <= 1


def test_the_demo_takes_prompts_and_a_folder(mjtask: CommandLine) -> None:
    said = mjtask("demo", "a <b>fox</b>", "\u72d0\u72f8", "--count", "3", "--out", "here/it is")

    folder = Path("here/it is")
    assert said.code == 0
    assert said.out.splitlines()[-1] == str(folder)
    assert pictures(folder) == ["01-a-b-fox-b.png", "02-picture.png", "03-a-b-fox-b.png"]
    assert "a &lt;b&gt;fox" in (folder / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("profile", ["new-api", "novicezk"])
def test_a_full_queue_is_waited_for(mjtask: CommandLine, profile: str) -> None:
    said = mjtask("demo", "--count", "30", "--profile", profile)

    assert (said.code, said.err) == (0, "")
    assert "30 of 30 succeeded" in said.out


def test_json_holds_updates_and_nothing_else(mjtask: CommandLine) -> None:
    said = mjtask("demo", "--count", "2", "--json")

    updates = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 0
    assert sum(update["kind"] == "SUCCEEDED" for update in updates) == 2
    assert said.err.splitlines()[-1] == "mjtask-demo"


def test_a_folder_that_holds_something_is_left_alone(mjtask: CommandLine) -> None:
    Path("mine").mkdir()
    Path("mine", "index.html").write_text("mine", encoding="utf-8")

    said = mjtask("demo", "--out", "mine")

    assert said == (2, "", "mjtask: mine is not empty\n")
    assert Path("mine", "index.html").read_text(encoding="utf-8") == "mine"


def test_without_pillow_one_sentence_says_how_to_get_it(
    mjtask: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)

    said = mjtask("demo")

    assert (said.code, said.out) == (2, "")
    assert "pip install" in said.err
    assert said.err.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_each_run_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    names = [str(new_folder(None)) for _ in range(3)]

    assert names == ["mjtask-demo", "mjtask-demo-2", "mjtask-demo-3"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert new_folder(tmp_path) == tmp_path
    Path(tmp_path, "a").touch()
    with pytest.raises(ConfigurationError, match="not empty"):
        new_folder(tmp_path)


def test_prompts_go_round() -> None:
    assert chosen([], None) == list(PROMPTS)
    assert chosen([], 14) == [*PROMPTS, *PROMPTS[:2]]
    assert chosen(["a", "b"], None) == ["a", "b"]
    assert chosen(["a", "b"], 3) == ["a", "b", "a"]


def test_the_interval_shrinks_as_the_clock_runs_faster() -> None:
    assert [Plan([], "new-api", speed).interval for speed in (1, 20, 100)] == [3.0, 0.5, 0.1]
