"""Serial drivers against simulated readers on a pty and on TCP, over lines that split, damage and lose."""

import errno
import socket
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import serial
import serial.rfc2217

from rfid_drivers.serial.cfprime import CfPrimeOptions, CfPrimeReader
from rfid_drivers.serial.chafon import ChafonOptions, ChafonReader
from rfid_drivers.serial.gx5a import Gx5aOptions, Gx5aReader
from rfid_drivers.serial.line import LineOptions, LineReader, Rdm6300Options, Rdm6300Reader
from rfid_drivers.serial.m100 import M100Options, M100Reader
from rfid_drivers.serial.mercury import MercuryOptions, MercuryReader
from rfid_drivers.serial.r2000 import R2000Options, R2000Reader
from rfid_drivers.serial.swct import SwctOptions, SwctReader
from rfid_drivers.serial.tsl import TslOptions, TslReader
from rfid_gateway.clock import SystemClock
from rfid_gateway.driver import Driver, ReaderBusyError, ReaderError
from rfid_gateway.reads import ReaderItem, ReaderState, ReaderStatus, TagReport
from rfid_simulators.faults import SilentHang
from rfid_simulators.serial.cfprime import CfPrimeSetting, SimulatedCfPrime
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.gx5a import Gx5aSetting, SimulatedGx5a
from rfid_simulators.serial.line import LineSetting, SimulatedLineReader
from rfid_simulators.serial.m100 import M100Setting, SimulatedM100
from rfid_simulators.serial.mercury import MercurySetting, SimulatedMercury
from rfid_simulators.serial.noise import NoiseLevel
from rfid_simulators.serial.r2000 import R2000Setting, SimulatedR2000
from rfid_simulators.serial.server import Firmware, SerialReaderServer
from rfid_simulators.serial.swct import SimulatedSwct, SwctSetting
from rfid_simulators.serial.tsl import SimulatedTsl, TslSetting
from rfid_simulators.serial.wires import PtyWire, TcpWire, Wire
from rfid_simulators.world.sighting import Sighting

TAGS = 400
PATIENCE_S = 60.0


def until(condition: Callable[[], bool]) -> bool:
    """Whether the condition came true while we had patience."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@dataclass
class Field:
    """A radio that hears nothing until it is opened, then five tags at a time, each tag once."""

    epcs: Sequence[str]
    opened: threading.Event = field(default_factory=threading.Event)
    shown: int = 0
    exhausted: bool = False
    """Set when the reader asks again after the last batch, so that batch has gone out."""

    def __call__(self, start: int, _end: int) -> list[Sighting]:
        if not self.opened.is_set():
            return []
        batch = self.epcs[self.shown : self.shown + 5]
        self.shown += len(batch)
        self.exhausted = not batch
        return [Sighting(start, "r", 1 + number % 4, epc, -60.0) for number, epc in enumerate(batch)]


class Running:
    """A driver in its thread, with what it emitted and how it ended."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.items: list[ReaderItem] = []
        self.error: ReaderError | None = None
        self._thread = threading.Thread(target=self._run, name="reader-r")
        self._thread.start()

    def _run(self) -> None:
        try:
            self.driver.run(self.items.append)
        except ReaderError as error:
            self.error = error

    def epcs(self) -> list[str]:
        return [read.epc for item in self.items if isinstance(item, TagReport) for read in item.tag_reads]

    def online(self) -> bool:
        return any(isinstance(item, ReaderStatus) and item.state == ReaderState.ONLINE for item in self.items)

    def ended(self) -> bool:
        return not self._thread.is_alive()

    def close(self) -> None:
        self.driver.close()
        self._thread.join(PATIENCE_S)


@pytest.fixture(params=["pty", "tcp"])
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Wire:
    return PtyWire(tmp_path / "reader") if request.param == "pty" else TcpWire(0)


@pytest.fixture
def run() -> Iterator[Callable[[Driver], Running]]:
    started: list[Running] = []

    def start(driver: Driver) -> Running:
        started.append(Running(driver))
        return started[-1]

    yield start
    for running in started:
        running.close()
        assert running.ended()


def chafon(url: str, **options: Any) -> ChafonReader:
    return ChafonReader("r", ChafonOptions(port=url, **options), SystemClock())


