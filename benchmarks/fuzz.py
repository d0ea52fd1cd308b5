"""Read mutants of real answers: each must give a result or an error of the package's own.

    python -m benchmarks.fuzz [mutants] [seed]

The result stands in ``fuzz.txt``.
"""

import resource
import sys
import time
from itertools import islice
from random import Random

from tests.support_fuzz import STATUSES, Readers, mutants


def main(count: int = 200_000, seed: int = 0) -> None:
    random, readers = Random(seed), Readers()  # noqa: S311 -- a simulation
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    biggest = 0
    for body in islice(mutants(random), count):
        biggest = max(biggest, len(body))
        try:
            readers.read(body, random.choice(STATUSES))
        except BaseException:
            print(f"not read: {body[:2000]!r}")
            raise
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{count} mutants, seed {seed}, the biggest {biggest} bytes")
    print(f"{readers.understood} times understood, {readers.refused} times refused, nothing else")
    print(f"{time.perf_counter() - started:.0f} s, peak memory {grown / 1024:.1f} MB more")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
