"""Read mutants of real answers: each must give a result or an error of the package's own.

    python -m benchmarks.fuzz [mutants] [over the wire] [seed]

First each sample cut at each of its bytes and with a bit of each of its bytes turned, then
random mutants of all kinds up to the number asked for; then others over HTTP, some of them
bombs. It exits with 1 if more memory was taken than the largest answer that is allowed may
take. The result stands in ``fuzz.txt``.
"""

import asyncio
import logging
import resource
import sys
import time
from collections.abc import Iterable
from itertools import islice
from random import Random

from mjtask_async._core.wire import LARGEST_LIST
from mjtask_async.testing import VirtualTimeLoop
from tests.support_fuzz import STATUSES, Readers, mutants, systematic
from tests.support_fuzz_wire import Wire, bomb

BOMBS = (100, 60)
"""MiB: more than any answer may have, and a little less than a list may."""
MOST = 3 * LARGEST_LIST
"""Bytes: the largest answer that is allowed, read and looked at as a text."""


def main(count: int = 200_000, wired: int = 5_000, seed: int = 0) -> int:
    list(map(bomb, BOMBS))
    started, before = time.perf_counter(), _peak()
    random = Random(seed)  # noqa: S311 -- a simulation
    counted = _read("cut or flipped, at each byte of each sample", systematic(), random)
    rest = max(count - counted, count // 10)
    _read("random", islice(mutants(random), rest), random)
    _wire(wired, random)
    grown = _peak() - before
    print(f"{time.perf_counter() - started:.0f} s, seed {seed}")
    print(f"peak memory {grown / 2**20:.1f} MiB more, {MOST / 2**20:.0f} allowed")
    return 1 if grown > MOST else 0


def _read(what: str, bodies: Iterable[bytes], random: Random) -> int:
    readers, count, biggest = Readers(), 0, 0
    for body in bodies:
        count, biggest = count + 1, max(biggest, len(body))
        try:
            readers.read(body, random.choice(STATUSES))
        except BaseException:
            print(f"not read: {body[:2000]!r}")
            raise
    said = f"{readers.understood} times understood, {readers.refused} times refused"
    print(f"{count} mutants {what}, the biggest {biggest} bytes: {said}, nothing else")
    return count


def _wire(count: int, random: Random) -> None:
    logging.disable(logging.CRITICAL)
    wire = Wire(mutants(random), random, bombs=BOMBS, every=100)
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(wire.run(count))
    said = f"{wire.understood} calls understood, {wire.refused} refused"
    print(f"{wire.served} answers over HTTP, {wire.bombs} of them bombs of {BOMBS} MiB: {said}")


def _peak() -> int:
    """Return the most bytes that this process had so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
