"""Mutants of real answers; 200 000 of them: ``benchmarks/fuzz.py``."""

import tracemalloc
from itertools import islice
from random import Random

from mjtask_async._core.wire import LARGEST_LIST

from .support_fuzz import STATUSES, Readers, mutants, systematic
from .support_fuzz_wire import Wire, bomb

STRIDE = 401
"""Prime to the samples' lengths: other bytes of each."""


def test_every_mutant_is_understood_or_refused_in_our_own_words() -> None:
    random, readers = Random(0), Readers()  # noqa: S311 -- a simulation
    for body in islice(mutants(random), 1000):
        readers.read(body, random.choice(STATUSES))

    assert readers.understood > 100
    assert readers.refused > 500


def test_answers_cut_or_flipped_at_some_of_all_their_bytes_are_read_or_refused() -> None:
    random, readers = Random(0), Readers()  # noqa: S311 -- a simulation
    for body in islice(systematic(), 0, None, STRIDE):
        readers.read(body, random.choice(STATUSES))

    assert readers.understood > 50
    assert readers.refused > 500


async def test_mutants_over_the_wire_are_read_or_refused_within_the_limits_memory() -> None:
    random = Random(1)  # noqa: S311 -- a simulation
    wire = Wire(mutants(random), random, bombs=[66], every=40)
    bomb(66)
    tracemalloc.start(1)
    try:
        await wire.run(80)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert wire.bombs >= 1
    assert wire.understood >= 1
    assert wire.refused > 10
    assert peak < LARGEST_LIST + 12 * 2**20
