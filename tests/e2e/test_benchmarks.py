"""Benchmarks still run, in small: they print JSON lines and end well. What they measure is not looked at.

backup, observe, offline, path and store take half a minute even in small: `make bench` runs them.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import skip_or_fail
from tests.servers import mosquitto_path

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SMALL = {
    "backlog": ["--events", "2000", "--step", "1000", "--folder", "{folder}"],
    "kill_cost": ["--kills", "1", "--seed", "1"],
    "llrp_decode": ["--seconds", "0.01"],
    "publish": ["500"],
    "readers": ["--seconds", "1", "--readers", "2", "--rate", "100"],
    "serial_decode": ["--seconds", "0.01"],
    "serial_recovery": ["--tags", "50"],
}


@pytest.mark.parametrize("name", SMALL)
def test_it_runs_and_prints_json_lines(name: str, tmp_path: Path) -> None:
    if mosquitto_path() is None:
        skip_or_fail("Mosquitto is not installed")
    words = [word.format(folder=tmp_path) for word in SMALL[name]]
    done = subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", *words], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines
    assert all(isinstance(line, dict) for line in lines)
