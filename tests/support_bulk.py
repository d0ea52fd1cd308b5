"""What the tests of bulk runs share: a small server of finished tasks, and runs on it."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

from PIL import Image

from mjtask_async import BulkOutcome, BulkRun, MJSession, Task

from .support_stub import Asked, Reply, novicezks, row, says, stubbed

Hook = Callable[[Asked], Reply | None]
LABELS = ("U1", "U2", "V1")


def picture(side: int = 4) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (side, side), "red").save(buffer, "PNG")
    return buffer.getvalue()


PICTURE = picture()


class Origin:
    """Accepts everything at once, and says whatever ``hooks`` say before it does.

    Attributes:
        rows: The tasks by id, as they stand in lists.
        hooks: For each endpoint, what answers in its place; each may pass.
        lists: Whether it lists all of its tasks, as novicezk's server does.
    """

    def __init__(self, *, lists: bool = False) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.hooks: dict[str, list[Hook]] = {}
        self.asked: list[Asked] = []
        self.lists = lists
        self.base_url = ""

    def __call__(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        hooks = self.hooks.get(asked.path.partition("?")[0], [])
        reply = hooks.pop(0)(asked) if hooks else None
        return reply or self.serve(asked)

    def serve(self, asked: Asked) -> Reply:
        if asked.path.startswith("/pictures/"):
            return Reply(200, PICTURE)
        if asked.path.startswith("submit/"):
            return self.submit(asked)
        if asked.path == "task/list-by-condition":
            return says([self.rows[i] for i in asked.json["ids"] if i in self.rows])
        if asked.path == "task/list" and self.lists:
            return says(list(self.rows.values()))
        task_id = asked.path.split("/")[1]
        if asked.path == f"task/{task_id}/fetch" and task_id in self.rows:
            return says(self.rows[task_id])
        return Reply(200, "<!doctype html><html></html>", {"Content-Type": "text/html"})

    def submit(self, asked: Asked, **fields: Any) -> Reply:
        task_id = asked.json.get("taskId") if asked.path == "submit/modal" else None
        task_id = task_id or f"{1_700_000_000_000_000 + len(self.rows)}"
        self.take(task_id, asked.json, **fields)
        return says({"code": 1, "description": "ok", "result": task_id, "properties": {}})

    def take(self, task_id: str, order: dict[str, Any], **fields: Any) -> None:
        buttons = [{"customId": f"MJ::JOB::{label}::{task_id}", "label": label} for label in LABELS]
        known = {
            "prompt": order.get("prompt"),
            "state": order.get("state"),
            "imageUrl": f"{self.base_url}/pictures/{task_id}.png",
        }
        done: dict[str, Any] = {"status": "SUCCESS", "progress": "100%"}
        if self.lists:
            self.rows[task_id] = novicezks(task_id, **known, **done) | fields
        else:
            self.rows[task_id] = row(task_id, **known, buttons=buttons) | fields

    def count(self, endpoint: str) -> int:
        return sum(asked.path == endpoint for asked in self.asked)

    @property
    def prompts(self) -> Counter[str]:
        return Counter(each.json["prompt"] for each in self.asked if each.path == "submit/imagine")


def always(reply: Reply) -> Hook:
    return lambda _asked: reply


@asynccontextmanager
async def origin(**options: Any) -> AsyncIterator[tuple[Origin, MJSession[Task]]]:
    """Run such a server and a session that talks to it."""
    server = Origin(lists=options.pop("lists", False))
    async with stubbed(server, **options) as (stub, session):
        server.base_url = stub.base_url
        yield server, session


async def outcomes(
    session: MJSession[Task], jobs: Iterable[Any], **options: Any
) -> list[BulkOutcome[Task]]:
    """Run jobs to their end."""
    async with BulkRun(session, jobs, **options) as run:
        return [outcome async for outcome in run]


def refusal(code: int, description: str, status: int = 200) -> Hook:
    body = json.dumps({"code": code, "description": description, "result": None})
    return always(Reply(status, body, {"Content-Type": "application/json"}))
