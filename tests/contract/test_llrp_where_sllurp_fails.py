"""Each way in which sllurp 3.0.5's client was seen to fail, over real sockets: here the driver gets it right.

What sllurp does stands beside each case: the thread dies without a word, hangs, storms, or loses tags.
"""

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.reader import LlrpReader
from rfid_gateway import supervisor
from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.clock import SystemClock
from rfid_gateway.config import ReaderConfig
from rfid_gateway.driver import ReaderError
from rfid_gateway.reads import ReaderItem, ReaderState, ReaderStatus, TagReport
from rfid_gateway.supervisor import BackoffPolicy, ReaderSupervisor
from tests.driving import Running, running
from tests.llrp_fake_reader import FakeReader, Talk, Way
from tests.llrp_messages import (
    Answers,
    Request,
    custom,
    epc96,
    epc_data,
    greeting,
    message,
    ok,
    refusal,
    status,
    tag,
    tlv,
    tv,
    usual_tag,
)
from tests.servers import eventually

EPC = bytes.fromhex("3034257BF7194E4000000001")
LATER = bytes.fromhex("3034257BF7194E4000000002")
REPORT, AFTERWARDS = message(61, usual_tag(EPC)), message(61, usual_tag(LATER))
QUICK = BackoffPolicy(first_us=10_000, limit_us=20_000)


def options(port: int) -> LlrpOptions:
    return LlrpOptions(host="127.0.0.1", port=port, keepalive_s=1, request_timeout_s=0.3, connect_timeout_s=1)


def driver(reader: FakeReader) -> LlrpReader:
    return LlrpReader("dock", options(reader.port), SystemClock())


class Supervised:
    """What came through a supervisor."""

    def __init__(self, reader: FakeReader) -> None:
        self.items: list[ReaderItem] = []
        config = ReaderConfig("dock", "llrp", InstalledDrivers()["llrp"], options(reader.port))
        self.supervisor = ReaderSupervisor(config, self.items.append, SystemClock())

    def epcs(self) -> set[str]:
        reports = [item for item in self.items if isinstance(item, TagReport)]
        return {read.epc for report in reports for read in report.tag_reads}

    def details(self, state: ReaderState) -> list[str]:
        return [item.detail for item in self.items if isinstance(item, ReaderStatus) and item.state is state]


@contextmanager
def supervised(reader: FakeReader) -> Iterator[Supervised]:
    run = Supervised(reader)
    run.supervisor.start()
    try:
        yield run
    finally:
        run.supervisor.close()
        assert run.supervisor.join(60)


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "RETRY", QUICK)


def well(talk: Talk) -> None:
    talk.set_up()
    talk.send(AFTERWARDS)
    talk.serve()


def then_sends(*messages: bytes) -> Way:
    def way(talk: Talk) -> None:
        talk.set_up()
        talk.send(*messages)
        talk.serve()

    return way


def busy_and_stays(talk: Talk) -> None:
    talk.send(greeting(2))
    talk.wait_for_end()


def busy_and_goes(talk: Talk) -> None:
    talk.send(greeting(2))


# A: another client holds the reader ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [busy_and_stays, busy_and_goes])
def test_a_busy_reader_is_told_and_called_again_after_the_long_wait_only(quick_retries: None, way: Way) -> None:
    """A1: sllurp stays for ever without a word. A2, A4: it connects thousands of times in three seconds."""
    del quick_retries
    with FakeReader(way) as reader, supervised(reader) as run:
        eventually(lambda: run.details(ReaderState.BUSY) != [], "busy is told")
        assert not threading.Event().wait(0.3)  # thirty quick retries would fit in here
        assert reader.connects == 1
        assert reader.talks[0].requests == []
        assert "another LLRP client holds the reader" in run.details(ReaderState.BUSY)[0]


# One connection goes wrong; the next one reads -----------------------------------------------------------------------


def dies_in_mid_message(talk: Talk) -> None:
    talk.set_up()
    talk.send(REPORT, message(61, usual_tag(EPC) * 10)[:300])


def answers(**by_type: Callable[[Request], bytes]) -> Way:
    table: Answers = {int(name[1:]): answer for name, answer in by_type.items()}

    def way(talk: Talk) -> None:
        talk.set_up(table)
        talk.wait_for_end()

    return way


def silence(_: Request) -> bytes:
    return b""


def refuses(request: Request) -> bytes:
    return message(request.type + 10, status(101, "no"), request.id)


def short_capabilities(request: Request) -> bytes:
    return message(11, status() + tlv(137, b"\x00\x04\x40"), request.id)


def goes_before_the_answer(talk: Talk) -> None:
    talk.send(greeting())
    talk.serve({20: silence}, until=20)


def falls_silent(talk: Talk) -> None:
    talk.set_up()
    talk.send(REPORT, message(62, message_id=1))
    talk.wait_for_end()


