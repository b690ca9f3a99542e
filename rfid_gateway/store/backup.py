"""A copy of the database before its schema is changed, beside it: `gateway.db.before-<first change>`."""

import contextlib
import os
import sqlite3
from pathlib import Path

import structlog

from rfid_gateway.store.ballast import free_bytes
from rfid_gateway.store.database import Database, StoreError, StoreFullError
from rfid_gateway.store.sequence_mark import sync_folder

log = structlog.get_logger(__name__)

KEPT = 2
"""Backups that are kept, the newest; more would fill the disk over the years."""
GAP = 1_000_000
"""Sequences that a backup is ahead by: whoever goes back to it has given some away since, and none may come twice."""
_PAGES_AT_ONCE = 10_000


def back_up(database: Database, step: str) -> Path:
    """Copy the database with all that is committed (SQLite's online backup), durably; returns the copy's path.

    Raises:
        StoreFullError: there is no room for it.
        StoreError: it cannot be written, in words.
    """
    path = database.path.with_name(f"{database.path.name}.before-{step}")
    draft = path.with_name(f"{path.name}.draft")
    size, _ = database.size()
    try:
        # What a start that was killed has left.
        draft.unlink(missing_ok=True)
        free = free_bytes(path.parent)
        if free < size + size // 20:
            raise StoreFullError(
                f"{database.path}: needs {size >> 20} MB for a backup before its schema is changed and the disk has "
                f"{free >> 20} MB; make room and start again"
            )
        log.info("store.backup", path=str(path), megabytes=size >> 20)
        with contextlib.closing(sqlite3.connect(draft)) as copy, database.errors_in_words():
            database.raw.backup(copy, pages=_PAGES_AT_ONCE)
            copy.execute("UPDATE meta SET value = value + ? WHERE name = 'next_sequence'", (GAP,))
            copy.commit()
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror})") from error
    _forget_old(database.path)
    return path


def _forget_old(database: Path) -> None:
    backups = [path for path in database.parent.glob(f"{database.name}.before-*") if path.suffix != ".draft"]
    for path in sorted(backups, key=lambda each: each.stat().st_mtime_ns)[:-KEPT]:
        log.info("store.backup_forgotten", path=str(path))
        path.unlink(missing_ok=True)
