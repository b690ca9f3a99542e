"""Puts a backup back: everything is unpacked and checked beside the state before the first file there is touched.

    FILE ──unpack, check──▶ state_dir/.restore-… ──prepare──▶ renamed into place
    what was there ──renamed──▶ gateway.db.replaced-<time>

From the first rename to the last no gateway may start, also after a power cut in between: the folder is held.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rfid_gateway.backup import archive
from rfid_gateway.backup.archive import ArchiveError, OnProgress
from rfid_gateway.backup.manifest import DATABASE, SEQUENCE, Manifest
from rfid_gateway.state_guard import hold, release
from rfid_gateway.store import restored
from rfid_gateway.store.ballast import free_bytes
from rfid_gateway.store.schema import refuse_newer
from rfid_gateway.store.sequence_mark import mark_of, sync_folder

_PARTS = ("", "-wal", "-shm")
_STAGING = ".restore-"
_LEAST_ROOM = 16 << 20
"""Beside what is unpacked: the log of the database while it is prepared."""
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class RefusedError(Exception):
    """The backup may not be put back here; the message says why and what helps. Nothing was touched."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom the files of the state belong to."""

    user: int
    group: int


@dataclass(frozen=True, slots=True)
class Staged:
    """A backup that is unpacked and whole, and has replaced nothing yet."""

    manifest: Manifest
    folder: Path

    def content(self, member: str) -> bytes:
        """Of a small member."""
        return (self.folder / archive.local_name(member)).read_bytes()


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done."""

    next_sequence: int
    kept: tuple[Path, ...]
    """What was there, under its new names."""
    open_loads: int


@contextmanager
def staged(file: Path, state_dir: Path, progress: OnProgress) -> Generator[Staged]:
    """Unpack a backup into a folder of its own in the state folder, and check it; the folder goes in the end.

    Raises:
        ArchiveError: it is no backup, or is damaged.
        RefusedError: there is no room for it.
        NewerSchemaError: a newer rfid-gateway made it.
        StoreError: its database cannot be used.
        OSError: something cannot be read or written.
    """
    manifest = archive.read_manifest(file)
    refuse_newer(manifest.schema, str(file))
    needed, free = manifest.size + _LEAST_ROOM, free_bytes(state_dir)
    if free < needed:
        raise RefusedError(f"{state_dir}: the backup needs {needed >> 20} MB and the disk has {free >> 20} MB free")
    for left in state_dir.glob(f"{_STAGING}*"):
        shutil.rmtree(left, ignore_errors=True)  # by a restore that was cut off; the caller has the folder's lock
    folder = Path(tempfile.mkdtemp(dir=state_dir, prefix=_STAGING))
    try:
        on_bytes = archive.counted("unpacking", manifest.size, progress)
        # Read anew, so what was checked above is checked again: the file might be another by now.
        if archive.unpack(file, folder, on_bytes) != manifest:
            raise ArchiveError(f"{file}: was changed meanwhile")
        restored.check(folder / DATABASE)
        yield Staged(manifest, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put_back(backup: Staged, database: Path, owner: Owner | None, at: int) -> Restored:
    """Give the state its place, and have its sequence go on behind all that may have been given since the backup.

    The caller has the state folder's lock.

    Args:
        backup: the backup.
        database: its path to be.
        owner: who is to own the files; None leaves that to the system.
        at: now, UTC in microseconds.

    Raises:
        RefusedError: the clock is wrong.
        StoreError: the database cannot be prepared; nothing was touched.
        OSError: the folder cannot be written. Where a rename failed, the folder stays held.
    """
    made_at = backup.manifest.made_at_us
    if at < made_at:
        raise RefusedError(
            f"the backup was made at {backup.manifest.made_at}, and this PC's clock shows an earlier time: set it first"
        )
    sequence = restored.next_sequence_after(backup.manifest.next_sequence, database, at)
    restored.prepare(backup.folder / DATABASE, sequence, made_at)
    return _put(backup, database, owner, at, sequence)


def put_back_without_gap(backup: Staged, database: Path, owner: Owner | None, at: int) -> Restored:
    """Give a final state its place; its sequence goes on exactly. Arguments and errors as with `put_back`.

    Raises:
        RefusedError: the backup is not final, or the state here has gone on beyond it.
    """
    manifest = backup.manifest
    if manifest.kind != "final":
        raise RefusedError(
            "the gateway may have gone on after this backup, so its sequence cannot go on without a gap; "
            "only one that was made with rfid-gateway backup --final can"
        )
    if not restored.goes_on_without_gap(database, manifest.next_sequence):
        raise RefusedError(
            f"{database}: has gone on beyond the backup (sequence {manifest.next_sequence}), "
            "so the sequence cannot go on without a gap"
        )
    return _put(backup, database, owner, at, manifest.next_sequence)


def _put(backup: Staged, database: Path, owner: Owner | None, at: int, sequence: int) -> Restored:
    folder, mark = database.parent, mark_of(database)
    loads = restored.open_loads(backup.folder / DATABASE)
    arriving = {backup.folder / SEQUENCE: mark, backup.folder / DATABASE: database}
    arriving = {source: target for source, target in arriving.items() if source.exists()}
    for source in arriving:
        if owner is not None:
            os.chown(source, owner.user, owner.group)
    time = datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y%m%dT%H%M%SZ")
    with _undisturbed():
        hold(folder, "a restore was cut off here; call rfid-gateway restore again")
        kept = tuple(_set_apart(database, mark, time))
        for source, target in arriving.items():
            source.rename(target)
        sync_folder(folder)
        release(folder)
    return Restored(sequence, kept, loads)


def _set_apart(database: Path, mark: Path, time: str) -> Generator[Path]:
    """Rename what is there; a database's log belongs to it under the new name, too."""
    name, number = f"replaced-{time}", 1
    while database.with_name(f"{database.name}.{name}").exists():
        number += 1
        name = f"replaced-{time}.{number}"
    for path in (database, mark):
        apart = path.with_name(f"{path.name}.{name}")
        for part in _PARTS:
            old = path.with_name(path.name + part)
            if old.exists():
                old.rename(apart.with_name(apart.name + part))
                if not part:
                    yield apart


@contextmanager
def _undisturbed() -> Generator[None]:
    """Let signals that would end the program wait until the files have their names."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