def cfprime(url: str, **options: Any) -> CfPrimeReader:
    return CfPrimeReader("r", CfPrimeOptions(port=url, **options), SystemClock())


def r2000(url: str, **options: Any) -> R2000Reader:
    return R2000Reader("r", R2000Options(port=url, **options), SystemClock())


def line(url: str, **options: Any) -> LineReader:
    return LineReader("r", LineOptions(port=url, **options), SystemClock())


def mercury(url: str, **options: Any) -> MercuryReader:
    return MercuryReader("r", MercuryOptions(port=url, **options), SystemClock())


def m100(url: str, **options: Any) -> M100Reader:
    return M100Reader("r", M100Options(port=url, **options), SystemClock())


def gx5a(url: str, **options: Any) -> Gx5aReader:
    return Gx5aReader("r", Gx5aOptions(port=url, antennas=(1, 2, 3, 4), **options), SystemClock())


def swct(url: str, **options: Any) -> SwctReader:
    return SwctReader("r", SwctOptions(port=url, **options), SystemClock())


def tsl(url: str, **options: Any) -> TslReader:
    return TslReader("r", TslOptions(port=url, **options), SystemClock())


def rdm6300(url: str, **options: Any) -> Rdm6300Reader:
    return Rdm6300Reader("r", Rdm6300Options(port=url, **options), SystemClock())


LONG = [f"3034{number:020X}" for number in range(TAGS)]
SHORT = [f"6F{number:08X}" for number in range(TAGS)]
GREETED = {"init": "?", "heartbeat": "READY"}

CASES: dict[str, tuple[Callable[[], Firmware], list[str], Callable[[str], Driver], NoiseLevel]] = {
    "chafon 18 pushing": (
        lambda: SimulatedChafon(ChafonSetting(with_antennas=False, pushing=True)),
        LONG,
        chafon,
        NoiseLevel(junk=0.2, flip=0.1, truncate=0.1, loss=0.1, split=0.5, seed=1),
    ),
    "chafon 288 pushing": (
        lambda: SimulatedChafon(ChafonSetting(pushing=True)),
        LONG,
        chafon,
        NoiseLevel(junk=0.2, flip=0.1, truncate=0.1, loss=0.1, split=0.5, seed=2),
    ),
    "chafon 18 polled": (
        lambda: SimulatedChafon(ChafonSetting(with_antennas=False, pushing=True)),
        LONG,
        lambda url: chafon(url, mode="poll", poll_interval_ms=0),
        NoiseLevel(junk=0.3, split=0.5, seed=3),
    ),
    "chafon 288 polled": (
        lambda: SimulatedChafon(ChafonSetting()),
        LONG,
        lambda url: chafon(url, mode="poll", poll_interval_ms=0),
        NoiseLevel(junk=0.3, split=0.5, seed=4),
    ),
    "cfprime pushing": (
        lambda: SimulatedCfPrime(CfPrimeSetting()),
        LONG,
        cfprime,
        NoiseLevel(junk=0.2, flip=0.1, truncate=0.1, loss=0.1, split=0.5, seed=7),
    ),
    "r2000": (
        lambda: SimulatedR2000(R2000Setting()),
        LONG,
        lambda url: r2000(url, antennas=(1, 2, 3, 4)),
        NoiseLevel(junk=0.3, split=0.5, seed=8),
    ),
    "mercury": (
        lambda: SimulatedMercury(MercurySetting()),
        LONG,
        mercury,
        NoiseLevel(junk=0.2, flip=0.1, truncate=0.1, loss=0.1, split=0.5, seed=9),
    ),
    "mercury still streaming": (
        lambda: SimulatedMercury(MercurySetting(reading=True)),
        LONG,
        mercury,
        NoiseLevel(junk=0.3, split=0.5, seed=10),
    ),
    "m100": (
        lambda: SimulatedM100(M100Setting()),
        LONG,
        m100,
        NoiseLevel(junk=0.2, flip=0.1, truncate=0.1, loss=0.1, split=0.5, seed=11),
    ),
    "m100 in R200 framing": (
        lambda: SimulatedM100(M100Setting(head=0xAA, reading=True, selecting=True)),
        LONG,
        m100,
        NoiseLevel(junk=0.3, split=0.5, seed=12),
    ),
    "gx5a": (
        lambda: SimulatedGx5a(Gx5aSetting(numbered=True)),
        LONG,
        gx5a,
        NoiseLevel(junk=0.2, flip=0.1, truncate=0.1, loss=0.1, split=0.5, seed=15),
    ),
    "gx5a on RS-485, still reading": (
        lambda: SimulatedGx5a(Gx5aSetting(address=3, reading=True)),
        LONG,
        # The long silence keeps a test that is held up from meeting the next stop and start.
        lambda url: gx5a(url, address=3, silence_timeout_s=60),
        NoiseLevel(junk=0.3, split=0.5, seed=16),
    ),
    "swct": (
        lambda: SimulatedSwct(SwctSetting()),
        LONG,
        lambda url: swct(url, acknowledge=True),
        NoiseLevel(junk=0.2, flip=0.1, truncate=0.1, loss=0.1, split=0.5, seed=13),
    ),
    "swct polled": (
        lambda: SimulatedSwct(SwctSetting()),
        LONG,
        lambda url: swct(url, mode="poll", poll_interval_ms=0),
        NoiseLevel(junk=0.3, split=0.5, seed=14),
    ),
    "tsl": (
        lambda: SimulatedTsl(TslSetting()),
        LONG,
        lambda url: tsl(url, poll_interval_ms=0),
        NoiseLevel(junk=0.3, split=0.5, seed=17),
    ),
    "tsl triggered": (
        lambda: SimulatedTsl(TslSetting(triggered=True)),
        LONG,
        lambda url: tsl(url, mode="trigger"),
        NoiseLevel(junk=0.2, loss=0.2, split=0.5, seed=18),
    ),
    # A plain line has no checksum: a flipped digit is another tag, and no decoder could know.
    "line": (
        lambda: SimulatedLineReader(LineSetting("{epc}\r\n", b"READY\r\n")),
        LONG,
        lambda url: line(url, regex="(?P<epc>[0-9A-F]{24})", **GREETED),
        NoiseLevel(loss=0.2, split=0.5, seed=5),
    ),
    "rdm6300": (
        lambda: SimulatedLineReader(LineSetting("\x02{epc}{checksum}\x03", b"\x02READY\x03")),
        SHORT,
        lambda url: rdm6300(url, **GREETED),
        NoiseLevel(junk=0.2, flip=0.1, truncate=0.1, loss=0.1, split=0.5, seed=6),
    ),
}

