"""What is to be done next depends on how the gateway is installed, and the service must be able to read its files."""

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from rfid_gateway.cli import setup_next
from rfid_gateway.cli.setup_draft import Given
from rfid_gateway.cli.setup_next import next_steps, obstacles
from rfid_gateway.config_tables import Document

MAIN, NORTH = Path("/etc/rfid-gateway/gateway.toml"), Path("/etc/rfid-gateway/north.toml")


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of systemd's units, and nobody who called sudo."""
    monkeypatch.setattr(setup_next, "_UNIT_FOLDERS", (tmp_path,))
    monkeypatch.setattr(setup_next, "_is_active", lambda _unit: False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("SUDO_USER", raising=False)
    return tmp_path


def commands(output: Path) -> list[str]:
    return [command for command, _ in next_steps(output, "rfid-gateway")]


def test_a_service_that_is_installed_is_started(units: Path) -> None:
    (units / "rfid-gateway.service").touch()
    assert commands(MAIN)[:2] == ["rfid-gateway check --connect", "systemctl enable --now rfid-gateway"]
    assert "rfid-gateway status" in commands(MAIN)


def test_one_that_runs_is_restarted_and_sudo_is_said_to_whom_used_it(
    units: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (units / "rfid-gateway.service").touch()
    monkeypatch.setattr(setup_next, "_is_active", lambda _unit: True)
    monkeypatch.setenv("SUDO_USER", "maria")
    assert commands(MAIN)[1:3] == ["sudo systemctl restart rfid-gateway", "sudo rfid-gateway status"]


def test_a_further_gateway_has_a_unit_of_its_own(units: Path) -> None:
    (units / "rfid-gateway@.service").touch()
    assert commands(NORTH)[1] == "systemctl enable --now rfid-gateway@north"
    assert commands(NORTH)[2] == f"rfid-gateway status --config {NORTH}"


def test_where_no_service_is_installed_it_is_or_runs_by_hand(units: Path) -> None:
    assert units.is_dir()
    assert commands(MAIN)[1] == "rfid-gateway service install"
    assert commands(Path("/srv/x.toml"))[1] == "rfid-gateway run --config /srv/x.toml"


def document(**mqtt: object) -> Document:
    return Document.model_validate(
        {
            "gateway": {"site": "bremen", "id": "pc-1"},
            "mqtt": {"host": "broker", "username": "x", **mqtt},
            "readers": [{"id": "a", "driver": "llrp", "host": "h"}],
        }
    )


def test_files_that_the_service_cannot_see_or_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "password"
    secret.touch(0o600)
    (said, *_) = obstacles(document(password_file="/root/password"), MAIN)
    assert said.startswith("password_file /root/password: the service's sandbox hides /root; copy it to")
    monkeypatch.setattr(setup_next, "HIDDEN", ())
    user: Any = pwd.struct_passwd(("rfid-gateway", "x", 60_001, 60_001, "", "/", "/bin/false"))
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: user)
    monkeypatch.setattr(os, "getgrouplist", lambda _name, group: [group])
    (said,) = obstacles(document(password_file=str(secret)), MAIN)
    assert "cannot read it" in said
    assert f"chgrp rfid-gateway {secret}" in said
    secret.chmod(0o644)
    assert list(obstacles(document(password_file=str(secret)), MAIN)) == []
    secret.chmod(0o600)
    assert list(obstacles(document(password_file=str(secret)), tmp_path / "gateway.toml")) == []
    assert list(obstacles(document(password_file="credential:mqtt-password"), MAIN)) == []


def given(output: Path, state_dir: str | None = None) -> Given:
    return Given(
        output=output,
        site=None,
        gateway=None,
        time_zone=None,
        state_dir=state_dir,
        broker=None,
        tls=False,
        tls_ca=None,
        username=None,
        password_file=None,
        locations=None,
        readers=(),
        doors=(),
        zones=(),
        test=True,
    )


@pytest.mark.parametrize(
    ("output", "state", "password"),
    [
        (MAIN, "/var/lib/rfid-gateway", "/etc/rfid-gateway/mqtt-password"),
        (NORTH, "/var/lib/rfid-gateway/north", "/etc/rfid-gateway/north-mqtt-password"),
        (Path("/srv/rfid/gateway.toml"), "/srv/rfid/state", "/srv/rfid/mqtt-password"),
    ],
)
def test_each_gateway_has_its_own_state_and_password(output: Path, state: str, password: str) -> None:
    assert given(output).state_folder == state
    assert given(output, "/elsewhere").state_folder == "/elsewhere"
    assert given(output).own_password_file == Path(password)
