"""How a bulk run looks while it runs: bars, lines or JSON, as the screen is."""

from typing import TYPE_CHECKING, Protocol

from ..bulk import BulkStatistics
from ..models import Task, TaskUpdate, UpdateKind
from .render import clean, shorten, state
from .results import STATUSES, Row
from .screen import BarScreen, Screen

if TYPE_CHECKING:
    from rich.progress import TaskID


class Board(Protocol):
    """Where a bulk run shows what happens."""

    def show(self, update: TaskUpdate[Task]) -> None:
        """Show an update of any of its tasks."""

    def tell(self, row: Row) -> None:
        """Show what became of a job."""

    def overall(self, words: str, done: int) -> None:
        """Show where the run stands."""


class Lines:
    """One line, or one JSON object, a job."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def show(self, update: TaskUpdate[Task]) -> None:
        """Leave it out: thousands of tasks would drown the outcomes."""

    def tell(self, row: Row) -> None:
        """Show what became of a job."""
        error = f": {row.error['message']}" if row.error else ""
        text = f"{row.index + 1}  {row.status}  {shorten(row.prompt, 60)}{clean(error)}"
        self._screen.result(text, row)

    def overall(self, words: str, done: int) -> None:
        """Leave it out, as above."""


class Bars:
    """A bar for all, and one for each task that runs."""

    def __init__(self, screen: BarScreen, total: int) -> None:
        self._progress = screen._progress
        self._all = self._progress.add_task("all", total=total, state="")
        self._bars: dict[str, TaskID] = {}

    def show(self, update: TaskUpdate[Task]) -> None:
        """Move a task's bar; it goes when the task has ended."""
        task_id = update.task_id
        if update.is_final:
            bar = self._bars.pop(task_id, None)
            if bar is not None:
                self._progress.remove_task(bar)
        elif update.percent is not None or update.kind is UpdateKind.NEEDS_INPUT:
            self._move(task_id, update)
        self._progress.refresh()

    def tell(self, row: Row) -> None:
        """Leave it to the bar for all."""

    def overall(self, words: str, done: int) -> None:
        """Show where the run stands."""
        self._progress.update(self._all, completed=done, state=words)
        self._progress.refresh()

    def _move(self, task_id: str, update: TaskUpdate[Task]) -> None:
        if task_id not in self._bars:
            prompt = (update.task and update.task.prompt) or task_id
            self._bars[task_id] = self._progress.add_task(shorten(prompt, 40), total=100, state="")
        words = shorten(state(update), 60)
        self._progress.update(self._bars[task_id], completed=update.percent, state=words)


def board_for(screen: Screen, total: int) -> Board:
    """Choose by what the screen is."""
    return Bars(screen, total) if isinstance(screen, BarScreen) else Lines(screen)


def words_of(rows: dict[int, Row], total: int, seconds: float, statistics: BulkStatistics) -> str:
    """Say where a run stands: how many, how fast, how long still.

    Args:
        rows: The jobs with an outcome.
        total: All of its jobs.
        seconds: Since its start.
        statistics: The run's.
    """
    done = [row for row in rows.values() if not row.resumed]
    words = [f"{len(rows)} of {total}"]
    if done and seconds > 0:
        rate = len(done) / seconds
        words.append(f"{rate * 60:.1f} a minute")
        if len(rows) < total:
            words.append(f"{clock((total - len(rows)) / rate)} to go")
    for status in STATUSES[1:3]:
        count = sum(row.status == status for row in rows.values())
        words += [f"{count} {status}"] if count else []
    words += ["the server makes us wait"] if statistics.is_slowed else []
    return ", ".join(words)


def clock(seconds: float) -> str:
    """Render a span of time: minutes and seconds, hours in front where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
