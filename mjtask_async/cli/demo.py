"""The demo: the simulator, one session, one watcher, a picture a task and a gallery."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread

from ..errors import ConfigurationError, QueueFullError
from ..models import Submission, Task, TaskUpdate, UpdateKind
from ..session import MJSession
from ..simulator import Change, Simulator
from ..stream import TaskStream
from ..watcher import TaskWatcher
from . import gallery, render, tally
from .screen import Screen
from .tasks import require_success

PROMPTS = (
    "a lighthouse at dusk, oil on canvas",
    "a red bicycle in the rain",
    "paper boats on a still lake",
    "an owl reading by candlelight",
    "a city of glass under a green sky",
    "a bowl of apricots, Dutch still life",
    "a fox asleep in fresh snow",
    "an old harbour, woodcut",
    "a greenhouse on the moon",
    "two cellists in an empty theatre",
    "a map of an island that never was",
    "a night train crossing a viaduct",
)
_FOLDER = "mjtask-demo"


@dataclass(frozen=True)
class Plan:
    """What a demo is to do."""

    prompts: Sequence[str]
    profile: str
    speed: float
    out: Path | None = None

    @property
    def interval(self) -> float:
        """Seconds between polls: three, or less where the simulated clock runs faster."""
        return min(3.0, 10.0 / self.speed)


@dataclass
class _Journey:
    number: int
    prompt: str
    submission: Submission
    accepted: float
    seen: list[Change] = field(default_factory=list[Change])
    end: TaskUpdate[Task] | None = None
    file: str = ""


def chosen(prompts: Sequence[str], count: int | None) -> list[str]:
    """Take ``count`` prompts, going round; without a count each of the given ones, or all of ours."""
    source = prompts or PROMPTS
    return list(itertools.islice(itertools.cycle(source), count or len(source)))


def new_folder(out: Path | None) -> Path:
    """Create the folder for the pictures.

    Raises:
        ConfigurationError: ``out`` exists and holds something.
    """
    if out is None:
        return next(filter(None, map(_created, _names())))
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        message = f"{out} is not empty"
        raise ConfigurationError(message)
    return out


def _names() -> Iterator[Path]:
    yield Path(_FOLDER)
    yield from (Path(f"{_FOLDER}-{number}") for number in itertools.count(2))


def _created(folder: Path) -> Path | None:
    try:
        folder.mkdir()
    except FileExistsError:
        return None
    return folder


async def demo(screen: Screen, plan: Plan) -> None:
    """Run the demo and print the folder's name last."""
    async with (
        Simulator(profile=plan.profile, speed=plan.speed) as simulator,
        MJSession(simulator.base_url, simulator.api_key, auth=simulator.auth) as session,
        TaskWatcher(session, interval=plan.interval) as watcher,
        watcher.watch(keep_open=True) as stream,
    ):
        folder = await anyio.to_thread.run_sync(new_folder, plan.out)
        started = anyio.current_time()
        run = _Run(screen, simulator, session, stream, folder)
        await run.all(plan)
        seconds = anyio.current_time() - started
    facts = _facts(plan, run, simulator, seconds)
    page = gallery.page("mjtask demo", map(_picture, run.in_order()), facts)
    await anyio.Path(folder / "index.html").write_text(page, encoding="utf-8")
    screen.table("mjtask demo", facts)
    screen.say(str(folder))
    require_success([journey.end for journey in run.in_order() if journey.end])


class _Run:
    def __init__(
        self,
        screen: Screen,
        simulator: Simulator,
        session: MJSession[Task],
        stream: TaskStream[Task],
        folder: Path,
    ) -> None:
        self._screen = screen
        self._simulator = simulator
        self._session = session
        self._stream = stream
        self._folder = folder
        self._journeys: dict[str, _Journey] = {}

    def in_order(self) -> list[_Journey]:
        """Return the journeys in the order of their prompts."""
        return sorted(self._journeys.values(), key=lambda journey: journey.number)

    async def all(self, plan: Plan) -> None:
        """Submit, watch and download until every task has ended and every picture is here."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._submit, plan)
            open_tasks = len(plan.prompts)
            while open_tasks:
                update = await anext(self._stream)
                journey = self._note(update)
                if update.kind is UpdateKind.SUCCEEDED:
                    group.start_soon(self._download, journey)
                open_tasks -= update.is_final

    async def _submit(self, plan: Plan) -> None:
        for number, prompt in enumerate(plan.prompts, start=1):
            submission = await self._accepted(prompt, plan.interval)
            journey = _Journey(number, prompt, submission, self._simulator.now())
            self._journeys[submission.task_id or ""] = journey
            self._screen.add(submission.task_id or "", prompt)
            self._stream.add(submission)

    async def _accepted(self, prompt: str, interval: float) -> Submission:
        while True:
            try:
                return await self._session.imagine(prompt)
            except QueueFullError:  # nothing was taken: a place comes when a task ends
                await anyio.sleep(interval)

    def _note(self, update: TaskUpdate[Task]) -> _Journey:
        self._screen.show(update)
        journey = self._journeys[update.task_id]
        if update.task is not None:
            now = self._simulator.now()
            journey.seen.append(Change(now, update.task.status, update.task.progress))
        if update.is_final:
            journey.end = update
        return journey

    async def _download(self, journey: _Journey) -> None:
        name = f"{journey.number:02}-{render.slug(journey.prompt)}.png"
        task = journey.end.task if journey.end else None
        assert task is not None  # noqa: S101  # success is seen in a sighting
        paths = await self._session.download(task, self._folder / name)
        journey.file = paths[0].name


def _facts(plan: Plan, run: _Run, simulator: Simulator, seconds: float) -> dict[str, str]:
    journeys = run.in_order()
    delays: list[float] = []
    flights: list[float] = []
    for journey in journeys:
        changes = simulator.changes(_id(journey))
        delays += tally.delays(changes, journey.seen)
        flights.append(changes[-1].at - journey.accepted)
    polls = sum(request.endpoint.startswith("task/") for request in simulator.requests)
    succeeded = sum(bool(journey.file) for journey in journeys)
    alone = tally.loop_polls((flight / plan.speed for flight in flights), plan.interval)
    return {
        "tasks": f"{succeeded} of {len(journeys)} succeeded in {seconds:.1f} s",
        "polls sent": str(polls),
        f"polls of a loop per task, every {plan.interval:g} s": str(alone),
        "median delay, change to update": tally.median([delay / plan.speed for delay in delays]),
    }


def _id(journey: _Journey) -> str:
    return journey.submission.task_id or ""


def _picture(journey: _Journey) -> gallery.Picture:
    note = render.state(journey.end) if journey.end else ""
    return gallery.Picture(journey.file, journey.prompt, note)
