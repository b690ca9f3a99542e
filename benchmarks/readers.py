"""64 readers at 1 000 tag reads a second each against one gateway, on whatever cores there are.

Simulated readers in two processes of their own play reports of 50 tags in the pace of their clock. The gateway runs as
it always does: a driver thread for each reader, one queue, a zone for each reader, outbox with full sync; only the
broker is missing. Twenty tags are there at a time at each reader, every tag is read 500 times and then a new one comes.

`merged` are reads that lost their detail because the pipeline was behind. `lost` are reads that a reader sent, or could
not send in its pace, and the pipeline never got; null once any were merged, which leaves nothing to count them by. The
simulators' CPU time competes with the gateway's.

    python benchmarks/readers.py [--seconds 30] [--readers 64] [--rate 1000]
"""

import argparse
import json
import multiprocessing
import os
import resource
import struct
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from rfid_gateway import config
from rfid_gateway.cli import logs
from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.clock import SystemClock
from rfid_gateway.epc.check_digit import check_digit
from rfid_gateway.service import Service
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.store.connection import open_store

PROCESSES = 2
READS_PER_TAG = 500
READS_PER_REPORT = 50
TOGETHER = 20
PREFIX = "4012345"
TICK_US = 20_000
QUIET_S = 10.0
CONFIG = """\
[gateway]
site = "bench"
id = "readers"
state_dir = "{folder}"
[mqtt]
host = "127.0.0.1"
port = 9
"""
READER = """\
[[readers]]
id = "dock-{number}"
driver = "llrp"
host = "127.0.0.1"
port = {port}
"""
ZONE = """\
[[zones]]
id = "zone-{number}"
antennas = ["dock-{number}"]
read_point = "urn:epc:id:sgln:4012345.00010.{number}"
[zones.arrived]
biz_step = "storing"
disposition = "sellable_not_accessible"
"""
TAG = struct.Struct("!HHB12sBHBbBHBQBQBH")


def serial(reader: int, number: int) -> int:
    return 1_000_000_000 + reader * 1_000_000 + number


def epc(reader: int, number: int) -> bytes:
    """SSCC-96 (TDS 2.3 14.5.2): header, filter 2, partition 5, prefix, extension digit 1 and serial, zeros."""
    value = 0x31 << 88 | 2 << 85 | 5 << 82 | int(PREFIX) << 58 | serial(reader, number) << 24
    return value.to_bytes(12, "big")


def shipment(reader: int, number: int) -> Shipment:
    digits = f"1{PREFIX}{serial(reader, number) - 1_000_000_000:09d}"
    return Shipment(f"S-{digits}", (Unit(f"(00){digits}{check_digit(digits)}"),))


def report_bodies(reader: int, reads: int, rate: int, reads_per_tag: int) -> list[bytes]:
    """RO_ACCESS_REPORT bodies (LLRP 1.0.1 14.2.3)."""
    began = time.time_ns() // 1000
    step = 1_000_000 // rate
    bodies = []
    for first in range(0, reads, READS_PER_REPORT):
        parts = []
        for read in range(first, first + READS_PER_REPORT):
            tag = read // (reads_per_tag * TOGETHER) * TOGETHER + read % TOGETHER
            at = began + read * step
            head = (240, TAG.size, 0x8D, epc(reader, tag), 0x81, 1 + read % 4, 0x86, -60 + read % 7)
            parts.append(TAG.pack(*head, 0x87, 3, 0x82, at, 0x84, at, 0x88, 1))
        bodies.append(b"".join(parts))
    return bodies


def play(readers: range, reads: int, rate: int, pipe: Connection, reads_per_tag: int = READS_PER_TAG) -> None:
    from rfid_simulators.llrp.inventory import Sources
    from rfid_simulators.llrp.recorded import RecordedReports
    from rfid_simulators.llrp.server import LlrpReaderServer

    servers = []
    for reader in readers:
        bodies = report_bodies(reader, reads, rate, reads_per_tag)
        recording = RecordedReports(bodies, interval_us=READS_PER_REPORT * 1_000_000 // rate, loop=1)
        servers.append(LlrpReaderServer(sources=Sources(recorded=_from_the_first_call(recording)), tick_us=TICK_US))
    for server in servers:
        server.start()
    pipe.send([server.address[1] for server in servers])
    pipe.recv()
    cpu = time.process_time()
    pipe.send((sum(server.counters.tags for server in servers), sum(s.counters.lost_tags for s in servers), cpu))
    for server in servers:
        server.stop()


def _from_the_first_call(recording: Callable[[int, int], list[bytes]]) -> Callable[[int, int], list[bytes]]:
    began: list[int] = []

    def play_on(start: int, end: int) -> list[bytes]:
        began[:] = began or [start]
        return recording(start - began[0], end - began[0])

    return play_on


def measure(service: Service, planned: int) -> dict[str, float]:
    """Run the service until all reads have come, or none has for a while."""
    service.start()
    while service.summary.reads == 0:
        time.sleep(0.01)
    wall, cpu = time.perf_counter(), time.process_time()
    last, since = service.summary.reads, time.perf_counter()
    while last < planned and time.perf_counter() - since < QUIET_S:
        time.sleep(0.05)
        if service.summary.reads != last:
            last, since = service.summary.reads, time.perf_counter()
    return {"wall_s": round(since - wall, 1), "gateway_cpu_s": round(time.process_time() - cpu, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--readers", type=int, default=64)
    parser.add_argument("--rate", type=int, default=1000, help="tag reads a second of each reader")
    arguments = parser.parse_args()
    reads = arguments.seconds * arguments.rate // READS_PER_REPORT * READS_PER_REPORT
    context = multiprocessing.get_context("spawn")
    pipes, players = [], []
    for number in range(PROCESSES):
        ours, theirs = context.Pipe()
        share = range(number, arguments.readers, PROCESSES)
        players.append(context.Process(target=play, args=(share, reads, arguments.rate, theirs)))
        players[-1].start()
        pipes.append(ours)
    ports = [port for pipe in pipes for port in pipe.recv()]
    logs.configure("error")
    with tempfile.TemporaryDirectory() as folder:
        tables = "".join(READER.format(number=number, port=port) for number, port in enumerate(ports))
        tables += "".join(ZONE.format(number=number) for number in range(len(ports)))
        settings = config.parse(CONFIG.format(folder=folder) + tables, "readers.py", InstalledDrivers())
        tags = -(-reads // (READS_PER_TAG * TOGETHER)) * TOGETHER
        with open_store(settings.database) as store:
            store.directory.upsert(shipment(number, tag) for number in range(len(ports)) for tag in range(tags))
        service = Service(settings, SystemClock())
        result = measure(service, reads * len(ports))
        for pipe in pipes:
            pipe.send("end")
        counted = [pipe.recv() for pipe in pipes]
        summary = service.stop()
        merged = json.loads((Path(folder) / "status.json").read_text())["merged_reads"]
    for player in players:
        player.join()
    sent, unsent = sum(one[0] for one in counted), sum(one[1] for one in counted)
    line = {
        "benchmark": "readers",
        "readers": len(ports),
        "reads_per_second_each": arguments.rate,
        "sent": sent,
        "taken": summary.reads,
        "lost": None if merged else sent + unsent - summary.reads,
        "merged": merged,
        "events": summary.events,
        "reads_per_second": round(summary.reads / result["wall_s"]),
        **result,
        "simulators_cpu_s": round(sum(one[2] for one in counted), 1),
        "gateway_peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "cores": len(os.sched_getaffinity(0)),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
