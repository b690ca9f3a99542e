"""The demo's warehouse: a broker, three readers on their real wire protocols, and the order backend.

Goods are packed on a table (a serial reader), stored (an LLRP reader over the shelf) and leave through the dock door
(an LLRP reader with an antenna on each side). The order backend announces each shipment before its goods come; every
seventh only when they are there already, and every ninth for another door, because both happen.
"""

import socket
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from rfid_gateway.clock import SystemClock
from rfid_simulators.backend import OrderBackend
from rfid_simulators.broker import EmbeddedBroker
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.server import SerialReaderServer
from rfid_simulators.serial.wires import PtyWire
from rfid_simulators.world.warehouse import BEFORE, PERIOD, UNITS_PER_SHIPMENT, Shipment, demo_warehouse, shipment

SITE, GATEWAY = "demo", "gate-1"
SEED = 2026
AHEAD = 4
"""Shipments announced before the first of their units comes."""
LATE_EVERY, WRONG_DOOR_EVERY = 7, 9
LATE_BY = 4
"""Shipments that come before a late one is announced."""

CONFIGURATION = """\
[gateway]
site = "{site}"
id = "{gateway}"
state_dir = "{state_dir}"

[mqtt]
host = "{host}"
port = {port}
protocol = "{protocol}"

[[readers]]
id = "dock-1"
driver = "llrp"
host = "127.0.0.1"
port = {dock_port}

[[readers]]
id = "storage-1"
driver = "llrp"
host = "127.0.0.1"
port = {storage_port}

[[readers]]
id = "packing-1"
driver = "chafon"
port = "{packing_port}"

[[zones]]
id = "packing-1"
antennas = ["packing-1"]
read_point = "urn:epc:id:sgln:4012345.00010.packing-1"
depart_after_s = 10.0
[zones.arrived]
biz_step = "packing"
disposition = "in_progress"
biz_location = "urn:epc:id:sgln:4012345.00010.packing"

[[zones]]
id = "storage-1"
antennas = ["storage-1"]
read_point = "urn:epc:id:sgln:4012345.00010.storage-1"
[zones.arrived]
biz_step = "storing"
disposition = "sellable_not_accessible"
biz_location = "urn:epc:id:sgln:4012345.00010.storage"

[[doors]]
id = "dock-1"
inside = ["dock-1:1"]
outside = ["dock-1:2"]
read_point = "urn:epc:id:sgln:4012345.00010.dock-1"
[doors.in]
biz_step = "arriving"
disposition = "in_progress"
biz_location = "urn:epc:id:sgln:4012345.00010.0"
[doors.out]
biz_step = "departing"
disposition = "in_transit"

[web]
port = {web_port}

[commands]
allow = ["status", "restart_reader", "find_tag", "bind_tag", "unbind_tag", "close_load", "replay", "reload"]
"""


class Warehouse:
    """All parts, from `with` on. Owner: whoever opened it; `on_event` is called in the order backend's thread.

    Args:
        on_event: takes each location event that reached the order backend, once.
    """

    def __init__(self, on_event: Callable[[dict[str, Any]], None]) -> None:
        self._on_event = on_event
        self._parts = ExitStack()
        self._closing = Event()

    def __enter__(self) -> Self:
        world = demo_warehouse(SEED)
        began = SystemClock().monotonic_us()
        with ExitStack() as parts:
            folder = parts.enter_context(tempfile.TemporaryDirectory(prefix="rfid-warehouse-"))
            self._broker = parts.enter_context(EmbeddedBroker())
            self._backend = parts.enter_context(
                OrderBackend(
                    self._broker.host, self._broker.port, SITE, on_event=lambda _, event: self._on_event(dict(event))
                )
            )
            self._llrp = [LlrpReaderServer(sources=Sources(world.radio(reader))) for reader in ("dock-1", "storage-1")]
            for server in self._llrp:
                server.start(began)
                parts.callback(server.stop)
            firmware = SimulatedChafon(ChafonSetting(pushing=True))
            wire = PtyWire(Path(folder) / "ttyRFID")
            self._serial = parts.enter_context(SerialReaderServer(firmware, world.radio("packing-1"), wire))
            announcer = Thread(target=self._announce, name="announcer", daemon=True)
            announcer.start()
            parts.callback(announcer.join)
            parts.callback(self._closing.set)
            self._parts = parts.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._parts.close()

    def configuration(self, state_dir: Path) -> str:
        """The TOML of a gateway for this warehouse."""
        dock, storage = (server.address[1] for server in self._llrp)
        return CONFIGURATION.format(
            site=SITE,
            gateway=GATEWAY,
            state_dir=state_dir,
            host=self._broker.host,
            port=self._broker.port,
            # amqtt knows 3.1.1 only and leaves a CONNECT of version 5 unanswered; waiting for that takes seconds.
            protocol="3.1.1" if self._broker.name == "amqtt" else "auto",
            dock_port=dock,
            storage_port=storage,
            packing_port=self._serial.url,
            web_port=_free_port(),
        )

    @property
    def parts(self) -> str:
        """What is running, on one line."""
        return (
            f"{self._broker.name} on port {self._broker.port}, LLRP readers dock-1 and storage-1, "
            "serial reader packing-1 on a pty, gateway, order backend"
        )

    @property
    def subscribe_command(self) -> str:
        """How to look at the broker's traffic from another terminal."""
        return f"mosquitto_sub -h {self._broker.host} -p {self._broker.port} -t 'rfid/#' -v"

    @property
    def received(self) -> int:
        """Location events that reached the order backend, doubles not counted."""
        return sum(counted.received for counted in self._backend.counts.values())

    @property
    def shipments(self) -> int:
        """Shipments of which the order backend knows where they are."""
        return len(self._backend.statuses)

    def _announce(self) -> None:
        """Announce shipments, a few ahead of their goods, until the warehouse closes."""
        ahead = BEFORE // UNITS_PER_SHIPMENT + AHEAD
        for number in count():
            pause_s = 0 if number < ahead else UNITS_PER_SHIPMENT * PERIOD / 1e6
            if self._closing.wait(pause_s):
                return
            if number % LATE_EVERY:
                self._announce_one(number)
            if number >= LATE_BY and not (number - LATE_BY) % LATE_EVERY:
                self._announce_one(number - LATE_BY)

    def _announce_one(self, number: int) -> None:
        first = number * UNITS_PER_SHIPMENT - BEFORE
        units: list[Shipment] = [shipment(first + index) for index in range(UNITS_PER_SHIPMENT)]
        entry = {
            "units": [{"sscc": unit.sscc} for unit in units],
            "orders": [f"PO-{8000 + number}"],
            "carrier": "Nordkurier",
            "planned_door": "dock-1" if number % WRONG_DOOR_EVERY else "dock-2",
        }
        self._backend.announce(entry, units[0].shipment_id)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
