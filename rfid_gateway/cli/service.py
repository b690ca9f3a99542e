"""`rfid-gateway service`: the systemd service where no package of the distribution brings it."""

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from rfid_gateway.cli.packaged import FILES, is_example
from rfid_gateway.journal_catalogue import CATALOGUES, catalogue

_PACKAGED_PROGRAM = "/usr/bin/rfid-gateway"
HIDDEN = ("/home", "/root", "/tmp", "/var/tmp", "/run/user")  # noqa: S108 - names to refuse, not to use
"""The service's sandbox shows it nothing below these."""
_CONFIG = "etc/rfid-gateway/gateway.toml"
BY_PACKAGE = ("usr/lib/systemd/system/rfid-gateway.service", "lib/systemd/system/rfid-gateway.service")


@dataclass(frozen=True, slots=True)
class InstalledFile:
    """One file of the service: where it goes, relative to the root folder, and what stands in it."""

    target: str
    content: str


def service_files(program: Path) -> tuple[InstalledFile, ...]:
    """All files of the service, for a program at this path; the configuration is not among them."""
    places = {
        "rfid-gateway.service": "etc/systemd/system/rfid-gateway.service",
        "rfid-gateway@.service": "etc/systemd/system/rfid-gateway@.service",
        "rfid-gateway.sysusers": "etc/sysusers.d/rfid-gateway.conf",
        "rfid-gateway.tmpfiles": "etc/tmpfiles.d/rfid-gateway.conf",
        "rfid-gateway.rules": "etc/udev/rules.d/70-rfid-gateway.rules",
    }
    kinds = tomllib.loads(_text(FILES / "systemd/journal.toml"))
    return (
        *(
            InstalledFile(target, _text(FILES / "systemd" / name).replace(_PACKAGED_PROGRAM, str(program)))
            for name, target in places.items()
        ),
        *(
            InstalledFile(f"usr/local/lib/systemd/catalog/{name}", catalogue(kinds, language))
            for name, language in CATALOGUES.items()
        ),
    )


_root_option = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default="/",
    show_default=True,
    help="Write below this folder and start nothing: for images, and for a look.",
)


@click.group()
def service() -> None:
    """Install, remove and show the systemd service, where the Debian package is not used."""


@service.command()
@_root_option
def install(root: Path) -> None:
    """Install and start the service: units, user, udev rules, and the annotated configuration.

    A configuration that is there stays as it is; calling it again brings the other files up to date.
    """
    program = _program()
    _refuse_if_packaged(root)
    for file in service_files(program):
        _write(root / file.target, file.content)
    config = root / _CONFIG
    if config.exists():
        click.echo(f"kept      {config}")
    else:
        _write(config, _text(FILES / "gateway.toml"))
    if root == Path("/"):
        _call("systemd-sysusers", "/etc/sysusers.d/rfid-gateway.conf")
        _call("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/rfid-gateway.conf")
        _call("journalctl", "--update-catalog")
        _call("systemctl", "daemon-reload")
        _call("systemctl", "enable", "--now", "rfid-gateway.service")
    if is_example(config):
        click.echo(f"next: {program} setup, which asks what the gateway must know and says what to do then")


@service.command()
@_root_option
def uninstall(root: Path) -> None:
    """Stop the service and remove its files; configuration, events and user stay."""
    _refuse_if_packaged(root)
    targets = [root / file.target for file in service_files(Path(_PACKAGED_PROGRAM))]
    present = [target for target in targets if target.exists()]
    if not present:
        raise click.ClickException(f"the service is not installed below {root}")
    if root == Path("/"):
        _call("systemctl", "disable", "--now", "rfid-gateway.service")
        _call("systemctl", "stop", "rfid-gateway@*.service")
    for target in present:
        _remove(target)
    if root == Path("/"):
        _call("journalctl", "--update-catalog")
        _call("systemctl", "daemon-reload")
    click.echo("configuration (/etc/rfid-gateway), events (/var/lib/rfid-gateway) and user are kept")


@service.command()
def show() -> None:
    """Print every file that `install` would write, for this program's path."""
    for file in service_files(_program()):
        click.secho(f"# /{file.target}", bold=True)
        click.echo(file.content)


def _program() -> Path:
    """Where this program really lies.

    Raises:
        click.ClickException: the service could not start it there.
    """
    found = shutil.which(sys.argv[0]) or sys.argv[0]
    program = Path(os.path.realpath(found))
    for folder in HIDDEN:
        if program.is_relative_to(folder):
            raise click.ClickException(
                f"{program} lies below {folder}, which the service's sandbox hides; install the program elsewhere, "
                "such as into an environment below /opt: python3 -m venv /opt/rfid-gateway"
            )
    return program


def _refuse_if_packaged(root: Path) -> None:
    for name in BY_PACKAGE:
        if (root / name).exists():
            raise click.ClickException(f"{root / name} belongs to the package rfid-gateway, which brings the service")


def _write(target: Path, content: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{target}: {error.strerror}{_as_root(error)}") from error
    click.echo(f"wrote     {target}")


def _remove(target: Path) -> None:
    try:
        target.unlink()
    except OSError as error:
        raise click.ClickException(f"{target}: {error.strerror}{_as_root(error)}") from error
    click.echo(f"removed   {target}")


def _as_root(error: OSError) -> str:
    return "; call it as root" if isinstance(error, PermissionError) else ""


def _call(*command: str) -> None:
    """Call one of systemd's programs.

    Raises:
        click.ClickException: it is not there or failed; what it said is in the message.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    except FileNotFoundError as error:
        raise click.ClickException(f"{command[0]} is not there: this system does not run systemd") from error
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}: {done.stderr.strip()}")
    click.echo(f"called    {' '.join(command)}")


def _text(file: Traversable) -> str:
    return file.read_text(encoding="utf-8")
