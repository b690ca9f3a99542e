"""The driver against the project's own simulated reader, which shares no code with it."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.reader import LlrpReader
from rfid_gateway.clock import SystemClock
from rfid_gateway.driver import ReaderBusyError, ReaderError
from rfid_gateway.reads import GpiEdge, ReaderState, ReaderStatus
from rfid_simulators.faults import CutMidMessage, RefuseAsBusy, SendGarbage, SilentHang, SplitWrites
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.profiles import GENERIC_UPTIME, IMPINJ_R420, PROFILES, ReaderProfile
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.steady_field import steady_field
from tests.driving import Running, running
from tests.servers import eventually

ZEBRA = 161
TAGS = 30
RATE = 300
YEAR_US = 365 * 86_400_000_000


def simulator(profile: ReaderProfile, offset_us: int = 0) -> LlrpReaderServer:
    radio = steady_field("dock", rate=RATE, tags=TAGS, antennas=profile.antennas)
    return LlrpReaderServer(profile, Sources(radio), offset_us=offset_us)


def driver(server: LlrpReaderServer, antennas: tuple[int, ...] = ()) -> LlrpReader:
    host, port = server.address
    return LlrpReader("dock", LlrpOptions(host=host, port=port, keepalive_s=1, antennas=antennas), SystemClock())


@pytest.fixture
def server() -> Iterator[LlrpReaderServer]:
    with simulator(IMPINJ_R420) as started:
        yield started


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
def test_every_tag_of_every_kind_of_reader_is_read(profile: ReaderProfile) -> None:
    with simulator(profile) as server, running(driver(server)) as run:
        eventually(lambda: len({read.epc for read in run.reads}) == TAGS, "all tags read")
        assert run.states == [ReaderState.ONLINE]
    assert run.error is None
    for read in run.reads:
        assert read.peak_rssi is not None
        assert -80 < read.peak_rssi < -40
        assert (read.phase is not None) is (profile.accepts_impinj_extensions or profile.manufacturer == ZEBRA)


@pytest.mark.parametrize(
    ("profile", "offset_us"), [(IMPINJ_R420, -26 * YEAR_US), (IMPINJ_R420, YEAR_US), (GENERIC_UPTIME, 5)]
)
def test_event_times_are_right_whatever_the_readers_clock_shows(profile: ReaderProfile, offset_us: int) -> None:
    with simulator(profile, offset_us) as server, running(driver(server)) as run:
        run.reads_more(50)
    for report in run.reports:
        for read in report.tag_reads:
            assert abs(read.last_seen - report.clock_offset - report.received_at) < 2_000_000


def test_a_reader_that_holds_reports_loses_no_read_while_nobody_is_connected(server: LlrpReaderServer) -> None:
    with running(driver(server)) as first:
        first.reads_more(50)
    with running(driver(server)) as second:
        second.reads_more(50)
    times = sorted(read.first_seen for read in first.reads + second.reads)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    # One read may be under way inside the reader when the connection ends; more would be held reads that were lost.
    assert max(gaps) < 2.5 * 1_000_000 / RATE
    assert len(set(times)) == len(times)


def test_only_configured_antennas_are_read(server: LlrpReaderServer) -> None:
    with running(driver(server, antennas=(1, 3))) as run:
        run.reads_more(50)
    assert {read.antenna_id for read in run.reads} == {1, 3}


def test_a_photo_eye_is_heard(server: LlrpReaderServer) -> None:
    with running(driver(server)) as run:
        run.reads_more()
        server.set_gpi(2, high=True)
        server.set_gpi(2, high=False)
        eventually(lambda: sum(isinstance(item, GpiEdge) for item in run.items) == 2, "both edges")
    edges = [(item.port, item.high) for item in run.items if isinstance(item, GpiEdge)]
    assert edges == [(2, True), (2, False)]


def test_a_pulled_antenna_degrades_the_reader_until_it_is_plugged_in(server: LlrpReaderServer) -> None:
    with running(driver(server)) as run:
        run.reads_more()
        server.set_antenna(2, connected=False)
        eventually(lambda: ReaderState.DEGRADED in run.states, "degraded")
        server.set_antenna(2, connected=True)
        eventually(lambda: run.states[-1] is ReaderState.ONLINE, "online again")
    details = [item.detail for item in run.items if isinstance(item, ReaderStatus)]
    assert details == ["", "antenna 2 is disconnected", ""]


def test_one_byte_at_a_time_is_as_good(server: LlrpReaderServer) -> None:
    server.inject(SplitWrites((1, 2, 3)))
    with running(driver(server)) as run:
        run.reads_more(50)
    assert run.error is None


def test_a_busy_reader_is_told_apart(server: LlrpReaderServer) -> None:
    server.inject(RefuseAsBusy(1))
    with running(driver(server)) as run:
        assert run.ends_soon()
    assert isinstance(run.error, ReaderBusyError)


@pytest.mark.parametrize("fault", [CutMidMessage(), CutMidMessage(0), SilentHang(), SendGarbage(b"\xff" * 40)], ids=str)
def test_after_a_fault_on_the_line_the_same_driver_reads_again(
    server: LlrpReaderServer, fault: CutMidMessage | SilentHang | SendGarbage
) -> None:
    reader = driver(server)
    first = Running(reader)
    first.reads_more()
    server.inject(fault)
    eventually(lambda: not first.thread.is_alive(), "the driver gives up")
    assert isinstance(first.error, ReaderError)
    server.clear_faults()
    with running(reader) as second:
        second.reads_more()
    assert second.error is None
