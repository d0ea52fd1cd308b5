"""Real SIGKILL, real time: nothing lost, nothing paid twice."""

import os
from pathlib import Path

import pytest

from .bulk_kills import run_round

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(60),
    pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there"),
]


@pytest.mark.parametrize("seed", range(10))
def test_a_killed_run_loses_nothing_and_pays_nothing_twice(seed: int, tmp_path: Path) -> None:
    assert run_round(seed, tmp_path).kills > 0
