"""TLS, certificates and passwords against a real Mosquitto: what works, and what is said when it does not."""

import datetime as dt
import subprocess
from pathlib import Path

import pytest
import trustme

from rfid_gateway.mqtt.probe import probe
from rfid_gateway.mqtt.settings import MqttSettings, TlsSettings
from tests.e2e.conftest import MakeBroker
from tests.e2e.publishing import append, backlog, published, running
from tests.e2e.running import command, running_gateway, site
from tests.servers import Mosquitto, eventually

AUTHORITY = trustme.CA()
SECRET = "vX9-kein-Wort-davon"


class Files:
    """PEM files of one authority, as a site has them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ca = self.write("ca.pem", AUTHORITY.cert_pem)

    def write(self, name: str, blob: trustme.Blob) -> str:
        blob.write_to_path(self._folder / name)
        return str(self._folder / name)

    def pair(self, name: str, leaf: trustme.LeafCert) -> tuple[str, str]:
        return self.write(f"{name}.pem", leaf.cert_chain_pems[0]), self.write(f"{name}.key", leaf.private_key_pem)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def tls_lines(files: Files, leaf: trustme.LeafCert, *more: str) -> tuple[str, ...]:
    certificate, key = files.pair("broker", leaf)
    return ("allow_anonymous true", f"cafile {files.ca}", f"certfile {certificate}", f"keyfile {key}", *more)


def trouble(broker: Mosquitto, tls: TlsSettings) -> str:
    return probe(MqttSettings(host="127.0.0.1", port=broker.port, tls=tls, protocol="5"), 10.0) or "connected"


def test_events_go_to_a_broker_that_wants_a_certificate(make_broker: MakeBroker, files: Files, database: Path) -> None:
    broker = make_broker(*tls_lines(files, AUTHORITY.issue_cert("127.0.0.1"), "require_certificate true"))
    certificate, key = files.pair("gateway", AUTHORITY.issue_cert("gateway"))
    append(database, 300, filling=1000)
    tls = {"ca_file": files.ca, "certificate_file": certificate, "key_file": key}
    with running(database, broker.port, tls=tls) as publisher:
        eventually(published(publisher, 300), "all rows are published")
        assert publisher.state.connections == 1
    assert backlog(database) == 0


def test_a_missing_client_certificate_is_said(make_broker: MakeBroker, files: Files) -> None:
    broker = make_broker(*tls_lines(files, AUTHORITY.issue_cert("127.0.0.1"), "require_certificate true"))
    assert "the broker wants a client certificate" in trouble(broker, TlsSettings(ca_file=files.ca))


def test_a_client_certificate_that_nobody_knows_is_said(make_broker: MakeBroker, files: Files) -> None:
    broker = make_broker(*tls_lines(files, AUTHORITY.issue_cert("127.0.0.1"), "require_certificate true"))
    certificate, key = files.pair("stranger", trustme.CA().issue_cert("gateway"))
    tls = TlsSettings(ca_file=files.ca, certificate_file=certificate, key_file=key)
    assert "the broker does not" in trouble(broker, tls)


def test_a_broker_of_another_authority_is_not_trusted(make_broker: MakeBroker, files: Files) -> None:
    broker = make_broker(*tls_lines(files, AUTHORITY.issue_cert("127.0.0.1")))
    other = files.write("other.pem", trustme.CA().cert_pem)
    for ca_file in (other, None):
        said = trouble(broker, TlsSettings(ca_file=ca_file))
        assert "not trusted" in said
        assert "tls.ca_file must hold the certificate of the authority" in said


def test_an_expired_certificate_of_the_broker_is_said(make_broker: MakeBroker, files: Files) -> None:
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    leaf = AUTHORITY.issue_cert("127.0.0.1", not_before=dt.datetime(2020, 1, 1, tzinfo=dt.UTC), not_after=yesterday)
    broker = make_broker(*tls_lines(files, leaf))
    assert "certificate has expired; renew it" in trouble(broker, TlsSettings(ca_file=files.ca))


def test_a_certificate_for_another_name_is_said(make_broker: MakeBroker, files: Files) -> None:
    broker = make_broker(*tls_lines(files, AUTHORITY.issue_cert("broker.example")))
    assert "certificate is not valid for '127.0.0.1'" in trouble(broker, TlsSettings(ca_file=files.ca))


def test_a_port_without_tls_and_a_port_with_it_are_said(make_broker: MakeBroker, files: Files) -> None:
    assert "the port may not speak TLS" in trouble(make_broker(), TlsSettings(ca_file=files.ca))
    broker = make_broker(*tls_lines(files, AUTHORITY.issue_cert("127.0.0.1")))
    assert "broker closed the connection" in (probe(MqttSettings(host="127.0.0.1", port=broker.port), 10.0) or "")


def test_files_that_cannot_be_used_are_named(make_broker: MakeBroker, files: Files, tmp_path: Path) -> None:
    broker = make_broker(*tls_lines(files, AUTHORITY.issue_cert("127.0.0.1")))
    certificate, key = files.pair("gateway", AUTHORITY.issue_cert("gateway"))
    _, other_key = files.pair("other", AUTHORITY.issue_cert("gateway"))
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate\n")
    missing = str(tmp_path / "missing.pem")
    assert f"tls.ca_file {missing}: No such file" in trouble(broker, TlsSettings(ca_file=missing))
    assert f"tls.ca_file {empty}: is no PEM file" in trouble(broker, TlsSettings(ca_file=str(empty)))
    said = trouble(broker, TlsSettings(ca_file=files.ca, certificate_file=certificate, key_file=missing))
    assert f"tls.key_file {missing}: No such file" in said
    said = trouble(broker, TlsSettings(ca_file=files.ca, certificate_file=certificate, key_file=other_key))
    assert "certificate and key do not belong together" in said
    said = trouble(broker, TlsSettings(ca_file=files.ca, certificate_file=str(empty), key_file=key))
    assert "is no PEM file" in said


@pytest.fixture
def closed_broker(make_broker: MakeBroker, tmp_path: Path) -> Mosquitto:
    """A broker that knows one user, whose password is `SECRET`."""
    passwords = tmp_path / "passwords"
    passwords.write_text(f"gateway:{SECRET}\n")
    if subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=False).returncode:
        pytest.fail("mosquitto_passwd cannot hash the password")
    return make_broker("allow_anonymous false", f"password_file {passwords}")


def test_a_password_of_systemd_is_used_and_never_shown(
    closed_broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "mqtt-password").write_text(f"{SECRET}\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    configuration = site(tmp_path, closed_broker, "credential:mqtt-password")
    check = command("check", "--connect", "--timeout", "5", "--config", configuration)
    assert "connected" in check.stdout.splitlines()[1]
    with running_gateway(configuration) as gateway:
        eventually(gateway.online, "the broker is there")
        status = command("status", "--config", configuration)
        state = (tmp_path / "state" / "status.json").read_text()
        farewell = gateway.stop()
        said = check.stdout + check.stderr + status.stdout + status.stderr + state + farewell + gateway.log()
    assert f"connected to {closed_broker.host}:{closed_broker.port}" in said
    assert SECRET not in said


@pytest.mark.parametrize("content", [f"wrong-{SECRET}".encode(), SECRET.encode() + b"\xff"])
def test_a_password_that_is_refused_or_unreadable_is_not_shown_either(
    closed_broker: Mosquitto, tmp_path: Path, content: bytes
) -> None:
    password_file = tmp_path / "password"
    password_file.write_bytes(content)
    configuration = site(tmp_path, closed_broker, str(password_file))
    check = command("check", "--connect", "--timeout", "5", "--config", configuration)
    with running_gateway(configuration) as gateway:
        eventually(lambda: "mqtt.not_connected" in gateway.log(), "the trouble is logged")
        said = check.stdout + check.stderr + gateway.log() + gateway.stop()
    assert check.returncode == 1
    assert ("Not authorized" in said) or ("is not UTF-8" in said)
    assert SECRET not in said


def test_a_credential_without_systemd_and_a_missing_file_are_said(
    closed_broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    for file, words in (
        ("credential:mqtt-password", "only systemd sets CREDENTIALS_DIRECTORY"),
        (str(tmp_path / "missing"), f"password_file {tmp_path}/missing: No such file or directory"),
    ):
        settings = MqttSettings(host="127.0.0.1", port=closed_broker.port, username="gateway", password_file=file)
        assert words in (probe(settings, 5.0) or "")
