"""The whole path on one core: tag reads per second from the socket to the committed event.

A simulated reader in a process of its own, on another core where there is one, plays reports as fast as they are
taken. The gateway runs as it always does: LLRP driver, queue, observation, directory, EPCIS, outbox with full sync;
only the broker is missing. Every tag is read 50 times and then a new one comes, which is what a dock door sees (see
`../shared/reference/field-notes.md`), so one read in 50 ends as a committed event.

sllurp's decoder then decodes the same bytes, in the same process on the same core, and makes nothing of them.

    python benchmarks/path.py [--reads 500000]
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
[[zones]]
id = "storage"
antennas = ["dock-1"]
read_point = "urn:epc:id:sgln:4012345.00010.store-1"
[zones.arrived]
biz_step = "storing"
disposition = "sellable_not_accessible"
"""


def sscc_epc(number: int) -> bytes:
    """SSCC-96 of the company prefix above (TDS 2.3 14.5.2): header, filter 2, partition 5, prefix, serial, zeros."""
    value = 0x31 << 88 | 2 << 85 | 5 << 82 | int(PREFIX) << 58 | (1_000_000_000 + number) << 24
    return value.to_bytes(12, "big")


def sscc_key(number: int) -> str:
    digits = f"1{PREFIX}{number:09d}"
    return f"(00){digits}{check_digit(digits)}"


def report_bodies(reads: int) -> list[bytes]:
    """RO_ACCESS_REPORT bodies (LLRP 1.0.1 14.2.3): 20 tags at a time before the antenna, each read 50 times."""
    began = time.time_ns() // 1000
    tag = struct.Struct("!HH B12s BH Bb BH BQ BQ BH".replace(" ", ""))
    bodies = []
    together = 20
    for first in range(0, reads, READS_PER_REPORT):
        parts = []
        for read in range(first, first + READS_PER_REPORT):
            group, within = divmod(read, READS_PER_TAG * together)
            epc = sscc_epc(group * together + within % together)
            at = began + read * 10
            rssi = -60 + within % 7
            parts.append(tag.pack(240, tag.size, 0x8D, epc, 0x81, 1, 0x86, rssi, 0x87, 3, 0x82, at, 0x84, at, 0x88, 1))
        bodies.append(b"".join(parts))
    return bodies


def play(reads: int, port: "multiprocessing.connection.Connection", core: int) -> None:
    from rfid_simulators.llrp.inventory import Sources
    from rfid_simulators.llrp.recorded import RecordedReports
    from rfid_simulators.llrp.server import LlrpReaderServer

    os.sched_setaffinity(0, {core})
    recording = RecordedReports(report_bodies(reads), interval_us=200, loop=1)
    began: list[int] = []

    def from_the_first_call(start: int, end: int) -> list[bytes]:
        began[:] = began or [start]
        return recording(start - began[0], end - began[0])

    with LlrpReaderServer(sources=Sources(recorded=from_the_first_call)) as server:
        port.send(server.address[1])
        port.recv()


def gateway(reads: int, port: int, folder: Path) -> dict[str, float]:
    settings = config.parse(CONFIG.format(folder=folder, port=port), "path.py", InstalledDrivers())
    with open_store(settings.database) as store:
        tags = -(-reads // READS_PER_TAG)
        store.directory.upsert(Shipment(f"S-{n}", (Unit(sscc_key(n)),), (f"PO-{n}",)) for n in range(tags))
    logs.configure("error")
    service = Service(settings, SystemClock())
    service.start()
    while service.summary.reads == 0:
        time.sleep(0.001)
    wall, cpu = time.perf_counter(), time.process_time()
    done, since = 0, time.monotonic()
    while done < reads and time.monotonic() - since < 10:
        time.sleep(0.005)
        if (now := service.summary.reads) != done:
            done, since = now, time.monotonic()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    summary = service.stop()
    return {"reads": summary.reads, "events": summary.events, "wall_s": wall, "cpu_s": cpu}


def sllurp_reads_per_second(reads: int) -> float:
    from sllurp.llrp import LLRPMessage

    header = struct.Struct("!HII")
    messages = [header.pack(1 << 10 | 61, 10 + len(body), 1) + body for body in report_bodies(reads)]
    began = time.process_time()
    for message in messages:
        assert len(LLRPMessage(msgbytes=message).msgdict["RO_ACCESS_REPORT"]["TagReportData"]) == READS_PER_REPORT
    return reads / (time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reads", type=int, default=500_000)
    reads = parser.parse_args().reads
    cores = sorted(os.sched_getaffinity(0))
    ours, theirs = multiprocessing.Pipe()
    player = multiprocessing.get_context("spawn").Process(target=play, args=(reads, theirs, cores[-1]))
    player.start()
    os.sched_setaffinity(0, {cores[0]})
    with tempfile.TemporaryDirectory() as folder:
        result = gateway(reads, ours.recv(), Path(folder))
    ours.send("end")
    player.join()
    sllurp = sllurp_reads_per_second(20_000)
    per_core = result["reads"] / result["cpu_s"]
    print(
        json.dumps(
            {
                "benchmark": "path",
                "reads": result["reads"],
                "events": result["events"],
                "reads_per_second_wall": round(result["reads"] / result["wall_s"]),
                "reads_per_cpu_second": round(per_core),
                "sllurp_decoder_reads_per_cpu_second": round(sllurp),
                "ratio_to_sllurp_decoder": round(per_core / sllurp, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
