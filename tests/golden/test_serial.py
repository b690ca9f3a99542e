"""Each folder of tests/golden/serial/<protocol>: `input.hex` through the protocol's decoder gives `expected.jsonl`.

`input.hex` holds hex digits; `#` begins a comment, white space means nothing.
"""

import json
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from rfid_gateway.clock import SystemClock

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in (HERE / "serial").glob("*/*/input.hex"))


def entry_point(name: str) -> str:
    """The class that the project publishes as this driver, installed anew or not."""
    project = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text())["project"]
    return str(project["entry-points"]["rfid_gateway.drivers"][name])


def read_hex(path: Path) -> bytes:
    return bytes.fromhex("".join(line.split("#")[0] for line in path.read_text().splitlines()))


def test_there_are_cases() -> None:
    assert CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_bytes_decode_to_what_is_written_beside_them(case: Path) -> None:
    module, _, name = entry_point(case.parent.name).partition(":")
    driver = getattr(import_module(module), name)
    options = driver.Options(port="/dev/null")
    records = driver("golden", options, SystemClock()).explain(read_hex(case / "input.hex"))
    assert records == [json.loads(line) for line in (case / "expected.jsonl").read_text().splitlines()]
