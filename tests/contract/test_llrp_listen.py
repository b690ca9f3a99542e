"""Readers that connect by themselves, told by what they say of themselves."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.reader import LlrpReader
from rfid_gateway.clock import SystemClock
from rfid_gateway.reads import ReaderAlert
from tests.driving import Running, running
from tests.llrp_messages import NO_ANSWER, Request, greeting, message, ok, requests, status, tlv, usual_tag
from tests.servers import eventually, free_port

MAC, OTHER_MAC = "00:16:25:10:20:30", "00:16:25:10:20:31"
EUI64, OTHER_EUI64 = "001625FFFE102030", "001625FFFE102031"


def driver(port: int, mac: str = MAC) -> LlrpReader:
    return LlrpReader(mac, LlrpOptions(listen=f"127.0.0.1:{port}", identification=mac), SystemClock())


def answer(request: Request, identification: str) -> bytes:
    if request.type == 2:
        number = bytes.fromhex(identification)
        return message(12, status() + tlv(218, struct.pack("!BH", 0, len(number)) + number), request.id)
    return ok(request)


@contextlib.contextmanager
def reader(port: int, identification: str, antenna: int = 1) -> Iterator[socket.socket]:
    """Connect as a reader that says so of itself, and report one tag once it is set up."""
    line = socket.create_connection(("127.0.0.1", port), 5)
    line.sendall(greeting())

    def converse() -> None:
        with contextlib.suppress(OSError):
            while data := line.recv(4096):
                for request in requests(data):
                    if request.type not in NO_ANSWER:
                        line.sendall(answer(request, identification))
                    if request.type == 64:
                        line.sendall(message(61, usual_tag(antenna=antenna)))

    thread = threading.Thread(target=converse)
    thread.start()
    try:
        yield line
    finally:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        thread.join(60)
        line.close()


def waits(run: Running) -> None:
    eventually(lambda: bool(run.items), "the driver waits for its reader")


def test_two_readers_come_to_one_port_and_each_gets_its_own_driver() -> None:
    port = free_port()
    with running(driver(port)) as first, running(driver(port, OTHER_MAC)) as second:
        waits(first)
        waits(second)
        with reader(port, OTHER_EUI64, antenna=2), reader(port, EUI64, antenna=1):
            eventually(lambda: bool(first.reads and second.reads), "a tag from each")
            assert {read.antenna_id for read in first.reads} == {1}
            assert {read.antenna_id for read in second.reads} == {2}


def test_a_stranger_is_sent_away_and_told() -> None:
    port = free_port()
    with running(driver(port)) as run:
        waits(run)
        with reader(port, "001625FFFEAAAAAA") as line:
            eventually(lambda: any(isinstance(item, ReaderAlert) for item in run.items), "an alert")
            assert line.recv(1) == b""
        (alert,) = [item for item in run.items if isinstance(item, ReaderAlert)]
        assert alert.kind == "unknown_reader"
        assert "001625FFFEAAAAAA" in alert.detail
        with reader(port, EUI64):
            eventually(lambda: bool(run.reads), "a tag of our own reader")


def test_a_reader_that_connects_while_its_driver_backs_off_is_kept_for_it() -> None:
    port = free_port()
    made = driver(port)
    first = Running(made)
    waits(first)
    with reader(port, EUI64):
        eventually(lambda: bool(first.reads), "a tag")
    assert first.ends_soon()
    assert first.error is not None
    with reader(port, EUI64), running(made) as second:
        eventually(lambda: bool(second.reads), "a tag after the reader came back")


def test_the_port_is_free_once_the_last_driver_is_closed() -> None:
    port = free_port()
    with running(driver(port)) as first, running(driver(port, OTHER_MAC)) as second:
        waits(first)
        waits(second)
    socket.create_server(("127.0.0.1", port)).close()


def test_a_port_that_is_taken_is_an_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(driver(port)) as run:
            assert run.ends_soon()
    assert f"cannot listen on 127.0.0.1:{port}" in str(run.error)
