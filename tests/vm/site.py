"""What stands around the virtual PC and outlives its power: broker, readers, subscriber, and the ground truth."""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rfid_gateway.clock import SystemClock
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.server import SerialReaderServer
from rfid_simulators.serial.wires import TcpWire
from rfid_simulators.world.sighting import Radio, Sighting
from tests.faults.field import DOOR, READERS, SPOTS, Crossing, Field, Stay, Truth, epc_of, shipment_of
from tests.faults.packets import Event, read_event
from tests.faults.proxy import FAIR, Proxy, Weather
from tests.servers import Mosquitto, Subscriber, free_port, mosquitto_path
from tests.vm.connection import MachineError
from tests.vm.evidence import read_witness
from tests.vm.image import PORT_NAME
from tests.vm.machine import Machine
from tests.vm.messages import MessageSplitter

PATIENCE_S = 180.0
"""How long anything may take under software emulation before it counts as lost."""
HOST = "10.0.2.2"
"""The host's 127.0.0.1, as QEMU's user network shows it to the guest."""
OWN = "rfid/vm/gate-1/"
_DIRECTORY = "rfid/vm/directory/shipments/"
_STATE = "/var/lib/rfid-gateway/status.json"
_CONFIGURATION = """\
[gateway]
site = "vm"
id = "gate-1"

[mqtt]
host = "{host}"
port = {broker}
keepalive_s = 10

[[readers]]
id = "shelf"
driver = "llrp"
host = "{host}"
port = {shelf}

[[readers]]
id = "gate"
driver = "llrp"
host = "{host}"
port = {gate}

[[readers]]
id = "table"
driver = "chafon"
port = "/dev/{port_name}"
mode = "poll"
poll_interval_ms = 100

[alerts]
reader_down_after_s = 5.0

[[doors]]
id = "{door}"
inside = ["gate:1"]
outside = ["gate:2"]
read_point = "urn:epc:id:sgln:4012345.00010.{door}"
[doors.out]
biz_step = "departing"
"""
_ZONE = """
[[zones]]
id = "{zone}"
antennas = ["{reader}:{antenna}"]
read_point = "urn:epc:id:sgln:4012345.00010.{zone}"
depart_after_s = 7200.0
[zones.arrived]
biz_step = "storing"
"""
PERIOD_US = 250_000
"""A tag that stands there is read so often: software emulation is slow."""


