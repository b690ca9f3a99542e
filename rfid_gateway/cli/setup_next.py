"""`rfid-gateway setup`: what to do next on this PC, and what the service would stumble over."""

import grp
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from rfid_gateway.cli.service import BY_PACKAGE, HIDDEN
from rfid_gateway.cli.setup_draft import SERVICE_FOLDER
from rfid_gateway.config_tables import Document
from rfid_gateway.mqtt.settings import CREDENTIAL

USER = "rfid-gateway"
_UNIT_FOLDERS = tuple(Path("/", unit).parent for unit in (*BY_PACKAGE, "etc/systemd/system/x"))


def service_group() -> int | None:
    """Number of the service's group, if this process may give files to it."""
    if os.geteuid() != 0:
        return None
    try:
        return grp.getgrnam(USER).gr_gid
    except KeyError:
        return None


def program() -> str:
    """How this program is called from here: by its name, or by its path where the shell would not find it."""
    found = shutil.which(USER)
    return USER if found is not None and Path(found).resolve() == Path(sys.argv[0]).resolve() else sys.argv[0]


def next_steps(output: Path, program: str) -> Iterator[tuple[str, str]]:
    """Commands to call next, each with what it does."""
    sudo = "sudo " if os.geteuid() != 0 or "SUDO_USER" in os.environ else ""
    option = "" if output == SERVICE_FOLDER / "gateway.toml" else f" --config {output}"
    yield f"{sudo}{program} check --connect{option}", "tries broker and readers with this file"
    unit = _unit(output)
    if unit is not None and _is_active(unit):
        yield f"{sudo}systemctl restart {unit}", "the service takes it over"
    elif unit is not None:
        yield f"{sudo}systemctl enable --now {unit}", "starts it, now and with the PC"
    elif output == SERVICE_FOLDER / "gateway.toml":
        yield f"{sudo}{program} service install", "installs and starts the service"
    else:
        yield f"{program} run{option}", "runs it in this terminal, until Ctrl-C"
    as_service = sudo if output.parent == SERVICE_FOLDER else ""
    yield f"{as_service}{program} status{option}", "how it is doing"
    yield f"{as_service}{program} events --follow{option}", "location events as they happen"


def _unit(output: Path) -> str | None:
    """The service's unit that runs with this file, if it is installed."""
    if output.parent != SERVICE_FOLDER or output.suffix != ".toml":
        return None
    main = output.stem == "gateway"
    file = "rfid-gateway.service" if main else "rfid-gateway@.service"
    if not any((folder / file).exists() for folder in _UNIT_FOLDERS):
        return None
    return "rfid-gateway" if main else f"rfid-gateway@{output.stem}"


def _is_active(unit: str) -> bool:
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return False
    return subprocess.run([systemctl, "is-active", "--quiet", unit], check=False).returncode == 0  # noqa: S603


def obstacles(document: Document, output: Path) -> Iterator[str]:
    """Files of the configuration that the service could not read, in words; nothing for a file that is no service's."""
    if output.parent != SERVICE_FOLDER:
        return
    mqtt = document.mqtt
    named = {"password_file": mqtt.password_file, "ca_file": mqtt.tls.ca_file if mqtt.tls else None}
    for key, text in named.items():
        if text is None or text.startswith(CREDENTIAL):
            continue
        file = Path(text)
        for folder in HIDDEN:
            if file.is_relative_to(folder):
                yield f"{key} {file}: the service's sandbox hides {folder}; copy it to {SERVICE_FOLDER}"
        if not _readable(file):
            yield (
                f"{key} {file}: the service's user cannot read it; "
                f"once the service is installed: chgrp {USER} {file} && chmod 640 {file}"
            )


def _readable(file: Path) -> bool:
    """Whether the service's user can read a file, as far as its owner, group and mode tell."""
    try:
        found = file.stat()
        user = pwd.getpwnam(USER)
    except OSError:
        return True
    except KeyError:
        return bool(file.stat().st_mode & 0o004)
    if found.st_uid == user.pw_uid:
        return bool(found.st_mode & 0o400)
    if found.st_gid in os.getgrouplist(USER, user.pw_gid):
        return bool(found.st_mode & 0o040)
    return bool(found.st_mode & 0o004)
