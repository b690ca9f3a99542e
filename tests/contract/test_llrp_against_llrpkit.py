"""The driver against the emulator of llrpkit, a reader that was not written here."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.reader import LlrpReader
from rfid_gateway.clock import SystemClock
from rfid_gateway.driver import ReaderBusyError, ReaderError
from rfid_gateway.reads import ReaderState, ReaderStatus
from tests.conftest import skip_or_fail
from tests.driving import Running, running
from tests.servers import eventually, free_port

TAGS = 40


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


def driver(port: int) -> LlrpReader:
    return LlrpReader("dock", LlrpOptions(host="127.0.0.1", port=port), SystemClock())


@pytest.fixture
def port() -> Iterator[int]:
    chosen = free_port()
    with emulator(chosen):
        yield chosen


def test_every_tag_is_read_and_the_reader_is_online(port: int) -> None:
    with running(driver(port)) as run:
        eventually(lambda: len({read.epc for read in run.reads}) == TAGS, "all tags read")
    status = next(item for item in run.items if isinstance(item, ReaderStatus))
    assert (status.reader_id, status.state, status.model) == ("dock", ReaderState.ONLINE, "Impinj 700")
    assert run.error is None


def test_reads_carry_what_an_impinj_reader_can_tell(port: int) -> None:
    with running(driver(port)) as run:
        eventually(lambda: len(run.reads) > 100, "reads")
    for report in run.reports:
        for read in report.tag_reads:
            assert 1 <= read.antenna_id <= 4
            assert read.peak_rssi is not None
            assert -100 < read.peak_rssi < 0
            assert read.phase is not None
            assert abs(read.last_seen - report.clock_offset - report.received_at) < 5_000_000


def test_close_ends_the_driver_and_frees_the_reader_for_the_next(port: int) -> None:
    for _ in range(3):
        with running(driver(port)) as run:
            run.reads_more()
            run.driver.close()
            run.driver.close()
            assert run.ends_soon()
            assert run.error is None


def test_a_second_client_is_told_that_the_reader_is_busy(port: int) -> None:
    with running(driver(port)) as first:
        first.reads_more()
        with running(driver(port)) as second:
            assert second.ends_soon()
        first.reads_more()
    assert isinstance(second.error, ReaderBusyError)
    assert first.error is None


def test_a_reader_that_goes_away_is_an_error_and_the_same_driver_can_run_again() -> None:
    port = free_port()
    reader = driver(port)
    with emulator(port):
        first = Running(reader)
        first.reads_more()
    assert first.ends_soon()
    assert isinstance(first.error, ReaderError)
    with emulator(port):
        second = Running(reader)
        second.reads_more()
        reader.close()
        assert second.ends_soon()


def test_nobody_listening_is_an_error_that_names_the_place() -> None:
    port = free_port()
    with running(driver(port)) as run:
        assert run.ends_soon()
    assert f"cannot connect to 127.0.0.1 port {port}" in str(run.error)
