"""What pyserial, the operating system and readers do to a gateway that runs for months: each is survived."""

import errno
import os
import random
import socket
import stat
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import serial

from rfid_drivers.serial.port import LineSettings, SerialPort, open_port
from rfid_drivers.serial.reader import SerialReader
from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.clock import SystemClock
from rfid_gateway.config import ReaderConfig
from rfid_gateway.driver import ReaderBusyError, ReaderError
from rfid_gateway.reads import ReaderItem, ReaderState, ReaderStatus, TagReport
from rfid_gateway.supervisor import ReaderSupervisor
from rfid_simulators.serial.cfprime import CfPrimeSetting, SimulatedCfPrime
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.gx5a import Gx5aSetting, SimulatedGx5a
from rfid_simulators.serial.line import RDM6300, LineSetting, SimulatedLineReader
from rfid_simulators.serial.m100 import M100Setting, SimulatedM100
from rfid_simulators.serial.mercury import MercurySetting, SimulatedMercury
from rfid_simulators.serial.r2000 import R2000Setting, SimulatedR2000
from rfid_simulators.serial.server import Firmware, SerialReaderServer
from rfid_simulators.serial.swct import SimulatedSwct, SwctSetting
from rfid_simulators.serial.tsl import SimulatedTsl, TslSetting
from rfid_simulators.serial.wires import PtyWire, TcpWire
from rfid_simulators.world.sighting import Radio, Sighting
from tests.driving import running
from tests.servers import eventually

EPC = "30340000000000000000002A"
SETTINGS = LineSettings(57600, "none")


def standing_tag(antenna_id: int = 1, epc: str = EPC) -> Radio:
    return lambda start, _end: [Sighting(start, "r", antenna_id, epc, -60.0)]


def options_of(driver: str, url: str, **options: Any) -> ReaderConfig:
    kind = InstalledDrivers()[driver]
    return ReaderConfig("r", driver, kind, kind.Options.model_validate({"port": url, **options}))


def make(driver: str, url: str, **options: Any) -> SerialReader[Any]:
    config = options_of(driver, url, **options)
    return cast("SerialReader[Any]", config.driver("r", config.options, SystemClock()))


# A reader that already streams when the gateway connects.

STREAMING: dict[str, tuple[Callable[[], Firmware], str, dict[str, Any], str]] = {
    "chafon pushing": (lambda: SimulatedChafon(ChafonSetting(pushing=True)), "chafon", {}, EPC),
    "chafon to be polled": (lambda: SimulatedChafon(ChafonSetting(pushing=True)), "chafon", {"mode": "poll"}, EPC),
    "chafon to be polled by its address": (
        lambda: SimulatedChafon(ChafonSetting(pushing=True, address=3)),
        "chafon",
        {"mode": "poll", "address": 3},
        EPC,
    ),
    "cfprime pushing": (lambda: SimulatedCfPrime(CfPrimeSetting()), "cfprime", {}, EPC),
    "cfprime to be started": (lambda: SimulatedCfPrime(CfPrimeSetting()), "cfprime", {"mode": "start"}, EPC),
    "cfprime to be polled": (
        lambda: SimulatedCfPrime(CfPrimeSetting(address=3)),
        "cfprime",
        {"mode": "poll", "address": 3},
        EPC,
    ),
    "gx5a": (lambda: SimulatedGx5a(Gx5aSetting(reading=True)), "gx5a", {}, EPC),
    "gx5a to be polled": (
        lambda: SimulatedGx5a(Gx5aSetting(reading=True, address=3)),
        "gx5a",
        {"mode": "poll", "address": 3},
        EPC,
    ),
    "line": (lambda: SimulatedLineReader(LineSetting()), "line", {}, EPC),
    "m100": (lambda: SimulatedM100(M100Setting(reading=True)), "m100", {}, EPC),
    "mercury": (lambda: SimulatedMercury(MercurySetting(reading=True)), "mercury", {}, EPC),
    "rdm6300": (lambda: SimulatedLineReader(RDM6300), "rdm6300", {}, "6F00538E12"),
    "swct pushing": (lambda: SimulatedSwct(SwctSetting()), "swct", {}, EPC),
    "swct to be polled": (lambda: SimulatedSwct(SwctSetting(address=3)), "swct", {"mode": "poll", "address": 3}, EPC),
    "tsl": (lambda: SimulatedTsl(TslSetting(triggered=True)), "tsl", {}, EPC),
}


