"""The whole gateway while its broker is away: does its memory stay flat, and how soon is it READY with a long backlog?

    python benchmarks/offline.py [--seconds 300] [--readers 8] [--rate 500] [--backlog 5000000] [--folder /var/tmp]

`rfid-gateway run` is a process of its own. First, simulated readers send it tag reads for so long, a new tag after each
50, and nothing listens at the broker's port: all events stay in the outbox. Its resident memory is sampled; the growth
is given over the second half, when everything has been used once. Then the outbox is filled up to the backlog, and the
gateway is started with it (its files are in the page cache or not, as filling has left them): `ready_s` is the time
from the start of the process to READY=1, as systemd sees it.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from backlog import BATCH, event
from readers import CONFIG, READER, TOGETHER, ZONE, play, shipment

from rfid_gateway.store.connection import open_store

PROGRAM = Path(sys.executable).with_name("rfid-gateway")
READS_PER_TAG = 50
SAMPLE_S = 5.0
READY_PATIENCE_S = 120.0


class Gateway:
    """`rfid-gateway run` under a service manager that we play."""

    def __init__(self, configuration: Path) -> None:
        address = str(configuration.parent / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)
            manager.settimeout(READY_PATIENCE_S)
            begun = time.perf_counter()
            self._process = subprocess.Popen(
                [PROGRAM, "run", "--config", configuration, "--log-level", "error"],
                env={**os.environ, "NOTIFY_SOCKET": address},
                stdout=subprocess.DEVNULL,
            )
            while b"READY=1" not in manager.recv(4096).splitlines():
                pass
            self.ready_s = time.perf_counter() - begun
        Path(address).unlink()

    def resident_mb(self) -> float:
        """How much memory it has in use now, with the pages of files that it has mapped."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)

    def end(self) -> None:
        """End it as systemd does."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


def report(**figures: float | str | None) -> None:
    print(json.dumps({"benchmark": "offline", **figures}), flush=True)


def status(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "status.json").read_text())
    return found


def stay_offline(configuration: Path, seconds: float) -> None:
    gateway = Gateway(configuration)
    begun, samples = time.perf_counter(), [gateway.resident_mb()]
    while time.perf_counter() - begun < seconds:
        time.sleep(SAMPLE_S)
        samples.append(gateway.resident_mb())
        if len(samples) % 6 == 1:
            now = status(configuration.parent)
            report(what="offline", reads=now["reads"], backlog=now["backlog"], rss_mb=samples[-1])
    now = status(configuration.parent)
    gateway.end()
    half = samples[len(samples) // 2 :]
    report(
        what="offline in all",
        seconds=round(time.perf_counter() - begun),
        reads=now["reads"],
        merged_reads=now["merged_reads"],
        backlog=now["backlog"],
        rss_mb_at_ready=samples[0],
        rss_mb_at_half=half[0],
        rss_mb_at_end=half[-1],
        rss_mb_most=max(samples),
    )


def fill(database: Path, backlog: int) -> None:
    with open_store(database) as store:
        for first in range(store.outbox.backlog(), backlog, BATCH):
            store.outbox.append([event(number) for number in range(first, min(backlog, first + BATCH))])


def start_with_backlog(configuration: Path) -> None:
    for attempt in (1, 2, 3):
        gateway = Gateway(configuration)
        time.sleep(SAMPLE_S)
        backlog, rss_mb = status(configuration.parent)["backlog"], gateway.resident_mb()
        gateway.end()
        report(what="start", attempt=attempt, backlog=backlog, ready_s=round(gateway.ready_s, 2), rss_mb=rss_mb)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--rate", type=int, default=500, help="tag reads a second of each reader")
    parser.add_argument("--backlog", type=int, default=100_000, help="rows that wait in the outbox at the start")
    parser.add_argument("--folder", type=Path, default=None, help="where to put the state folder")
    arguments = parser.parse_args()
    reads = arguments.seconds * arguments.rate
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    player = context.Process(target=play, args=(range(arguments.readers), reads, arguments.rate, theirs, READS_PER_TAG))
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        if shutil.disk_usage(folder).free < arguments.backlog * 4_000:
            raise SystemExit(f"{folder}: not enough room for {arguments.backlog} events")
        player.start()
        ports = ours.recv()
        configuration = folder / "gateway.toml"
        tables = "".join(READER.format(number=number, port=port) for number, port in enumerate(ports))
        tables += "".join(ZONE.format(number=number) for number in range(len(ports)))
        configuration.write_text(CONFIG.format(folder=folder) + tables)
        tags = (reads // (READS_PER_TAG * TOGETHER) + 1) * TOGETHER
        with open_store(folder / "gateway.db") as store:
            store.directory.upsert(shipment(number, tag) for number in range(len(ports)) for tag in range(tags))
        stay_offline(configuration, arguments.seconds)
        ours.send("end")
        player.join()
        fill(folder / "gateway.db", arguments.backlog)
        start_with_backlog(configuration)


if __name__ == "__main__":
    main()
