"""A key that is spent in the middle of a run, and another key of the same account."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mjtask_async import AuthenticationError, MJSession, QuotaError
from mjtask_async.simulator import Simulator

from ..support_bulk import outcomes
from ..support_proxy import proxied

JOBS = [f"fox {number}" for number in range(8)]


class Account:
    """Two keys in front of a simulator; the first one is spent after some submits."""

    def __init__(self, sim: Simulator, lasts: int) -> None:
        self.sim = sim
        self.left = lasts

    async def look(self, request: web.BaseRequest) -> web.Response | dict[str, str]:
        key = request.headers["Authorization"].removeprefix("Bearer ")
        submits = "/submit/" in request.path
        if key == "first" and self.left <= 0:
            return self._refused(submits=submits)
        self.left -= key == "first" and submits
        return {"Authorization": f"Bearer {self.sim.api_key}"}

    def _refused(self, *, submits: bool) -> web.Response:
        """Answer as new-api does: of a spent key it reads nothing, not even running tasks."""
        if submits:
            said = {"description": "quota_not_enough", "type": "new_api_error", "code": 4}
            return web.json_response(said, status=403)
        said = {"error": {"message": "Invalid token", "type": "new_api_error", "code": ""}}
        return web.json_response(said, status=401)


@pytest.mark.parametrize("profile", ["new-api", "new-api-2025"])
async def test_another_key_of_the_account_finishes_what_a_spent_one_began(
    profile: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "journal": tmp_path / "run.db",
        "download_to": tmp_path / "pictures",
        "then": ("U1",),
        "in_flight": 4,
    }
    async with Simulator(profile=profile) as sim:
        account = Account(sim, lasts=5)
        async with proxied(sim, account.look) as url:
            for _ in range(2):
                async with MJSession(url, "first", auth="bearer") as session:
                    with pytest.raises((QuotaError, AuthenticationError)):
                        await outcomes(session, JOBS, **options)
            assert len(sim.accepted) == 5
            async with MJSession(url, "second", auth="bearer") as session:
                found = await outcomes(session, JOBS, **options)
        paid = Counter(task.prompt for task in sim.accepted if task.action == "IMAGINE")

    assert [outcome.error for outcome in found] == [None] * 8
    assert all(len(outcome.images) == 2 for outcome in found)
    assert paid == dict.fromkeys(JOBS, 1)
    assert len(sim.accepted) == 16
