"""The commands for every endpoint beside imagine, against a server that answers what it is told."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from mjtask_async.cli.tasks import written
from mjtask_async.models import Task
from mjtask_async.simulator import Simulator

from ..support_stub import BUTTONS, DATA_URL, PNG, Asked, Reply, Stub, accepted, row, says
from .conftest import CommandLine

ID = "1700000000000001"
LINK = "https://host/a.png"
Serve = Callable[..., Stub]


@pytest.fixture
def stub(mjtask: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serve a stub on the command line's loop and name it in the environment."""
    servers: list[asyncio.Server] = []

    def start(*replies: Reply | Callable[[Asked], Reply]) -> Stub:
        made = Stub(*replies)
        server = mjtask.run(asyncio.start_server(made.serve, "127.0.0.1", 0))
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("MJ_BASE_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("MJ_API_KEY", "sk-test")
        return made

    async def stop(server: asyncio.Server) -> None:
        server.close()
        await server.wait_closed()

    yield start
    for server in servers:
        mjtask.run(stop(server))


@pytest.fixture
def image(mjtask: CommandLine) -> str:
    """A picture in the command line's folder."""
    del mjtask
    Path("a.png").write_bytes(PNG)
    return "a.png"


def ending(task: dict[str, object]) -> Callable[[Asked], Reply]:
    """Accept a submit, and show how its task ended."""

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/fetch"):
            return says(task)
        return says([task]) if asked.path.startswith("task/") else accepted(ID)

    return answer


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        ("blend a.png https://host/a.png --dimensions PORTRAIT", "submit/blend",
         {"base64Array": [DATA_URL, LINK], "dimensions": "PORTRAIT"}),
        ("describe a.png", "submit/describe", {"base64": DATA_URL}),
        (f"describe {LINK}", "submit/describe", {"link": LINK}),
        ("shorten cat", "submit/shorten", {"prompt": "cat"}),
        (f"action {ID} MJ::JOB::upsample::1::job", "submit/action",
         {"taskId": ID, "customId": "MJ::JOB::upsample::1::job"}),
        (f"modal {ID} --prompt cat --mask a.png", "submit/modal",
         {"taskId": ID, "prompt": "cat", "maskBase64": DATA_URL}),
        (f"modal {ID}", "submit/modal", {"taskId": ID}),
        (f"swap a.png {DATA_URL}", "insight-face/swap",
         {"sourceBase64": DATA_URL, "targetBase64": DATA_URL}),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("image")
def test_a_submit_prints_the_new_tasks_id(
    mjtask: CommandLine, stub: Serve, words: str, path: str, body: dict[str, object]
) -> None:
    server = stub(accepted("7"))

    said = mjtask(*words.split(), "--no-wait")

    (asked,) = server.asked
    assert said == (0, "7\n", "")
    assert asked.path == path
    assert {name: value for name, value in asked.json.items() if name != "state"} == body


def test_a_submit_is_watched_to_its_end(mjtask: CommandLine, stub: Serve) -> None:
    stub(ending(row(ID, imageUrl=LINK)))

    said = mjtask("action", ID, "MJ::JOB::upsample::1::job")

    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[-1].endswith(f"succeeded  {LINK}")


def test_a_label_names_a_button(mjtask: CommandLine, stub: Serve) -> None:
    server = stub(ending(row(ID, buttons=BUTTONS)))

    assert mjtask("action", ID, "U2", "--no-wait").code == 0
    assert mjtask("action", ID, "U9").code == 2

    assert [asked.path for asked in server.asked].count("submit/action") == 1


def test_what_waits_for_more_says_so(mjtask: CommandLine, stub: Serve) -> None:
    stub(accepted("7", description="Waiting for window confirm"))

    said = mjtask("action", ID, "MJ::CustomZoom::job")
    data = json.loads(mjtask("action", ID, "MJ::CustomZoom::job", "--json", "--no-wait").out)

    text = "mjtask: task 7 waits for a second request: mjtask modal 7\n"
    assert said == (7, "7\n", text)
    assert data["needs_modal"] is True


def test_what_waits_for_more_later_says_so_then(mjtask: CommandLine, stub: Serve) -> None:
    stub(ending(row(ID, status="MODAL")))

    said = mjtask("action", ID, "MJ::JOB::reroll::0::job::SOLO")

    assert said.code == 7
    assert said.err.endswith(f"mjtask modal {ID}\n")


def test_a_modal_is_watched_although_its_row_says_modal(mjtask: CommandLine, stub: Serve) -> None:
    asks, done = row(ID, status="MODAL"), row(ID, imageUrl=LINK)
    stub(accepted(ID), *[says([asks])] * 4, says([done]))

    said = mjtask("modal", ID, "--prompt", "cat --zoom 1.8")

    assert said.code == 0
    assert "succeeded" in said.out


def test_describe_prints_the_words(mjtask: CommandLine, stub: Serve, image: str) -> None:
    stub(ending(row(ID, promptEn="1️⃣ a cat\n\n2️⃣ a \x1b[31mfox")))

    said = mjtask("describe", image)

    assert said.out.endswith("1️⃣ a cat\n\n2️⃣ a  [31mfox\n")


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (Task(id="1", prompt="p", properties={"finalPrompt": "new"}, prompt_en="p"), "new"),
        (Task(id="1", prompt="p", prompt_en="new"), "new"),
        (Task(id="1", prompt="p", description="new"), "new"),
        (Task(id="1", prompt="new", description="/describe a.png"), "new"),
        (Task(id="1", properties={"finalPrompt": 7}), "no words"),
    ],
)
def test_words_stand_where_the_server_puts_them(task: Task, words: str) -> None:
    assert written(task) == words


