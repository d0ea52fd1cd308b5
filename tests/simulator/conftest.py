import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from mjtask_async.simulator import Simulator, Step

Body = bytes | io.BytesIO
FINAL = ("SUCCESS", "FAILURE")
LOOK = 5.0
EPOCH = 1_700_000_000.0
JSON = {"Content-Type": "application/json"}


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True)
class Caller:
    """Sends requests to a simulator exactly as they are given, and nothing of its own."""

    sim: Simulator
    http: aiohttp.ClientSession

    @property
    def key(self) -> dict[str, str]:
        if self.sim.auth == "secret":
            return {"mj-api-secret": self.sim.api_key}
        return {"Authorization": f"Bearer {self.sim.api_key}"}

    async def raw(
        self, method: str, path: str, headers: Mapping[str, str], body: Body | None = None
    ) -> Reply:
        url = URL(path if path.startswith("http") else self.sim.base_url + path, encoded=True)
        async with self.http.request(
            method, url, headers=headers, data=body, allow_redirects=False
        ) as response:
            return Reply(response.status, response.headers, await response.read())

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        return await self.raw("GET", path, self.key | dict(headers or {}))

    async def post(
        self, path: str, body: Body | str, headers: Mapping[str, str] | None = None
    ) -> Reply:
        data = body.encode() if isinstance(body, str) else body
        return await self.raw(
            "POST", path, self.key | dict(JSON if headers is None else headers), data
        )

    async def imagine(self, prompt: str = "cat") -> Reply:
        return await self.post("/mj/submit/imagine", f'{{"prompt":"{prompt}","state":"s"}}')

    async def order(self, endpoint: str, **body: Any) -> dict[str, Any]:
        """Post an order, and return the envelope."""
        reply = await self.post(f"/mj/{endpoint}", json.dumps(body))
        answer: dict[str, Any] = json.loads(reply.body)
        return answer

    async def task(self, task_id: str) -> dict[str, Any]:
        task: dict[str, Any] = json.loads((await self.fetch(task_id)).body)
        return task

    async def tasks(self, *ids: str) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = json.loads((await self.find(*ids)).body)
        return tasks

    async def wait(self, task_id: str, *statuses: str) -> dict[str, Any]:
        """Look at a task now and then until it has one of the statuses."""
        end = self.sim.now() + 600
        while (task := await self.task(task_id))["status"] not in (statuses or FINAL):
            assert self.sim.now() < end, task
            await asyncio.sleep(LOOK)
        return task

    async def wait_newer(self, task_id: str, status: str) -> list[dict[str, Any]]:
        """Look at a task's two rows now and then until the newer one has a status."""
        end = self.sim.now() + 600
        while (rows := await self.tasks(task_id))[1]["status"] != status:
            assert self.sim.now() < end, rows
            await asyncio.sleep(LOOK)
        return rows

    async def made(self, endpoint: str, **body: Any) -> dict[str, Any]:
        """Post an order, and wait for its task."""
        answer = await self.order(endpoint, **body)
        return await self.wait(answer["result"])

    async def grid(self) -> dict[str, Any]:
        return await self.made("submit/imagine", prompt="a cat", state="s")

    async def press(self, task: dict[str, Any], label: str, **more: Any) -> dict[str, Any]:
        """Press a button by its label or emoji, and return the envelope."""
        [custom_id] = [
            button["customId"]
            for button in task["buttons"]
            if label in {button["label"], button["emoji"]}
        ]
        return await self.order("submit/action", taskId=task["id"], customId=custom_id, **more)

    async def fetch(self, task_id: str) -> Reply:
        return await self.get(f"/mj/task/{task_id}/fetch")

    async def find(self, *ids: str) -> Reply:
        quoted = ",".join(f'"{task_id}"' for task_id in ids)
        return await self.post("/mj/task/list-by-condition", f'{{"ids":[{quoted}]}}')


@asynccontextmanager
async def calling(**arguments: Any) -> AsyncIterator[Caller]:
    """Start a simulator with a known epoch, and call it."""
    skipped = ("Content-Type", "Accept", "User-Agent")
    async with (
        Simulator(**{"epoch": EPOCH, **arguments}) as sim,
        aiohttp.ClientSession(skip_auto_headers=skipped) as http,
    ):
        yield Caller(sim, http)


async def finished(caller: Caller, task_id: str = "17") -> None:
    """Plant a success, and wait until the server shows it."""
    caller.sim.plant(task_id, [Step(at=0, status="SUCCESS")])
    await caller.wait(task_id)


async def press(caller: Caller, custom_id: str, task_id: str = "17") -> Reply:
    """Press a button by its custom id."""
    body = {"taskId": task_id, "customId": custom_id}
    return await caller.post("/mj/submit/action", json.dumps(body))


def words(reply: Reply) -> str:
    """Return what a relay's refusal says."""
    answer = json.loads(reply.body)
    return str(answer["error"]["message"] if "error" in answer else answer["description"])