def header_length(length: int) -> Way:
    return then_sends(REPORT, b"\x04\x3d" + length.to_bytes(4) + bytes(30))


FATAL: dict[str, tuple[Way, str]] = {
    # sllurp appends the new session's first message to the half one and hangs for ever
    "B, K half a message": (dies_in_mid_message, "closed the TCP connection"),
    # sllurp: 0 drops the rest of the segment; 5 and 9 kill its thread; 0xFFFFFFFF buffers without limit
    "C header length 0": (header_length(0), "length of 0 bytes"),
    "C header length 5": (header_length(5), "length of 5 bytes"),
    "C header length 9": (header_length(9), "length of 9 bytes"),
    "C header length 2^32-1": (header_length(0xFFFF_FFFF), "length of 4294967295 bytes"),
    # sllurp has no watchdog
    "D keepalives stop": (falls_silent, "silent for 3 s"),
    # sllurp gives up for ever, or stays connected and never reads
    "F1 ADD_ROSPEC is refused": (answers(t20=refuses), "refused ADD_ROSPEC: no"),
    "F2 ENABLE_ROSPEC is refused": (answers(t24=refuses), "refused ENABLE_ROSPEC: no"),
    "F3 SET_READER_CONFIG is refused": (answers(t3=refuses), "refused SET_READER_CONFIG: no"),
    "F4 ERROR_MESSAGE": (answers(t20=refusal), "refused ADD_ROSPEC: not here"),
    "F5 no answer": (answers(t1=silence), "did not answer GET_READER_CAPABILITIES"),
    "F6 no answer to ADD_ROSPEC": (answers(t20=silence), "did not answer ADD_ROSPEC"),
    "F7 short capabilities": (answers(t1=short_capabilities), "capabilities in a way that cannot be read"),
    "L gone before ADD_ROSPEC_RESPONSE": (goes_before_the_answer, "closed the TCP connection"),
    "no greeting": (Talk.wait_for_end, "no LLRP greeting"),
}


@pytest.mark.parametrize(("way", "words"), FATAL.values(), ids=FATAL.keys())
def test_what_ends_a_connection_is_said_and_the_next_connection_reads(
    quick_retries: None, way: Way, words: str
) -> None:
    del quick_retries
    with FakeReader(way, well) as reader, supervised(reader) as run:
        eventually(lambda: LATER.hex().upper() in run.epcs(), "the second connection reads")
    assert reader.connects == 2
    assert words in run.details(ReaderState.OFFLINE)[0]
    assert [request.type for request in reader.talks[1].requests].count(24) == 1
    assert run.epcs() <= {EPC.hex().upper(), LATER.hex().upper()}


@pytest.mark.parametrize("way", [dies_in_mid_message, header_length(0), header_length(5), header_length(0xFFFF_FFFF)])
def test_tags_before_the_damage_in_the_same_segment_are_kept(way: Way) -> None:
    with FakeReader(way) as reader, running(driver(reader)) as run:
        run.thread.join(60)
        assert isinstance(run.error, ReaderError)
        assert {read.epc for read in run.reads} == {EPC.hex().upper()}


# A damaged message costs no more than itself -------------------------------------------------------------------------


def report_with(damage: bytes) -> bytes:
    """A tag that ends in damage."""
    return message(61, tag(epc96(EPC), damage))


HARMLESS: dict[str, bytes] = {
    # sllurp drops the rest of the segment, tags and all
    "E1b unknown message": message(777, b"what?"),
    # sllurp survives these
    "E2 unknown custom parameter": report_with(custom(1, b"?", vendor=4711)),
    "E3 unknown TLV": report_with(tlv(900, b"??")),
    "E5 TLV of length 0": report_with(b"\x03\x84\x00\x00"),
    # sllurp's thread dies without a word at these
    "E4 unknown TV": report_with(tv(25, "H", 1)),
    "E6 TLV overruns": report_with(b"\x03\x84\x01\x00ab"),
    "E7 truncated TV": report_with(b"\x82\x00\x01"),
    "E8 a byte too much": report_with(b"\x00"),
    "E9 an EPC of no bits": message(61, tag(epc_data(0, b"")) + usual_tag(EPC)),
    "a header of a report only": message(61),
    "a notification with damage": message(63, tlv(246, tlv(128, b"\x00"))),
    "an event that nobody knows": message(63, tlv(246, tlv(128, bytes(8)) + tlv(999, b"?"))),
    "an answer that nobody asked for": message(30, status(), 4711),
    "an ERROR_MESSAGE out of nothing": message(100, status(112, "LLRP 1.1 only"), 0),
    "an answer of another version": message(13, status(), 99, version=2),
}


