"""The warehouse around a PC that stands for a real one: broker, readers, tags; and what can be wrong with them."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from rfid_gateway.clock import SystemClock
from rfid_gateway.state_file import read_state
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.server import SerialReaderServer
from rfid_simulators.serial.wires import PtyWire
from rfid_simulators.world.sighting import Sighting
from tests.guide.pc import CONFIGURATION, Alias, Pc
from tests.servers import Mosquitto, eventually, subscriber

SECOND = 1_000_000
TABLE_PORT = "/dev/serial/by-id/usb-Chafon_reader-if00"
ON_THE_TABLE = "303400000000000000000001"
PALLET = "314D7EA5A441C9C381000000"
GATEWAY = f"""\
[gateway]
site = "hamburg"
id = "gate-1"
state_dir = "/var/lib/rfid-gateway"

[mqtt]
host = "broker.example"

[[readers]]
id = "dock-1"
driver = "llrp"
host = "192.168.10.21"

[[readers]]
id = "table"
driver = "chafon"
port = "{TABLE_PORT}"

[[zones]]
id = "table"
antennas = ["table"]
read_point = "urn:epc:id:sgln:4012345.00010.table"
[zones.arrived]
biz_step = "packing"

[[doors]]
id = "door-1"
inside = ["dock-1:1"]
outside = ["dock-1:2"]
read_point = "urn:epc:id:sgln:4012345.00010.door-1"
[doors.in]
biz_step = "arriving"
[doors.out]
biz_step = "departing"

[alerts]
reader_down_after_s = 2.0

[disk]
low_mb = 1
"""
"""No disk of a test is low unless its site says so; readers count as down early, because a test waits for it."""


class Dock:
    """What the two antennas of the dock door hear: pallets that come through when they are sent. Times: world, µs."""

    def __init__(self) -> None:
        self._began = SystemClock().monotonic_us()
        self._hills: list[tuple[int, int, float]] = []
        """Antenna, middle and peak; appended by the test, read by the simulator's thread."""

    def send(self, *, first: int = 1, apart: float = 2.0, peak: float = -40.0) -> None:
        """Let a pallet pass antenna `first`, and the other one `apart` seconds later."""
        begin = SystemClock().monotonic_us() - self._began + 2 * SECOND
        self._hills = [(first, begin, peak), (3 - first, begin + int(apart * SECOND), peak)]

    def radio(self, start: int, end: int) -> list[Sighting]:
        tick = 100_000
        return [
            Sighting(at, "dock-1", antenna, PALLET, peak - abs(at - middle) / tick)
            for at in range(-(-start // tick) * tick, end, tick)
            for antenna, middle, peak in self._hills
            if abs(at - middle) <= 1.5 * SECOND
        ]


class Table:
    """What the reader of the packing table hears: a tag that lies there, read again and again."""

    def __init__(self) -> None:
        self.every_us = SECOND // 2

    def radio(self, start: int, end: int) -> list[Sighting]:
        every = self.every_us
        return [Sighting(at, "table", 1, ON_THE_TABLE, -50.0) for at in range(-(-start // every) * every, end, every)]


@dataclass
class Warehouse:
    """A PC with what surrounds it. Owner: the test."""

    pc: Pc
    broker: Mosquitto
    parts: ExitStack
    dock: Dock = field(default_factory=Dock)
    table: Table = field(default_factory=Table)

    def __post_init__(self) -> None:
        self.dock_reader = LlrpReaderServer(sources=Sources(self.dock.radio)).start()
        self.parts.callback(self.dock_reader.stop)
        self.wire = PtyWire(self.pc.path(TABLE_PORT))
        firmware = SimulatedChafon(ChafonSetting(pushing=True))
        self.table_reader = self.parts.enter_context(SerialReaderServer(firmware, self.table.radio, self.wire))
        self.pc.aliases += [
            Alias('host = "192.168.10.21"', f'host = "127.0.0.1"\nport = {self.dock_reader.address[1]}'),
            Alias("192.168.10.21 port 5084", f"127.0.0.1 port {self.dock_reader.address[1]}"),
            Alias('host = "broker.example"', f'host = "127.0.0.1"\nport = {self.broker.port}'),
            Alias("broker.example:1883", f"127.0.0.1:{self.broker.port}"),
            Alias("-h broker.example", f"-h 127.0.0.1 -p {self.broker.port}"),
        ]
        self.pc.write(CONFIGURATION, GATEWAY)

    def status(self) -> dict[str, Any]:
        """What the gateway wrote last; empty before its first sign of life."""
        try:
            return read_state(self.pc.state)
        except (FileNotFoundError, ValueError):
            return {}

    def online(self, *readers: str) -> bool:
        states = self.status().get("readers", {})
        return all(states.get(reader, {}).get("state") == "online" for reader in readers)

    def connected(self) -> bool:
        return str(self.status().get("broker", "")).startswith("connected to")

    def announce(self, shipment: str, payload: str) -> None:
        """Say something on a topic of the shipment directory, retained."""
        with subscriber(self.broker, "nothing") as backend:
            backend.publish(f"rfid/hamburg/directory/shipments/{shipment}", payload.encode(), retain=True)

    def go(self) -> None:
        """Start the service, and wait until all is well and the tag on the table is an event."""
        self.announce("S-1", f'{{"units": [{{"epc": "{ON_THE_TABLE}"}}]}}')
        self.announce("S-2", f'{{"units": [{{"epc": "{PALLET}"}}], "planned_door": "door-1"}}')
        self.pc.start()
        eventually(lambda: self.online("dock-1", "table") and self.connected(), "all is well", 60)
        eventually(lambda: self.status()["published"] > 0, "the first event", 60)

    def pass_door(self, **how: Any) -> None:
        """Send a pallet through the door and wait until that is decided."""
        before = self.status()["events"]
        self.dock.send(**how)
        eventually(lambda: self.status()["events"] > before, "the passage is decided", 60)