SET_UP: dict[str, Callable[[Any], bool]] = {
    # It says who it is before it is stopped and started, and sends no tag that passes in between.
    "gx5a on RS-485, still reading": lambda firmware: firmware.started > 0,
}
"""Of readers that are online before they read: whether they do."""


@pytest.mark.parametrize("case", CASES)
def test_over_a_bad_line_every_undamaged_tag_is_read_and_no_other(
    case: str, wire: Wire, run: Callable[[Driver], Running]
) -> None:
    make_firmware, epcs, make_driver, noise = CASES[case]
    field_of_tags = Field(epcs)
    firmware = make_firmware()
    with SerialReaderServer(firmware, field_of_tags, wire, noise) as server:
        running = run(make_driver(server.url))
        assert until(running.online)
        assert until(lambda: case not in SET_UP or SET_UP[case](firmware))
        field_of_tags.opened.set()

        def intact() -> list[str]:
            sent = b"\n".join(server.intact)
            return [epc for epc in epcs if bytes.fromhex(epc) in sent or epc.encode() in sent]

        lossless = noise.loss == 0
        assert until(lambda: field_of_tags.exhausted and (not lossless or len(intact()) == TAGS))
        assert until(lambda: len(running.epcs()) >= len(intact()))
        assert len(intact()) > TAGS // 2
        phantoms = set(running.epcs()) - set(epcs)
        assert phantoms == set()
        assert sorted(running.epcs()) == intact()


def nothing_is_emitted(item: ReaderItem) -> None:
    pytest.fail(f"emitted {item}")


def quiet_reader(firmware: Firmware, wire: Wire) -> SerialReaderServer:
    return SerialReaderServer(firmware, Field(()), wire)


