"""Each fault of a simulated serial reader, and what its driver does then, over a pty and over TCP.

Reads go on and what was sent whole is read, once as often as it was sent and nothing else; or the reader is degraded
in words; or the driver ends with a ReaderError, and reads again when it is run again.
"""

import os
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rfid_drivers.serial.cfprime import CfPrimeReader
from rfid_drivers.serial.chafon import ChafonReader
from rfid_drivers.serial.gx5a import Gx5aReader
from rfid_drivers.serial.line import LineReader, Rdm6300Reader
from rfid_drivers.serial.m100 import M100Reader
from rfid_drivers.serial.mercury import MercuryReader
from rfid_drivers.serial.r2000 import R2000Reader
from rfid_drivers.serial.reader import SerialReader
from rfid_drivers.serial.swct import SwctReader
from rfid_drivers.serial.tsl import TslReader
from rfid_gateway.clock import SystemClock
from rfid_gateway.driver import ReaderError
from rfid_gateway.reads import ReaderState, ReaderStatus
from rfid_simulators.faults import (
    CutMidMessage,
    DuplicateReports,
    SendGarbage,
    SilentHang,
    SplitWrites,
    StopKeepalives,
)
from rfid_simulators.serial.cfprime import CfPrimeSetting, SimulatedCfPrime
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.faults import (
    BreakOff,
    Damage,
    Echo,
    EpcLengths,
    Fault,
    MergeWrites,
    PauseMidFrame,
    ReportError,
    SendUnknown,
    TagsPerFrame,
    Unplug,
    WrongBaud,
)
from rfid_simulators.serial.gx5a import Gx5aSetting, SimulatedGx5a
from rfid_simulators.serial.line import LineSetting, SimulatedLineReader
from rfid_simulators.serial.m100 import M100Setting, SimulatedM100
from rfid_simulators.serial.mercury import MercurySetting, SimulatedMercury
from rfid_simulators.serial.r2000 import R2000Setting, SimulatedR2000
from rfid_simulators.serial.server import Firmware, KeepingAlive, Packing, SerialReaderServer
from rfid_simulators.serial.swct import SimulatedSwct, SwctSetting
from rfid_simulators.serial.tsl import SimulatedTsl, TslSetting
from rfid_simulators.serial.wires import PtyWire, TcpWire, Wire
from rfid_simulators.world.sighting import Sighting
from tests.driving import Running, running
from tests.servers import eventually

TAGS = 12
"""Of each wave."""
STEPS_PER_TAG = 4
GREETED: dict[str, object] = {"init": "?", "heartbeat": "READY"}


@dataclass(frozen=True)
class Case:
    """One way of using one protocol."""

    firmware: Callable[[], Firmware]
    driver: type[SerialReader[Any]]
    options: dict[str, object] = field(default_factory=dict)
    epc_bytes: int = 12

    def reader(self, url: str, **more: object) -> SerialReader[Any]:
        options = self.driver.Options.model_validate({"port": url} | self.options | more)
        return self.driver("r", options, SystemClock())


FOUR: dict[str, object] = {"antennas": [1, 2, 3, 4]}
CASES = {
    "cfprime": Case(lambda: SimulatedCfPrime(CfPrimeSetting()), CfPrimeReader),
    "cfprime started": Case(lambda: SimulatedCfPrime(CfPrimeSetting(active=False)), CfPrimeReader, {"mode": "start"}),
    "chafon": Case(lambda: SimulatedChafon(ChafonSetting(pushing=True)), ChafonReader),
    "chafon 18": Case(lambda: SimulatedChafon(ChafonSetting(with_antennas=False, pushing=True)), ChafonReader),
    "chafon polled": Case(
        lambda: SimulatedChafon(ChafonSetting()), ChafonReader, {"mode": "poll", "poll_interval_ms": 0}
    ),
    "gx5a": Case(lambda: SimulatedGx5a(Gx5aSetting(numbered=True)), Gx5aReader, FOUR),
    "line": Case(
        lambda: SimulatedLineReader(LineSetting("{epc}\r\n", b"\nREADY\r\n")),
        LineReader,
        {"regex": "(?P<epc>(?:[0-9A-F]{2}){4,62})", **GREETED},
    ),
    "m100": Case(lambda: SimulatedM100(M100Setting()), M100Reader, {"region": "EU", "power_dbm": 20}),
    "mercury": Case(lambda: SimulatedMercury(MercurySetting()), MercuryReader),
    "r2000": Case(lambda: SimulatedR2000(R2000Setting()), R2000Reader, {**FOUR, "power_dbm": 27}),
    "rdm6300": Case(
        lambda: SimulatedLineReader(LineSetting("\x02{epc}{checksum}\x03", b"\x02READY\x03")),
        Rdm6300Reader,
        GREETED,
        epc_bytes=5,
    ),
    "swct": Case(lambda: SimulatedSwct(SwctSetting()), SwctReader),
    "swct polled": Case(lambda: SimulatedSwct(SwctSetting()), SwctReader, {"mode": "poll", "poll_interval_ms": 0}),
    "tsl": Case(lambda: SimulatedTsl(TslSetting()), TslReader, {"poll_interval_ms": 0}),
}
BINARY = sorted(set(CASES) - {"line", "rdm6300"})


