"""Encrypted LLRP against a TLS server with an authority of the test's own."""

import contextlib
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.reader import LlrpReader
from rfid_gateway.clock import SystemClock
from rfid_gateway.driver import ReaderError
from tests.driving import running
from tests.llrp_messages import NO_ANSWER, greeting, message, ok, requests, usual_tag
from tests.servers import eventually

AUTHORITY = trustme.CA()


def issue(name: str = "127.0.0.1", *, days: int = 1) -> trustme.LeafCert:
    return AUTHORITY.issue_cert(
        name,
        not_before=dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        not_after=dt.datetime.now(dt.UTC) + dt.timedelta(days=days),
    )


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


def answer(client: ssl.SSLSocket) -> None:
    """Be a reader until the client goes: one tag in each of many records of TLS."""
    client.sendall(greeting())
    while data := client.recv(4096):
        for request in requests(data):
            if request.type not in NO_ANSWER:
                client.sendall(ok(request))
            if request.type == 64:
                for _ in range(20):
                    client.sendall(message(61, usual_tag() * 1000))


@contextlib.contextmanager
def tls_reader(certificate: trustme.LeafCert, *, wants_client: bool = False) -> Iterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    if wants_client:
        AUTHORITY.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            with client, context.wrap_socket(client, server_side=True) as encrypted:
                answer(encrypted)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(60)


def driver(port: int, **more: str | bool) -> LlrpReader:
    options = LlrpOptions.model_validate({"host": "127.0.0.1", "port": port, "tls": True, **more})
    return LlrpReader("dock", options, SystemClock())


def refusal(certificate: trustme.LeafCert, **more: str | bool) -> str:
    """What the driver says of a reader that it does not get on with."""
    with tls_reader(certificate) as port, pytest.raises(ReaderError) as refused:
        driver(port, **more).run(lambda _item: None)
    return str(refused.value)


def test_an_encrypted_reader_is_read_to_the_last_tag(ca_file: str) -> None:
    with tls_reader(issue()) as port, running(driver(port, tls_ca_file=ca_file)) as run:
        eventually(lambda: len(run.reads) == 20_000, "all tags")
    assert run.error is None


def test_a_reader_that_wants_to_know_us_gets_our_certificate(ca_file: str, tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    issue("gateway.example").private_key_and_cert_chain_pem.write_to_path(own)
    with (
        tls_reader(issue(), wants_client=True) as port,
        running(driver(port, tls_ca_file=ca_file, tls_certificate_file=str(own))) as run,
    ):
        eventually(lambda: bool(run.reads), "tags")


def test_a_reader_that_wants_a_certificate_that_we_have_not_is_told_apart(ca_file: str) -> None:
    with tls_reader(issue(), wants_client=True) as port, pytest.raises(ReaderError) as refused:
        driver(port, tls_ca_file=ca_file).run(lambda _item: None)
    assert "reader" in str(refused.value)


def test_an_expired_certificate_is_refused_in_words(ca_file: str) -> None:
    assert "has expired" in refusal(issue(days=-1), tls_ca_file=ca_file)


def test_an_unknown_authority_is_refused_in_words() -> None:
    assert "unknown authority" in refusal(issue())


def test_a_certificate_of_another_reader_is_refused_in_words(ca_file: str) -> None:
    assert "names another reader" in refusal(issue("other.example"), tls_ca_file=ca_file)


def test_the_name_in_the_certificate_can_be_given(ca_file: str) -> None:
    settings = {"tls_ca_file": ca_file, "tls_server_name": "other.example"}
    with tls_reader(issue("other.example")) as port, running(driver(port, **settings)) as run:
        eventually(lambda: bool(run.reads), "tags")


def test_a_reader_is_believed_unseen_only_where_that_is_configured() -> None:
    with tls_reader(issue("other.example")) as port, running(driver(port, tls_verify=False)) as run:
        eventually(lambda: bool(run.reads), "tags")


def test_a_port_without_tls_is_an_error_with_a_hint(ca_file: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        client, _ = listener.accept()
        with client:
            client.sendall(greeting())
            client.recv(4096)

    thread = threading.Thread(target=greet)
    thread.start()
    with listener, pytest.raises(ReaderError, match="no TLS is spoken"):
        driver(listener.getsockname()[1], tls_ca_file=ca_file).run(lambda _item: None)
    thread.join(60)


def test_a_certificate_file_that_is_missing_is_named() -> None:
    with pytest.raises(ReaderError, match=r"tls_ca_file = 'gone\.pem' cannot be used: No such file"):
        driver(1, tls_ca_file="gone.pem").run(lambda _item: None)
