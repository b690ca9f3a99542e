"""Makes a backup: a copy of the database, packed with what else belongs to the state."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rfid_gateway import __version__
from rfid_gateway.backup import archive
from rfid_gateway.backup.archive import OnProgress
from rfid_gateway.backup.manifest import CONFIGURATION, DATABASE, NAMED, SEQUENCE, Kind, Manifest, Member
from rfid_gateway.config import Config
from rfid_gateway.mqtt.settings import CREDENTIAL
from rfid_gateway.store.sequence_mark import mark_of
from rfid_gateway.store.snapshot import snapshot


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the backup is to be."""

    kind: Kind
    with_named: bool
    """Whether passwords, keys, certificates and tokens are in it."""


def make(config: Config, config_file: Path, target: Path, wanted: Wanted, at: int, progress: OnProgress) -> Manifest:
    """Write a backup of the state and return what it says of itself; the gateway may go on meanwhile.

    Args:
        config: the gateway's.
        config_file: the file that says it.
        target: the backup's file; one that is there is replaced once the new one is whole.
        wanted: what the backup is to be.
        at: now, UTC in microseconds.
        progress: takes the progress.

    Raises:
        StoreError: the database cannot be copied, in words.
        OSError: something cannot be read or written.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        copy = Path(folder) / DATABASE
        taken = snapshot(config.database, copy, lambda done, total: progress("copying", done, total))
        sources: dict[str, Path] = {CONFIGURATION: config_file}
        mark = mark_of(config.database)
        if mark.exists():
            sources[SEQUENCE] = mark
        named = dict(_numbered(named_files(config))) if wanted.with_named else {}
        sources |= {name: Path(path) for name, path in named.items()}
        # Small files might change while they are packed; what the manifest says of them is true of the copies.
        sources = {name: _kept(path, Path(folder) / archive.local_name(name)) for name, path in sources.items()}
        sources[DATABASE] = copy
        manifest = Manifest(
            version=__version__,
            kind=wanted.kind,
            site=config.gateway.site,
            gateway=config.gateway.id,
            made_at=datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="milliseconds"),
            next_sequence=taken.next_sequence,
            waiting=taken.waiting,
            schema=taken.changes,
            members=_described(sources, named, progress),
        )
        archive.write(target, manifest, sources, archive.counted("packing", manifest.size, progress))
    return manifest


def named_files(config: Config) -> Iterator[str]:
    """Files that the configuration names: passwords, keys, certificates and tokens, each once; none of systemd's."""
    mqtt = config.mqtt
    tls = (mqtt.tls.ca_file, mqtt.tls.certificate_file, mqtt.tls.key_file) if mqtt.tls else ()
    found = [mqtt.password_file, *tls, *(client.token_file for client in config.commands.clients)]
    for reader in config.readers:
        options = reader.options.model_dump()
        found += [value for key, value in options.items() if key.endswith("_file") and isinstance(value, str)]
    yield from dict.fromkeys(path for path in found if path and not path.startswith(CREDENTIAL))


def _numbered(paths: Iterator[str]) -> Iterator[tuple[str, str]]:
    for number, path in enumerate(paths):
        yield f"{NAMED}{number}", str(Path(path).absolute())


def _kept(path: Path, copy: Path) -> Path:
    copy.touch(mode=0o600)
    copy.write_bytes(path.read_bytes())
    return copy


def _described(sources: Mapping[str, Path], named: Mapping[str, str], progress: OnProgress) -> Mapping[str, Member]:
    on_bytes = archive.counted("checking", sum(path.stat().st_size for path in sources.values()), progress)
    return {
        name: Member(path.stat().st_size, archive.sha256_of(path, on_bytes), named.get(name))
        for name, path in sources.items()
    }
