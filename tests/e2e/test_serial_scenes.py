"""Clean passes of the simulated warehouse, over three serial protocols, to the right direction at a real broker."""

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from rfid_simulators.scenes import delayed, played
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.mercury import MercurySetting, SimulatedMercury
from rfid_simulators.serial.r2000 import R2000Setting, SimulatedR2000
from rfid_simulators.serial.server import Firmware, SerialReaderServer
from rfid_simulators.serial.wires import PtyWire
from rfid_simulators.world.sighting import Radio, Sighting
from rfid_simulators.world.world import TruePassage
from tests.e2e.running import mqtt_table, running_gateway
from tests.servers import Mosquitto, eventually, subscriber

SEEDS = {"chafon": (3, 7), "mercury": (12, 15), "r2000": (16, 32)}
"""Of fast passes, in and out; each has a tag of its own, for a tag is never at two doors at once."""
OWN = "rfid/hamburg/gate-1"
GATEWAY = """\
[gateway]
site = "hamburg"
id = "gate-1"
state_dir = "{folder}"
{mqtt}
"""
DOOR = """\
[[readers]]
id = "{door}"
driver = "{driver}"
port = "{port}"
{options}
[[doors]]
id = "{door}"
inside = ["{door}:1"]
outside = ["{door}:2"]
read_point = "urn:epc:id:sgln:4012345.00010.{door}"
[doors.in]
biz_step = "arriving"
[doors.out]
biz_step = "departing"
"""


class Side(NamedTuple):
    """One protocol: how its readers are made, and what its driver is told."""

    firmware: Callable[[], Firmware]
    options: str = ""


SIDES = {
    "chafon": Side(lambda: SimulatedChafon(ChafonSetting(pushing=True))),
    "mercury": Side(lambda: SimulatedMercury(MercurySetting()), "antennas = [1, 2]"),
    "r2000": Side(lambda: SimulatedR2000(R2000Setting()), "antennas = [1, 2]"),
}


class Gate:
    """A radio whose world begins when the test opens it."""

    def __init__(self, radio: Radio) -> None:
        self.opened = threading.Event()
        self._radio = radio
        self._world: Radio | None = None

    def __call__(self, start: int, end: int) -> list[Sighting]:
        if not self.opened.is_set():
            return []
        self._world = self._world or delayed(self._radio, start)
        return list(self._world(start, end))


@pytest.mark.timeout(180)
def test_a_clean_pass_at_a_serial_reader_is_the_passage_that_it_was(tmp_path: Path, mosquitto: Mosquitto) -> None:
    tables, truth, gates = [], {}, []
    with ExitStack() as stack:
        for driver, side in SIDES.items():
            for seed in SEEDS[driver]:
                door, scene = f"{driver}-{seed}", played("clean-pass", seed, "dock-1", 0.0)
                (passage,) = [event for event in scene.world.truth() if isinstance(event, TruePassage)]
                truth[door] = (passage.epc, passage.direction)
                gates.append(Gate(scene.radio))
                wire = PtyWire(tmp_path / door)
                stack.enter_context(SerialReaderServer(side.firmware(), gates[-1], wire))
                tables.append(DOOR.format(door=door, driver=driver, port=wire.url, options=side.options))
        configuration = tmp_path / "gateway.toml"
        configuration.write_text(GATEWAY.format(folder=tmp_path, mqtt=mqtt_table(mosquitto)) + "".join(tables))
        backend = stack.enter_context(subscriber(mosquitto))
        gateway = stack.enter_context(running_gateway(configuration))
        for door, (epc, _) in truth.items():
            directory = json.dumps({"units": [{"epc": epc}]}).encode()
            backend.publish(f"rfid/hamburg/directory/shipments/S-{door}", directory, retain=True)
        eventually(lambda: gateway.online(*truth), "the readers are online")
        eventually(lambda: len(gateway.ask("shipments", "list")) == len(truth), "the entries have arrived")
        for gate in gates:
            gate.opened.set()
        events = f"{OWN}/events/"
        eventually(lambda: len(backend.payloads(events)) >= len(truth), "every passage is an event", patience_s=60)
    told = [json.loads(payload) for payload in backend.payloads(events)]
    passed = {event["epcis"]["readPoint"]["id"].rpartition(".")[2]: event for event in told}
    assert {door: (event["shipment_id"], event["direction"]) for door, event in passed.items()} == {
        door: (f"S-{door}", direction) for door, (_, direction) in truth.items()
    }
    assert len(told) == len(truth)
    assert {direction for _, direction in truth.values()} == {"in", "out"}
