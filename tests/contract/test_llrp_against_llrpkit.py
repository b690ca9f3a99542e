"""The driver against the emulator of llrpkit, a reader that was not written here."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.reader import LlrpReader
from rfid_gateway.clock import SystemClock
from rfid_gateway.driver import Driver, ReaderBusyError, ReaderError
from rfid_gateway.reads import ReaderItem, ReaderState, ReaderStatus, TagRead, TagReport
from tests.conftest import skip_or_fail
from tests.servers import eventually, free_port

TAGS = 40


class Running:
    """A driver in its thread, and what it emitted."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.items: list[ReaderItem] = []
        self.error: ReaderError | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.driver.run(self.items.append)
        except ReaderError as error:
            self.error = error

    @property
    def reports(self) -> list[TagReport]:
        return [item for item in self.items if isinstance(item, TagReport)]

    @property
    def reads(self) -> list[TagRead]:
        return [read for report in self.reports for read in report.tag_reads]

    def has_read(self) -> None:
        eventually(lambda: len(self.reads) > 10, "reads")

    def ends_soon(self) -> bool:
        self.thread.join(2)
        return not self.thread.is_alive()


@contextmanager
def emulator(port: int) -> Iterator[None]:
    program = Path(sys.executable).with_name("llrpkit")
    if not program.exists():
        skip_or_fail("llrpkit is not installed")
    arguments = [str(program), "emulate", "--port", str(port), "--rate", "500", "--tags", str(TAGS)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    try:
        process.stdout.readline()  # it prints where it listens once it does
        yield
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@contextmanager
def reading(port: int, host: str = "127.0.0.1") -> Iterator[Running]:
    running = Running(LlrpReader("dock", LlrpOptions(host=host, port=port), SystemClock()))
    try:
        yield running
    finally:
        running.driver.close()
        running.thread.join(10)


@pytest.fixture
def port() -> Iterator[int]:
    chosen = free_port()
    with emulator(chosen):
        yield chosen


def test_every_tag_is_read_and_the_reader_is_online(port: int) -> None:
    with reading(port) as running:
        eventually(lambda: len({read.epc for read in running.reads}) == TAGS, "all tags read")
    status = next(item for item in running.items if isinstance(item, ReaderStatus))
    assert (status.reader_id, status.state, status.model) == ("dock", ReaderState.ONLINE, "Impinj 700")
    assert running.error is None


def test_reads_carry_what_an_impinj_reader_can_tell(port: int) -> None:
    with reading(port) as running:
        eventually(lambda: len(running.reads) > 100, "reads")
    for report in running.reports:
        for read in report.tag_reads:
            assert 1 <= read.antenna_id <= 4
            assert read.peak_rssi is not None
            assert -100 < read.peak_rssi < 0
            assert read.phase is not None
            assert abs(read.last_seen - report.clock_offset - report.received_at) < 5_000_000


def test_close_ends_the_driver_and_frees_the_reader_for_the_next(port: int) -> None:
    for _ in range(3):
        with reading(port) as running:
            running.has_read()
            running.driver.close()
            running.driver.close()
            assert running.ends_soon()
            assert running.error is None


def test_a_second_client_is_told_that_the_reader_is_busy(port: int) -> None:
    with reading(port) as first:
        first.has_read()
        with reading(port) as second:
            assert second.ends_soon()
        before = len(first.reads)
        eventually(lambda: len(first.reads) > before, "the first client reads on")
    assert isinstance(second.error, ReaderBusyError)
    assert first.error is None


def test_a_reader_that_goes_away_is_an_error_and_the_same_driver_can_run_again() -> None:
    port = free_port()
    driver = LlrpReader("dock", LlrpOptions(host="127.0.0.1", port=port), SystemClock())
    with emulator(port):
        first = Running(driver)
        first.has_read()
    assert first.ends_soon()
    assert isinstance(first.error, ReaderError)
    with emulator(port):
        second = Running(driver)
        second.has_read()
        driver.close()
        assert second.ends_soon()


def test_nobody_listening_is_an_error_that_names_the_place() -> None:
    port = free_port()
    with reading(port) as running:
        assert running.ends_soon()
    assert f"cannot connect to 127.0.0.1 port {port}" in str(running.error)
