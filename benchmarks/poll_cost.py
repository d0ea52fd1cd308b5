"""What watching costs beside a plain loop: CPU per task and poll, as a ratio.

A server in a process of its own answers list calls with running-size rows, of which a
share has changed since the last answer. Both contenders run in this process, in turns,
several times: a plain loop that posts and decodes, and a `TaskWatcher` with one stream.

    python benchmarks/poll_cost.py [--tasks 10000] [--changed 0.05] [--ticks 12] [--rounds 5]
"""

import argparse
import asyncio
import gc
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import msgspec

from mjtask_async import MJSession, Task, TaskStream, TaskWatcher

BATCH = 100
BUTTONLESS_ROW = {
    "action": "IMAGINE",
    "customId": "",
    "botType": "",
    "prompt": "a quiet harbour at dawn, fishing boats, soft fog, film grain --ar 16:9 --v 7",
    "promptEn": "a quiet harbour at dawn, fishing boats, soft fog, film grain --ar 16:9 --v 7",
    "description": "Submit success",
    "state": "mj-0123456789abcdef01234567",
    "submitTime": 1730621826053,
    "startTime": 1730621828024,
    "finishTime": 0,
    "imageUrl": "https://cdn.example.com/attachments/1300842274347028520/1302547211321741343/grid.webp",
    "videoUrl": "",
    "videoUrls": None,
    "status": "IN_PROGRESS",
    "failReason": "",
    "buttons": None,
    "maskBase64": "",
    "properties": {"finalPrompt": "a quiet harbour at dawn", "finalZhPrompt": ""},
}


class Rows:
    """The server's tasks; each answer moves a share of the rows asked for."""

    def __init__(self, changed: float) -> None:
        self._tail = json.dumps(BUTTONLESS_ROW, separators=(",", ":"))[1:]
        self._percents: dict[str, int] = {}
        self._turn = 0
        self._every = round(1 / changed) if changed else 0

    def answer(self, body: bytes) -> bytes:
        ids: list[str] = json.loads(body)["ids"]
        self._turn += 1
        rows = list[str]()
        for number, task_id in enumerate(ids):
            percent = self._percents.setdefault(task_id, 0)
            if self._every and (number + self._turn) % self._every == 0:
                percent = self._percents[task_id] = min(percent + 1, 99)
            rows.append(f'{{"id":"{task_id}","progress":"{percent}%",{self._tail}')
        return ("[" + ",".join(rows) + "]").encode()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


async def _serve(ready: Connection, changed: float) -> None:
    rows = Rows(changed)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            fields = head.decode().lower().split("content-length: ")
            body = await reader.readexactly(int(fields[1].split("\r\n")[0]))
            answer = rows.answer(body)
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                + str(len(answer)).encode()
                + b"\r\n\r\n"
                + answer
            )

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    ready.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _server(ready: Connection, changed: float) -> None:
    asyncio.run(_serve(ready, changed))


class Meter:
    """CPU seconds of this process from the end of the first tick, which is all new, on."""

    def __init__(self, polls_a_tick: int) -> None:
        self._first = polls_a_tick
        self._at = self._polls = 0.0

    def note(self, polls: int) -> None:
        """Tell how many polls are through."""
        if polls >= self._first and not self._polls:
            self._at, self._polls = time.process_time(), polls

    def read(self, polls: int) -> float:
        """Give the CPU seconds of a poll."""
        return (time.process_time() - self._at) / (polls - self._polls)


async def plain(url: str, ids: list[str], ticks: int) -> float:
    """Post and decode, nothing else."""
    decoder = msgspec.json.Decoder(list[Task])
    batches = [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
    meter, polls = Meter(len(batches)), 0
    async with aiohttp.ClientSession() as http:
        for batch in batches * ticks:
            body = msgspec.json.encode({"ids": batch})
            async with http.post(f"{url}/mj/task/list-by-condition", data=body) as answer:
                decoder.decode(await answer.read())
            polls += 1
            meter.note(polls)
    return meter.read(polls)


async def watched(url: str, ids: list[str], ticks: int) -> float:
    """Watch all ids with one stream until so many polls are through."""
    polls = -(-len(ids) // BATCH)
    meter = Meter(polls)
    async with MJSession(url, "key") as session, TaskWatcher(session, interval=0.01) as watcher:
        reading = asyncio.create_task(_read(watcher.watch(*ids)))
        while (done := watcher.statistics().polls) < polls * ticks:
            await asyncio.sleep(0.005)
            meter.note(done)
        reading.cancel()
        return meter.read(done)


async def _read(stream: TaskStream[Task]) -> None:
    while await stream.next_batch():
        pass


def cpu(
    work: Callable[[str, list[str], int], Coroutine[Any, Any, float]],
    url: str,
    ids: list[str],
    ticks: int,
) -> float:
    """Measure the microseconds of CPU per task and poll."""
    gc.collect()
    return asyncio.run(work(url, ids, ticks)) / BATCH * 1e6


def main() -> None:
    """Run the contenders in turns and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--changed", type=float, default=0.05)
    parser.add_argument("--ticks", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    arguments = (there, options.changed)
    server = multiprocessing.get_context("spawn").Process(
        target=_server, args=arguments, daemon=True
    )
    server.start()
    url = f"http://127.0.0.1:{here.recv()}"
    ids = [f"{1_730_621_826_000_000 + number}" for number in range(options.tasks)]
    pairs = [
        (cpu(plain, url, ids, options.ticks), cpu(watched, url, ids, options.ticks))
        for _ in range(options.rounds)
    ]
    server.terminate()
    ratios = [ours / theirs for theirs, ours in pairs]
    print(f"{options.tasks} tasks, {options.changed:.0%} changed, {options.ticks} ticks a round")
    for name, values in zip(("plain loop", "watcher"), zip(*pairs, strict=True), strict=True):
        print(f"{name:11} {statistics.median(values):6.2f} µs of CPU per task and poll")
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"ratio       {middle:6.2f} (from {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
