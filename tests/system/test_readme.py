"""The README's example beside ``mjtask simulate``: two real processes, real time."""

import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]
README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_example_works_beside_mjtask_simulate(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    example = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[0]
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    command = [sys.executable, "-m", "mjtask_async", "simulate", "--speed", "20"]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        assert simulator.stdout is not None
        said = iter(simulator.stdout.readline, "")
        exports = itertools.islice((line for line in said if line.startswith("export ")), 2)
        pairs = [shlex.split(line)[1].split("=", 1) for line in exports]
        ended = subprocess.run(
            [sys.executable, "example.py"],
            cwd=tmp_path,
            env=os.environ | dict(pairs),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        simulator.terminate()

    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-2] == "SUCCEEDED 100"
    assert len(list(tmp_path.glob("pictures/*.png"))) == 1
