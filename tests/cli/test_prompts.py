"""The files that ``mjtask bulk`` reads."""

import csv
import re
from pathlib import Path

import pytest

from mjtask_async import BulkJob, ConfigurationError
from mjtask_async.cli.prompts import read_prompts
from mjtask_async.simulator import Simulator

from .conftest import CommandLine, prompts

HALF = '{"prompt": "a \\ud83d fox"}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path.cwd()


def read(text: str, name: str) -> list[str]:
    return [job.prompt for job in read_prompts(Path(prompts(text, name)))]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "\n \n", "a.txt holds no prompts"),
        ("a.csv", "\n", "a.csv holds no prompts"),
        ("a.md", "a fox", "a.md: give a .txt, .jsonl, .csv file"),
        ("a.jsonl", '"a"\n' * 6 + "{nonsense\n", "a.jsonl, line 7: no JSON"),
        ("a.jsonl", '"a"\n\n{"promt": "b"}', "a.jsonl, line 3: "),
        ("a.jsonl", f'"a"\n{HALF}\n', "a.jsonl, line 2: '\\ud83d' is half a character"),
        ("a.jsonl", '{"prompt": "a", "key": "\\udc00"}', "a.jsonl, line 1: '\\udc00' is half"),
        ("a.jsonl", '"a"\n{"prompt": "b", "images": [5]}', "a.jsonl, line 2: images"),
        (
            "a.jsonl",
            '{"prompt": "a", "key": "k"}\n"b"\n{"prompt": "c", "key": "k"}',
            "a.jsonl, line 3: line 1 has the key 'k', too",
        ),
        ("a.csv", "prompt,key\na,k\n\nb,k\n", "a.csv, line 4: line 2 has the key 'k', too"),
        ("a.csv", "prompt,state\na,s\nb,s\n", "a.csv, line 3: line 2 has the state 's', too"),
        ("a.csv", "prompt\na\nb,c\n", "a.csv, line 3: more columns"),
        ("a.csv", "prompt,key\n,k\n", "a.csv, line 2: the prompt is empty"),
        ("a.csv", "prompt,colour\na,red\n", "a.csv, line 2: "),
        ("a.csv", 'prompt\na\n"b\nc\nd\n', "a.csv, line 3: unexpected end of data"),
        ("a.csv", f"prompt\na\n{'x' * 2**20}\n", "a.csv, line 3: the prompt has 1,048,576 bytes"),
        ("a.txt", "a\n" + "x" * 2**20, "a.txt, line 2: the prompt has 1,048,576 bytes"),
    ],
)
def test_a_wrong_file_is_named_before_anything_is_sent(
    mjtask: CommandLine, server: Simulator, name: str, text: str, words: str
) -> None:
    said = mjtask("bulk", prompts(text, name), "--out", "out")

    assert said.code == 2
    assert words in said.err
    assert server.requests == []
    assert not Path("out").exists()


def test_a_file_that_cannot_be_read_is_named(mjtask: CommandLine) -> None:
    Path("latin.txt").write_bytes(b"\xff")

    for name in ("latin.txt", "nowhere.txt"):
        assert f"{name} cannot be read" in mjtask("bulk", name, "--out", "out").err


def test_each_kind_of_file_holds_jobs(folder: Path) -> None:
    prompts("\ufeffa fox\n", "a.txt")
    prompts('"a fox"\n{"prompt": "an owl", "images": ["a.png", "https://x/b.png"]}', "b.jsonl")
    prompts("prompt,then,images,key\na fox,U1 U2,data:x,\n\n,,,,\nan owl,,,k\n", "c.csv")
    (folder / "a.png").write_bytes(b"a picture")

    assert read_prompts(folder / "a.txt") == [BulkJob("a fox")]
    assert read_prompts(folder / "b.jsonl") == [
        BulkJob("a fox"),
        BulkJob("an owl", images=(folder / "a.png", "https://x/b.png")),
    ]
    assert read_prompts(folder / "c.csv") == [
        BulkJob("a fox", then=("U1", "U2"), images=("data:x",)),
        BulkJob("an owl", key="k"),
    ]
    with pytest.raises(ConfigurationError):
        read_prompts(folder / "d.txt")


def test_jobs_are_the_same_from_another_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts('{"prompt": "an owl", "images": ["a.png"]}', "a.jsonl")
    (folder / "a.png").write_bytes(b"a picture")
    here = read_prompts(Path("a.jsonl"))
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")

    assert read_prompts(Path("../a.jsonl")) == here == read_prompts(folder / "a.jsonl")


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
@pytest.mark.usefixtures("folder")
def test_only_line_ends_end_a_prompt(mark: str) -> None:
    fox = f"a fox{mark}in snow"

    assert read(f"{fox}\nan owl\r\na hare\rend\n", "a.txt") == [fox, "an owl", "a hare", "end"]
    assert read(f'prompt\n{fox}\r\n"an owl\nat night"\rend\r\n', "a.csv") == [
        fox,
        "an owl\nat night",
        "end",
    ]
    text = "" if mark < " " else mark  # JSON allows no bare control characters
    assert read(f'"a{text}"\n"b"\r\n"c"\r"d"\n', "a.jsonl") == [f"a{text}", "b", "c", "d"]


@pytest.mark.usefixtures("folder")
def test_a_picture_may_stand_in_a_csv_file() -> None:
    before = csv.field_size_limit()
    data = "data:image/png;base64," + "A" * 2**20

    (job,) = read_prompts(Path(prompts(f'\nprompt,images\na fox,"{data}"\n', "a.csv")))

    assert job.images == (data,)
    assert csv.field_size_limit() == before


def test_the_table_in_the_docs_is_one_for_the_command_line(folder: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "bulk.md"
    (line,) = re.findall(
        r"^Path\(.*write_text\(.*\)$", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    exec(line)  # noqa: S102 -- the page's own words

    assert [job.key for job in read_prompts(folder / "prompts.csv")] == ["fox", "owl"]
