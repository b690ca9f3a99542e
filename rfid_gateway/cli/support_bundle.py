"""`rfid-gateway support-bundle`."""

import contextlib
import getpass
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
from pydantic import BaseModel

from rfid_gateway.cli.configuration import InstalledDrivers, config_option
from rfid_gateway.clock import SystemClock
from rfid_gateway.config import ConfigError
from rfid_gateway.config_tables import Document
from rfid_gateway.setup.surroundings import host_name
from rfid_gateway.support.inspection import content_of_secret_files, look_at_site, parts
from rfid_gateway.support.parts import Part, occasion, packed
from rfid_gateway.support.redaction import redact, redact_configuration, redact_goods

_GOODS = {"log.txt", "status.txt", "status.json", "unit/status.txt"}
"""Parts that may name shipments; `--with-events` leaves them in."""


@click.command("support-bundle")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@config_option
@click.option("--unit", default="rfid-gateway.service", show_default=True, help="The gateway's systemd unit.")
@click.option("--with-events", is_flag=True, help="Also the last location events, and shipments and EPCs in the log.")
def support_bundle(file: Path | None, config_file: Path, unit: str, with_events: bool) -> None:  # noqa: FBT001
    """Write one archive for whoever helps, without any password; works when things are broken, too.

    FILE is the archive (.tar.gz) or its folder; without it, one is made here. What cannot be had is noted in the
    bundle. Call it as root, or the log and other users' files are missing. Shipments, loads and EPCs stay out.
    """
    made = occasion(host_name(), _user(), SystemClock().utc_us(), with_events=with_events)
    wanted = _wanted(file, made.file_name)
    site = look_at_site(Path(sys.argv[0]), config_file, unit)
    configuration = redact_configuration(site.config_text, _known_names())
    secrets = configuration.secrets | content_of_secret_files(configuration.files)
    found = [Part("gateway.toml", redact(configuration.text, ()), site.config_lacks)]
    _say(found[0])
    for part in parts(site, with_events=with_events):
        clean = _clean(part, secrets, goods=with_events)
        _say(clean)
        found.append(clean)
    content = packed(found, made)
    written = _write(content, [wanted, *(folder / wanted.name for folder in _other_folders())])
    click.secho(f"{written}: {len(content) / 1024:.0f} KB, without passwords, tokens and user names", fg="green")
    if os.geteuid() != 0:
        click.echo("not called as root: the log and other users' files may be missing", err=True)


def _wanted(file: Path | None, name: str) -> Path:
    wanted = Path(name) if file is None else file / name if file.is_dir() else file
    if wanted.exists():
        raise click.BadParameter(f"{wanted} is there already, and is not overwritten", param_hint="FILE")
    return wanted


def _known_names() -> set[str]:
    """Names of all tables and keys, those of each driver that can be imported among them."""
    names = set(_names_in(Document))
    drivers = InstalledDrivers()
    for driver in drivers:
        with contextlib.suppress(ConfigError):
            names |= set(_names_in(drivers[driver].Options))
    return names


def _names_in(model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema()
    for table in (schema, *schema.get("$defs", {}).values()):
        yield from table.get("properties", {})


def _clean(part: Part, secrets: frozenset[str], *, goods: bool) -> Part:
    text = redact(part.text, secrets)
    if part.name in _GOODS and not goods:
        text = redact_goods(text)
    return replace(part, text=text, lacks=redact(part.lacks, secrets))


def _say(part: Part) -> None:
    click.secho(part.row, fg="yellow" if part.lacks else None)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _other_folders() -> Iterator[Path]:
    """Where there may be room and right to write, when the wanted folder has none of one."""
    yield from (Path.cwd(), Path(os.environ.get("TMPDIR", "/tmp")), Path.home())  # noqa: S108 - made for its owner alone
    yield from (Path("/var/tmp"), Path(f"/run/user/{os.getuid()}"), Path("/dev/shm"))  # noqa: S108


def _write(content: bytes, places: list[Path]) -> Path:
    """Write a whole file for its owner alone to the first place that takes it."""
    for place in places:
        draft = None
        try:
            number, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
            draft = Path(name)
            with os.fdopen(number, "wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(number)
            os.link(draft, place)
        except OSError as error:
            click.secho(f"{place} cannot be written: {error.strerror}", fg="red", err=True)
        else:
            return place
        finally:
            if draft is not None:
                draft.unlink(missing_ok=True)
    raise click.ClickException("there is no place for the bundle; give a FILE on a disk with some MB free")