@pytest.mark.parametrize("case", STREAMING)
def test_a_reader_that_already_streams_is_read(case: str) -> None:
    make_firmware, driver, options, epc = STREAMING[case]
    wire = TcpWire(0)  # a pty drops on opening what came before
    with (
        SerialReaderServer(make_firmware(), standing_tag(epc=epc), wire) as server,
        running(make(driver, server.url, **options)) as run,
    ):
        run.reads_more()
        eventually(lambda: ReaderState.ONLINE in run.states, "online")
        run.reads_more()
    assert run.error is None
    assert {read.epc for read in run.reads} == {epc}


# A reader that loses its power, and with it what it was told, in the middle of its work.

BROWN_OUTS: dict[str, tuple[Callable[[], Any], str, dict[str, Any], Callable[[Any], bool]]] = {
    "chafon pushing": (lambda: SimulatedChafon(ChafonSetting(pushing=True)), "chafon", {}, lambda r: r.pushing),
    "chafon polled": (
        lambda: SimulatedChafon(ChafonSetting(pushing=True)),
        "chafon",
        {"mode": "poll"},
        lambda r: not r.pushing,
    ),
    "chafon polled by its address": (
        lambda: SimulatedChafon(ChafonSetting(pushing=True, address=3)),
        "chafon",
        {"mode": "poll", "address": 3},
        lambda r: not r.pushing,
    ),
    "cfprime started": (
        lambda: SimulatedCfPrime(CfPrimeSetting(active=False)),
        "cfprime",
        {"mode": "start", "silence_timeout_s": 1.5},
        lambda r: r.reading,
    ),
    "cfprime polled": (
        lambda: SimulatedCfPrime(CfPrimeSetting(address=3)),
        "cfprime",
        {"mode": "poll", "address": 3},
        lambda r: not r.reading,
    ),
    "gx5a": (
        lambda: SimulatedGx5a(Gx5aSetting()),
        "gx5a",
        {"silence_timeout_s": 1.5},
        lambda r: r.reading,
    ),
    "gx5a polled": (
        lambda: SimulatedGx5a(Gx5aSetting(address=3)),
        "gx5a",
        {"mode": "poll", "address": 3},
        lambda r: r.started > 1,
    ),
    "m100": (
        lambda: SimulatedM100(M100Setting(selecting=True)),
        "m100",
        {"region": "EU", "power_dbm": 20.0},
        lambda r: (r.reading, r.region, r.power) == (True, 3, 2000),
    ),
    "r2000": (
        lambda: SimulatedR2000(R2000Setting()),
        "r2000",
        {"antennas": [2], "power_dbm": 23},
        lambda r: r.power == 23,
    ),
    "swct": (lambda: SimulatedSwct(SwctSetting()), "swct", {}, lambda r: r.sending),
    "swct polled": (
        lambda: SimulatedSwct(SwctSetting(address=3)),
        "swct",
        {"mode": "poll", "address": 3},
        lambda r: not r.sending,
    ),
    "tsl": (lambda: SimulatedTsl(TslSetting()), "tsl", {}, lambda _: True),
}
"""The mercury module, which says that it has restarted, is in test_serial_drivers."""


@pytest.mark.parametrize("case", BROWN_OUTS)
def test_a_reader_that_browned_out_is_set_up_and_read_again_without_a_new_connection(case: str, tmp_path: Path) -> None:
    make_firmware, driver, options, is_set_up = BROWN_OUTS[case]
    firmware = make_firmware()
    radio = standing_tag(options.get("antennas", [1])[0])
    with (
        SerialReaderServer(firmware, radio, PtyWire(tmp_path / "reader")) as server,
        running(make(driver, server.url, **options)) as run,
    ):
        run.reads_more()
        eventually(lambda: is_set_up(firmware), "set up")
        for _ in range(2):
            firmware.restart()
            eventually(lambda: is_set_up(firmware), "set up again")
            run.reads_more()
    assert run.error is None


# A port that comes, goes and comes back elsewhere, under a supervisor as in the gateway.


@contextmanager
def supervised(config: ReaderConfig) -> Iterator[list[ReaderItem]]:
    items: list[ReaderItem] = []
    supervisor = ReaderSupervisor(config, items.append, SystemClock())
    supervisor.start()
    try:
        yield items
    finally:
        supervisor.close()
        assert supervisor.join(60)


