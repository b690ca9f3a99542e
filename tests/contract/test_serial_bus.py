"""Several polled readers on one RS-485 line: drivers and simulators over a pty and TCP, with junk, echo and silence."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rfid_drivers.serial.bus_reader import BusReader
from rfid_drivers.serial.cfprime import CfPrimeOptions, CfPrimeReader
from rfid_drivers.serial.chafon import ChafonOptions, ChafonReader
from rfid_drivers.serial.gx5a import Gx5aOptions, Gx5aReader
from rfid_drivers.serial.port import LineSettings, Port, open_port
from rfid_drivers.serial.protocol import Instant
from rfid_drivers.serial.r2000 import R2000Options, R2000Reader
from rfid_drivers.serial.session import Session
from rfid_drivers.serial.swct import SwctOptions, SwctReader
from rfid_gateway.clock import SystemClock
from rfid_gateway.driver import ReaderBusyError, ReaderError
from rfid_gateway.reads import ReaderState
from rfid_simulators.serial.bus import ADDRESSED, SimulatedBus
from rfid_simulators.serial.noise import NoiseLevel
from rfid_simulators.serial.server import SerialReaderServer
from rfid_simulators.serial.wires import PtyWire, TcpWire, Wire
from rfid_simulators.world.sighting import Sighting
from tests.driving import Running, running
from tests.servers import eventually

PROTOCOLS = ["cfprime", "chafon", "gx5a", "r2000", "swct"]
TAGS = 200
"""That each reader sees."""
ADDRESSES = (3, 7)


@pytest.fixture(params=["pty", "tcp"])
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Wire:
    return PtyWire(tmp_path / "bus") if request.param == "pty" else TcpWire(0)


@pytest.fixture
def pty(tmp_path: Path) -> Wire:
    return PtyWire(tmp_path / "bus")


def driver(protocol: str, url: str, address: int, **options: Any) -> BusReader[Any]:
    values = {"port": url, "address": address, "silence_timeout_s": 30.0, **options}
    clock, name = SystemClock(), f"reader-{address}"
    match protocol:
        case "cfprime":
            return CfPrimeReader(name, CfPrimeOptions(mode="poll", **values), clock)
        case "chafon":
            return ChafonReader(name, ChafonOptions(mode="poll", scan_time_ms=300, poll_interval_ms=0, **values), clock)
        case "gx5a":
            return Gx5aReader(name, Gx5aOptions(mode="poll", **values), clock)
        case "r2000":
            return R2000Reader(name, R2000Options(round_timeout_ms=300, **values), clock)
    return SwctReader(name, SwctOptions(mode="poll", poll_interval_ms=0, inventory_timeout_ms=300, **values), clock)


def epc_of(address: int, number: int) -> str:
    return f"3034{address:04X}{number:016X}"


@dataclass
class Tags:
    """A radio in which each reader of the bus hears, once opened, one tag of its own after the other, each once."""

    addresses: Sequence[int] = ADDRESSES
    opened: bool = False
    shown: int = 0
    most: int = TAGS

    def __call__(self, start: int, _end: int) -> list[Sighting]:
        if not self.opened or self.shown >= self.most:
            return []
        self.shown += 1
        return [Sighting(start, str(a), 1, epc_of(a, self.shown), -60.0) for a in self.addresses]


def bus_of(protocol: str, *, echo: bool = False) -> SimulatedBus:
    return SimulatedBus({str(address): ADDRESSED[protocol](address) for address in ADDRESSES}, echo=echo)


def epcs(run: Running) -> list[str]:
    return [read.epc for read in run.reads]


def online(run: Running) -> Callable[[], bool]:
    return lambda: ReaderState.ONLINE in run.states


@pytest.mark.parametrize("echo", [False, True], ids=["", "echo"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_readers_on_one_line_are_read_and_each_tag_is_its_own_readers(protocol: str, wire: Wire, *, echo: bool) -> None:
    tags = Tags()
    with (
        SerialReaderServer(bus_of(protocol, echo=echo), tags, wire, NoiseLevel(junk=0.3, split=0.5, seed=3)) as server,
        running(driver(protocol, server.url, 3)) as first,
        running(driver(protocol, server.url, 7)) as second,
    ):
        eventually(lambda: online(first)() and online(second)(), "both online")
        tags.opened = True
        eventually(lambda: len(first.reads) >= TAGS and len(second.reads) >= TAGS, "all tags")
    for run, address in ((first, 3), (second, 7)):
        assert run.error is None
        assert sorted(epcs(run)) == [epc_of(address, number + 1) for number in range(TAGS)]
        assert {report.reader_id for report in run.reports} == {f"reader-{address}"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_over_a_line_that_damages_no_tag_is_read_by_another_reader(protocol: str, pty: Wire) -> None:
    tags = Tags(most=1_000_000, opened=True)
    noise = NoiseLevel(junk=0.1, flip=0.05, truncate=0.02, loss=0.05, split=0.5, seed=4)
    with (
        SerialReaderServer(bus_of(protocol, echo=True), tags, pty, noise) as server,
        running(driver(protocol, server.url, 3)) as first,
        running(driver(protocol, server.url, 7)) as second,
    ):
        first.reads_more(150)
        second.reads_more(150)
    for run, address in ((first, 3), (second, 7)):
        assert run.error is None
        assert not {epc_of(10 - address, number + 1) for number in range(tags.shown)} & set(epcs(run))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_reader_that_falls_silent_stops_no_other_and_is_read_when_it_is_back(protocol: str, pty: Wire) -> None:
    tags = Tags(most=1_000_000, opened=True)
    bus = bus_of(protocol)
    with (
        SerialReaderServer(bus, tags, pty) as server,
        running(driver(protocol, server.url, 3)) as first,
        running(driver(protocol, server.url, 7)) as second,
    ):
        first.reads_more()
        second.reads_more()
        bus.silent.add("7")
        for _ in range(3):
            first.reads_more()
        bus.silent.clear()
        second.reads_more()
        first.reads_more()
    assert (first.error, second.error) == (None, None)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_reader_that_is_not_there_is_called_silent_and_the_other_is_read(protocol: str, pty: Wire) -> None:
    tags = Tags(most=1_000_000, opened=True)
    bus = bus_of(protocol)
    bus.silent.add("7")
    with (
        SerialReaderServer(bus, tags, pty) as server,
        running(driver(protocol, server.url, 3)) as there,
        running(driver(protocol, server.url, 7, silence_timeout_s=2.0)) as absent,
    ):
        eventually(lambda: absent.error is not None, "silence noticed")
        there.reads_more(50)
    assert "nothing understood from the reader" in str(absent.error)
    assert absent.items == []
    assert there.error is None


def test_an_unplugged_adapter_ends_all_readers_of_the_line_and_all_come_back(tmp_path: Path) -> None:
    link = tmp_path / "bus"
    for _ in range(2):
        with ExitStack() as stack:
            bus = SerialReaderServer(bus_of("chafon"), Tags(most=1_000_000, opened=True), PtyWire(link))
            stack.enter_context(bus)
            runs = [stack.enter_context(running(driver("chafon", str(link), address))) for address in ADDRESSES]
            for run in runs:
                run.reads_more()
            bus.stop()
            eventually(lambda: all(run.error for run in runs), "both ended")  # noqa: B023 - within the loop
        for run in runs:
            assert "unplugged" in str(run.error)


def test_a_link_and_its_target_are_one_line(tmp_path: Path) -> None:
    link = tmp_path / "bus"
    with (
        SerialReaderServer(bus_of("r2000"), Tags(most=1_000_000, opened=True), PtyWire(link)),
        running(driver("r2000", str(link), 3)) as first,
        running(driver("r2000", str(link.resolve()), 7)) as second,
    ):
        first.reads_more()
        second.reads_more()


def test_a_link_that_appears_while_it_is_opened_is_the_line_of_its_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, device = tmp_path / "by-id", tmp_path / "bus"

    def open_late(url: str, settings: LineSettings) -> Port:
        if not link.is_symlink():
            link.symlink_to(device.readlink())
        return open_port(url, settings)

    monkeypatch.setattr("rfid_drivers.serial.bus.open_port", open_late)
    with (
        SerialReaderServer(bus_of("r2000"), Tags(most=1_000_000, opened=True), PtyWire(device)),
        running(driver("r2000", str(link), 3)) as first,
    ):
        first.reads_more()
        with running(driver("r2000", str(device), 7)) as second:
            second.reads_more()
            first.reads_more()


def test_readers_that_come_and_go_leave_the_line_to_the_others(tmp_path: Path) -> None:
    with (
        SerialReaderServer(bus_of("swct"), Tags(most=1_000_000, opened=True), PtyWire(tmp_path / "bus")) as server,
        running(driver("swct", server.url, 3)) as first,
    ):
        for _ in range(3):
            with running(driver("swct", server.url, 7)) as second:
                second.reads_more()
            first.reads_more()
    assert first.error is None


def test_what_the_configuration_could_not_know_is_refused_when_it_is_seen(tmp_path: Path) -> None:
    def nothing_is_emitted(item: object) -> None:
        pytest.fail(f"emitted {item}")

    with (
        SerialReaderServer(bus_of("r2000"), Tags(), PtyWire(tmp_path / "bus")) as server,
        running(driver("r2000", server.url, 3)) as first,
    ):
        eventually(online(first), "online")
        with pytest.raises(ReaderError, match="has the address 3 too"):
            driver("r2000", server.url, 3).run(nothing_is_emitted)
        with pytest.raises(ReaderError, match="9600 baud"):
            driver("r2000", server.url, 7, baud=9600).run(nothing_is_emitted)
        with pytest.raises(ReaderBusyError):
            ChafonReader("c", ChafonOptions(port=server.url), SystemClock()).run(nothing_is_emitted)
        first.driver.close()
        assert first.ends_soon()
    assert first.error is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_another_address_sends_is_no_sign_of_life_and_no_tag(protocol: str) -> None:
    theirs = ADDRESSED[protocol](7)
    theirs.hear([Sighting(0, "7", 1, epc_of(7, 1), -60.0)])
    other, ours = (session_of(driver(protocol, "/dev/none", address)) for address in (7, 3))
    tags, answers = 0, 0
    frames: list[bytes] = []
    for step in range(20):
        at = Instant(step * 100_000, step * 100_000)
        turn = other.advance(b"".join(frames), at)
        tags += len(turn.tag_reads)
        foreign = ours.hear(b"".join(frames), at)
        assert (foreign.tag_reads, foreign.health, foreign.send) == ((), None, ())
        frames = [frame for command in turn.send for frame in theirs.receive(command)]
        answers += len(frames)
    assert tags == 1
    assert answers > 5
    assert ours.heard_at == 0


def session_of(reader: BusReader[Any]) -> Session:
    return Session(reader.decoder(), reader.dialogue(), reader.options, Instant(0, 0))
