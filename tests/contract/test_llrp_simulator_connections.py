"""The simulated reader speaks over TLS, and opens connections itself where it is told to."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from rfid_simulators.faults import SplitWrites
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.profiles import IMPINJ_R420
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.llrp.wire import Frame, MessageType, message
from rfid_simulators.steady_field import steady_field
from tests import llrp_requests as client
from tests.certificates import client_context, make_certificate, server_context
from tests.llrp_conversation import Conversation, dial

FIELD = steady_field("r", rate=500, tags=12)
RETRY_US = 20_000


def connection_status(frame: Frame) -> int:
    """Status of a ConnectionAttemptEvent."""
    assert (frame.type, frame.body[16:18]) == (MessageType.READER_EVENT_NOTIFICATION, b"\x01\x00")
    return int.from_bytes(frame.body[20:22], "big")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def encrypted(certificate: tuple[Path, Path]) -> Iterator[LlrpReaderServer]:
    with LlrpReaderServer(IMPINJ_R420, Sources(FIELD), tls=server_context(*certificate)) as running:
        yield running


@pytest.mark.parametrize("sizes", [(1 << 20,), (1, 7)], ids=["whole", "split"])
def test_a_session_over_tls_is_a_session_like_any_other(
    encrypted: LlrpReaderServer, certificate: tuple[Path, Path], sizes: tuple[int, ...]
) -> None:
    encrypted.inject(SplitWrites(sizes))
    with dial(encrypted, client_context(certificate[0])) as session:
        assert connection_status(session.next()) == 0
        capabilities = session.ask(message(MessageType.GET_READER_CAPABILITIES, 1, b"\x00"))
        assert capabilities.type == MessageType.GET_READER_CAPABILITIES_RESPONSE
        session.ask(client.add(client.rospec()))
        session.ask(client.enable())
        assert sum(session.next().type == MessageType.RO_ACCESS_REPORT for _ in range(20)) > 10
        assert session.ask(message(MessageType.CLOSE_CONNECTION, 2)).type == MessageType.CLOSE_CONNECTION_RESPONSE
        with pytest.raises(EOFError):
            session.ask(b"")


def test_a_second_client_is_refused_over_tls_too(encrypted: LlrpReaderServer, certificate: tuple[Path, Path]) -> None:
    trusted = client_context(certificate[0])
    with dial(encrypted, trusted) as first, dial(encrypted, trusted) as second:
        assert connection_status(second.next()) == 2
        assert [connection_status(first.next()) for _ in range(2)] == [0, 4]


def test_a_client_without_tls_is_dropped_and_the_next_one_served(
    encrypted: LlrpReaderServer, certificate: tuple[Path, Path]
) -> None:
    with dial(encrypted) as plain, pytest.raises((EOFError, ConnectionError, ssl.SSLError)):
        plain.ask(message(MessageType.GET_ROSPECS, 1))
    with dial(encrypted, client_context(certificate[0])) as session:
        assert connection_status(session.next()) == 0


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        yield listening


def test_a_reader_told_to_opens_the_connection_and_opens_it_again_when_it_is_gone(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with LlrpReaderServer(sources=Sources(FIELD), connect_to=("127.0.0.1", port), retry_us=RETRY_US) as server:
        for _ in range(2):
            with Conversation(listener.accept()[0]) as session:
                assert connection_status(session.next()) == 0
                assert session.ask(message(MessageType.GET_ROSPECS, 1)).type == MessageType.GET_ROSPECS_RESPONSE
                with dial(server) as newcomer:
                    assert connection_status(newcomer.next()) == 1, "a reader-initiated connection exists"


def test_a_reader_dials_until_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (
        LlrpReaderServer(connect_to=("127.0.0.1", port), retry_us=RETRY_US),
        socket.create_server(("127.0.0.1", port)) as late,
    ):
        late.settimeout(10)
        with Conversation(late.accept()[0]) as session:
            assert connection_status(session.next()) == 0


def test_a_reader_that_opens_the_connection_is_the_client_of_tls(
    listener: socket.socket, certificate: tuple[Path, Path]
) -> None:
    target = ("127.0.0.1", listener.getsockname()[1])
    with LlrpReaderServer(connect_to=target, tls=client_context(certificate[0]), retry_us=RETRY_US):
        accepted, _ = listener.accept()
        with Conversation(server_context(*certificate).wrap_socket(accepted, server_side=True)) as session:
            assert connection_status(session.next()) == 0