def reads_more(items: list[ReaderItem]) -> None:
    before = len(items)
    eventually(lambda: any(isinstance(item, TagReport) for item in items[before:]), "further reads")


def says(items: list[ReaderItem], words: str, since: int = 0) -> Callable[[], bool]:
    return lambda: any(isinstance(item, ReaderStatus) and words in item.detail for item in items[since:])


POLLED: dict[str, Any] = {"mode": "poll", "address": 0}


@pytest.mark.parametrize("options", [{}, POLLED], ids=["alone", "on a bus"])
def test_a_reader_is_read_again_that_comes_back_as_another_device_behind_the_same_link(
    options: dict[str, Any], tmp_path: Path
) -> None:
    link = tmp_path / "by-id"
    devices: list[str] = []
    held: list[int] = []  # keeps the numbers of pseudo-terminals from being used again
    firmware = ChafonSetting(pushing=not options)
    with supervised(options_of("chafon", str(link), **options)) as items:
        for _ in range(3):
            held += os.openpty()
            before = len(items)
            with SerialReaderServer(SimulatedChafon(firmware), standing_tag(), PtyWire(link)):
                devices.append(str(link.readlink()))
                reads_more(items)
                held += os.openpty()
            eventually(says(items, "was the reader unplugged", before), "noticed")
            held += os.openpty()
    for number in held:
        os.close(number)
    assert len(set(devices)) > 1


def test_a_port_that_is_missing_at_the_start_is_read_once_it_is_there(tmp_path: Path) -> None:
    link = tmp_path / "later"
    with supervised(options_of("chafon", str(link))) as items:
        eventually(says(items, "there is no such port; is the reader plugged in"), "missed")
        with SerialReaderServer(SimulatedChafon(ChafonSetting(pushing=True)), standing_tag(), PtyWire(link)):
            reads_more(items)


@contextmanager
def without_rights(device: str) -> Iterator[None]:
    """Within, this process may not open the device: as another user where we are root, whom no mode stops."""
    mode = stat.S_IMODE(Path(device).stat().st_mode)
    Path(device).chmod(0)
    if os.getuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        Path(device).chmod(mode)


def test_a_port_without_rights_is_told_and_read_once_they_are_given(tmp_path: Path) -> None:
    wire = PtyWire(tmp_path / "reader")
    device = str(Path(wire.url).readlink())
    with SerialReaderServer(SimulatedChafon(ChafonSetting(pushing=True)), standing_tag(), wire):
        with without_rights(device):
            config = options_of("chafon", device)
            with supervised(config) as items:
                eventually(says(items, "must be in the group dialout"), "refused")
        with supervised(config) as items:
            reads_more(items)


def test_rights_that_come_later_need_no_restart(tmp_path: Path) -> None:
    wire = PtyWire(tmp_path / "reader")
    device = str(Path(wire.url).readlink())
    with (
        SerialReaderServer(SimulatedChafon(ChafonSetting(pushing=True)), standing_tag(), wire),
        without_rights(device) as _,
        supervised(options_of("chafon", device)) as items,
    ):
        eventually(says(items, "permission denied"), "refused")
        if os.getuid() == 0:
            os.seteuid(0)
        Path(device).chmod(0o600)
        reads_more(items)


# What pyserial raises, and where.

GONE = [
    serial.SerialException(
        "device reports readiness to read but returned no data (device disconnected or multiple access on port?)"
    ),
    serial.SerialException(errno.EIO, "Input/output error"),
    OSError(errno.EIO, "Input/output error"),
    termios.error(errno.EIO, "Input/output error"),
]


class BrokenPort:
    """A serial port of which one call fails."""

    def __init__(self, call: str, error: Exception) -> None:
        self._call = call
        self._error = error

    def _fails(self, call: str) -> None:
        if call == self._call:
            raise self._error

    @property
    def in_waiting(self) -> int:
        self._fails("in_waiting")
        return 1

    def read(self, size: int) -> bytes:
        self._fails("read")
        return bytes(size)

    def write(self, _data: bytes) -> None:
        self._fails("write")

    def close(self) -> None:
        self._fails("close")


@pytest.mark.parametrize("error", GONE, ids=["readiness", "serial", "os", "termios"])
@pytest.mark.parametrize("call", ["read", "in_waiting", "write"])
def test_a_port_that_fails_in_any_call_is_a_reader_error(call: str, error: Exception) -> None:
    port = SerialPort("/dev/ttyUSB0", cast("Any", BrokenPort(call, error)))
    with pytest.raises(ReaderError, match="was the reader unplugged"):
        port.write(b"?") if call == "write" else port.read()


