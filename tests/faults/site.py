"""One site: a real `rfid-gateway run`, a real Mosquitto behind the proxy, simulated readers, a subscriber."""

import json
import os
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rfid_gateway.clock import SystemClock
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.server import SerialReaderServer
from rfid_simulators.serial.wires import PtyWire
from tests.e2e.running import PROGRAM, command
from tests.faults.field import DOOR, READERS, SPOTS, Field, epc_of, shipment_of
from tests.faults.packets import Event, read_event
from tests.faults.proxy import Proxy
from tests.faults.shim import Disk, compile_shim
from tests.servers import Mosquitto, Subscriber, mosquitto_path
from tests.small_disk import small_disk

PATIENCE_S = 120.0
"""How long an event may take before it counts as lost; the longest back-off is 60 s."""
DISK_MB = 64
_OWN = "rfid/faults/gate-1/events/"
_CONFIGURATION = """\
[gateway]
site = "faults"
id = "gate-1"
state_dir = "{state}"
queue_reads = 1000

[mqtt]
host = "127.0.0.1"
port = {port}
protocol = "{protocol}"
keepalive_s = 2

[[readers]]
id = "shelf"
driver = "llrp"
host = "127.0.0.1"
port = {shelf}

[[readers]]
id = "gate"
driver = "llrp"
host = "127.0.0.1"
port = {gate}

[[readers]]
id = "table"
driver = "chafon"
port = "{table}"

[[doors]]
id = "{door}"
inside = ["gate:1"]
outside = ["gate:2"]
quiet_s = 1.0
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


class Site:
    """Everything of one site, within a `with` block of the stack that is handed in. Owner: the driver."""

    def __init__(self, parts: ExitStack, folder: Path, protocol: str, tags: int) -> None:
        self.clock = SystemClock()
        self.field = Field(self.clock)
        self.hours_ahead = 0
        """How much the gateway's wall clock was set ahead."""
        self.state = folder / "state"
        self.room = parts.enter_context(small_disk(self.state, DISK_MB))
        self.broker = Mosquitto(str(mosquitto_path()), _made(folder / "broker"))
        self.broker.start()
        parts.callback(self.broker.kill)
        self.listener = Subscriber(self.broker.host, self.broker.port, f"{_OWN}+")
        parts.callback(self.listener.close)
        self.proxy = parts.enter_context(Proxy((self.broker.host, self.broker.port), _OWN))
        began = self.clock.monotonic_us()
        self.llrp = {
            name: LlrpReaderServer(sources=Sources(self.field.radio(name))).start(began) for name in ("shelf", "gate")
        }
        for server in self.llrp.values():
            parts.callback(server.stop)
        firmware = SimulatedChafon(ChafonSetting(pushing=True))
        wire = PtyWire(folder / "ttyRFID")
        self.table = parts.enter_context(SerialReaderServer(firmware, self.field.radio("table"), wire))
        ports = {name: server.address[1] for name, server in self.llrp.items()}
        configuration = folder / "gateway.toml"
        configuration.write_text(
            _CONFIGURATION.format(
                state=self.state, port=self.proxy.port, protocol=protocol, table=wire.url, door=DOOR, **ports
            )
            + "".join(_ZONE.format(zone=spot.zone, reader=spot.reader_id, antenna=spot.antenna_id) for spot in SPOTS)
        )
        shipments = folder / "shipments.csv"
        rows = [f"{shipment_of(number)},{epc_of(number)}\n" for number in range(tags)]
        shipments.write_text("shipment_id,epc\n" + "".join(rows))
        done = command("shipments", "import", shipments, "--config", configuration)
        assert done.returncode == 0, done.stderr
        self.disk = Disk(folder / "disk.control")
        parts.callback(self.disk.close)
        self.gateway = Gateway(folder, configuration, self.disk)
        parts.callback(self.gateway.kill)

    def received(self) -> list[Event]:
        """What the subscriber got, in the order of arrival, repetitions too."""
        return [read_event(payload) for payload in self.listener.payloads(_OWN)]

    def status(self) -> dict[str, Any]:
        """The gateway's state file."""
        found: dict[str, Any] = json.loads((self.state / "status.json").read_text(encoding="utf-8"))
        return found

    def gateway_time_s(self) -> float:
        """The gateway's wall clock, seconds since 1970."""
        return float(self.status()["at"]) / 1e6

    def merged_reads(self) -> int:
        """Tag reads that lost their detail since the gateway started."""
        return int(self.status()["merged_reads"])

    def reconnects(self, reader: str) -> int:
        """Times that a reader came back since the gateway started."""
        return int(self.status()["readers"][reader]["reconnects"])

    def all_well(self, since_ns: int) -> bool:
        """Whether the gateway has said since then that broker and readers are there."""
        try:
            written_ns = (self.state / "status.json").stat().st_mtime_ns
            state = self.status()
        except (OSError, ValueError):
            return False
        online = all(state["readers"].get(name, {}).get("state") == "online" for name in READERS)
        fresh = written_ns > since_ns and not state["stopped"]
        return fresh and online and "connected" in state["broker"] and state["database"] == "ok"


class Gateway:
    """`rfid-gateway run` under the shim and libfaketime; what ends it is told apart. Owner: the driver."""

    def __init__(self, folder: Path, configuration: Path, disk: Disk) -> None:
        self.log_file = folder / "gateway.log"
        self.exits: list[str] = []
        """Ends that nobody asked for."""
        self._configuration = configuration
        self._clock_file = folder / "clock"
        self._environment = {
            **os.environ,
            "LD_PRELOAD": f"{compile_shim(folder)}:{faketime_library()}",
            "RFID_FAULTS": str(disk.file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_TIMESTAMP_FILE": str(self._clock_file),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.set_clock(0)

    def set_clock(self, ahead_s: int) -> None:
        """Let the gateway's wall clock be so much ahead of the true one from now on."""
        draft = self._clock_file.with_suffix(".draft")
        draft.write_text(f"{ahead_s:+d}\n")
        draft.replace(self._clock_file)

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "run", "--config", self._configuration], env=self._environment, stdout=log, stderr=log
            )

    def kill(self) -> int:
        """End it as a power cut would, if it is there; returns how it ended."""
        if self._process is None:
            return 0
        self._process.kill()
        code = self._process.wait()
        # libfaketime's own; who is killed cannot take them away.
        for name in ("faketime_shm_", "sem.faketime_sem_"):
            Path(f"/dev/shm/{name}{self._process.pid}").unlink(missing_ok=True)
        self._process = None
        return code

    def terminate(self) -> int:
        """End it as systemd would."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(60)
        self._process = None
        return code

    def ended(self) -> int | None:
        """How it ended by itself; None while it runs."""
        return None if self._process is None else self._process.poll()

    def mind(self) -> None:
        """Start it again, a second later, where it has ended by itself, as systemd would; that is remembered."""
        code = self.ended()
        if code is not None:
            last = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
            self.exits.append(f"{time.ctime()}: the gateway ended by itself with {code}: {last}")
            time.sleep(1)
            self.start()


def faketime_library() -> Path | None:
    """libfaketime, where it is installed."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


def small_disks_possible() -> bool:
    """Mounting takes root."""
    return os.geteuid() == 0


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
