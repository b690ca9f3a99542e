"""The sequence's high-water mark: a small file beside the database, so that no sequence is ever given twice.

It says how far sequences may have been given, and runs ahead of them, so that it is written seldom. Where the database
is lost or damaged, the new one goes on from there: that leaves a gap, and a gap is better than a sequence for two
events.
"""

import os
import zlib
from pathlib import Path

from rfid_gateway.store.database import StoreError

AHEAD = 10_000
"""Sequences that the mark runs ahead: the largest gap that a damaged database leaves."""
_SLOT_BYTES = 64
_SLOTS = 2
"""Written in turn and in place: half a write spoils only one of them, and a full disk none."""


def mark_of(database: Path) -> Path:
    """The file that belongs to a database."""
    return database.with_name(f"{database.stem}.sequence")


class SequenceMark:
    """The mark in its file. Owner: the outbox's connection."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._covered = 0
        self._turn = 0

    def read(self) -> int:
        """Return the first sequence that was certainly never given; 0 where nothing is known."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be read ({error.strerror})") from error
        slots = [content[at : at + _SLOT_BYTES] for at in range(0, _SLOTS * _SLOT_BYTES, _SLOT_BYTES)]
        return max(_number(slot) for slot in slots)

    def cover(self, sequence: int) -> None:
        """Make sure, durably, that the mark lies at or above `sequence`; belongs before the commit that gives it away.

        Raises:
            StoreError: the file cannot be written.
        """
        if sequence <= self._covered:
            return
        # Another connection may have raised it, and an older mark must never replace a higher one.
        self._covered = max(self._covered, self.read())
        if sequence <= self._covered:
            return
        mark = sequence + AHEAD
        try:
            self._write(mark)
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written ({error.strerror})") from error
        self._covered = mark

    def _write(self, mark: int) -> None:
        new = not self._path.exists()
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if new:
                os.pwrite(file, b" " * (_SLOTS * _SLOT_BYTES), 0)
            os.pwrite(file, _slot(mark), self._turn * _SLOT_BYTES)
            os.fsync(file)
        finally:
            os.close(file)
        if new:
            sync_folder(self._path.parent)
        self._turn = (self._turn + 1) % _SLOTS


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable.

    Raises:
        OSError: the folder cannot be opened or flushed.
    """
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _slot(mark: int) -> bytes:
    text = f"next sequence {mark:020}"
    return f"{text} {zlib.crc32(text.encode()):08x}".ljust(_SLOT_BYTES - 1).encode() + b"\n"


def _number(slot: bytes) -> int:
    text = slot.decode("ascii", "replace").rstrip()
    words, _, checksum = text.rpartition(" ")
    if f"{zlib.crc32(words.encode()):08x}" != checksum or not words.startswith("next sequence "):
        return 0
    return int(words.rsplit(" ", 1)[1])
