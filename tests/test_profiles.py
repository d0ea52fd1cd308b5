# ruff: noqa: ARG005 -- one shape for all calls
"""Every method against every profile: it succeeds where contract 1.3 says so (acceptance 1)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mjtask_async import (
    MJSession,
    Submission,
    SubmitUncertainError,
    Task,
    TaskWatcher,
    UnsupportedError,
)
from mjtask_async.simulator import PROFILES, Fault, Simulator

from .support_stub import DATA_URL, PNG

Session = MJSession[Task]
ALL = frozenset(PROFILES)
RELAYS = frozenset(("new-api", "new-api-2025", "one-hub"))


async def answer(session: Session, grid: Task) -> Submission:
    """Ask for a custom zoom and answer it; where there are no buttons, just answer."""
    if grid.buttons is None:
        return await session.modal(grid.id, prompt="a cat --zoom 1.8")
    asked = await ask(session, grid)
    return await session.modal(str(asked.task_id), prompt="a cat --zoom 1.8")


async def ask(session: Session, grid: Task) -> Submission:
    async with TaskWatcher(session) as watcher:
        one = await watcher.wait(await session.action(grid, "U1"))
    return await session.action(one, "Custom Zoom")


CALLS: dict[str, tuple[Callable[[Session, Task], Awaitable[Any]], frozenset[str]]] = {
    "imagine": (lambda s, t: s.imagine("a cat", images=[PNG]), ALL),
    "blend": (lambda s, t: s.blend([PNG, DATA_URL]), ALL),
    "describe": (lambda s, t: s.describe(PNG), ALL),
    "shorten": (lambda s, t: s.shorten("a cat"), ALL - {"novicezk"}),
    "change": (lambda s, t: s.change(t.id, "UPSCALE", 1), ALL - {"trueai"}),
    "action": (lambda s, t: s.action(t, "U1"), ALL),
    "action by id": (lambda s, t: s.action(t.id, "V2"), ALL),
    "modal": (answer, ALL - {"novicezk"}),
    "swap_face": (lambda s, t: s.swap_face(PNG, PNG), ALL - {"novicezk"}),
    "edit": (lambda s, t: s.edit("a hat", PNG), frozenset(("trueai", "new-api"))),
    "video": (lambda s, t: s.video("fly", image=PNG), frozenset(("trueai", "new-api"))),
    "upload": (lambda s, t: s.upload([PNG]), ALL - {"novicezk"}),
    "fetch": (lambda s, t: s.fetch(t.id), ALL),
    "list_by_condition": (lambda s, t: s.list_by_condition([t.id]), ALL),
    "image_seed": (lambda s, t: s.image_seed(t.id), ALL - {"novicezk"}),
    "list_recent": (lambda s, t: s.list_recent(), ALL - RELAYS),
    "queue": (lambda s, t: s.queue(), frozenset(("novicezk",))),
    "cancel": (lambda s, t: s.cancel(t.id), frozenset(("trueai",))),
}


@asynccontextmanager
async def serving(
    profile: str, **options: Any
) -> AsyncIterator[tuple[Simulator, Session, TaskWatcher[Task]]]:
    async with (
        Simulator(profile=profile, **options) as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
        TaskWatcher(session) as watcher,
    ):
        yield sim, session, watcher


@pytest.mark.parametrize("profile", sorted(ALL))
@pytest.mark.parametrize("name", CALLS)
async def test_a_method_succeeds_where_the_server_has_it(name: str, profile: str) -> None:
    call, where = CALLS[name]
    async with serving(profile) as (sim, session, watcher):
        grid = await watcher.wait(await session.imagine("a grid"))
        if profile not in where:
            before = len(sim.requests)
            with pytest.raises(UnsupportedError) as caught:
                await call(session, grid)
            assert caught.value.endpoint.partition("/mj/")[2] in str(caught.value)
            assert len(sim.requests) == before + 1
            return
        result = await call(session, grid)
        task = await watcher.wait(result) if isinstance(result, Submission) else grid
        assert task.status == "SUCCESS"


@pytest.mark.parametrize("profile", sorted(ALL - {"novicezk"}))
async def test_a_custom_zoom_runs_from_the_prompt_to_the_seed(profile: str, tmp_path: Path) -> None:
    async with serving(profile) as (_, session, watcher):
        grid = await watcher.wait(await session.imagine("a cat"))
        one = await watcher.wait(await session.action(grid, "U1"))
        wide = await watcher.wait(await session.action(one, "Zoom Out 2x"))
        names = [button.label for button in one.buttons or ()]
        asked = await session.action(one, "Custom Zoom")
        assert asked.needs_modal, names
        answered = await session.modal(str(asked.task_id), prompt="a cat --zoom 1.8")
        assert answered.task_id == asked.task_id
        zoomed = await watcher.wait(answered)
        assert await session.image_seed(zoomed.id) > 0
        assert await session.download(zoomed, tmp_path / "zoomed.png")
        assert wide.status == "SUCCESS"


async def test_an_upscale_runs_on_novicezk(tmp_path: Path) -> None:
    async with serving("novicezk") as (_, session, watcher):
        grid = await watcher.wait(await session.imagine("a cat"))
        one = await watcher.wait(await session.action(grid, "U1"))
        assert await session.download(one, tmp_path / "one.png")


# What may have been accepted (acceptance 4)

SUBMITS: dict[str, str] = {
    "imagine": "submit/imagine",
    "blend": "submit/blend",
    "describe": "submit/describe",
    "shorten": "submit/shorten",
    "change": "submit/change",
    "action": "submit/action",
    "swap_face": "insight-face/swap",
    "edit": "submit/edits",
    "video": "submit/video",
}
HTML = {"Content-Type": "text/html"}
FAULTS = {
    "cut off": Fault.accept_and_close(),
    "502": Fault.accept_and_answer(502, "<html>", HTML),
    "504": Fault.accept_and_answer(504, "<html>", HTML),
    "empty": Fault.accept_and_answer(200),
    "no id": Fault.accept_and_answer(200, '{"code":1,"description":"ok","result":null}'),
    "half": Fault.accept_and_answer(200, '{"code":1,"descr'),
    "code 5": Fault.accept_and_answer(
        400, '{"code":5,"description":"do_request_failed ","type":"upstream_error"}'
    ),
    "insert": Fault.accept_and_answer(
        400, '{"code":4,"description":"insert_midjourney_task_failed ","type":"upstream_error"}'
    ),
}


HAVING = [
    (profile, name)
    for name, endpoint in SUBMITS.items()
    for profile in sorted(CALLS[name][1])
    if (profile, endpoint) != ("novicezk", "submit/action")  # its buttons go to submit/change
]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("profile", "name"), HAVING)
async def test_an_uncertain_submit_is_sent_once_and_found_where_there_is_a_list(
    profile: str, name: str, fault: str
) -> None:
    (call, _), endpoint = CALLS[name], SUBMITS[name]
    async with serving(profile) as (sim, session, watcher):
        grid = await watcher.wait(await session.imagine("a grid"))
        tasks = len(sim.accepted)
        sim.script(endpoint, FAULTS[fault])
        with pytest.raises(SubmitUncertainError) as caught:
            await call(session, grid)
        assert len(sim.accepted) == tasks + 1
        assert [each.endpoint for each in sim.requests].count(endpoint) == 1 + (name == "imagine")
        found = await session.reconcile(caught.value.state, sent_at=caught.value.sent_at)
        assert found.conclusive == (profile not in RELAYS)
        assert (found.found is None) == (profile in RELAYS)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("profile", sorted(ALL - {"novicezk"}))
async def test_an_uncertain_modal_or_upload_is_sent_once(profile: str, fault: str) -> None:
    """Neither makes a task of its own, so there is none to reconcile."""
    async with serving(profile) as (sim, session, watcher):
        grid = await watcher.wait(await session.imagine("a grid"))
        asked = await ask(session, grid)
        for endpoint in ("submit/modal", "submit/upload-discord-images"):
            sim.script(endpoint, FAULTS[fault])
        with pytest.raises(SubmitUncertainError):
            await session.modal(str(asked.task_id), prompt="x")
        with pytest.raises(SubmitUncertainError):
            await session.upload([PNG])
        endpoints = [each.endpoint for each in sim.requests]
        assert endpoints.count("submit/modal") == 1
        assert endpoints.count("submit/upload-discord-images") == 1
