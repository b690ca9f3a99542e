"""The driver's socket, against servers of a few lines on the loopback."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest

from rfid_drivers.llrp.connection import Connection, Waker
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.reader import LlrpReader
from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.clock import SystemClock
from rfid_gateway.config import ReaderConfig
from rfid_gateway.driver import ReaderBusyError, ReaderError
from rfid_gateway.reads import ReaderAlert, ReaderItem
from rfid_gateway.supervisor import ReaderSupervisor
from tests.llrp_messages import greeting, message, usual_tag


@pytest.fixture
def waker() -> Iterator[Waker]:
    made = Waker()
    yield made
    made.close()


@contextmanager
def server(serve: Callable[[socket.socket], None], address: str = "127.0.0.1") -> Iterator[int]:
    """Serve one client after another in a thread; give the port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, 0), family=family)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                serve(client)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(60)


def driver(port: int, host: str = "127.0.0.1") -> LlrpReader:
    return LlrpReader("r", LlrpOptions(host=host, port=port), SystemClock())


def test_a_wake_before_the_wait_is_not_lost_and_does_not_last(waker: Waker) -> None:
    def wait_for_end(client: socket.socket) -> None:
        client.recv(1)

    with server(wait_for_end) as port:
        connection = Connection.open("127.0.0.1", port, 5, waker)
        assert connection is not None
        waker.wake()
        assert connection.receive(60) is None
        assert connection.receive(0) is None
        connection.close()


def test_a_wake_ends_connecting(waker: Waker) -> None:
    with server(socket.socket.close) as port:
        waker.wake()
        assert Connection.open("127.0.0.1", port, 5, waker) is None


def test_ipv6_readers_are_reached(waker: Waker) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with server(lambda client: client.sendall(b"x"), "::1") as port:
        connection = Connection.open("::1", port, 5, waker)
        assert connection is not None
        assert connection.receive(5) == b"x"
        connection.close()


def test_an_unknown_host_is_an_error_that_names_it(waker: Waker) -> None:
    with pytest.raises(ReaderError, match=r"no-such-reader\.invalid"):
        Connection.open("no-such-reader.invalid", 5084, 1, waker)


def test_closing_before_running_opens_nothing() -> None:
    reader = driver(1)
    reader.close()
    reader.close()
    reader.run(lambda item: pytest.fail(f"emitted {item}"))


def test_closing_ends_the_wait_for_a_greeting() -> None:
    connected = threading.Event()

    def say_nothing(client: socket.socket) -> None:
        connected.set()
        client.recv(1)

    with server(say_nothing) as port:
        reader = driver(port)
        thread = threading.Thread(target=reader.run, args=(lambda _item: None,))
        thread.start()
        assert connected.wait(60)
        reader.close()
        thread.join(60)
        assert not thread.is_alive()


def test_a_busy_reader_that_hangs_up_at_once_is_busy_not_gone() -> None:
    with server(lambda client: client.sendall(greeting(2))) as port, pytest.raises(ReaderBusyError):
        driver(port).run(lambda _item: None)


def test_a_busy_reader_is_an_alert_that_says_what_helps() -> None:
    items: list[ReaderItem] = []
    with server(lambda client: client.sendall(greeting(2))) as port, pytest.raises(ReaderBusyError):
        driver(port).run(items.append)
    (alert,) = items
    assert isinstance(alert, ReaderAlert)
    assert (alert.kind, "restart the reader" in alert.detail) == ("reader_busy", True)


def test_a_busy_reader_is_called_again_more_and_more_rarely() -> None:
    connects: list[socket.socket] = []

    def refuse(client: socket.socket) -> None:
        connects.append(client)
        client.sendall(greeting(1))

    class Waits(threading.Event):
        """Waits no time, and ends the supervisor after ten waits."""

        asked_s: ClassVar[list[float]] = []

        def wait(self, timeout: float | None = None) -> bool:
            self.asked_s.append(timeout or 0)
            if len(self.asked_s) == 10:
                supervisor.close()
            return self.is_set()

    with server(refuse) as port:
        config = ReaderConfig("r", "llrp", InstalledDrivers()["llrp"], LlrpOptions(host="127.0.0.1", port=port))
        supervisor = ReaderSupervisor(config, lambda _item: None, SystemClock())
        supervisor._interrupted = Waits()
        supervisor.run()
    assert len(connects) == 10
    # The first few are short: the rival may be this gateway itself, ended a moment ago.
    assert min(Waits.asked_s[6:]) >= 15


def test_a_reader_that_hangs_up_in_the_middle_of_a_message_is_gone_and_the_next_connection_starts_afresh() -> None:
    items: list[ReaderItem] = []
    with server(lambda client: client.sendall(greeting() + message(61, usual_tag())[:25])) as port:
        reader = driver(port)
        for _ in range(2):
            with pytest.raises(ReaderError, match=r"connection|takes no more"):
                reader.run(items.append)
    assert items == []
