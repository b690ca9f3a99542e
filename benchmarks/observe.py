"""Reads per second through `Observer.report`, on one core: tags that stay present, and traffic through doors.

Prints JSON lines: what, reads, reads_per_second, µs per read, and how many rows were handed out for the database.
"""

import json
import random
import time
from collections.abc import Iterable

from rfid_gateway.observe.observer import Observer
from rfid_gateway.observe.rules import DoorRules, ZoneRules
from rfid_gateway.reads import TagRead, TagReport
from rfid_simulators.world.scenarios import SCENES

READERS = 8
READS_PER_REPORT = 100
REPORTS = 4_000
TAGS_PER_READER = 1_000
UTC = 1_790_000_000_000_000
DRAIN = 20
"""Reports between two questions for rows."""


def presence() -> list[TagReport]:
    """100 000 reads/s of 8 000 tags that stay where they are."""
    rng = random.Random(1)
    reports = []
    for number in range(REPORTS):
        reader, at = number % READERS, number * 1_000
        reads = tuple(
            TagRead(
                f"{reader * TAGS_PER_READER + rng.randrange(TAGS_PER_READER):024X}",
                rng.randint(1, 4),
                UTC + at,
                UTC + at,
                -50.0 - rng.randrange(9),
            )
            for _ in range(READS_PER_REPORT)
        )
        reports.append(TagReport(f"reader-{reader}", UTC + at, at, reads))
    return reports


def traffic() -> list[TagReport]:
    """Pallets of 40 tags that go through a door one after the other, each heard as the simulated radio hears it."""
    reports = []
    start = 0
    for seed in range(100):
        world = SCENES["pallet"](seed)
        end = world.population.end
        assert end is not None
        radio = world.radio("dock-1")
        for at in range(0, end, 20_000):
            reads = tuple(
                TagRead(each.epc, each.antenna_id, UTC + start + each.at, UTC + start + each.at, each.rssi)
                for each in radio(at, at + 20_000)
            )
            reports.append(TagReport("dock-1", UTC + start + at, start + at, reads))
        start += end + 5_000_000
    return reports


def measure(what: str, observer: Observer, reports: Iterable[TagReport], reads: int) -> None:
    rows = observations = 0
    began = time.process_time()
    for number, report in enumerate(reports):
        observations += len(observer.report(report))
        if number % DRAIN == 0:
            rows += len(observer.changed())
    seconds = time.process_time() - began
    print(
        json.dumps(
            {
                "benchmark": "observe",
                "what": what,
                "reads": reads,
                "reads_per_second": round(reads / seconds),
                "us_per_read": round(seconds / reads * 1e6, 2),
                "observations": observations,
                "rows": rows,
            }
        )
    )


def main() -> None:
    zones = [ZoneRules(f"zone-{number}", frozenset({(f"reader-{number}", 0)})) for number in range(READERS)]
    door = DoorRules("door-1", frozenset({("dock-1", 1)}), frozenset({("dock-1", 2)}))
    staying = presence()
    half = REPORTS // 2
    observer = Observer(zones, [])
    measure("presence, tags arriving", observer, staying[:half], half * READS_PER_REPORT)
    measure("presence, tags staying", observer, staying[half:], half * READS_PER_REPORT)
    passing = traffic()
    measure("doors, pallets of 40", Observer([], [door]), passing, sum(len(each.tag_reads) for each in passing))


if __name__ == "__main__":
    main()
