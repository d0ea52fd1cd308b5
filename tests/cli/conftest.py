import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from rich.console import Console

from mjtask_async import MJSession
from mjtask_async.cli.app import Surroundings, main
from mjtask_async.cli.board import Lines
from mjtask_async.cli.results import Row
from mjtask_async.simulator import Simulator
from mjtask_async.testing import VirtualTimeLoop

R = TypeVar("R")


class Said(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class CommandLine:
    """Runs commands as a shell would, on a loop on which waiting takes no time."""

    runner: asyncio.Runner
    capsys: pytest.CaptureFixture[str]

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        return self.runner.run(work)

    def __call__(self, *args: str, console: Console | None = None) -> Said:
        surroundings = Surroundings(self.runner.run, console or Console())
        code = main(args, surroundings=surroundings)
        return Said(code, *self.capsys.readouterr())


def prompts(text: str, name: str = "prompts.txt") -> str:
    """Write a file of prompts to the current folder."""
    Path(name).write_bytes(text.encode())
    return name


def read_results(folder: str = "out") -> list[dict[str, Any]]:
    """Read what a bulk run has left."""
    text = Path(folder, "results.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def mjtask(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CommandLine]:
    """The command line, in an empty folder and an environment without a server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MJ_BASE_URL", raising=False)
    monkeypatch.delenv("MJ_API_KEY", raising=False)
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        yield CommandLine(runner, capsys)


@pytest.fixture
def serve(
    mjtask: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Simulator]]:
    """Start a simulator on the command line's loop and name it in the environment."""
    started: list[Simulator] = []

    def start(**options: Any) -> Simulator:
        simulator = Simulator(**options)
        mjtask.run(simulator.__aenter__())
        started.append(simulator)
        monkeypatch.setenv("MJ_BASE_URL", simulator.base_url)
        monkeypatch.setenv("MJ_API_KEY", simulator.api_key)
        return simulator

    yield start
    for simulator in started:
        mjtask.run(simulator.__aexit__(None, None, None))


@pytest.fixture
def server(serve: Callable[..., Simulator]) -> Simulator:
    """A simulated server, named in the environment."""
    return serve()


@pytest.fixture
def after_first(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Do something as soon as the first outcome of a bulk run has been told."""
    tell = Lines.tell

    def start(act: Callable[[], object]) -> None:
        left = [act]

        def tell_and_act(self: Lines, row: Row) -> None:
            tell(self, row)
            while left:
                left.pop()()

        monkeypatch.setattr(Lines, "tell", tell_and_act)

    return start


@pytest.fixture
def submit(mjtask: CommandLine) -> Callable[..., list[str]]:
    """Submit prompts to the server in the environment and return the ids."""

    async def submitted(prompts: Sequence[str]) -> list[str]:
        async with MJSession() as session:
            return [(await session.imagine(prompt)).task_id or "" for prompt in prompts]

    return lambda *prompts: mjtask.run(submitted(prompts))