@pytest.mark.parametrize("damaged", HARMLESS.values(), ids=HARMLESS.keys())
def test_a_damaged_message_costs_no_other_and_not_the_connection(damaged: bytes) -> None:
    with FakeReader(then_sends(damaged, AFTERWARDS)) as reader, running(driver(reader)) as run:
        eventually(lambda: LATER.hex().upper() in {read.epc for read in run.reads}, "the tag behind the damage")
        if damaged[:2] == REPORT[:2] and len(damaged) > len(message(61)):
            assert EPC.hex().upper() in {read.epc for read in run.reads}
        assert run.error is None
        assert reader.connects == 1


@pytest.mark.parametrize("code", [112, 500, 65535])
def test_a_status_that_llrp_1_0_1_does_not_know_is_a_refusal_like_any_other(code: int) -> None:
    """E10: sllurp's thread dies without a word."""
    asked: list[int] = []

    def refuse_all_but_keepalives(request: Request) -> bytes:
        asked.append(request.type)
        return ok(request) if len(asked) == 1 else message(13, status(code, "odd"), request.id)

    def way(talk: Talk) -> None:
        talk.set_up({3: refuse_all_but_keepalives})
        talk.send(REPORT)
        talk.serve()

    with FakeReader(way) as reader, running(driver(reader)) as run:
        run.reads_more(1)
    assert len(asked) > 1
    assert run.error is None


def test_an_epc_of_100_bits_keeps_its_length() -> None:
    odd = message(61, tag(epc_data(100, EPC + b"\xf0")))
    with FakeReader(then_sends(odd)) as reader, running(driver(reader)) as run:
        run.reads_more(1)
    assert run.reads[0].epc == EPC.hex().upper() + "F"


# Leaving -------------------------------------------------------------------------------------------------------------


def hangs(talk: Talk) -> None:
    talk.set_up()
    talk.send(REPORT)
    talk.wait_for_end()


def test_leaving_a_reader_that_hangs_ends_soon() -> None:
    """D2: sllurp's disconnect waits for ever."""
    with FakeReader(hangs) as reader, running(driver(reader)) as run:
        run.reads_more(1)
        run.driver.close()
        assert run.ends_soon()
        assert run.error is None


def test_closing_from_another_thread_two_hundred_times_leaves_no_thread_behind() -> None:
    """hard_disconnect: 12 % of sllurp's threads stay in select for ever. disconnect(): 2 of 300 never return."""
    before = threading.active_count()
    with FakeReader(then_sends(REPORT)) as reader:
        for _ in range(200):
            run = Running(driver(reader))
            eventually(lambda run=run: run.reads != [], "a read")  # type: ignore[misc]  # bound in the loop
            run.driver.close()
            assert run.ends_soon()
            assert run.error is None
        assert reader.connects == 200
        assert all(talk.requests[-1].type == 14 for talk in reader.talks)  # CLOSE_CONNECTION
    assert threading.active_count() == before


def test_closing_right_after_connecting_says_nothing_before_the_greeting() -> None:
    """Issue 210: sllurp sends DELETE_ACCESSSPEC before the ConnectionAttemptEvent."""
    with FakeReader(Talk.wait_for_end) as reader:
        run = Running(driver(reader))
        eventually(lambda: reader.connects == 1, "connected")
        run.driver.close()
        assert run.ends_soon()
    assert reader.talks[0].requests == []


MAIN_ENDS = """
import sys, threading
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.reader import LlrpReader
from rfid_gateway.clock import SystemClock
from rfid_gateway.config import ReaderConfig
from rfid_gateway.reads import TagReport
from rfid_gateway.supervisor import ReaderSupervisor
read = threading.Event()
def emit(item):
    if isinstance(item, TagReport):
        read.set()
options = LlrpOptions(host="127.0.0.1", port=int(sys.argv[1]))
ReaderSupervisor(ReaderConfig("dock", "llrp", LlrpReader, options), emit, SystemClock()).start()
assert read.wait(60)
"""


def test_the_process_ends_when_its_main_thread_does() -> None:
    """sllurp's thread keeps the process for ever."""
    with FakeReader(then_sends(REPORT)) as reader:
        command = [sys.executable, "-c", MAIN_ENDS, str(reader.port)]
        subprocess.run(command, check=True, timeout=90, capture_output=True)
        assert reader.connects == 1


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Take all descriptors below 1024, so that the next one lies beyond what select() can watch."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] != resource.RLIM_INFINITY and limits[1] < 2048:
        pytest.skip("this user may not open 2048 files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, limits[1]))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    while taken[-1] < 1024:
        taken.append(os.dup(taken[0]))
    yield
    for one in taken:
        os.close(one)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_descriptors_beyond_1024_are_as_good(many_descriptors: None) -> None:
    """sllurp uses select()."""
    del many_descriptors
    with FakeReader(then_sends(REPORT)) as reader, running(driver(reader)) as run:
        run.reads_more(1)
        assert reader.talks[0].socket.fileno() > 1024
    assert run.error is None
