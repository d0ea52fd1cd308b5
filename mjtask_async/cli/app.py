"""The commands of ``mjtask`` and their options."""

import asyncio
import io
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer
from rich.console import Console

from ..simulator import PROFILES
from . import bulk as _bulk, demo as _demo, serve, tasks
from .exits import INTERRUPTED, MEANINGS, code_of, first_leaf, sentence
from .screen import Screen, screen_for

if TYPE_CHECKING:
    from .._core.calls import Dimensions

_EPILOG = "Exit codes:\n\n" + "\n".join(f"* {code}: {text}" for code, text in MEANINGS.items())

app: typer.Typer = typer.Typer(
    name="mjtask",
    help="Midjourney-style tasks from the command line. "
    "The server's address and key come from MJ_BASE_URL and MJ_API_KEY.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _known(profile: str) -> str:
    if profile not in PROFILES:
        raise typer.BadParameter(f"choose one of {', '.join(PROFILES)}")
    return profile


Json = Annotated[bool, typer.Option("--json", help="One JSON object an update, nothing else.")]
Profile = Annotated[
    str, typer.Option(help=f"The server to simulate: {', '.join(PROFILES)}.", callback=_known)
]
Out = Annotated[Path | None, typer.Option(help="The folder for the pictures.")]
Wait = Annotated[bool, typer.Option(help="Or print the new task's id and leave.")]
Id = Annotated[str, typer.Argument(metavar="ID")]
Image = Annotated[str, typer.Argument(metavar="IMAGE", help="A file, a link or a data URL.")]
Images = Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Files, links or data URLs.")]


@dataclass(frozen=True)
class Surroundings:
    """What the commands run in; tests give their own."""

    run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run
    console: Console = field(default_factory=Console)


@app.command()
def demo(
    ctx: typer.Context,
    prompts: Annotated[list[str] | None, typer.Argument(metavar="[PROMPT]...")] = None,
    *,
    count: Annotated[int | None, typer.Option(min=1, help="How many tasks. [default: 12]")] = None,
    out: Out = None,
    profile: Profile = "new-api",
    speed: Annotated[float, typer.Option(min=0.1, help="Times real speed.")] = 20.0,
    as_json: Json = False,
) -> None:
    """Run the main job against a simulated server and leave a gallery in a new folder."""
    plan = _demo.Plan(_demo.chosen(prompts or (), count), profile, speed, out)
    _run(ctx, partial(_demo.demo, plan=plan), as_json=as_json)


@app.command()
def simulate(
    ctx: typer.Context,
    *,
    profile: Profile = "new-api",
    speed: Annotated[float, typer.Option(min=0.1, help="Times real speed.")] = 1.0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    as_json: Json = False,
) -> None:
    """Serve a simulated server on this machine until Ctrl-C."""
    _run(ctx, partial(serve.simulate, profile=profile, speed=speed, port=port), as_json=as_json)


@app.command()
def imagine(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument()],
    *,
    out: Out = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Submit a prompt, watch the task and, with --out, download the picture."""
    _run(ctx, partial(tasks.imagine, prompt=prompt, out=out, wait=wait), as_json=as_json)


@app.command()
def fetch(
    ctx: typer.Context,
    task_id: Id,
    *,
    as_json: Json = False,
) -> None:
    """Show a task as the server has it now."""
    _run(ctx, partial(tasks.fetch, task_id=task_id), as_json=as_json)


@app.command()
def watch(
    ctx: typer.Context,
    task_ids: Annotated[list[str], typer.Argument(metavar="ID...")],
    *,
    as_json: Json = False,
) -> None:
    """Watch tasks until all have ended."""
    _run(ctx, partial(tasks.watch, task_ids=task_ids), as_json=as_json)


@app.command()
def download(
    ctx: typer.Context,
    task_id: Id,
    *,
    out: Annotated[Path, typer.Option(help="The folder for the pictures.")] = Path(),
    split: Annotated[bool, typer.Option("--split", help="Cut a grid into four.")] = False,
    as_json: Json = False,
) -> None:
    """Download a finished task's picture."""
    _run(ctx, partial(tasks.download, task_id=task_id, out=out, split=split), as_json=as_json)


@app.command()
def blend(
    ctx: typer.Context,
    images: Images,
    *,
    dimensions: Annotated[str, typer.Option(help="PORTRAIT, SQUARE or LANDSCAPE.")] = "SQUARE",
    out: Out = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Mix two to five pictures."""
    given = list(map(tasks.picture, images))
    shape = cast("Dimensions", dimensions)  # the session checks it
    _submit(
        ctx,
        lambda session: session.blend(given, dimensions=shape),
        "blend",
        out=out,
        wait=wait,
        as_json=as_json,
    )


@app.command()
def describe(ctx: typer.Context, image: Image, *, wait: Wait = True, as_json: Json = False) -> None:
    """Ask for words for a picture and print them."""
    _submit(
        ctx,
        lambda session: session.describe(tasks.picture(image)),
        image,
        wait=wait,
        as_json=as_json,
        words=True,
    )


@app.command()
def shorten(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument()],
    *,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Ask which words of a prompt matter and print them."""
    _submit(
        ctx, lambda session: session.shorten(prompt), prompt, wait=wait, as_json=as_json, words=True
    )


@app.command()
def action(
    ctx: typer.Context,
    task_id: Id,
    label: Annotated[str, typer.Argument(metavar="LABEL", help="U1, 🔄 or a custom id.")],
    *,
    out: Out = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Press a button of a finished task."""
    _submit(
        ctx,
        lambda session: session.action(task_id, label),
        label,
        out=out,
        wait=wait,
        as_json=as_json,
    )


@app.command()
def modal(
    ctx: typer.Context,
    task_id: Id,
    *,
    prompt: Annotated[str | None, typer.Option(help="The new prompt.")] = None,
    mask: Annotated[str | None, typer.Option(help="A file: which region to redraw.")] = None,
    out: Out = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Give a task what it waits for."""
    region = None if mask is None else tasks.picture(mask)
    _submit(
        ctx,
        lambda session: session.modal(task_id, prompt=prompt, mask=region),
        prompt or task_id,
        out=out,
        wait=wait,
        as_json=as_json,
    )


@app.command()
def swap(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The face.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The picture that gets it.")],
    *,
    out: Out = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Put one picture's face on another."""
    face, body = tasks.picture(source), tasks.picture(target)
    _submit(
        ctx,
        lambda session: session.swap_face(face, body),
        "swap",
        out=out,
        wait=wait,
        as_json=as_json,
    )


@app.command()
def seed(ctx: typer.Context, task_id: Id, *, as_json: Json = False) -> None:
    """Show the seed of a finished task's picture."""
    _run(ctx, partial(tasks.seed, task_id=task_id), as_json=as_json)


@app.command()
def upload(ctx: typer.Context, images: Images, *, as_json: Json = False) -> None:
    """Upload pictures and print their links."""
    _run(ctx, partial(tasks.upload, images=images), as_json=as_json)


@app.command()
def cancel(ctx: typer.Context, task_id: Id, *, as_json: Json = False) -> None:
    """Ask the server to end a task."""
    _run(ctx, partial(tasks.cancel, task_id=task_id), as_json=as_json)


@app.command()
def bulk(
    ctx: typer.Context,
    prompts: Annotated[Path, typer.Argument(help="A .txt, .jsonl or .csv file.")],
    *,
    out: Annotated[Path, typer.Option(help="The folder for pictures and results.")],
    in_flight: Annotated[int, typer.Option(min=1, help="Jobs under way at once.")] = 20,
    then: Annotated[
        list[str] | None, typer.Option(help="A button to press on success, such as U1; repeatable.")
    ] = None,
    journal_: Annotated[
        Path | None,
        typer.Option(
            "--journal", help="The file from which a run can go on. [default: journal.db in --out]"
        ),
    ] = None,
    no_journal: Annotated[
        bool,
        typer.Option("--no-journal", help="Keep none: the same command pays for all of it again."),
    ] = False,
    resubmit_uncertain: Annotated[
        bool, typer.Option("--resubmit-uncertain", help="Even if that may be paid for twice.")
    ] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A private host that may serve pictures.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run many prompts to pictures; the same command again goes on where this one ended."""
    if journal_ and no_journal:
        raise typer.BadParameter("give --journal or --no-journal")
    kept = None if no_journal else journal_ or out / _bulk.JOURNAL
    how: Literal["resubmit", "report"] = "resubmit" if resubmit_uncertain else "report"
    buttons, hosts = tuple(then or ()), tuple(allow_host or ())
    plan = _bulk.Plan(prompts, out, kept, in_flight, buttons, how, hosts)
    _run(ctx, partial(_bulk.bulk, plan=plan), as_json=as_json)


@app.command()
def journal(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="JOURNAL")],
    *,
    as_json: Json = False,
) -> None:
    """Show what is in a journal."""
    _run(ctx, partial(_bulk.journal, path=path), as_json=as_json)


def _submit(
    ctx: typer.Context,
    call: tasks.Submit,
    title: str,
    *,
    out: Path | None = None,
    wait: bool,
    as_json: bool,
    words: bool = False,
) -> None:
    command = partial(tasks.submit, call=call, title=title, out=out, wait=wait, words=words)
    _run(ctx, command, as_json=as_json)


def main(args: Sequence[str] | None = None, *, surroundings: Surroundings | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        args: The words after ``mjtask``; None takes the process's own.
        surroundings: Another runner and console than the process's.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a prompt may not fit the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    try:
        app(args, prog_name="mjtask", obj=surroundings or Surroundings())
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 0
    raise AssertionError  # pragma: no cover -- typer always exits


def _run(
    ctx: typer.Context, command: Callable[[Screen], Coroutine[Any, Any, None]], *, as_json: bool
) -> None:
    surroundings = ctx.find_object(Surroundings)
    assert surroundings is not None  # noqa: S101  # main() puts it there
    try:
        with screen_for(surroundings.console, as_json=as_json) as screen:
            surroundings.run(command(screen))
    except KeyboardInterrupt:
        _stop("interrupted", INTERRUPTED)
    except Exception as wrapped:
        error = first_leaf(wrapped)
        if isinstance(error, BrokenPipeError):
            raise error from None  # whoever read our output has left: typer ends quietly
        code = code_of(error)
        if code is None:
            raise
        _stop(sentence(error), code)


def _stop(text: str, code: int) -> None:
    print(f"mjtask: {text}", file=sys.stderr)
    raise typer.Exit(code)
