"""What happens to a damaged database: it is set aside, never deleted, and a new one takes over what can be read.

    gateway.db ──salvage──▶ gateway.db.draft ──complete──▶ gateway.db.salvaged
    gateway.db, -wal, -shm ──renamed──▶ gateway.db.damaged-<time>, -wal, -shm
    gateway.db.salvaged ──renamed──▶ gateway.db

Whatever kills the program in between, the next start goes on: a `salvaged` file is complete and only wants its name.
No connection of this process may be open on the old file; SQLite's files must not be renamed under one.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.database import StoreDamagedError, StoreError
from rfid_gateway.store.salvage import salvage
from rfid_gateway.store.sequence_mark import SequenceMark, mark_of, sync_folder

log = structlog.get_logger(__name__)

_PARTS = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Repaired:
    """A database that was set aside."""

    aside: Path
    reason: str
    rows: int
    """How many rows the new one took over."""


def open_repaired(path: Path, at: int) -> tuple[Store, Repaired | None]:
    """Open the gateway's database; where it is damaged, set it aside and go on with a new one.

    Args:
        path: the database.
        at: UTC in microseconds, for the name under which a damaged one is kept.

    Raises:
        StoreError: as `open_store`, for all that is not damage.
    """
    _finish(path, at)
    try:
        expected = _commits_in_log(path)
        store = open_store(path)
    except StoreDamagedError as error:
        repaired = set_aside(path, at, str(error))
        return open_store(path), repaired
    if not expected or store.checkpoint() >= expected:
        return store, None
    store.close()
    repaired = set_aside(path, at, f"{path}-wal: is damaged; what was committed last cannot be read")
    return open_store(path), repaired


def set_aside(path: Path, at: int, reason: str) -> Repaired:
    """Replace a damaged database by a new one with what can be read of it, and return where the old one is now.

    Raises:
        StoreError: there is no room for the new one, or the folder cannot be written; the old one is where it was.
    """
    draft = path.with_name(f"{path.name}.draft")
    salvaged = _salvaged(path)
    try:
        for part in _PARTS:
            draft.with_name(draft.name + part).unlink(missing_ok=True)
        with open_store(draft) as new:
            rows = salvage(path, new, SequenceMark(mark_of(path)).read())
            if new.outbox.next_sequence() == 1:
                # Neither a mark nor a page to be read: no gateway has ever counted up to the milliseconds since 1970.
                new.outbox.go_on_from(at // 1000)
        draft.replace(salvaged)
        sync_folder(path.parent)
        aside = _finish(path, at)
    except OSError as error:
        raise StoreError(f"{path}: cannot be set aside ({error.strerror})") from error
    assert aside is not None
    log.error("store.set_aside", path=str(aside), reason=reason, rows=rows)
    return Repaired(aside, reason, rows)


def names_aside(path: Path) -> tuple[str, ...]:
    """Names of the databases that were set aside and still wait for somebody to look."""
    found = path.parent.glob(f"{path.name}.damaged-*")
    return tuple(sorted(each.name for each in found if not each.name.endswith(_PARTS[1:])))


def _finish(path: Path, at: int) -> Path | None:
    """Give a salvaged file the database's name, if there is one; return what the damaged one is called now."""
    salvaged = _salvaged(path)
    if not salvaged.exists():
        return None
    time = datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y%m%dT%H%M%S")
    aside = path.with_name(f"{path.name}.damaged-{time}Z")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{time}Z.{number}")
    for part in _PARTS:
        old = path.with_name(path.name + part)
        if old.exists():
            old.rename(aside.with_name(aside.name + part))
    salvaged.rename(path)
    sync_folder(path.parent)
    return aside


def _salvaged(path: Path) -> Path:
    return path.with_name(f"{path.name}.salvaged")


# The write-ahead log ------------------------------------------------------------------------------------------------
# SQLite takes a damaged frame for the log's end, silently (sqlite.org/fileformat2.html, "The WAL File Format"). What
# was committed behind it would be gone, and its sequences given a second time.

_HEADER = struct.Struct(">IIIIIIII")
_FRAME = struct.Struct(">IIIIII")
_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}


def _commits_in_log(path: Path) -> int:
    """How many frames the log holds up to its last commit, going by the frames' salts alone; 0 without a log.

    Raises:
        StoreDamagedError: the log's header is damaged.
    """
    log_path = path.with_name(f"{path.name}-wal")
    if not log_path.exists() or log_path.stat().st_size == 0:
        return 0
    with log_path.open("rb") as file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return 0
        magic, _, page_bytes, _, *salts, first, second = _HEADER.unpack(header)
        if magic not in _MAGIC or _checksum(header[:24], _MAGIC[magic]) != (first, second):
            raise StoreDamagedError(f"{log_path}: is damaged; what was committed last cannot be read")
        frames = last_commit = 0
        while len(frame := file.read(_FRAME.size)) == _FRAME.size:
            frames += 1
            _, size_after_commit, *frame_salts, _, _ = _FRAME.unpack(frame)
            if size_after_commit and frame_salts == salts:
                last_commit = frames
            file.seek(page_bytes, 1)
    return last_commit


def _checksum(content: bytes, order: str) -> tuple[int, int]:
    first = second = 0
    for one, other in struct.iter_unpack(f"{order}II", content):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second
