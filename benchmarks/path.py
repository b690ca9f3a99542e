"""The whole path on one core: tag reads per second from the socket to the committed event.

A simulated reader in a process of its own, on another core where there is one, plays reports as fast as they are
taken. The gateway runs as it always does: LLRP driver, queue, observation, directory, EPCIS, outbox with full sync;
only the broker is missing. 4 000 tags are there at a time; every tag is read 50 times within a second and then new ones
come, so one read in 50 ends as a committed event. A first run has a zone (tags arrive), a second one a door (tags go
out: their signal rises and falls at the inside antenna, then at the outside one).

sllurp's decoder then decodes the same bytes, in the same process on the same core, and makes nothing of them.

    python benchmarks/path.py [--reads 600000]
"""

import argparse
import json
import multiprocessing
import os
import struct
import tempfile
import time
from pathlib import Path

from rfid_gateway import config
from rfid_gateway.cli import logs
from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.clock import SystemClock
from rfid_gateway.epc.check_digit import check_digit
from rfid_gateway.service import Service
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.store.connection import open_store

READS_PER_TAG = 50
READS_PER_REPORT = 100
TOGETHER = 4_000
INTERVAL_US = 500
"""From report to report: 200 000 tag reads per second where they are taken that fast."""
PREFIX = "4012345"
CONFIG = """\
[gateway]
site = "bench"
id = "path"
state_dir = "{folder}"
queue_reads = 10_000_000
[mqtt]
host = "127.0.0.1"
port = 9
[[readers]]
id = "dock-1"
driver = "llrp"
host = "127.0.0.1"
port = {port}
"""
PLACES = {
    "zone": """\
[[zones]]
id = "storage"
antennas = ["dock-1"]
read_point = "urn:epc:id:sgln:4012345.00010.store-1"
[zones.arrived]
biz_step = "storing"
disposition = "sellable_not_accessible"
""",
    "door": """\
[[doors]]
id = "door-1"
inside = ["dock-1:1"]
outside = ["dock-1:2"]
read_point = "urn:epc:id:sgln:4012345.00010.door-1"
[doors.out]
biz_step = "departing"
disposition = "in_transit"
""",
}


def sscc_epc(number: int) -> bytes:
    """SSCC-96 of the company prefix above (TDS 2.3 14.5.2): header, filter 2, partition 5, prefix, serial, zeros."""
    value = 0x31 << 88 | 2 << 85 | 5 << 82 | int(PREFIX) << 58 | (1_000_000_000 + number) << 24
    return value.to_bytes(12, "big")


def sscc_key(number: int) -> str:
    digits = f"1{PREFIX}{number:09d}"
    return f"(00){digits}{check_digit(digits)}"


def report_bodies(reads: int) -> list[bytes]:
    """RO_ACCESS_REPORT bodies (LLRP 1.0.1 14.2.3): in the pace of `INTERVAL_US`."""
    began = time.time_ns() // 1000
    tag = struct.Struct("!HH B12s BH Bb BH BQ BQ BH".replace(" ", ""))
    bodies = []
    for first in range(0, reads, READS_PER_REPORT):
        parts = []
        for read in range(first, first + READS_PER_REPORT):
            group, within = divmod(read, READS_PER_TAG * TOGETHER)
            epc = sscc_epc(group * TOGETHER + within % TOGETHER)
            step = within // TOGETHER  # 0 to 49: the first half inside, the second half outside
            antenna = 1 + step // (READS_PER_TAG // 2)
            at = began + read * INTERVAL_US // READS_PER_REPORT
            rssi = -70 + 2 * min(step % 25, 25 - step % 25)
            parts.append(
                tag.pack(240, tag.size, 0x8D, epc, 0x81, antenna, 0x86, rssi, 0x87, 3, 0x82, at, 0x84, at, 0x88, 1)
            )
        bodies.append(b"".join(parts))
    return bodies


def play(reads: int, port: "multiprocessing.connection.Connection", core: int) -> None:
    from rfid_simulators.llrp.inventory import Sources
    from rfid_simulators.llrp.recorded import RecordedReports
    from rfid_simulators.llrp.server import LlrpReaderServer

    os.sched_setaffinity(0, {core})
    recording = RecordedReports(report_bodies(reads), interval_us=INTERVAL_US, loop=1)
    began: list[int] = []

    def from_the_first_call(start: int, end: int) -> list[bytes]:
        began[:] = began or [start]
        return recording(start - began[0], end - began[0])

    with LlrpReaderServer(sources=Sources(recorded=from_the_first_call)) as server:
        port.send(server.address[1])
        port.recv()


def gateway(place: str, reads: int, port: int, folder: Path) -> dict[str, float]:
    settings = config.parse(CONFIG.format(folder=folder, port=port) + PLACES[place], "path.py", InstalledDrivers())
    with open_store(settings.database) as store:
        tags = -(-reads // READS_PER_TAG)
        store.directory.upsert(Shipment(f"S-{n}", (Unit(sscc_key(n)),), (f"PO-{n}",)) for n in range(tags))
    logs.configure("error")
    service = Service(settings, SystemClock())
    service.start()
    while service.summary.reads == 0:
        time.sleep(0.001)
    wall, cpu = time.perf_counter(), time.process_time()
    committed_at = wall
    expected = reads // READS_PER_TAG
    last, since = service.summary, time.monotonic()
    while last.events < expected and time.monotonic() - since < 10:
        time.sleep(0.005)
        if service.summary != last:
            last, since, committed_at = service.summary, time.monotonic(), time.perf_counter()
    cpu = time.process_time() - cpu
    summary = service.stop()
    return {"reads": summary.reads, "events": summary.events, "wall_s": committed_at - wall, "cpu_s": cpu}


def sllurp_reads_per_second(reads: int) -> float:
    from sllurp.llrp import LLRPMessage

    header = struct.Struct("!HII")
    messages = [header.pack(1 << 10 | 61, 10 + len(body), 1) + body for body in report_bodies(reads)]
    began = time.process_time()
    for message in messages:
        assert len(LLRPMessage(msgbytes=message).msgdict["RO_ACCESS_REPORT"]["TagReportData"]) == READS_PER_REPORT
    return reads / (time.process_time() - began)


def measure(place: str, reads: int, cores: list[int]) -> dict[str, float]:
    ours, theirs = multiprocessing.Pipe()
    player = multiprocessing.get_context("spawn").Process(target=play, args=(reads, theirs, cores[-1]))
    player.start()
    with tempfile.TemporaryDirectory() as folder:
        result = gateway(place, reads, ours.recv(), Path(folder))
    ours.send("end")
    player.join()
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reads", type=int, default=600_000)
    reads = parser.parse_args().reads
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    results = {place: measure(place, reads, cores) for place in PLACES}
    sllurp = sllurp_reads_per_second(20_000)
    for place, result in results.items():
        per_core = result["reads"] / result["cpu_s"]
        line = {
            "benchmark": "path",
            "place": place,
            "reads": result["reads"],
            "events": result["events"],
            "reads_per_second_wall": round(result["reads"] / result["wall_s"]),
            "reads_per_cpu_second": round(per_core),
            "sllurp_decoder_reads_per_cpu_second": round(sllurp),
            "ratio_to_sllurp_decoder": round(per_core / sllurp, 2),
        }
        print(json.dumps(line))


if __name__ == "__main__":
    main()
