"""Three ways to show updates: bars on a terminal, plain lines elsewhere, JSON for programs."""
# ruff: noqa: D102  # `Screen` says what each method does

import sys
from typing import TYPE_CHECKING, Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from ..models import TaskUpdate, UpdateKind
from .render import as_json, line, shorten, state

if TYPE_CHECKING:
    from rich.progress import TaskID

_LABEL_WIDTH = 40


class Screen(Protocol):
    """Where a command shows what happens."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def add(self, task_id: str, label: str) -> None:
        """Announce a task, with the name a person knows it by."""

    def show(self, update: TaskUpdate[Any]) -> None:
        """Show an update of an announced task."""

    def say(self, text: str) -> None:
        """Tell a person something; not a result."""

    def result(self, text: str, data: object) -> None:
        """Give a command's result: the text to a person or the data to a program."""

    def table(self, title: str, rows: dict[str, str]) -> None:
        """Show facts side by side."""


class _Base:
    def __init__(self) -> None:
        self._labels: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the terminal as it was."""

    def add(self, task_id: str, label: str) -> None:
        self._labels[task_id] = label


class PlainScreen(_Base):
    """One line an update, on stdout."""

    def show(self, update: TaskUpdate[Any]) -> None:
        self.say(line(update, self._labels.get(update.task_id, update.task_id)))

    def say(self, text: str) -> None:
        print(text, flush=True)

    def result(self, text: str, data: object) -> None:
        del data
        self.say(text)

    def table(self, title: str, rows: dict[str, str]) -> None:
        width = max(map(len, rows))
        self.say("\n".join([title, *(f"  {name:<{width}}  {rows[name]}" for name in rows)]))


class JsonScreen(_Base):
    """One JSON object an update on stdout, and nothing else there."""

    def show(self, update: TaskUpdate[Any]) -> None:
        print(as_json(update), flush=True)

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def result(self, text: str, data: object) -> None:
        del text
        print(as_json(data), flush=True)

    def table(self, title: str, rows: dict[str, str]) -> None:
        self.say("; ".join([title, *(f"{name}: {value}" for name, value in rows.items())]))


class BarScreen(_Base):
    """A live bar a task. Redrawn at each update: no thread of its own, so it cannot block one."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(complete_style="cyan", finished_style="green"),
            TextColumn("{task.fields[state]}", style="bold", markup=False),
            console=console,
            auto_refresh=False,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def add(self, task_id: str, label: str) -> None:
        super().add(task_id, label)
        name = shorten(label, _LABEL_WIDTH)
        self._bars[task_id] = self._progress.add_task(name, total=100, state="waiting")
        self._progress.refresh()

    def show(self, update: TaskUpdate[Any]) -> None:
        if update.task_id not in self._bars:
            self.add(update.task_id, update.task_id)
        done = 100 if update.kind is UpdateKind.SUCCEEDED else update.percent
        self._progress.update(
            self._bars[update.task_id], completed=done, state=shorten(state(update), 60)
        )
        self._progress.refresh()

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def result(self, text: str, data: object) -> None:
        del data
        self.say(text)

    def table(self, title: str, rows: dict[str, str]) -> None:
        self._progress.stop()  # what follows stands below the bars
        table = Table(title=title, show_header=False)
        for name, value in rows.items():
            table.add_row(name, value)
        self._console.print(table)


def screen_for(console: Console, *, as_json: bool) -> Screen:
    """Choose by what is asked for and by what the output can do."""
    if as_json:
        return JsonScreen()
    if console.is_terminal and not console.is_dumb_terminal:
        return BarScreen(console)
    return PlainScreen()
