"""Readers are found on the loopback interface: by announcement, by subnet, busy and free."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network

import pytest
from zeroconf import IPVersion, ServiceInfo, Zeroconf

from rfid_drivers.llrp.announcements import SERVICE
from rfid_drivers.llrp.discovery import discover_llrp
from rfid_gateway.driver import DiscoveryProgress, DiscoveryRequest, FoundReader
from rfid_simulators.llrp.server import LlrpReaderServer
from tests.conftest import skip_or_fail
from tests.e2e.running import PROGRAM
from tests.llrp_messages import greeting
from tests.servers import eventually

LOOPBACK = "127.0.0.1"
FEW = IPv4Network("127.0.0.0/29")


@contextmanager
def listener(host: str, port: int, words: bytes) -> Iterator[None]:
    """Something that says these words to one client and then hangs up."""
    with socket.create_server((host, port)) as server:

        def serve() -> None:
            with server.accept()[0] as client:
                client.sendall(words)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(60)


def found(request: DiscoveryRequest) -> list[FoundReader]:
    readers = [item for item in discover_llrp(request) if isinstance(item, FoundReader)]
    return sorted(readers, key=lambda reader: reader.host)


def in_subnet(port: int) -> list[FoundReader]:
    return found(DiscoveryRequest(FEW, port, 0.0, LOOPBACK))


def test_a_free_reader_tells_who_it_is_and_is_free_again() -> None:
    with LlrpReaderServer() as server:
        port = server.address[1]
        (reader,) = in_subnet(port)
        assert (reader.host, reader.port, reader.state, reader.found_by) == (LOOPBACK, port, "free", "subnet")
        assert reader.model == "Impinj Speedway R420"
        assert reader.firmware
        assert reader.options == {"host": LOOPBACK, "port": port}
        # The simulator lets go of a client a moment after it answered CLOSE_CONNECTION.
        eventually(lambda: in_subnet(port)[0].state == "free", "the reader is free again")


def test_a_busy_reader_is_listed_and_its_client_keeps_it() -> None:
    with LlrpReaderServer() as server, socket.create_connection(server.address) as holder:
        holder.settimeout(5.0)
        assert holder.recv(100)
        (reader,) = in_subnet(server.address[1])
        assert (reader.state, reader.model) == ("busy", "")
        assert "another client" in reader.detail


def test_neighbours_that_are_busy_silent_or_no_readers_do_not_hide_each_other() -> None:
    with LlrpReaderServer() as server:
        port = server.address[1]
        with (
            listener("127.0.0.2", port, greeting(2)),
            listener("127.0.0.3", port, b"SSH-2.0-OpenSSH_9.2\r\n"),
            listener("127.0.0.4", port, b""),
        ):
            readers = in_subnet(port)
    assert [(reader.host, reader.state) for reader in readers] == [
        ("127.0.0.1", "free"),
        ("127.0.0.2", "busy"),
        ("127.0.0.3", "silent"),
        ("127.0.0.4", "silent"),
    ]
    assert "does not speak LLRP" in readers[2].detail


def test_the_progress_of_a_subnet_ends_at_its_last_address() -> None:
    items = discover_llrp(DiscoveryRequest(IPv4Network("127.0.0.8/30"), 9, 0.0, LOOPBACK))
    steps = [item for item in items if isinstance(item, DiscoveryProgress)]
    assert [(step.done, step.total) for step in steps] == [(1, 2), (2, 2)]


def test_a_reader_that_announces_itself_is_found_without_a_subnet() -> None:
    with LlrpReaderServer() as server:
        try:
            zeroconf = Zeroconf(interfaces=[LOOPBACK], ip_version=IPVersion.V4Only)
        except OSError as error:
            skip_or_fail(f"multicast does not work here: {error}")
            return
        service = ServiceInfo(
            SERVICE,
            f"SpeedwayR-11-22-33.{SERVICE}",
            port=server.address[1],
            addresses=[socket.inet_aton(LOOPBACK)],
            server="speedwayr-11-22-33.local.",
        )
        try:
            zeroconf.register_service(service)
            (reader,) = found(DiscoveryRequest(listen_s=3.0, interface=LOOPBACK))
        finally:
            zeroconf.close()
    assert (reader.name, reader.host, reader.port) == ("SpeedwayR-11-22-33", LOOPBACK, server.address[1])
    assert (reader.state, reader.found_by) == ("free", "announcement")


def discover_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    words = [str(PROGRAM), "discover", "--interface", LOOPBACK, "--seconds", "0", *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_prints_the_lines_to_paste() -> None:
    with LlrpReaderServer() as server:
        port = server.address[1]
        done = discover_command("--subnet", "127.0.0.1/32", "--port", str(port), "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert row["toml"] == f'[[readers]]\nid = "reader-127-0-0-1"\ndriver = "llrp"\nhost = "127.0.0.1"\nport = {port}\n'


def test_the_command_fails_where_nothing_is_found() -> None:
    done = discover_command("--subnet", "127.0.0.9/32", "--port", "9")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no readers found" in done.stderr


@pytest.mark.parametrize(("subnet", "expected"), [("10.0.0.0/8", "/22"), ("here", "192.168.1.0/24")])
def test_a_subnet_that_is_too_large_or_none_is_refused(subnet: str, expected: str) -> None:
    done = discover_command("--subnet", subnet)
    assert done.returncode == 2
    assert expected in done.stderr
