"""A process that runs jobs until it is killed: ``bulk_child.py URL KEY AUTH FOLDER COUNT``."""

import asyncio
import json
import sys
from pathlib import Path

from mjtask_async import BulkRun, MJSession, TaskWatcher, Timeouts


async def main(url: str, key: str, auth: str, folder: Path, count: int) -> None:
    prompts = [f"prompt {number}" for number in range(count)]
    timeout = Timeouts(submit=1.0)
    journal, pictures = folder / "run.db", folder / "pictures"
    async with (
        MJSession(url, key, auth=auth, timeout=timeout) as session,  # type: ignore[call-overload]
        TaskWatcher(session, interval=0.1) as watcher,
        BulkRun(
            session,
            prompts,
            watcher=watcher,
            journal=journal,
            download_to=pictures,
            in_flight=40,
        ) as run,
    ):
        with (folder / "outcomes.jsonl").open("w") as lines:
            async for outcome in run:
                error = outcome.error and type(outcome.error).__name__
                facts = {
                    "index": outcome.index,
                    "images": list(map(str, outcome.images)),
                    "error": error,
                }
                print(json.dumps(facts), file=lines, flush=True)


if __name__ == "__main__":
    url, key, auth, folder, count = sys.argv[1:]
    asyncio.run(main(url, key, auth, Path(folder), int(count)))