class Site:
    """Broker, proxy, subscriber and readers within a stack; the gateway is a virtual PC's. Owner: the run."""

    def __init__(self, parts: ExitStack, folder: Path) -> None:
        self.clock = SystemClock()
        self.field = Field(self.clock)
        self.heard: Counter[str] = Counter()
        """Reads that readers have made, by EPC; each EPC is counted by the one reader that hears it then."""
        self.happened: dict[Truth, str] = {}
        """The ground truth, and beside which kind of cut it happened."""
        self.stays: dict[str, Stay] = {}
        """What stands in the field, by shipment."""
        broker = Mosquitto(str(mosquitto_path()), folder)
        broker.start()
        parts.callback(broker.kill)
        self._listener = Subscriber(broker.host, broker.port, f"{OWN}#")
        parts.callback(self._listener.close)
        self.proxy = parts.enter_context(Proxy((broker.host, broker.port), f"{OWN}events/"))
        began = self.clock.monotonic_us()
        self._llrp = {
            name: LlrpReaderServer(sources=Sources(self._radio(name))).start(began) for name in ("shelf", "gate")
        }
        for server in self._llrp.values():
            parts.callback(server.stop)
        self.reader_port = free_port()
        table = SerialReaderServer(SimulatedChafon(ChafonSetting()), self._radio("table"), TcpWire(self.reader_port))
        parts.enter_context(table)
        self.ports = {"broker": self.proxy.port, **{name: server.address[1] for name, server in self._llrp.items()}}

    def configuration(self) -> str:
        """The guest's gateway.toml."""
        text = _CONFIGURATION.format(host=HOST, port_name=PORT_NAME, door=DOOR, **self.ports)
        return text + "".join(
            _ZONE.format(zone=spot.zone, reader=spot.reader_id, antenna=spot.antenna_id) for spot in SPOTS
        )

    # What happens in the warehouse -----------------------------------------------------------------------------------

    def announce(self, *numbers: int) -> None:
        """Send entries of the directory, not retained: one that is lost after its PUBACK never comes again."""
        for number in numbers:
            entry = json.dumps({"units": [{"epc": epc_of(number)}]}).encode()
            self._listener.publish(f"{_DIRECTORY}{shipment_of(number)}", entry)

    def put(self, *stays: Stay) -> None:
        """Have tags come to a spot, each at its time; from where they stood they are gone at once."""
        self.take_away(*(stay.shipment for stay in stays))
        self.stays |= {stay.shipment: stay for stay in stays}
        self.field.put(stays)

    def take_away(self, *shipments: str) -> None:
        """Nobody reads these any more."""
        for shipment in shipments:
            self.stays.pop(shipment, None)
        self.field.take_away(set(shipments))

    def go_out(self, number: int, start_us: int) -> None:
        """A tag goes out through the door."""
        self.field.put([], [Crossing(epc_of(number), start_us)])

    def broker_away(self) -> None:
        """The gateway reaches no broker any more; subscriber and backend still do."""
        self.proxy.set_weather(Weather(open=False))
        self.proxy.cut(reset=True)

    def broker_slow(self) -> None:
        """An event takes about half a second to the broker, a PUBACK a sixth of one back."""
        self.proxy.set_weather(Weather(slice_bytes=400, delay_s=0.15))

    def broker_back(self) -> None:
        """The way to the broker is free."""
        self.proxy.set_weather(FAIR)

    def stay(self, number: int, spot_number: int, kind: str) -> Truth:
        """An arrival now, whose entry the directory has; it is part of the truth from here on."""
        spot = SPOTS[spot_number]
        self.announce(number)
        truth = Truth(shipment_of(number), spot.zone)
        self.happened[truth] = kind
        self.put(Stay(shipment_of(number), epc_of(number), spot, self.clock.monotonic_us(), PERIOD_US))
        return truth

    # What is known outside of the PC ---------------------------------------------------------------------------------

    def received(self) -> list[Event]:
        """What the subscriber got, in the order of arrival, repetitions too."""
        return [read_event(payload) for payload in self._listener.payloads(f"{OWN}events/")]

    def said(self, topic: str) -> list[dict[str, Any]]:
        """Everything that was published under this topic of the gateway's."""
        return [json.loads(payload) for payload in self._listener.payloads(OWN + topic) if payload]

    def has_events_of(self, *truths: Truth) -> bool:
        found = {(event.shipment, event.place, event.direction) for event in self.received()}
        return all((truth.shipment, truth.place, truth.direction) in found for truth in truths)

    def taken(self) -> set[str]:
        """Shipments whose entry the gateway has acknowledged."""
        return {topic.removeprefix(_DIRECTORY) for topic in self.proxy.record.taken if topic.startswith(_DIRECTORY)}

    def lost_reads(self) -> int:
        """Reads that LLRP readers had to give up so far: nobody was there and their buffer was full."""
        return sum(server.counters.lost_tags for server in self._llrp.values())

    def _radio(self, reader: str) -> Radio:
        hear = self.field.radio(reader)

        def count(start: int, end: int) -> list[Sighting]:
            heard = list(hear(start, end))
            self.heard.update(sighting.epc for sighting in heard)
            return heard

        return count


def witnessed(machine: Machine) -> dict[int, str]:
    """What the guest has said was committed: sequence and event id."""
    data = machine.witness.read_bytes() if machine.witness.exists() else b""
    return read_witness(MessageSplitter().feed(data + b"\n"))


def status(machine: Machine) -> dict[str, Any]:
    """The gateway's state file; empty where there is none."""
    found: dict[str, Any] = {}
    with contextlib.suppress(ValueError, MachineError, TimeoutError, OSError):
        found = json.loads(machine.run("cat", _STATE).output)
    return found


def all_well(machine: Machine, since_s: float) -> bool:
    """Whether the gateway has said since then (UTC) that broker and readers are there and nothing waits."""
    state = status(machine)
    return (
        bool(state)
        and state["at"] / 1e6 > since_s
        and not state["stopped"]
        and all(state["readers"].get(name, {}).get("state") == "online" for name in READERS)
        and "connected" in state["broker"]
        and "not connected" not in state["broker"]
        and state["database"] == "ok"
        and state["backlog"] == 0
    )


def wait(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> float:
    """Wait until a condition holds; the seconds that it took. TimeoutError says what did not happen."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > patience_s:
            raise TimeoutError(f"did not happen within {patience_s:.0f} s: {what}")
        time.sleep(0.2)
    return time.monotonic() - began
