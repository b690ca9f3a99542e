"""Golden cases: a folder is a case; adding one needs no code. See tests/golden/observe."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from rfid_gateway.observe.observations import Observation, Passage
from rfid_gateway.observe.observer import Observer
from rfid_gateway.observe.rules import DoorRules, ZoneRules
from rfid_gateway.reads import GpiEdge, TagRead, TagReport

CASES = sorted(path for path in (Path(__file__).parents[1] / "golden" / "observe").iterdir() if path.is_dir())
AFTER = 600_000_000


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def observer(config: dict[str, list[dict[str, Any]]]) -> Observer:
    """The observer that a config.json describes: the fields of the rules, antennas and inputs as [reader, number]."""

    def fields(table: dict[str, Any]) -> dict[str, Any]:
        kinds = {"antennas": frozenset, "inside": frozenset, "outside": frozenset, "photo_eyes": tuple}
        return {key: kinds[key](map(tuple, value)) if key in kinds else value for key, value in table.items()}

    return Observer(
        [ZoneRules(**fields(zone)) for zone in config["zones"]],
        [DoorRules(**fields(door)) for door in config["doors"]],
    )


def arrivals(lines: list[dict[str, Any]]) -> Iterator[TagReport | GpiEdge]:
    """One report for all reads that one reader delivered at one time; a line with a port is an edge of an input."""
    for (reader_id, at, port), together in groupby(
        lines, key=lambda line: (line["reader_id"], line["received_at"], line.get("port"))
    ):
        if port is None:
            yield TagReport(reader_id, at, at, tuple(tag_read(read, at) for read in together))
        else:
            for edge in together:
                yield GpiEdge(reader_id, at, at, port, edge["high"])


def tag_read(read: dict[str, Any], at: int) -> TagRead:
    return TagRead(
        read["epc"],
        read["antenna_id"],
        at,
        at,
        read["peak_rssi"],
        phase=read["phase"],
        doppler=read["doppler"],
        channel=read["channel"],
    )


def row(observation: Observation) -> dict[str, Any]:
    """What expected.jsonl says of an observation: all but confidence and evidence, which may be tuned."""
    if isinstance(observation, Passage):
        return {
            "epc": observation.epc,
            "door": observation.door,
            "direction": observation.direction.value,
            "started": observation.started,
            "ended": observation.ended,
        }
    return {
        "epc": observation.epc,
        "zone": observation.zone,
        "change": observation.change.value,
        "at": observation.at,
        "previous_zone": observation.previous_zone,
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_recorded_reads_give_the_expected_observations(case: Path) -> None:
    watching = observer(json.loads((case / "config.json").read_text(encoding="utf-8")))
    arriving = list(arrivals(lines(case / "reads.jsonl")))
    observed: list[Observation] = []
    for item in arriving:
        observed += watching.edge(item) if isinstance(item, GpiEdge) else watching.report(item)
    observed += watching.expire(arriving[-1].received_monotonic + AFTER)
    assert [row(observation) for observation in observed] == lines(case / "expected.jsonl")