def test_an_unplugged_reader_raises_and_is_read_again_once_it_is_back(
    tmp_path: Path, run: Callable[[Driver], Running]
) -> None:
    link = tmp_path / "reader"
    driver = chafon(str(link))
    for _ in range(2):
        with quiet_reader(SimulatedChafon(ChafonSetting()), PtyWire(link)):
            running = run(driver)
            assert until(running.online)
        assert until(running.ended)
        assert running.error is not None
        assert "unplugged" in str(running.error)


def test_a_server_that_closes_the_connection_raises(run: Callable[[Driver], Running]) -> None:
    with quiet_reader(SimulatedChafon(ChafonSetting()), TcpWire(0)) as server:
        running = run(chafon(server.url))
        assert until(running.online)
    assert until(running.ended)
    assert isinstance(running.error, ReaderError)
    assert server.url in str(running.error)


def test_a_reader_that_falls_silent_raises(wire: Wire, run: Callable[[Driver], Running]) -> None:
    with quiet_reader(SimulatedChafon(ChafonSetting()), wire) as server:
        running = run(chafon(server.url, silence_timeout_s=0.5))
        assert until(running.online)
        server.inject(SilentHang())
        assert until(running.ended)
    assert running.error is not None
    assert "nothing understood from the reader" in str(running.error)


def test_a_fault_that_the_reader_reports_degrades_it(wire: Wire, run: Callable[[Driver], Running]) -> None:
    with quiet_reader(SimulatedChafon(ChafonSetting(inventory_status=0xF8)), wire) as server:
        running = run(chafon(server.url, mode="poll"))
        assert until(lambda: any(getattr(item, "state", None) == ReaderState.DEGRADED for item in running.items))


def test_the_reader_introduces_itself(wire: Wire, run: Callable[[Driver], Running]) -> None:
    with quiet_reader(SimulatedChafon(ChafonSetting()), wire) as server:
        running = run(chafon(server.url))
        assert until(running.online)
    status = running.items[0]
    assert isinstance(status, ReaderStatus)
    assert (status.reader_id, status.model, status.firmware) == ("r", "Chafon UHFReader288MP", "5.2")


def test_closing_ends_a_run_without_an_error_from_any_thread_and_twice(
    wire: Wire, run: Callable[[Driver], Running]
) -> None:
    with quiet_reader(SimulatedChafon(ChafonSetting()), wire) as server:
        running = run(chafon(server.url))
        assert until(running.online)
        running.driver.close()
        running.driver.close()
        assert until(running.ended)
    assert running.error is None


def test_a_driver_closed_before_it_runs_opens_nothing() -> None:
    driver = chafon("/dev/there-is-no-such-port")
    driver.close()
    driver.close()
    driver.run(nothing_is_emitted)


def test_a_port_that_another_program_holds_is_busy(tmp_path: Path, run: Callable[[Driver], Running]) -> None:
    with quiet_reader(SimulatedChafon(ChafonSetting()), PtyWire(tmp_path / "reader")) as server:
        assert until(run(chafon(server.url)).online)
        with pytest.raises(ReaderBusyError, match="already in use by another program"):
            chafon(server.url).run(nothing_is_emitted)


def test_a_missing_port_says_where_to_look() -> None:
    with pytest.raises(ReaderError, match="there is no such port; is the reader plugged in"):
        chafon("/dev/there-is-no-such-port").run(nothing_is_emitted)


@pytest.mark.parametrize(
    ("error", "help_"),
    [
        (OSError(errno.EACCES, "permission denied"), "group dialout"),
        (OSError(errno.ENODEV, "no such thing"), "is the reader plugged in"),
        (termios.error(errno.EIO, "Input/output error"), "plug it in again"),
        (ValueError("not a valid baudrate"), "not a valid baudrate"),
    ],
)
def test_a_port_that_cannot_be_opened_says_what_helps(
    error: Exception, help_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("serial.serial_for_url", refuse)
    with pytest.raises(ReaderError, match=help_):
        chafon("/dev/ttyS0").run(nothing_is_emitted)


def test_a_file_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReaderError, match=r"cannot open .*file"):
        chafon(str(tmp_path / "file")).run(nothing_is_emitted)