def test_several_tasks_of_one_button_are_all_watched(mjtask: CommandLine, stub: Serve) -> None:
    rows = [row("7", imageUrl=LINK), row("8", imageUrl=LINK)]
    stub(lambda asked: says(rows) if asked.path.startswith("task/") else accepted("7,8"))

    said = mjtask("action", ID, "MJ::Job::PicReader::all")

    assert said.code == 0
    assert said.out.count("succeeded") == 2


def test_seed_prints_a_number(mjtask: CommandLine, stub: Serve) -> None:
    stub(says({"code": 1, "description": "成功", "result": "42"}))

    assert mjtask("seed", ID) == (0, "42\n", "")
    assert json.loads(mjtask("seed", ID, "--json").out) == {"task_id": ID, "seed": 42}


def test_upload_prints_links(mjtask: CommandLine, stub: Serve, image: str) -> None:
    stub(says({"code": 1, "description": "ok", "result": [LINK, LINK]}))

    assert mjtask("upload", image, image) == (0, f"{LINK}\n{LINK}\n", "")


def test_cancel_asks(mjtask: CommandLine, stub: Serve) -> None:
    server = stub(Reply(200))

    assert mjtask("cancel", ID) == (0, f"asked to cancel {ID}\n", "")
    assert [asked.path for asked in server.asked] == [f"task/{ID}/cancel"]


def test_a_missing_endpoint_and_a_missing_file_have_their_codes(
    mjtask: CommandLine, stub: Serve
) -> None:
    stub(Reply(404))

    for code, words, text in (
        (4, ["cancel", ID], "stop watching"),
        (2, ["describe", "b.png"], "b.png"),
    ):
        said = mjtask(*words)
        assert said.code == code
        assert text in said.err


def test_download_cuts_a_grid(mjtask: CommandLine, server: Simulator) -> None:
    task_id = mjtask("imagine", "a fox", "--no-wait").out.strip()
    assert mjtask("watch", task_id).code == 0

    said = mjtask("download", task_id, "--split")

    paths = list(map(Path, said.out.splitlines()))
    assert [path.name for path in paths] == [f"{task_id}-{n}.png" for n in range(1, 5)]
    for path in paths:
        with Image.open(path) as picture:
            assert picture.size == (128, 128)
    assert server.accepted
