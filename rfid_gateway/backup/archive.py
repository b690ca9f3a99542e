"""The file of a backup: a gzip-compressed tar (POSIX pax) whose first member is the manifest. I/O only."""

import contextlib
import gzip
import hashlib
import io
import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import IO, BinaryIO, cast

from rfid_gateway.backup.manifest import MANIFEST, Manifest, ManifestError, decode
from rfid_gateway.store.sequence_mark import sync_folder

_CHUNK = 1 << 20
_LONGEST_MANIFEST = 1 << 20
_LEVEL = 1
"""gzip's fastest: on a PC with two cores the gateway needs the other one."""

OnBytes = Callable[[int], None]
"""Takes how many more bytes are done."""
OnProgress = Callable[[str, int, int], None]
"""Takes what is being done, how much of it is done, and of how much."""


class ArchiveError(Exception):
    """The file is no backup or is damaged; the message names it and what is wrong."""


def counted(what: str, total: int, progress: OnProgress) -> OnBytes:
    """Adds up, for one stage of `total` bytes."""
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        progress(what, done, total)

    return on_bytes


def sha256_of(path: Path, on_bytes: OnBytes) -> str:
    """Checksum of a file."""
    with path.open("rb") as file:
        return _digest(file, on_bytes)


def write(target: Path, manifest: Manifest, sources: Mapping[str, Path], on_bytes: OnBytes) -> None:
    """Write a backup, readable for its owner alone: under another name first, and under its own once it is on the disk.

    Args:
        target: the file; one that is there is replaced.
        manifest: names the members in their order.
        sources: where the content of each member is.
        on_bytes: takes the progress.

    Raises:
        OSError: it cannot be written; there is nothing under its name that was not there before.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            with (
                gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed,
                tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
            ):
                content = manifest.encode()
                tar.addfile(_info(MANIFEST, len(content)), io.BytesIO(content))
                for member, described in manifest.members.items():
                    with sources[member].open("rb") as source:
                        tar.addfile(_info(member, described.size), cast("BinaryIO", _Counted(source, on_bytes)))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def read_manifest(archive: Path) -> Manifest:
    """What a backup says of itself; nothing else of it is looked at.

    Raises:
        ArchiveError: it is none.
        OSError: it cannot be read.
    """
    with archive.open("rb") as file, _in_words(archive), _opened(file) as (_, tar):
        return _manifest(tar)


def read_member(archive: Path, name: str) -> bytes:
    """The content of a small member that stands before the database, checked.

    Raises:
        ArchiveError: the file is no backup or is damaged.
        OSError: it cannot be read.
    """
    found: list[bytes] = []

    def take(member: str, content: IO[bytes]) -> str:
        found.append(content.read() if member == name else b"")
        return hashlib.sha256(found[-1]).hexdigest() if member == name else _digest(content, lambda _: None)

    with archive.open("rb") as file, _in_words(archive), _opened(file) as (_, tar):
        for member in _members(tar, _manifest(tar), take):
            if member == name:
                return found[-1]
        raise ManifestError(f"{name} is missing")


def verify(archive: Path, on_bytes: OnBytes) -> Manifest:
    """Read a whole backup and check every member; errors as with `unpack`."""
    return _read_all(archive, lambda _, content: _digest(content, on_bytes))


def unpack(archive: Path, folder: Path, on_bytes: OnBytes) -> Manifest:
    """Write the members of a backup into an empty folder, and check every one.

    What the tar says of places, owners, modes and links counts for nothing: only the names of the manifest are written,
    `files/3` as `files-3`.

    Raises:
        ArchiveError: it is damaged, cut off, or holds anything that does not belong into a backup.
        OSError: it cannot be read, or the folder not be written.
    """
    return _read_all(archive, lambda name, content: _write(content, folder / local_name(name), on_bytes))


_Take = Callable[[str, IO[bytes]], str]
"""Takes the content of a member, and gives its checksum."""


def _read_all(archive: Path, take: _Take) -> Manifest:
    with archive.open("rb") as file, _in_words(archive), _opened(file) as (packed, tar):
        manifest = _manifest(tar)
        for _ in _members(tar, manifest, take):
            pass
        # The checksum of gzip itself stands at the very end.
        while packed.read(_CHUNK):
            pass
    return manifest


def _members(tar: tarfile.TarFile, manifest: Manifest, take: _Take) -> Iterator[str]:
    """Names of the members behind the manifest, each once it was taken and its checksum is right."""
    missing = dict(manifest.members)
    while (info := tar.next()) is not None:
        member = missing.pop(info.name, None)
        if member is None or not info.isreg() or info.size != member.size:
            raise ManifestError(f"{info.name!r} does not belong into it, or is not what the manifest says")
        content = tar.extractfile(info)
        assert content is not None  # a regular file has content
        if take(info.name, content) != member.sha256:
            raise ManifestError(f"{info.name} in it is damaged: its checksum is wrong")
        yield info.name
    if missing:
        raise ManifestError(f"{next(iter(missing))} is missing")


def local_name(member: str) -> str:
    """What a member is called in the folder into which it is unpacked."""
    return member.replace("/", "-")


def _write(content: IO[bytes], path: Path, on_bytes: OnBytes) -> str:
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for chunk in _chunks(content, on_bytes):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _digest(content: IO[bytes], on_bytes: OnBytes) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(content, on_bytes):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(content: IO[bytes], on_bytes: OnBytes) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK):
        yield chunk
        on_bytes(len(chunk))


def _manifest(tar: tarfile.TarFile) -> Manifest:
    first = tar.next()
    if first is None or first.name != MANIFEST or not first.isreg() or first.size > _LONGEST_MANIFEST:
        raise ManifestError(f"does not begin with {MANIFEST}")
    content = tar.extractfile(first)
    assert content is not None
    return decode(content.read())


@contextlib.contextmanager
def _opened(file: BinaryIO) -> Generator[tuple[gzip.GzipFile, tarfile.TarFile]]:
    with gzip.GzipFile(fileobj=file) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        yield packed, tar


@contextlib.contextmanager
def _in_words(archive: Path) -> Generator[None]:
    try:
        yield
    except ManifestError as error:
        raise ArchiveError(f"{archive}: {error}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
        raise ArchiveError(f"{archive}: is no backup, is damaged or was cut off ({error})") from error


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


class _Counted:
    """A file that tells how much was read of it."""

    def __init__(self, file: BinaryIO, on_bytes: OnBytes) -> None:
        self._file = file
        self._on_bytes = on_bytes

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._on_bytes(len(content))
        return content
