"""`rfid-gateway restore`."""

import os
import pwd
import signal
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from rfid_gateway import config
from rfid_gateway.backup import archive
from rfid_gateway.backup.archive import ArchiveError
from rfid_gateway.backup.making import named_files
from rfid_gateway.backup.manifest import CONFIGURATION, Manifest
from rfid_gateway.backup.restoring import (
    Owner,
    RefusedError,
    Restored,
    Staged,
    put_back,
    put_back_without_gap,
    staged,
)
from rfid_gateway.cli.configuration import InstalledDrivers, config_option, load
from rfid_gateway.cli.output import json_line, json_option, local_time
from rfid_gateway.cli.packaged import is_example
from rfid_gateway.cli.setup_next import USER, service_group
from rfid_gateway.cli.stages import stages
from rfid_gateway.clock import SystemClock
from rfid_gateway.config import Config, ConfigError
from rfid_gateway.setup.files import NewFile, put
from rfid_gateway.state_guard import InUseError, refuse_running, state_lock
from rfid_gateway.store.database import StoreError


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be put where."""

    config: Config
    text: str | None
    """The backup's configuration, where it is to be written."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Only check the backup, and say what is in it.")
@click.option("--without-gap", is_flag=True, help="A final backup, and the gateway has run nowhere since.")
@click.option("--with-configuration", is_flag=True, help="Replace the configuration by that of the backup, too.")
@click.option("--force", is_flag=True, help="Even if the backup is of another site or gateway.")
@config_option
@json_option
def restore(
    file: Path,
    check: bool,  # noqa: FBT001
    without_gap: bool,  # noqa: FBT001
    with_configuration: bool,  # noqa: FBT001
    force: bool,  # noqa: FBT001
    config_file: Path,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Put the state in FILE back, which rfid-gateway backup has written; the gateway must not run.

    Everything is checked before anything is touched. What was there is kept under a name with the time. The
    configuration is left alone where there is one of your own, unless --with-configuration asks for that of the backup.

    The gateway has gone on after the backup, so its sequence goes on with a gap and is never given twice. Only after
    rfid-gateway backup --final, and if the gateway has run nowhere since, --without-gap goes on exactly.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what is half-unpacked is removed on the way out
    try:
        if check:
            _check(file, as_json=as_json)
            return
        plan = _plan(file, config_file, with_configuration=with_configuration, force=force)
        state_dir = Path(plan.config.gateway.state_dir)
        owner = _owner(state_dir)
        _make(state_dir, owner)
        now = SystemClock().utc_us()
        with state_lock(state_dir):
            refuse_running(state_dir, now)
            with stages() as progress, staged(file, state_dir, progress) as backup:
                action = put_back_without_gap if without_gap else put_back
                done = action(backup, plan.config.database, owner, now)
                files = _put_configuration(backup, plan, config_file)
    except (ArchiveError, RefusedError, InUseError, StoreError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or file}: {error.strerror}") from error
    if as_json:
        json_line({**_row(backup.manifest), **_done(done), "wrote": [str(path) for path in files]})
    else:
        _show(backup.manifest, plan, done, files)


def _check(file: Path, *, as_json: bool) -> None:
    size = archive.read_manifest(file).size
    with stages() as progress:
        manifest = archive.verify(file, archive.counted("checking", size, progress))
    if as_json:
        json_line(_row(manifest))
        return
    _show_manifest(manifest)
    for name, member in manifest.members.items():
        click.echo(f"holds     {name:<20}{member.size:>14} bytes  {member.path or ''}".rstrip())
    click.secho("whole     every checksum is right", fg="green")
    if manifest.kind == "final":
        click.echo("final     goes on exactly with restore --without-gap, if the gateway has run nowhere since")


def _plan(file: Path, config_file: Path, *, with_configuration: bool, force: bool) -> _Plan:
    """Find out whose configuration counts, and whether the backup is of the same gateway.

    Raises:
        ConfigError: the configuration that counts has mistakes.
        RefusedError: the backup is of another gateway.
    """
    manifest = archive.read_manifest(file)
    own = None
    if config_file.exists() and not is_example(config_file):
        try:
            own = load(config_file)
        except ConfigError:
            if not with_configuration:
                raise
    if own is not None and not force:
        _refuse_another(manifest, own, config_file)
    if own is not None and not with_configuration:
        return _Plan(own, None)
    text = archive.read_member(file, CONFIGURATION).decode("utf-8", "replace")
    return _Plan(config.parse(text, f"{file}: {CONFIGURATION}", InstalledDrivers()), text)


def _refuse_another(manifest: Manifest, own: Config, config_file: Path) -> None:
    there, here = (manifest.site, manifest.gateway), (own.gateway.site, own.gateway.id)
    if there != here:
        raise RefusedError(
            f"the backup is of {'/'.join(there)}, and {config_file} is of {'/'.join(here)}; --force restores it "
            "anyway, and what waits in it is then published under its own topics"
        )


def _owner(state_dir: Path) -> Owner | None:
    """Whose the state is: that of the folder, or the service's user; None where we may not give files away."""
    if os.geteuid() != 0:
        return None
    if state_dir.exists():
        found = state_dir.stat()
        return Owner(found.st_uid, found.st_gid)
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        return None
    return Owner(user.pw_uid, user.pw_gid)


def _make(state_dir: Path, owner: Owner | None) -> None:
    if state_dir.exists():
        return
    state_dir.mkdir(mode=0o750, parents=True)
    if owner is not None:
        os.chown(state_dir, owner.user, owner.group)


def _put_configuration(backup: Staged, plan: _Plan, config_file: Path) -> list[Path]:
    """Write the configuration and the files that it names, if they are to be written; returns which."""
    if plan.text is None:
        return []
    group = service_group()
    files = [NewFile(config_file, plan.text, 0o644, keeps_old=not is_example(config_file))]
    for name, member in backup.manifest.members.items():
        if member.path is not None:
            content = backup.content(name).decode()
            files.append(NewFile(Path(member.path), content, 0o600 if group is None else 0o640, group))
    put(files, datetime.now().astimezone().strftime("%Y%m%dT%H%M%S"))
    return [file.path for file in files]


def _row(manifest: Manifest) -> dict[str, object]:
    return {
        "kind": manifest.kind,
        "version": manifest.version,
        "site": manifest.site,
        "gateway": manifest.gateway,
        "made_at": manifest.made_at,
        "backup_next_sequence": manifest.next_sequence,
        "waiting": manifest.waiting,
        "members": list(manifest.members),
    }


def _done(done: Restored) -> dict[str, object]:
    return {
        "next_sequence": done.next_sequence,
        "kept": [str(path) for path in done.kept],
        "open_loads": done.open_loads,
    }


def _show_manifest(manifest: Manifest) -> None:
    made = local_time(manifest.made_at_us)
    words = "final: the gateway was stopped for good" if manifest.kind == "final" else "the gateway went on"
    click.echo(f"backup    of {manifest.site}/{manifest.gateway}, {made}, rfid-gateway {manifest.version}; {words}")
    click.echo(f"sequence  up to {manifest.next_sequence - 1}, {manifest.waiting} events not yet acknowledged")


def _show(manifest: Manifest, plan: _Plan, done: Restored, files: list[Path]) -> None:
    _show_manifest(manifest)
    for path in done.kept:
        click.echo(f"kept      {path}")
    click.secho(f"restored  {plan.config.database}", fg="green")
    for path in files:
        click.secho(f"wrote     {path}", fg="green")
    for name in named_files(plan.config):
        if not Path(name).exists():
            click.secho(f"missing   {name}: the configuration names it; put it there", fg="red")
    if done.next_sequence == manifest.next_sequence:
        click.echo(f"sequence  goes on with {done.next_sequence}, without a gap")
        return
    click.secho(
        f"sequence  goes on with {done.next_sequence}: a gap, so that nothing is given twice that was since",
        fg="yellow",
    )
    click.echo(f"waiting   {manifest.waiting} events are published again, as replayed")
    click.echo("statuses  the broker keeps its retained ones until there is something new; all: rfid-gateway republish")
    if done.open_loads:
        click.secho(
            f"loads     {done.open_loads} were open: what went out with them since the backup counts as not seen",
            fg="yellow",
        )
