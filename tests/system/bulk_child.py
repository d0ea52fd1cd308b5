"""A process that runs jobs until it is killed: ``bulk_child.py FOLDER``, which says what to do."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from mjtask_async import (
    BulkOutcome,
    BulkRun,
    MJSession,
    Task,
    TaskWatcher,
    Timeouts,
    images,
    placing,
)

put = placing._put


def slowly(part: Path, path: Path) -> bool:
    """Give a file its name on a slow disk, so that kills hit that, too."""
    time.sleep(0.02)
    return put(part, path)


placing._put = slowly
images._LATE = 0.1  # the server's clock runs faster than ours


def facts(outcome: BulkOutcome[Task]) -> dict[str, Any]:
    return {
        "prompt": outcome.job.prompt,
        "images": list(map(str, outcome.images)),
        "errors": {label: type(error).__name__ for label, error in outcome.errors.items()},
    }


async def main(folder: Path) -> None:
    plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
    timeout = Timeouts(submit=plan["patience"])
    async with (
        MJSession(plan["url"], plan["key"], auth=plan["auth"], timeout=timeout) as session,
        TaskWatcher(session, interval=0.1) as watcher,
        BulkRun(
            session,
            plan["prompts"],
            watcher=watcher,
            then=plan["then"],
            names=plan["names"],
            journal=folder / "run.db",
            download_to=folder / "pictures",
            in_flight=40,
        ) as run,
    ):
        with (folder / "outcomes.jsonl").open("w") as lines:
            async for outcome in run:
                print(json.dumps(facts(outcome)), file=lines, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
