"""Buttons and modals in bulk runs on each of the simulator's servers."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mjtask_async import (
    BannedPromptError,
    BulkOutcome,
    MJSession,
    NeedsInputError,
    SubmitRejectedError,
    SubmitUncertainError,
    Task,
    Timeouts,
)
from mjtask_async.simulator import Fault, Simulator

from ..support_bulk import outcomes

pytestmark = pytest.mark.usefixtures("wall_clock")
PROFILES = ("novicezk", "trueai", "new-api", "new-api-2025", "one-hub")
MODALS = PROFILES[1:]
THEN = ("U1", "V2", "🔄")


@asynccontextmanager
async def server(profile: str) -> AsyncIterator[tuple[Simulator, MJSession[Task]]]:
    """Run a server whose account has remix on, so that V and 🔄 wait for a modal."""
    timeout = Timeouts(submit=20.0)
    async with (
        Simulator(profile=profile, remix=True, workers=9) as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth, timeout=timeout) as session,
    ):
        yield sim, session


def submits(sim: Simulator) -> list[str]:
    return [each.endpoint for each in sim.requests if each.endpoint.startswith("submit/")]


def press(sim: Simulator) -> str:
    return "submit/change" if sim.profile == "novicezk" else "submit/action"


def says(code: int, description: str) -> Fault:
    body = json.dumps({"code": code, "description": description, "result": None})
    return Fault.answer(200, body, {"Content-Type": "application/json"})


async def fox(session: MJSession[Task], folder: Path, **options: Any) -> BulkOutcome[Task]:
    given = {"then": THEN, "journal": folder / "run.db", "download_to": folder / "pictures"}
    (outcome,) = await outcomes(session, ["a fox"], **given | options)
    return outcome


@pytest.mark.parametrize("profile", PROFILES)
async def test_each_button_gives_a_task_and_a_picture(profile: str, tmp_path: Path) -> None:
    async with server(profile) as (sim, session):
        outcome = await fox(session, tmp_path)
        asked = len(sim.requests)
        again = await fox(session, tmp_path)

        assert len(sim.requests) == asked
        assert submits(sim).count("submit/modal") == (0 if profile == "novicezk" else 2)
        assert len(sim.accepted) == 4
    assert (outcome.error, again.error, again.resumed) == (None, None, True)
    assert len({task.id for task in outcome.tasks}) == 4
    assert [task.id for task in again.tasks] == [task.id for task in outcome.tasks]
    assert len(outcome.images) == len(list((tmp_path / "pictures").iterdir())) == 4
    assert again.images == outcome.images


async def test_a_blank_more_in_a_label_presses_no_second_time(tmp_path: Path) -> None:
    async with server("trueai") as (sim, session):
        outcome = await fox(session, tmp_path, then=("U1", "🔄"))
        again = await fox(session, tmp_path, then=("U1 ", "🔄\ufe0f"))

        assert submits(sim).count(press(sim)) == 2
    assert (outcome.error, again.resumed) == (None, True)
    assert [task.id for task in again.tasks] == [task.id for task in outcome.tasks]


@pytest.mark.parametrize("profile", PROFILES)
async def test_several_buttons_may_fail_each_in_its_way(profile: str, tmp_path: Path) -> None:
    async with server(profile) as (sim, session):
        sim.script(press(sim), says(24, "banned"))
        sim.script(press(sim), Fault.close_after_reading())
        sim.script(press(sim), says(4, "no such thing"))
        outcome = await fox(session, tmp_path)
        again = await fox(session, tmp_path)

        assert submits(sim).count(press(sim)) == 3
    for found in (outcome, again):
        assert isinstance(found.error, SubmitUncertainError)
        kinds = sorted(type(error).__name__ for error in found.errors.values())
        assert kinds == sorted(
            kind.__name__ for kind in (BannedPromptError, SubmitRejectedError, SubmitUncertainError)
        )
        assert set(found.errors) == set(THEN)
        assert (len(found.tasks), len(found.images)) == (1, 1)


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_button_whose_answer_is_lost_is_never_pressed_twice(
    profile: str, tmp_path: Path
) -> None:
    async with server(profile) as (sim, session):
        sim.script(press(sim), Fault.accept_and_close())
        outcome = await fox(session, tmp_path, then=("U1",))
        await fox(session, tmp_path, then=("U1",))

        assert len(sim.accepted) == 2
    listed = profile in {"novicezk", "trueai"}
    assert type(outcome.error) is (type(None) if listed else SubmitUncertainError)


@pytest.mark.parametrize("profile", MODALS)
async def test_a_modal_whose_answer_is_lost_shows_in_the_task(profile: str, tmp_path: Path) -> None:
    async with server(profile) as (sim, session):
        sim.script("submit/modal", Fault.accept_and_close())
        outcome = await fox(session, tmp_path, then=("V2",))

        assert submits(sim).count("submit/modal") == 1
    assert (outcome.error, len(outcome.images)) == (None, 2)


@pytest.mark.parametrize("profile", MODALS)
async def test_a_modal_that_is_lost_is_reported_or_sent_again(profile: str, tmp_path: Path) -> None:
    async with server(profile) as (sim, session):
        sim.script("submit/modal", Fault.close_after_reading())
        reported = [await fox(session, tmp_path, then=("V2",)) for _ in range(2)]
        assert submits(sim).count("submit/modal") == 1
        sent = await fox(session, tmp_path, then=("V2",), on_uncertain="resubmit")

        assert submits(sim).count("submit/modal") == 2
        assert len(sim.accepted) == 2
    for outcome in reported:
        assert isinstance(outcome.error, SubmitUncertainError)
        assert isinstance(outcome.error.__cause__, NeedsInputError)
    assert (sent.error, len(sent.images)) == (None, 2)


@pytest.mark.parametrize("profile", MODALS)
async def test_a_modal_that_is_refused_ends_its_button(profile: str, tmp_path: Path) -> None:
    async with server(profile) as (sim, session):
        sim.script("submit/modal", says(4, "no"))
        outcome = await fox(session, tmp_path, then=("V2",))
        again = await fox(session, tmp_path, then=("V2",))

        assert submits(sim).count("submit/modal") == 1
    assert isinstance(outcome.error, SubmitRejectedError)
    assert (type(again.error), again.resumed) == (type(outcome.error), True)