class Waves:
    """Tags that come before the antennas once each, one after the other, when the test sends a wave of them."""

    def __init__(self) -> None:
        self.idle_steps = 0
        """How often the reader has asked since the last tag was there."""
        self._epcs: list[str] = []
        self._steps = 0

    def send(self, epcs: list[str]) -> None:
        """Let a wave come; from the test's thread, when the one before it has passed."""
        self.idle_steps = 0
        self._epcs = list(epcs)

    def __call__(self, start: int, _end: int) -> list[Sighting]:
        self._steps += 1
        if not self._epcs:
            self.idle_steps += 1
            return []
        if self._steps % STEPS_PER_TAG:
            return []
        return [Sighting(start, "r", 1 + len(self._epcs) % 4, self._epcs.pop(), -60.0)]


def made_up(case: Case, wave: int = 0) -> list[str]:
    """EPCs of which no part looks like another."""
    return [
        (f"{zlib.crc32(b'%d' % number):08X}" * 3)[: 2 * case.epc_bytes]
        for number in range(wave * TAGS, (wave + 1) * TAGS)
    ]


def standing(case: Case) -> Callable[[int, int], list[Sighting]]:
    """The same tags all the time, one each step."""
    epcs = made_up(case)
    return lambda start, _end: [Sighting(start, "r", 1, epcs[start // 10_000 % len(epcs)], -60.0)]


def sent(frames: list[bytes], epcs: set[str]) -> Counter[str]:
    """How often each EPC stands in these frames."""
    stream = b"\n".join(frames)
    return Counter(
        {epc: count for epc in epcs if (count := stream.count(bytes.fromhex(epc)) + stream.count(epc.encode()))}
    )


ALWAYS: dict[str, Fault] = {
    "split": SplitWrites((1, 3, 2)),
    "merge": MergeWrites(300_000),
    "duplicates": DuplicateReports(),
    "echo": Echo(),
    "stuck": PauseMidFrame(250_000),
    "break-off": BreakOff(250_000),
    "lose": Damage("loss", 0.1),
    "unknown type": SendUnknown(),
}
CHECKED: dict[str, Fault] = {
    "garbage": SendGarbage(b"\xff" * 10),
    "junk": Damage("junk", 0.3),
    "flip": Damage("flip", 0.1),
    "truncate": Damage("truncate", 0.1),
}
"""What lines of text cannot stand: noise before a line is part of it, and a changed digit is another tag."""
LENGTHS: dict[str, Fault] = {"EPC lengths": EpcLengths()}
PACKED: dict[str, Fault] = {"one tag per frame": TagsPerFrame(1), "many tags per frame": TagsPerFrame(6)}
ALIVE: dict[str, Fault] = {"no keepalives": StopKeepalives()}
UNCHECKED = ("line", "tsl")


def faults_for(name: str, firmware: Firmware) -> dict[str, Fault]:
    """The faults that have a meaning for a protocol and leave its reader to be read from."""
    faults = dict(ALWAYS)
    if name not in UNCHECKED:
        faults |= CHECKED
    if name != "rdm6300":
        faults |= LENGTHS
    if isinstance(firmware, Packing):
        faults |= PACKED
    if isinstance(firmware, KeepingAlive):
        faults |= ALIVE
    return faults


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", CASES)
def test_under_every_fault_of_the_line_what_was_sent_whole_is_read_and_nothing_else(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    waves, firmware, known = Waves(), case.firmware(), set[str]()
    with (
        SerialReaderServer(firmware, waves, PtyWire(tmp_path / "reader")) as server,
        running(case.reader(server.url)) as run,
    ):
        eventually(lambda: ReaderState.ONLINE in run.states and is_reading(firmware), "the reader is read from")
        for number, (fault_name, fault) in enumerate(faults_for(name, firmware).items()):
            epcs = made_up(case, number)
            expected = {fault.reshape(epc) for epc in epcs} if isinstance(fault, EpcLengths) else set(epcs)
            known |= expected
            server.inject(fault)
            waves.send(epcs)
            eventually(lambda: waves.idle_steps > 10, "all tags have come")
            server.clear_faults()
            eventually(lambda: is_reading(firmware), "the reader is still read from")
            eventually(lambda: read_as_sent(run, server, expected), f"under {fault_name} what was sent is read")  # noqa: B023
        assert {read.epc for read in run.reads} <= known
        assert run.error is None
        assert run.thread.is_alive()


def is_reading(firmware: Firmware) -> bool:
    return getattr(firmware, "reading", True)


def read_as_sent(run: Running, server: SerialReaderServer, expected: set[str]) -> bool:
    """Whether each of these tags was read as often as it was sent, and a quarter of them at least once."""
    read = Counter(read.epc for read in run.reads if read.epc in expected)
    return len(read) >= TAGS // 4 and read == sent(server.intact, expected)


@pytest.fixture(params=["pty", "tcp"])
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Wire:
    return PtyWire(tmp_path / "reader") if request.param == "pty" else TcpWire(0)


def ended_with(run: Running) -> str:
    """Wait for the ReaderError that ends a driver; give its words."""
    eventually(lambda: run.error is not None, "the driver ends with a ReaderError")
    return str(run.error)


@pytest.mark.parametrize("name", CASES)
def test_a_reader_that_hangs_is_given_up_and_read_again_after_its_power_was_cut(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    with SerialReaderServer(case.firmware(), standing(case), PtyWire(tmp_path / "reader")) as server:
        with running(case.reader(server.url, silence_timeout_s=1.0)) as run:
            run.reads_more(3)
            server.inject(SilentHang())
            assert "nothing understood from the reader for 1." in ended_with(run)
        server.power_cycle()
        with running(case.reader(server.url)) as run:
            run.reads_more(3)
        assert {read.epc for read in run.reads} <= set(made_up(case))


def test_a_half_open_connection_is_given_up() -> None:
    case = CASES["r2000"]
    with (
        SerialReaderServer(case.firmware(), standing(case), TcpWire(0)) as server,
        running(case.reader(server.url, silence_timeout_s=0.5)) as run,
    ):
        run.reads_more(3)
        server.inject(SilentHang())
        assert "nothing understood from the reader" in ended_with(run)


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_baud_rate_makes_no_tag_and_is_given_up_in_words(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    with SerialReaderServer(case.firmware(), standing(case), PtyWire(tmp_path / "reader")) as server:
        server.inject(WrongBaud())
        with running(case.reader(server.url, silence_timeout_s=2.0)) as run:
            assert "the baud rate" in ended_with(run)
        assert run.reads == []
        server.clear_faults()
        with running(case.reader(server.url)) as run:
            run.reads_more(3)


def test_four_kilobytes_of_random_bytes_are_enough_to_name_the_baud_rate(tmp_path: Path) -> None:
    case = CASES["mercury"]
    firmware = SimulatedMercury(MercurySetting(reading=True))
    with SerialReaderServer(firmware, standing(case), PtyWire(tmp_path / "reader")) as server:
        server.inject(WrongBaud())
        with running(case.reader(server.url, silence_timeout_s=60.0)) as run:
            assert "bytes arrived and none made a frame: check the baud rate (115200)" in ended_with(run)


@pytest.mark.parametrize("name", CASES)
def test_a_reader_that_lost_its_power_is_set_up_and_read_again(name: str, tmp_path: Path) -> None:
    """By one and the same run of its driver, with what it keeps in flash memory kept and the rest set anew."""
    case = CASES[name]
    firmware = case.firmware()
    with (
        SerialReaderServer(firmware, standing(case), PtyWire(tmp_path / "reader")) as server,
        running(case.reader(server.url, silence_timeout_s=4.0)) as run,
    ):
        run.reads_more(3)
        before = settings_of(firmware)
        server.power_cycle(300_000)
        time.sleep(0.5)  # the power is back, and what was read before has arrived
        run.reads_more(3)
        eventually(lambda: settings_of(firmware) == before, "it is set up as before")
    assert run.error is None
    assert {read.epc for read in run.reads} <= set(made_up(case))


def settings_of(firmware: Firmware) -> dict[str, object]:
    """What a simulated reader was told, or keeps in its flash memory."""
    return {name: getattr(firmware, name, None) for name in ("pushing", "sending", "reading", "region", "power")}


@pytest.mark.parametrize("name", ["chafon", "r2000", "line"])
def test_an_adapter_that_comes_back_under_another_number_is_read_again(name: str, wire: Wire) -> None:
    case = CASES[name]
    with SerialReaderServer(case.firmware(), standing(case), wire) as server:
        first = os.path.realpath(server.url)
        with running(case.reader(server.url)) as run:
            run.reads_more(3)
            server.inject(Unplug(500_000))
            assert server.url in ended_with(run)
        with pytest.raises(ReaderError):
            case.reader(server.url).run(lambda _item: None)
        eventually(lambda: isinstance(wire, TcpWire) or Path(server.url).is_symlink(), "it is plugged in again")
        assert isinstance(wire, TcpWire) or os.path.realpath(server.url) != first
        eventually(lambda: can_be_opened(case.reader(server.url)), "it can be opened again")
        with running(case.reader(server.url)) as run:
            run.reads_more(3)


def can_be_opened(reader: SerialReader[Any]) -> bool:
    with running(reader) as run:
        run.thread.join(0.1)
    return run.error is None


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("name", ["chafon", "m100", "r2000", "rdm6300"])
def test_a_connection_that_breaks_in_the_middle_of_a_frame_costs_no_more_than_that_frame(
    name: str, *, reset: bool
) -> None:
    case = CASES[name]
    with SerialReaderServer(case.firmware(), standing(case), TcpWire(0)) as server:
        with running(case.reader(server.url)) as run:
            run.reads_more(3)
            server.inject(CutMidMessage(5, reset=reset))
            assert server.url in ended_with(run)
        with running(case.reader(server.url)) as again:
            again.reads_more(3)
        assert {read.epc for read in run.reads + again.reads} <= set(made_up(case))


ERRORS = {
    "cfprime": (0x02, "inventory: the command failed inside the reader"),
    "cfprime started": (0x01, "inventory: wrong parameter"),
    "chafon polled": (0xF8, "inventory: an antenna is missing or damaged"),
    "gx5a": (6, "the reader cannot start"),
    "m100": (0x20, "inventory: no free channel to hop to"),
    "mercury": (0x0505, "inventory: high return loss"),
    "mercury hot": (0x0504, "inventory: too hot"),
    "r2000": (0x22, "antenna 1: the antenna is missing"),
    "swct": (0, "the reader refuses to send tags unasked"),
    "tsl": (20, "inventory: error 020"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_that_the_reader_reports_degrades_it_in_words_until_it_is_gone(name: str, tmp_path: Path) -> None:
    code, words = ERRORS[name]
    case = CASES[name.removesuffix(" hot")]
    with SerialReaderServer(case.firmware(), standing(case), PtyWire(tmp_path / "reader")) as server:
        server.inject(ReportError(code))
        with running(case.reader(server.url, silence_timeout_s=6.0)) as run:
            eventually(lambda: any(words in told(item) for item in run.items), "the reader is degraded")
            server.clear_faults()
            run.reads_more(3)
            eventually(lambda: run.states[-1] is ReaderState.ONLINE, "the reader is well again")
    assert run.error is None


def told(item: object) -> str:
    return item.detail if isinstance(item, ReaderStatus) and item.state is ReaderState.DEGRADED else ""


def test_an_unknown_type_byte_is_only_a_name(tmp_path: Path) -> None:
    case = CASES["chafon"]
    firmware = SimulatedChafon(ChafonSetting(pushing=True, type_code=0xC7))
    with (
        SerialReaderServer(firmware, standing(case), PtyWire(tmp_path / "reader")) as server,
        running(case.reader(server.url)) as run,
    ):
        run.reads_more(3)
        eventually(lambda: any(getattr(item, "model", "") == "Chafon type C7" for item in run.items), "its name")


@pytest.mark.parametrize(
    ("case", "fault", "words"),
    [
        ("line", ReportError(), "has no meaning for SimulatedLineReader"),
        ("r2000", TagsPerFrame(2), "has no meaning for SimulatedR2000"),
        ("tsl", StopKeepalives(), "has no meaning for SimulatedTsl"),
        ("chafon", CutMidMessage(), "a pseudo-terminal has none"),
    ],
)
def test_a_fault_without_a_meaning_is_refused(case: str, fault: Fault, words: str, tmp_path: Path) -> None:
    server = SerialReaderServer(CASES[case].firmware(), standing(CASES[case]), PtyWire(tmp_path / "reader"))
    with server, pytest.raises(ValueError, match=words):
        server.inject(fault)
