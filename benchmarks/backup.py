"""Does a backup hold up the pipeline? The longest gap between two commits, without a backup and during one; JSON lines.

    python benchmarks/backup.py [--events 1000000] [--folder /var/tmp]

`rfid-gateway backup` runs as a process of its own, as it does beside the service, while this one commits a few events
every 20 ms as the pipeline does and takes them out of the outbox as the publisher does. Takes about 6 kB of disk for
each event. The folder should be on the disk that the gateway would use.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from backlog import BATCH, event

from rfid_gateway.store.connection import Store, open_store

EVERY_S = 0.02
AT_ONCE = 10
"""Events of one commit: five hundred a second."""
QUIET_S = 20.0
CONFIG = """\
[gateway]
site = "hall"
id = "gw1"
state_dir = "{folder}/state"
[mqtt]
host = "127.0.0.1"
[[readers]]
id = "dock"
driver = "llrp"
host = "127.0.0.1"
[[zones]]
id = "dock"
antennas = ["dock"]
read_point = "urn:epc:id:sgln:4012345.00010.dock"
"""


def report(**figures: float | str) -> None:
    print(json.dumps({"benchmark": "backup", **figures}), flush=True)


def fill(store: Store, events: int) -> None:
    for first in range(0, events, BATCH):
        store.outbox.append([event(number) for number in range(first, min(events, first + BATCH))])


def commit_while(store: Store, first: int, goes_on: Callable[[], bool]) -> tuple[int, list[float], int]:
    """Commit until it is over.

    Returns:
        The next number; how long each commit came after the one before (s); bytes of the log at its longest.
    """
    gaps: list[float] = []
    log, longest = store.database.path.with_name("gateway.db-wal"), 0
    before = time.perf_counter()
    while goes_on():
        rows = store.outbox.append([event(first + each) for each in range(AT_ONCE)])
        store.outbox.published([row.sequence for row in rows], 1)
        first += AT_ONCE
        now = time.perf_counter()
        gaps.append(now - before)
        before = now
        longest = max(longest, log.stat().st_size)
        time.sleep(EVERY_S)
    return first, sorted(gaps), longest


def figures(gaps: list[float]) -> dict[str, float]:
    return {
        "commits": len(gaps),
        "gap_median_ms": round(1000 * gaps[len(gaps) // 2], 1),
        "gap_p99_ms": round(1000 * gaps[len(gaps) * 99 // 100], 1),
        "gap_longest_ms": round(1000 * gaps[-1], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a backup costs the pipeline; prints JSON lines.")
    parser.add_argument("--events", type=int, default=100_000, help="rows that wait in the outbox")
    parser.add_argument("--folder", type=Path, default=None, help="where to put database and backup")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        if shutil.disk_usage(folder).free < arguments.events * 7_000:
            raise SystemExit(f"{folder}: not enough room for {arguments.events} events and their backup")
        (folder / "state").mkdir()
        (folder / "gateway.toml").write_text(CONFIG.format(folder=folder))
        path = folder / "state/gateway.db"
        with open_store(path) as store:
            fill(store, arguments.events)
            until = time.monotonic() + QUIET_S
            number, gaps, _ = commit_while(store, arguments.events, lambda: time.monotonic() < until)
            report(what="commits without a backup", backlog=arguments.events, **figures(gaps))
            begun = time.perf_counter()
            process = subprocess.Popen(
                [
                    Path(sys.executable).parent / "rfid-gateway",
                    "backup",
                    folder / "out.tar.gz",
                    "--config",
                    folder / "gateway.toml",
                ],
                stdout=subprocess.DEVNULL,
            )
            _, gaps, log_bytes = commit_while(store, number, lambda: process.poll() is None)
            took = time.perf_counter() - begun
            if process.returncode:
                raise SystemExit("the backup failed")
            report(
                what="commits during a backup",
                backlog=arguments.events,
                **figures(gaps),
                backup_s=round(took, 1),
                database_mb=path.stat().st_size >> 20,
                log_mb=log_bytes >> 20,
                backup_mb=(folder / "out.tar.gz").stat().st_size >> 20,
            )


if __name__ == "__main__":
    main()