def test_a_closed_tcp_port_says_what_to_check() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
    with pytest.raises(ReaderError, match="is the reader switched on"):
        chafon(f"socket://127.0.0.1:{number}").run(nothing_is_emitted)


def test_an_rfc2217_server_that_is_not_there_is_a_reader_error() -> None:
    with pytest.raises(ReaderError, match=r"cannot open rfc2217://127\.0\.0\.1:1"):
        chafon("rfc2217://127.0.0.1:1").run(nothing_is_emitted)


def serve_rfc2217(listener: socket.socket, going: threading.Event) -> None:
    """Pyserial's own server side over a loop-back port, so that whatever the driver sends comes back to it."""
    looped = serial.serial_for_url("loop://", timeout=0.05)
    connection, _ = listener.accept()
    port_manager: Any = serial.rfc2217.PortManager  # the type stubs allow it nothing but RFC 2217 ports
    with connection, connection.makefile("wb", buffering=0) as writer:
        manager = port_manager(looped, writer)
        connection.settimeout(0.05)
        while not going.is_set():
            try:
                data = connection.recv(1024)
            except TimeoutError:
                continue
            if not data:
                return
            looped.write(b"".join(manager.filter(data)) + CAPTURED_PUSH)
            writer.write(b"".join(manager.escape(looped.read(looped.in_waiting))))


CAPTURED_PUSH = bytes.fromhex("1100EE00E284361100001000094944AA9ACC")


# pyserial 3.5 names its RFC 2217 thread in the way of Python 2.
@pytest.mark.filterwarnings(r"ignore:set(Daemon|Name)\(\) is deprecated:DeprecationWarning")
def test_a_reader_behind_an_rfc2217_server_is_read(run: Callable[[Driver], Running]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve_rfc2217, args=(listener, threading.Event()))
        server.start()
        running = run(chafon(f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"))
        assert until(lambda: "E284361100001000094944AA" in running.epcs())
        running.close()
        server.join(PATIENCE_S)
        assert not server.is_alive()
    assert running.error is None


@pytest.mark.filterwarnings(r"ignore:set(Daemon|Name)\(\) is deprecated:DeprecationWarning")
def test_an_rfc2217_server_that_goes_is_a_reader_error(run: Callable[[Driver], Running]) -> None:
    going = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve_rfc2217, args=(listener, going))
        server.start()
        url = f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"
        running = run(chafon(url))
        assert until(running.online)
        going.set()
        server.join(PATIENCE_S)
        assert until(running.ended)
    assert url in str(running.error)


def test_a_module_that_browned_out_is_given_its_region_and_read_again(
    wire: Wire, run: Callable[[Driver], Running]
) -> None:
    module = SimulatedMercury(MercurySetting())
    with quiet_reader(module, wire) as server:
        running = run(mercury(server.url))
        assert until(running.online)
        server.power_cycle()
        assert until(lambda: module.reading and [command[0] for command in module.commands].count(0x97) == 2)
        assert module.region == 8


def test_a_module_in_its_bootloader_is_booted_and_read(wire: Wire, run: Callable[[Driver], Running]) -> None:
    module = SimulatedMercury(MercurySetting(in_bootloader=True))
    with quiet_reader(module, wire) as server:
        assert until(run(mercury(server.url)).online)
    assert [command[0] for command in module.commands] == [0x2F, 0x03, 0x0C, 0x04, 0x97, 0x93, 0x91, 0x9A, 0x2F]


def test_a_module_with_high_return_loss_is_degraded(wire: Wire, run: Callable[[Driver], Running]) -> None:
    with quiet_reader(SimulatedMercury(MercurySetting(fault=0x0505)), wire) as server:
        running = run(mercury(server.url))
        assert until(lambda: any("high return loss" in getattr(item, "detail", "") for item in running.items))


def test_an_m100_that_has_done_its_rounds_is_started_again(wire: Wire, run: Callable[[Driver], Running]) -> None:
    module = SimulatedM100(M100Setting(most_rounds=20))
    with quiet_reader(module, wire) as server:
        running = run(m100(server.url, region="EU", power_dbm=20))
        assert until(running.online)
        assert until(lambda: module.commands.count(0x27) == 2)
    assert (module.region, module.power) == (3, 2000)
