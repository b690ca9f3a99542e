"""Readers that have to be told to read, r2000 and cfprime: their drivers and simulators over lines that lose."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rfid_drivers.serial.cfprime import CfPrimeOptions, CfPrimeReader
from rfid_drivers.serial.protocol import Instant, SerialOptions
from rfid_drivers.serial.r2000 import R2000Options, R2000Reader
from rfid_drivers.serial.reader import SerialReader
from rfid_drivers.serial.session import Session
from rfid_gateway.clock import SystemClock
from rfid_gateway.reads import ReaderState, ReaderStatus
from rfid_simulators.serial.cfprime import CfPrimeSetting, SimulatedCfPrime
from rfid_simulators.serial.noise import Noise, NoiseLevel
from rfid_simulators.serial.r2000 import R2000Setting, SimulatedR2000
from rfid_simulators.serial.server import Firmware, SerialReaderServer
from rfid_simulators.serial.wires import PtyWire, TcpWire, Wire
from rfid_simulators.world.sighting import Radio, Sighting
from tests.driving import running
from tests.servers import eventually

TAGS = 20_000
STEP_US = 10_000
TAGS_A_STEP = 5
RSSI = -60.0
EPC = "30340000000000000000002A"


@pytest.fixture(params=["pty", "tcp"])
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Wire:
    return PtyWire(tmp_path / "reader") if request.param == "pty" else TcpWire(0)


def r2000(url: str, **options: Any) -> R2000Reader:
    return R2000Reader("r", R2000Options(port=url, **options), SystemClock())


def cfprime(url: str, **options: Any) -> CfPrimeReader:
    return CfPrimeReader("r", CfPrimeOptions(port=url, **options), SystemClock())


def standing_tag(antenna_id: int = 1) -> Radio:
    return lambda start, _end: [Sighting(start, "r", antenna_id, EPC, RSSI)]


class Simulation:
    """A session and a simulated reader over a noisy line, in time that is only reckoned."""

    def __init__(self, driver: SerialReader[SerialOptions], firmware: Firmware, level: NoiseLevel) -> None:
        self.read: list[str] = []
        self.intact: set[str] = set()
        self._session = Session(driver.decoder(), driver.dialogue(), driver.options, Instant(0, 0))
        self._firmware = firmware
        self._noise = Noise(level)
        self._now = 0
        self._commands: tuple[bytes, ...] = ()

    def step(self, sightings: list[Sighting]) -> None:
        self._now += STEP_US
        frames = [frame for command in self._commands for frame in self._firmware.receive(command)]
        self._commands = ()
        for frame in [*frames, *self._firmware.hear(sightings)]:
            damaged = self._noise.damage(frame)
            if damaged.intact:
                self.intact.add(frame.hex().upper())
            for piece in self._noise.pieces(damaged.data):
                self._take(piece)
        self._take(b"")

    def _take(self, data: bytes) -> None:
        turn = self._session.advance(data, Instant(self._now, self._now))
        self._commands += turn.send
        self.read += [read.epc for read in turn.tag_reads]


@pytest.mark.parametrize(
    ("make_driver", "make_firmware"),
    [
        pytest.param(
            lambda: r2000("/dev/none", antennas=(1, 2, 3, 4), round_timeout_ms=200),
            lambda: SimulatedR2000(R2000Setting()),
            id="r2000",
        ),
        pytest.param(
            lambda: r2000("/dev/none", antennas=(1, 2, 3, 4), session=1, round_timeout_ms=200),
            lambda: SimulatedR2000(R2000Setting(with_phase=True, with_rate=False)),
            id="r2000 with phase",
        ),
        pytest.param(
            lambda: cfprime("/dev/none", mode="start"),
            lambda: SimulatedCfPrime(CfPrimeSetting(active=False)),
            id="cfprime",
        ),
    ],
)
def test_over_a_line_that_loses_every_tag_that_came_through_whole_is_read_and_next_to_none_invented(
    make_driver: Callable[[], SerialReader[SerialOptions]], make_firmware: Callable[[], Firmware]
) -> None:
    simulation = Simulation(
        make_driver(),
        make_firmware(),
        NoiseLevel(junk=0.2, flip=0.1, truncate=0.05, loss=0.1, split=0.5, seed=9),
    )
    epcs = [f"3034{number:020X}" for number in range(TAGS)]
    for begin in range(0, TAGS, TAGS_A_STEP):
        batch = epcs[begin : begin + TAGS_A_STEP]
        simulation.step([Sighting(begin, "r", 1 + number % 4, epc, RSSI) for number, epc in enumerate(batch)])
    for _ in range(3000):
        simulation.step([])
    came_whole = {epc for frame in simulation.intact for epc in [_epc_in(frame)] if epc}
    read = set(simulation.read)
    invented = read - set(epcs)
    # A truncated frame may swallow the beginning of the next one, and 8 bits of checksum let one of 256 such pass.
    assert len(came_whole - read) <= 10
    assert len(invented) <= 4
    assert len(simulation.read) == len(read)
    assert len(read) > TAGS // 2


def _epc_in(frame: str) -> str:
    at = frame.find("30340000")
    return frame[at : at + 24] if at >= 0 else ""


def test_an_antenna_that_is_missing_degrades_the_reader_and_the_others_are_read(wire: Wire) -> None:
    with (
        SerialReaderServer(SimulatedR2000(R2000Setting(antennas=frozenset({2}))), standing_tag(2), wire) as server,
        running(r2000(server.url, antennas=(1, 2))) as run,
    ):
        eventually(lambda: ReaderState.DEGRADED in run.states, "degraded")
        run.reads_more()
        status = [item for item in run.items if isinstance(item, ReaderStatus)][-1]
    assert (status.model, status.firmware) == ("R2000", "1.9")
    assert status.detail == "antenna 1: the antenna is missing"
    assert {(read.epc, read.antenna_id, read.peak_rssi) for read in run.reads} == {(EPC, 2, RSSI)}
    assert run.error is None


def test_the_power_reaches_the_reader(wire: Wire) -> None:
    firmware = SimulatedR2000(R2000Setting())
    with (
        SerialReaderServer(firmware, standing_tag(), wire) as server,
        running(r2000(server.url, power_dbm=23)) as run,
    ):
        run.reads_more()
    assert firmware.power == 23


def test_a_reader_with_another_address_stays_silent_to_ours_and_is_read_with_its_own(wire: Wire) -> None:
    with SerialReaderServer(SimulatedR2000(R2000Setting(address=7)), standing_tag(), wire) as server:
        with running(r2000(server.url, silence_timeout_s=0.3)) as run:
            eventually(lambda: run.error is not None, "an error")
        assert "its address" in str(run.error)
        with running(r2000(server.url, address=7)) as run:
            run.reads_more()


def test_a_reader_in_answer_mode_is_started_and_started_again_after_it_lost_its_power(wire: Wire) -> None:
    firmware = SimulatedCfPrime(CfPrimeSetting(active=False))
    with (
        SerialReaderServer(firmware, standing_tag(), wire) as server,
        running(cfprime(server.url, mode="start", silence_timeout_s=1.5)) as run,
    ):
        run.reads_more()
        firmware.restart()
        eventually(lambda: not firmware.reading, "restarted")
        eventually(lambda: firmware.reading, "started again")
        run.reads_more()
    assert run.error is None
    assert {(read.epc, read.antenna_id, read.peak_rssi) for read in run.reads} == {(EPC, 1, RSSI)}


def test_a_reader_in_answer_mode_that_is_only_listened_to_says_what_to_do(wire: Wire) -> None:
    with (
        SerialReaderServer(SimulatedCfPrime(CfPrimeSetting(active=False)), standing_tag(), wire) as server,
        running(cfprime(server.url)) as run,
    ):
        eventually(lambda: ReaderState.DEGRADED in run.states, "degraded")
    status = [item for item in run.items if isinstance(item, ReaderStatus)][-1]
    assert (status.model, status.firmware) == ("Chafon UHF Prime CF591 V2.0", "V1.30")
    assert 'mode = "start"' in status.detail


class WireWithBanner(TcpWire):
    """Sends two zeros to whoever connects, as some firmware does."""

    def _accept(self) -> None:
        super()._accept()
        self.send(b"\0\0")


def test_the_two_zeros_that_some_firmware_sends_to_a_tcp_client_are_no_harm() -> None:
    with (
        SerialReaderServer(SimulatedCfPrime(CfPrimeSetting()), standing_tag(), WireWithBanner(0)) as server,
        running(cfprime(server.url)) as run,
    ):
        run.reads_more()
    assert run.states[0] == ReaderState.ONLINE
    assert run.error is None


def test_a_host_that_goes_leaves_a_reader_that_the_next_one_can_start(wire: Wire) -> None:
    with SerialReaderServer(SimulatedCfPrime(CfPrimeSetting(active=False)), standing_tag(), wire) as server:
        for _ in range(2):
            with running(cfprime(server.url, mode="start")) as run:
                run.reads_more()
            time.sleep(0.05)  # a TCP server notices that its client has gone when it looks
