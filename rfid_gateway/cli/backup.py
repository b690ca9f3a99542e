"""`rfid-gateway backup`."""

import os
import re
import signal
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click

from rfid_gateway.backup.making import Wanted, make, named_files
from rfid_gateway.backup.manifest import Manifest
from rfid_gateway.cli.configuration import config_option, load
from rfid_gateway.cli.output import json_line, json_option
from rfid_gateway.cli.stages import stages
from rfid_gateway.clock import SystemClock
from rfid_gateway.config import Config
from rfid_gateway.state_guard import InUseError, hold, refuse_running, state_lock
from rfid_gateway.store.database import StoreError

_NICE = 10
"""Behind the gateway, which runs on the same two cores."""
_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--keep", metavar="N", type=click.IntRange(min=1), help="In a folder: keep the N newest, delete others.")
@click.option("--with-secrets", is_flag=True, help="Also passwords, keys, certificates and tokens.")
@click.option("--final", is_flag=True, help="The gateway is stopped and does not go on here: it moves.")
@config_option
@json_option
def backup(file: Path, keep: int | None, with_secrets: bool, final: bool, config_file: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Write the gateway's state and configuration into FILE, while the gateway runs.

    FILE may be a folder: then the name is made of site, gateway and time (UTC), and --keep deletes the oldest of these.
    Only its owner can read the file. Passwords, keys and tokens are not in it unless --with-secrets asks for them.

    --final is for a move to another PC. It refuses while the gateway runs, and the gateway does not start here any
    more, so that its sequence can go on at the other PC without a gap: rfid-gateway restore --without-gap.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what is half-written is removed on the way out
    config, now = load(config_file), SystemClock().utc_us()
    if keep is not None and not file.is_dir():
        raise click.UsageError("--keep is for a folder that is there")
    target = _named(file, config, now) if file.is_dir() else file
    folder = Path(config.gateway.state_dir)
    wanted = Wanted("final" if final else "copy", with_secrets)
    try:
        with ExitStack() as alone:
            if final:
                alone.enter_context(state_lock(folder))
                refuse_running(folder, now)
            else:
                os.nice(_NICE)
            with stages() as progress:
                manifest = make(config, config_file, target, wanted, now, progress)
            if final:
                hold(folder, _moved(target, manifest))
        deleted = _delete_old(file, config, keep) if keep else []
    except (StoreError, InUseError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or target}: {error.strerror}") from error
    if as_json:
        json_line(_row(target, manifest, deleted))
    else:
        _show(target, manifest, deleted, config)


def _named(folder: Path, config: Config, at: int) -> Path:
    stamp = datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y%m%dT%H%M%SZ")
    return folder / f"{_beginning(config)}{stamp}.tar.gz"


def _beginning(config: Config) -> str:
    return f"rfid-gateway-{config.gateway.site}-{config.gateway.id}-"


def _delete_old(folder: Path, config: Config, keep: int) -> list[Path]:
    """Delete backups of this gateway that have names of ours, but for the newest."""
    beginning = _beginning(config)
    named = folder.glob("*.tar.gz")
    found = sorted(
        path
        for path in named
        if path.name.startswith(beginning)
        and _STAMP.fullmatch(path.name.removeprefix(beginning).removesuffix(".tar.gz"))
    )
    for path in (old := found[:-keep]):
        path.unlink()
    return old


def _moved(target: Path, manifest: Manifest) -> str:
    return (
        f"this state was moved away at {manifest.made_at} with the final backup {target.absolute()}; the gateway goes "
        "on where that is restored. If it is to go on here after all, restore that backup here with --without-gap"
    )


def _row(target: Path, manifest: Manifest, deleted: list[Path]) -> dict[str, object]:
    return {
        "file": str(target),
        "bytes": target.stat().st_size,
        "kind": manifest.kind,
        "site": manifest.site,
        "gateway": manifest.gateway,
        "made_at": manifest.made_at,
        "next_sequence": manifest.next_sequence,
        "waiting": manifest.waiting,
        "members": list(manifest.members),
        "deleted": [str(path) for path in deleted],
    }


def _show(target: Path, manifest: Manifest, deleted: list[Path], config: Config) -> None:
    megabytes = target.stat().st_size / (1 << 20)
    click.secho(f"wrote     {target} ({megabytes:.1f} MB)", fg="green")
    click.echo(f"holds     {manifest.site}/{manifest.gateway} up to sequence {manifest.next_sequence - 1}")
    click.echo(f"waiting   {manifest.waiting} events not yet acknowledged by the broker")
    for path in deleted:
        click.echo(f"deleted   {path}")
    missing = () if any(member.path for member in manifest.members.values()) else tuple(named_files(config))
    for name in missing:
        click.echo(f"not in it {name}")
    if manifest.kind == "final":
        click.secho("moved     the gateway does not start here any more", fg="yellow")
