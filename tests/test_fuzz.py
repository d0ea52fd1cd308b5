"""Mutants of real answers; 200 000 of them: ``benchmarks/fuzz.py``."""

from itertools import islice
from random import Random

from .support_fuzz import STATUSES, Readers, mutants


def test_every_mutant_is_understood_or_refused_in_our_own_words() -> None:
    random, readers = Random(0), Readers()  # noqa: S311 -- a simulation
    for body in islice(mutants(random), 1500):
        readers.read(body, random.choice(STATUSES))

    assert readers.understood > 100
    assert readers.refused > 500
