"""The running gateway on a disk that is full, read-only, or damages its database: it stays, says so, and goes on."""

import json
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rfid_gateway.clock import SystemClock
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.world.sighting import Sighting
from tests.e2e.running import RunningGateway, mqtt_table, running_gateway, until, wait_for_outbox
from tests.servers import Mosquitto, Subscriber, eventually, subscriber
from tests.small_disk import SmallDisk, disk

__all__ = ["disk"]

SECOND = 1_000_000
EVERY = 20_000
"""µs between two tags that come into the field: fifty events per second."""
UNITS = 6_000
OWN = "rfid/hamburg/gate-1"
CONFIGURATION = """\
[gateway]
site = "hamburg"
id = "gate-1"
state_dir = "{folder}"
{mqtt}
[[readers]]
id = "hall"
driver = "llrp"
host = "{host}"
port = {port}
[[zones]]
id = "hall"
antennas = ["hall"]
read_point = "urn:epc:id:sgln:4012345.00010.hall"
[zones.arrived]
biz_step = "storing"
[disk]
ballast_mb = 9
low_mb = 4
"""


def epc(number: int) -> str:
    return f"E200{number:020X}"


def conveyor(start: int, end: int) -> list[Sighting]:
    """Tag number n is heard three times, from `n * EVERY` on."""
    return sorted(
        Sighting(at, "hall", 1, epc(number), -50.0)
        for number in range(max(0, start // EVERY - 10), end // EVERY + 1)
        for at in (number * EVERY, number * EVERY + 40_000, number * EVERY + 80_000)
        if start <= at < end and number < UNITS
    )


class Hall:
    """A gateway on a small disk, with a conveyor before its reader and a broker that takes what comes."""

    def __init__(self, parts: ExitStack, tmp_path: Path, broker: Mosquitto, state: Path) -> None:
        self.state = state
        self.began = SystemClock().monotonic_us()
        self.end: int = UNITS * EVERY
        server = LlrpReaderServer(sources=Sources(self.radio)).start(self.began)
        parts.callback(server.stop)
        host, port = server.address
        configuration = tmp_path / "gateway.toml"
        configuration.write_text(CONFIGURATION.format(folder=state, mqtt=mqtt_table(broker), host=host, port=port))
        self.backend: Subscriber = parts.enter_context(subscriber(broker, f"{OWN}/#"))
        self.gateway: RunningGateway = parts.enter_context(running_gateway(configuration))
        units = [{"epc": epc(number)} for number in range(UNITS)]
        self.backend.publish("rfid/hamburg/directory/shipments/S-1", json.dumps({"units": units}).encode(), retain=True)
        eventually(lambda: self.gateway.online("hall"), "the reader is online")
        eventually(lambda: len(self.events()) > 20, "events arrive")
        self.settled = max(self.arrivals()) + 1
        """The tags from this one on come into the field while the gateway reads; some before were there before it."""

    def radio(self, start: int, end: int) -> list[Sighting]:
        return list(until(conveyor, self.end)(start, end))

    def stop_conveyor(self) -> None:
        self.end = SystemClock().monotonic_us() - self.began

    def status(self) -> dict[str, Any]:
        (state,) = self.gateway.ask("status")
        return state

    def alerts(self) -> list[str]:
        return [json.loads(payload)["kind"] for payload in self.backend.payloads(f"{OWN}/alerts")]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.backend.payloads(f"{OWN}/events/")]

    def arrivals(self) -> list[int]:
        """Numbers of the tags, in the order of their sequence, each event once."""
        by_sequence = {event["sequence"]: event for event in self.events()}
        firsts = list(by_sequence)
        assert firsts == sorted(firsts), "in order"
        return [int(by_sequence[each]["epcis"]["epcList"][0][-20:], 16) for each in firsts]


@pytest.fixture
def hall(tmp_path: Path, mosquitto: Mosquitto, disk: SmallDisk) -> Iterator[Hall]:
    with ExitStack() as parts:
        yield Hall(parts, tmp_path, mosquitto, disk.folder)


def read_more(hall: Hall, reads: int) -> None:
    now = hall.status()["reads"]
    eventually(lambda: hall.status()["reads"] > now + reads, "reads go on")


@pytest.mark.timeout(240)
def test_a_full_disk_is_said_survived_and_left_behind(hall: Hall, disk: SmallDisk, mosquitto: Mosquitto) -> None:
    assert hall.status()["disk"] == "ok"
    mosquitto.stop()
    disk.fill()
    eventually(lambda: "the disk is full" in hall.status()["disk"], "the status says that the disk is full")
    disk.fill()
    eventually(lambda: "cannot grow" in hall.status()["database"], "nothing can be committed", patience_s=60)
    read_more(hall, 300)
    mosquitto.start()
    eventually(lambda: "store_trouble" in hall.alerts() and "disk_low" in hall.alerts(), "alerts say so", patience_s=60)
    disk.make_room()
    eventually(lambda: hall.status()["disk"] == "ok" and hall.status()["database"] == "ok", "all is well again")
    assert (disk.folder / "ballast").exists()
    read_more(hall, 100)
    hall.stop_conveyor()
    wait_for_outbox(hall.gateway)
    hall.gateway.stop()
    state = json.loads((disk.folder / "status.json").read_text())
    assert state["observations_lost"] == 0
    arrived = hall.arrivals()
    # Two that arrive at once may stand in either order.
    settled = sorted(number for number in arrived if number >= hall.settled)
    assert len(settled) > 100
    assert settled == list(range(hall.settled, hall.settled + len(settled))), "no tag is missing, none is doubled"
    assert {event["sequence"] for event in hall.events()} == set(range(1, len(arrived) + 1))


@pytest.mark.timeout(240)
def test_a_database_that_is_damaged_while_it_runs_is_set_aside(hall: Hall, disk: SmallDisk) -> None:
    path = disk.folder / "gateway.db"
    before = max(event["sequence"] for event in hall.events())
    # Whatever lies in pages and log, by whoever wrote there.
    for file in (path, disk.folder / "gateway.db-wal"):
        with file.open("r+b") as broken:
            size = file.stat().st_size
            for place in range(0, size, 4096):
                broken.seek(place)
                broken.write(random.Random(place).randbytes(min(4096, size - place)))
    eventually(lambda: bool(hall.status()["databases_set_aside"]), "the database is set aside", patience_s=60)
    eventually(lambda: "database_set_aside" in hall.alerts(), "the alert is there")
    (name,) = hall.status()["databases_set_aside"]
    assert (disk.folder / name).exists()
    eventually(lambda: hall.status()["database"] == "ok", "events are kept again")
    units = [{"epc": epc(number)} for number in range(UNITS)]
    hall.backend.publish("rfid/hamburg/directory/shipments/S-1", json.dumps({"units": units}).encode(), retain=True)
    seen = len(hall.events())
    eventually(lambda: len(hall.events()) > seen + 50, "events arrive again")
    hall.stop_conveyor()
    wait_for_outbox(hall.gateway)
    sequences = [event["sequence"] for event in hall.events()]
    ids = {event["sequence"]: event["event_id"] for event in hall.events()}
    assert all(ids[event["sequence"]] == event["event_id"] for event in hall.events()), "no sequence for two events"
    after = [each for each in sequences if each > before]
    assert max(after) > before + 1000, "the sequence goes on beyond the mark"
    assert hall.gateway.stop().count("tag reads") == 1


@pytest.mark.timeout(240)
def test_a_database_that_is_damaged_at_the_start_is_set_aside(hall: Hall, disk: SmallDisk) -> None:
    hall.gateway.kill()
    before = max(event["sequence"] for event in hall.events())
    path = disk.folder / "gateway.db"
    path.write_bytes(b"this is no database" * 1000)
    hall.gateway.start()
    eventually(lambda: hall.gateway.online("hall"), "the gateway reads again")
    eventually(lambda: len(hall.status()["databases_set_aside"]) == 1, "the status says what was set aside")
    eventually(lambda: "database_set_aside" in hall.alerts(), "the alert is there")
    eventually(lambda: max(event["sequence"] for event in hall.events()) > before + 100, "events arrive again")