@pytest.mark.parametrize("error", GONE)
def test_an_unplugged_port_that_refuses_to_be_closed_is_let_go(error: Exception) -> None:
    port = SerialPort("/dev/ttyUSB0", cast("Any", BrokenPort("close", error)))
    port.close()
    assert port.read() == b"\0\0"


def test_bytes_that_another_program_took_name_that_program() -> None:
    port = SerialPort("/dev/ttyUSB0", cast("Any", BrokenPort("read", GONE[0])))
    with pytest.raises(ReaderError, match="does another program read this port"):
        port.read()


@pytest.mark.parametrize("call", ["_reset_input_buffer", "open"])
def test_an_adapter_that_goes_while_it_is_opened_is_a_reader_error(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise termios.error(errno.EIO, "Input/output error")

    wire = PtyWire(tmp_path / "reader")
    monkeypatch.setattr(serial.Serial, call, fail)
    with pytest.raises(ReaderError, match="unplug the reader's adapter"):
        open_port(wire.url, SETTINGS)
    wire.close()


def test_a_port_that_another_process_has_locked_is_busy(tmp_path: Path) -> None:
    wire = PtyWire(tmp_path / "reader")
    hold = f"import serial; port = serial.Serial({wire.url!r}, exclusive=True); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(ReaderBusyError, match="another program"):
            open_port(wire.url, SETTINGS)
        other.communicate(b"\n")
    open_port(wire.url, SETTINGS).close()
    wire.close()


def test_a_line_that_takes_nothing_is_a_reader_error(tmp_path: Path) -> None:
    wire = PtyWire(tmp_path / "reader")
    port = open_port(wire.url, SETTINGS)
    with pytest.raises(ReaderError, match="cannot send"):
        port.write(bytes(400_000))
    port.close()
    wire.close()


@pytest.mark.parametrize(("control_lines", "expected"), [("raised", (True, True)), ("low", (False, False))])
def test_control_lines_are_as_wanted_before_the_port_opens(
    control_lines: str, expected: tuple[bool, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, bool]] = []
    opening = serial.Serial.open

    def watch(port: serial.Serial) -> None:
        seen.append((port.dtr, port.rts))
        opening(port)

    monkeypatch.setattr(serial.Serial, "open", watch)
    with (
        SerialReaderServer(SimulatedChafon(ChafonSetting(pushing=True)), standing_tag(), PtyWire(tmp_path / "r")) as s,
        running(make("chafon", s.url, control_lines=control_lines)) as run,
    ):
        run.reads_more()
    assert seen == [expected]


@pytest.mark.parametrize("error", [ValueError("no low latency"), PermissionError(), termios.error(25, "no tty")])
def test_an_adapter_that_cannot_hurry_is_read_all_the_same(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def refuse(_port: serial.Serial, wanted: bool) -> None:  # noqa: FBT001 - as pyserial calls it
        asked.append(wanted)
        raise error

    monkeypatch.setattr(serial.Serial, "set_low_latency_mode", refuse)
    wire = PtyWire(tmp_path / "reader")
    open_port(wire.url, SETTINGS).close()
    wire.close()
    assert asked == [True]


# A line that makes no sense.


@pytest.mark.parametrize(
    ("driver", "options"),
    [(name, {}) for name in ("cfprime", "chafon", "gx5a", "m100", "mercury", "r2000", "rdm6300", "swct", "tsl")]
    + [("chafon", POLLED), ("swct", POLLED)],
)
def test_a_wrong_baud_rate_or_driver_is_told(driver: str, options: dict[str, Any]) -> None:
    garbage = random.Random(5)
    with (
        running_noise(lambda: bytes(garbage.choice(b"\x00\xff\xe0\xfe\xf8\x80") for _ in range(400))) as url,
        running(make(driver, url, **options)) as run,
    ):
        eventually(lambda: run.error is not None, "told")
    assert "check the baud rate" in str(run.error)
    assert run.reads == []


@contextmanager
def running_noise(make_bytes: Callable[[], bytes]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def send() -> None:
            peer, _ = listener.accept()
            with peer:
                try:
                    while True:
                        peer.sendall(make_bytes())
                except OSError:
                    return

        thread = threading.Thread(target=send)
        thread.start()
        yield f"socket://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(60)
        assert not thread.is_alive()
