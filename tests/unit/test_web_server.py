"""The thread `web` by itself, on a real port."""

import contextlib
import http.client
import socket
from contextlib import closing

import pytest

from rfid_gateway.config import WebTable
from rfid_gateway.snapshot import Snapshot
from rfid_gateway.web.server import WebServer
from tests.servers import eventually, free_port
from tests.snapshots import SNAPSHOT


def status_of(port: int, path: str) -> int:
    with contextlib.suppress(OSError), closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status
    return 0


def test_without_the_table_there_is_no_thread() -> None:
    server = WebServer(None, lambda: SNAPSHOT)
    server.start()
    server.close()
    assert server.words == "off"


def test_a_page_that_fails_is_an_error_of_this_page_alone() -> None:
    broken = [True]

    def take() -> Snapshot:
        if broken[0]:
            raise RuntimeError("a bug")
        return SNAPSHOT

    port = free_port()
    server = WebServer(WebTable(port=port), take)
    server.start()
    try:
        eventually(lambda: status_of(port, "/healthz") == 500, "the page fails")
        assert status_of(port, "/metrics") == 500
        broken.clear()
        broken.append(False)
        assert [status_of(port, path) for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 200]
        assert server.words == f"listening on 127.0.0.1:{port}"
    finally:
        server.close()
    assert server.words == "closed"
    assert status_of(port, "/healthz") == 0


def test_a_server_that_is_closed_while_it_starts_ends() -> None:
    server = WebServer(WebTable(port=free_port()), lambda: SNAPSHOT)
    server.start()
    server.close()
    eventually(lambda: server.words == "closed", "the thread has ended")


def test_a_port_in_use_is_said_and_waited_for_until_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = WebServer(WebTable(port=port), lambda: SNAPSHOT)
        server.start()
        eventually(lambda: "Address already in use" in server.words, "the thread says what is wrong")
        server.close()
        assert server.words == "closed"


def test_a_bug_ends_the_thread_seen_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    server = WebServer(WebTable(port=free_port()), lambda: SNAPSHOT)

    def fail(_: socket.socket) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(server, "_serve", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        server.run()
    assert server.words == "ended by an internal error, please report it"


def test_it_listens_on_version_6_too() -> None:
    port = free_port()
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("this machine has no IPv6")
    server = WebServer(WebTable(address="::1", port=port), lambda: SNAPSHOT)
    server.start()
    try:
        eventually(lambda: server.words == f"listening on [::1]:{port}", "it listens")
    finally:
        server.close()
