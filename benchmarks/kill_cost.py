"""What a kill -9 costs: a pipeline is killed at random instants while tags pass a door, and started again at once.

    python benchmarks/kill_cost.py [--kills 100]

Every tag's way through the door is known beforehand. A child process plays the reads in real time and says on its
standard output which it has handed over; what it had not yet saved when it is killed is lost. Printed are the reads
that were lost, and what became of the passages that were open: decided right, wrong, undecided, or not at all.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.clock import SystemClock
from rfid_gateway.config import parse
from rfid_gateway.gateway import Pipeline
from rfid_gateway.intake import DirectoryMessage
from rfid_gateway.reads import TagRead, TagReport
from rfid_gateway.store.connection import open_store

CONFIG = """\
[gateway]
site = "hall"
id = "gw1"
[mqtt]
host = "127.0.0.1"
[[readers]]
id = "dock"
driver = "llrp"
host = "127.0.0.1"
[[doors]]
id = "door-1"
inside = ["dock:1"]
outside = ["dock:2"]
read_point = "urn:epc:id:sgln:4012345.00010.door-1"
[doors.out]
biz_step = "departing"
[doors.in]
biz_step = "arriving"
"""
EVERY_S = 0.1
"""A tag begins its passage so often; each takes `PASSAGE_S`, so that about two dozen are open at any time."""
PASSAGE_S = 2.4
TICK_S = 0.02


def epc(number: int) -> str:
    return f"E200{number:020X}"


def direction(number: int) -> str:
    return "out" if number * 7919 % 2 else "in"


def reads_at(moment_s: float, at: int) -> list[TagRead]:
    """What the door's two antennas hear in one tick; a tag is strongest inside at a third of its way."""
    reads = []
    last = int(moment_s / EVERY_S)
    for number in range(max(0, last - int(PASSAGE_S / EVERY_S)), last + 1):
        way = (moment_s - number * EVERY_S) / PASSAGE_S
        if not 0 <= way < 1:
            continue
        first, second = (1, 2) if direction(number) == "out" else (2, 1)
        for antenna, peak in ((first, 0.3), (second, 0.7)):
            rssi = -45.0 - 45.0 * abs(way - peak)
            if rssi > -70 and hash((number, antenna, round(moment_s / TICK_S))) % 2:
                reads.append(TagRead(epc(number), antenna, at, at, rssi))
    return reads


def play(path: Path, began_ns: int) -> None:
    """The child: the gateway's pipeline, at the pace of the service, until it is killed."""
    clock = SystemClock()
    with open_store(path) as store:
        pipeline = Pipeline(parse(CONFIG, "kill_cost", InstalledDrivers()), store, clock)
        tick = 0
        while True:
            moment = (time.monotonic_ns() - began_ns) / 1e9
            tick = max(tick + 1, int(moment / TICK_S))
            time.sleep(max(0.0, tick * TICK_S - moment))
            reads = reads_at(tick * TICK_S, clock.utc_us())
            pipeline.drain([TagReport("dock", clock.utc_us(), clock.monotonic_us(), tuple(reads))])
            # One write for one tick, so that a kill cuts none in half.
            os.write(1, f"{tick} {len(reads)}\n".encode())


def announce(path: Path, tags: int) -> None:
    units = json.dumps({"units": [{"epc": epc(number)} for number in range(tags)]}).encode()
    with open_store(path) as store:
        pipeline = Pipeline(parse(CONFIG, "kill_cost", InstalledDrivers()), store, SystemClock())
        pipeline.drain([DirectoryMessage("S-1", units, lambda: None)])


class Toll:
    """Reads handed over and saved, per tag."""

    def __init__(self) -> None:
        self.handed: Counter[str] = Counter()
        """Since a tag's passage opened, without those that are known to be lost."""
        self.lost: list[int] = []
        """Reads of open passages that each kill cost."""
        self.open: list[int] = []
        """Passages that were open at each kill."""
        self.cut: set[str] = set()

    def hand_over(self, ticks: list[int]) -> None:
        """Note what a child took."""
        for tick in ticks:
            self.handed.update(read.epc for read in reads_at(tick * TICK_S, 0))

    def count(self, path: Path, last_tick: int) -> None:
        """Compare with what is saved after a kill."""
        with open_store(path) as store:
            decided = {event.epc for event in store.history.events(1_000_000)}
            saved = {
                row.epc: sum(sums[2] for sums in json.loads(row.state or "")["sums"])
                for row in store.observation_state.load()
                if row.kind == "passage"
            }
        newest = int(last_tick * TICK_S / EVERY_S)
        tags = {epc(number) for number in range(max(0, newest - int(PASSAGE_S / EVERY_S)), newest + 1)} - decided
        lost = 0
        for tag in tags:
            lost += max(0, self.handed[tag] - saved.get(tag, 0))
            self.handed[tag] = saved.get(tag, 0)
        self.lost.append(lost)
        self.open.append(len(tags))
        self.cut |= tags


def run_once(path: Path, began_ns: int, seconds: float) -> list[int]:
    """Let a child play for so long, kill it, and return the ticks that it had handed over."""
    child = subprocess.Popen(
        [sys.executable, __file__, "--child", path, str(began_ns)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert child.stdout is not None
    lines = [child.stdout.readline()]
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    rest, _ = child.communicate()
    lines += rest.splitlines()
    return [int(line.split()[0]) for line in lines if line.strip()]


def outcome(number: int, told: dict[str, list[str | None]]) -> str:
    said = told.get(epc(number), [])
    if not said:
        return "none"
    if len(said) > 1:
        return "several"
    return "right" if said[0] == direction(number) else "undecided" if said[0] == "undecided" else "wrong"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a kill -9 costs; prints JSON lines.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        play(Path(arguments.child[0]), int(arguments.child[1]))
    chance, toll = random.Random(arguments.seed), Toll()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.db"
        announce(path, arguments.kills * 100 + 1000)
        began_ns = time.monotonic_ns()
        seen: set[int] = set()
        for _ in range(arguments.kills):
            ticks = run_once(path, began_ns, chance.uniform(0.5, 3.5))
            seen.update(ticks)
            toll.hand_over(ticks)
            toll.count(path, ticks[-1])
        final = run_once(path, began_ns, 8.0)
        seen.update(final)
        told: dict[str, list[str | None]] = {}
        with open_store(path) as store:
            for event in store.history.events(1_000_000):
                told.setdefault(event.epc, []).append(event.direction)
    first = min(seen)
    passages = range(int(first * TICK_S / EVERY_S) + 1, int(final[-1] * TICK_S / EVERY_S) - 60)
    for what, tags in (
        ("passages that no kill met", [number for number in passages if epc(number) not in toll.cut]),
        ("passages open at a kill", [number for number in passages if epc(number) in toll.cut]),
    ):
        counts = Counter(outcome(number, told) for number in tags)
        print(json.dumps({"benchmark": "kill_cost", "what": what, "passages": len(tags), **counts}))
    print(
        json.dumps(
            {
                "benchmark": "kill_cost",
                "what": "reads handed over and lost",
                "kills": arguments.kills,
                "per_kill_mean": round(sum(toll.lost) / len(toll.lost), 1),
                "per_kill_worst": max(toll.lost),
                "per_open_passage": round(sum(toll.lost) / max(1, sum(toll.open)), 2),
                "reads_per_passage": round(
                    sum(len(reads_at(t * TICK_S, 0)) for t in range(500)) / (500 * 0.02 / EVERY_S)
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
