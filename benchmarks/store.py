"""How fast the store is, as JSON lines: events committed, directory look-ups, and reading a long outbox.

    python benchmarks/store.py [--backlog 5000000] [--folder /var/tmp]

The folder should be on the disk that the gateway would use: a commit is as slow as that disk's flush.
"""

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import quantiles

from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.outbox import OutboxEvent

PAYLOAD = b"x" * 1500
"""About the length of a location event with its EPCIS form."""
UNITS_PER_SHIPMENT = 10


def event(number: int) -> OutboxEvent:
    return OutboxEvent(
        event_id=f"ni:///sha-256;{random.Random(number).getrandbits(256):064x}?ver=CBV2.0",
        event_time=1_764_000_000_000_000 + number,
        epc=f"3034257BF7194E40{number:08X}",
        shipment_id=f"S-{number // UNITS_PER_SHIPMENT:08}",
        biz_step="departing",
        direction="out",
        verdict="ok",
        read_point="urn:epc:id:sgln:4012345.00001.7",
        topic="rfid/hall/gw1/events/departing",
        encode=lambda _: PAYLOAD,
        logistic_unit=f"{number:018}",
    )


def key(number: int) -> str:
    return f"(00){number:018}"


def shipments(units: int) -> Iterator[Shipment]:
    for first in range(0, units, UNITS_PER_SHIPMENT):
        members = tuple(Unit(key(number)) for number in range(first, first + UNITS_PER_SHIPMENT))
        yield Shipment(f"S-{first // UNITS_PER_SHIPMENT:08}", members, ("4711",), planned_door="dock-1")


def report(**figures: float | str) -> None:
    print(json.dumps({"benchmark": "store", **figures}), flush=True)


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def append_batch(store: Store, events: list[OutboxEvent]) -> None:
    with store.transaction():
        store.outbox.append(events)


def measure_append(store: Store) -> None:
    number = 0
    for batch, count in ((1, 1_000), (10, 5_000), (100, 20_000), (1000, 50_000)):
        events = [event(each) for each in range(number, number + count)]
        number += count
        taken = sum(
            seconds(partial(append_batch, store, events[first : first + batch])) for first in range(0, count, batch)
        )
        report(what="append", batch=batch, events_per_s=round(count / taken))


def publish_all(store: Store, window: int) -> int:
    count = 0
    while rows := store.outbox.unpublished(0, window):
        store.outbox.published([row.sequence for row in rows], 1)
        count += len(rows)
    return count


def measure_drain(store: Store) -> None:
    begun = time.perf_counter()
    count = publish_all(store, 200)
    report(what="unpublished and published", batch=200, events_per_s=round(count / (time.perf_counter() - begun)))


def find_all(store: Store, asked: list[tuple[str, str]]) -> None:
    for keys in asked:
        store.directory.find(keys)


def measure_directory(store: Store, units: int) -> None:
    taken = seconds(lambda: store.directory.upsert(shipments(units)))
    report(what="upsert in one commit", units=units, units_per_s=round(units / taken))
    draw = random.Random(1)
    hits = [(f"epc:{number:024X}", key(number)) for number in draw.sample(range(units), min(units, 100_000))]
    misses = [(f"epc:{number:024X}", key(units + number)) for number in range(100_000)]
    for what, asked in (("hit", hits), ("miss", misses), ("cached", hits[:1000] * 100)):
        taken = seconds(partial(find_all, store, asked))
        report(what=f"find, {what}", units=units, look_ups_per_s=round(len(asked) / taken))


def measure_backlog(path: Path, backlog: int) -> None:
    with open_store(path) as store:
        first = store.outbox.next_sequence()
        store._database.change("PRAGMA synchronous = OFF")  # noqa: SLF001 -- filling is not what is measured
        for begin in range(0, backlog, 10_000):
            store.outbox.append([event(10_000_000 + number) for number in range(begin, begin + 10_000)])
    report(what="start with a backlog", rows=backlog, ms=round(1000 * seconds(lambda: open_store(path).close()), 1))
    with open_store(path) as store:
        draw = random.Random(2)
        starts = [draw.randrange(first, first + backlog) for _ in range(500)]
        cuts = quantiles((seconds(partial(store.outbox.unpublished, at, 20)) for at in starts), n=100)
        report(what="unpublished(…, 20)", rows=backlog, p50_us=round(cuts[49] * 1e6), p99_us=round(cuts[98] * 1e6))
        report(what="backlog()", rows=store.outbox.backlog(), us=round(1e6 * seconds(store.outbox.backlog)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the store; prints JSON lines.")
    parser.add_argument("--backlog", type=int, default=1_000_000, help="rows that wait in the outbox")
    parser.add_argument("--units", type=int, default=1_000_000, help="units in the directory")
    parser.add_argument("--folder", type=Path, default=None, help="where to put the databases (about 3 kB per row)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        with open_store(Path(folder) / "append.db") as store:
            measure_append(store)
            measure_drain(store)
        with open_store(Path(folder) / "directory.db") as store:
            measure_directory(store, arguments.units)
        report(what="memory so far", peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        measure_backlog(Path(folder) / "outbox.db", arguments.backlog)


if __name__ == "__main__":
    main()
