import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn

import pytest
import typer

from mjtask_async.__main__ import main as entry
from mjtask_async.cli import exits
from mjtask_async.cli.app import Surroundings, app, main
from mjtask_async.simulator import Simulator

from .conftest import CommandLine

COMMANDS = (
    *("demo", "simulate", "imagine", "fetch", "watch", "download", "blend", "describe"),
    *("shorten", "action", "modal", "swap", "seed", "upload", "cancel", "bulk", "journal"),
)


def ending_with(error: BaseException) -> Surroundings:
    def run(work: Coroutine[Any, Any, None]) -> NoReturn:
        work.close()
        raise error

    return Surroundings(run)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_the_help_lists_commands_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)
    assert all(f"{code}: " in text for code in exits.MEANINGS)


def test_the_documented_exit_codes_are_the_real_ones() -> None:
    text = Path(__file__, "../../../docs/cli.md").resolve().read_text(encoding="utf-8")

    for code, meaning in exits.MEANINGS.items():
        assert f"| {code} | {meaning} |" in text


@pytest.mark.parametrize("args", [["nonsense"], ["fetch"], ["demo", "--profile", "other"], []])
def test_wrong_usage_has_a_code_of_its_own(args: list[str]) -> None:
    assert main(args) == 2


def test_ctrl_c_leaves_with_one_word(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["fetch", "1"], surroundings=ending_with(KeyboardInterrupt()))

    assert code == 130
    assert capsys.readouterr() == ("", "mjtask: interrupted\n")


@pytest.mark.parametrize("grouped", [False, True])
def test_a_reader_that_left_is_no_news(
    grouped: bool,  # noqa: FBT001
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = BrokenPipeError(32, "left")
    left = ExceptionGroup("group", [error]) if grouped else error

    code = main(["fetch", "1"], surroundings=ending_with(left))

    assert code == 1
    assert capsys.readouterr() == ("", "")


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        main(["fetch", "1"], surroundings=ending_with(ZeroDivisionError()))


def test_the_arguments_are_the_process_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["mjtask", "nonsense"])

    assert entry() == 2


def test_without_the_extra_one_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "mjtask_async.cli.app")
    monkeypatch.setitem(sys.modules, "typer", None)

    assert entry() == 2
    assert capsys.readouterr() == (
        "",
        'mjtask needs more packages: pip install "mjtask_async[cli]"\n',
    )


def test_another_missing_module_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mjtask_async.cli.app")
    monkeypatch.setitem(sys.modules, "mjtask_async.cli.screen", None)

    with pytest.raises(ModuleNotFoundError):
        entry()


def test_the_app_is_a_typer_app_of_these_commands() -> None:
    assert isinstance(app, typer.Typer)
    assert len(app.registered_commands) == len(COMMANDS)


def test_an_output_that_lacks_a_character_is_no_error(
    mjtask: CommandLine, server: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)

    said = mjtask("imagine", "\u72d0")

    assert said.code == 0
    assert b"\\u72d0  succeeded" in ascii_only.buffer.getvalue()
    assert server.accepted


def test_an_output_of_another_kind_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)

    assert main(["--help"]) == 0
    assert "demo" in output.getvalue()


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal there")
def test_ctrl_c_ends_a_real_process_cleanly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mjtask_async", "simulate", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        variables = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()

    assert variables["MJ_BASE_URL"].startswith("http://127.0.0.1:")
    assert (process.returncode, out) == (130, "")
    assert err.endswith("mjtask: interrupted\n")
    assert "Traceback" not in err


def test_simulate_prints_what_to_set(mjtask: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("anyio.sleep_forever", at_once)

    said = mjtask("simulate", "--profile", "novicezk", "--speed", "2")

    assert said.code == 130
    assert "novicezk at 2 times" in said.out
    assert "MJ_BASE_URL" in said.out.splitlines()[-2]
    assert "MJ_API_KEY" in said.out.splitlines()[-1]


def test_a_taken_port_is_one_sentence(mjtask: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = mjtask("simulate", "--port", str(taken.getsockname()[1]))

    assert (said.code, said.out) == (11, "")
    assert said.err.count("\n") == 1
