"""Does a long backlog slow anything down? JSON lines: filling the outbox, starting with it, and draining it.

    python benchmarks/backlog.py [--events 5000000] [--folder /var/tmp]

Takes about 2.6 kB of disk for each event. The folder should be on the disk that the gateway would use.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.outbox import OutboxEvent

PAYLOAD = b"x" * 1500
"""About the length of a location event with its EPCIS form."""
BATCH = 200
"""Events of one commit, as at 10 000 events/s with a drain every 20 ms."""
DRAIN_EVENTS = 50_000
START = """
import sys, time
from pathlib import Path
begun = time.perf_counter()
from rfid_gateway.store.connection import open_store
loaded = time.perf_counter()
with open_store(Path(sys.argv[1])) as store:
    store.outbox.backlog(), store.outbox.oldest(), store.observation_state.load(), store.outbox.unpublished(0, 220)
    print(round(1000 * (loaded - begun)), round(1000 * (time.perf_counter() - loaded), 1))
"""


def event(number: int) -> OutboxEvent:
    # A multiplication by an odd constant spreads the ids as a hash would: no index sees them in order.
    return OutboxEvent(
        event_id=f"ni:///sha-256;{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 256):064x}?ver=CBV2.0",
        event_time=1_764_000_000_000_000 + number,
        epc=f"3034257BF7194E40{number * 0x9E3779B1 % (1 << 32):08X}",
        shipment_id=f"S-{number // 10:08}",
        biz_step="departing",
        direction="out",
        verdict="ok",
        read_point="urn:epc:id:sgln:4012345.00001.7",
        topic="rfid/hall/gw1/events/departing",
        encode=lambda _: PAYLOAD,
        logistic_unit=f"{number:018}",
    )


def report(**figures: float | str) -> None:
    print(json.dumps({"benchmark": "backlog", **figures}), flush=True)


def resident_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 >> 20


def fill(store: Store, events: int, step: int) -> None:
    for first in range(0, events, step):
        last = min(events, first + step)
        begun = time.perf_counter()
        for batch in range(first, last, BATCH):
            store.outbox.append([event(number) for number in range(batch, min(last, batch + BATCH))])
        report(
            what="append",
            backlog=store.outbox.backlog(),
            events_per_s=round((last - first) / (time.perf_counter() - begun)),
            rss_mb=resident_mb(),
        )


def start(path: Path, events: int) -> None:
    done = subprocess.run([sys.executable, "-c", START, path], capture_output=True, text=True, check=True)
    imports_ms, open_ms = map(float, done.stdout.split())
    report(what="start", backlog=events, imports_ms=imports_ms, open_ms=open_ms)


def drain(store: Store, window: int) -> None:
    backlog, count, begun = store.outbox.backlog(), 0, time.perf_counter()
    while count < DRAIN_EVENTS and (rows := store.outbox.unpublished(0, window)):
        store.outbox.published([row.sequence for row in rows], 1)
        count += len(rows)
    report(
        what="unpublished and published",
        backlog=backlog,
        events_per_s=round(count / (time.perf_counter() - begun)),
        rss_mb=resident_mb(),
    )


def prune(store: Store) -> None:
    """Steady state: as many events come as go; the file must not grow."""
    before, _ = store.size()
    begun, pruned, added = time.perf_counter(), 0, 0
    number = 1 << 40
    while gone := store.history.prune(2, 500):
        store.outbox.append([event(number + added + each) for each in range(gone)])
        pruned += gone
        added += gone
    after, free = store.size()
    report(
        what="prune and append as many",
        events=pruned,
        events_per_s=round(pruned / (time.perf_counter() - begun)),
        grown_mb=(after - before) >> 20,
        free_mb=free >> 20,
        file_mb=after >> 20,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a long backlog; prints JSON lines.")
    parser.add_argument("--events", type=int, default=200_000, help="rows that wait in the outbox")
    parser.add_argument("--step", type=int, default=100_000, help="events between two figures of filling")
    parser.add_argument("--folder", type=Path, default=None, help="where to put the database")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "gateway.db"
        if shutil.disk_usage(folder).free < arguments.events * 4_000:
            raise SystemExit(f"{folder}: not enough room for {arguments.events} events")
        with open_store(path) as store:
            fill(store, arguments.events, arguments.step)
        start(path, arguments.events)
        with open_store(path) as store:
            drain(store, 200)
            prune(store)


if __name__ == "__main__":
    main()
