"""Puts the files of a set-up in their places, all of them or none. I/O only."""

import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be written, and who may read it."""

    path: Path
    content: str
    mode: int
    group: int | None = None
    """Number of the group that may read it; None leaves it to the writer's."""
    keeps_old: bool = True
    """Whether what it replaces is kept; not worth it for what was only an example."""


def put(files: Sequence[NewFile], stamp: str) -> list[Path]:
    """Write all files; what they replace is kept beside them under its name, a dot and the stamp.

    Everything is on the disk under other names before the first is renamed, and a Ctrl-C waits until all are: at no
    time a file is half-written or there is none. Owner and mode of a file that is replaced stay, unless it holds a
    secret (a mode without rights for others).

    Returns:
        Where the old files are now.

    Raises:
        OSError: a folder or file cannot be written; nothing has changed.
    """
    staged: list[tuple[Path, NewFile]] = []
    with _undisturbed():
        try:
            for file in files:
                file.path.parent.mkdir(parents=True, exist_ok=True)
                staged.append((_staged(file), file))
            return _moved(staged, stamp)
        finally:
            for temporary, _ in staged:
                temporary.unlink(missing_ok=True)


def _moved(staged: Sequence[tuple[Path, NewFile]], stamp: str) -> list[Path]:
    kept = []
    for _, file in staged:
        if file.keeps_old and file.path.exists():
            old = _free(file.path, stamp)
            os.link(file.path, old)  # not copied: a copy would be readable for a moment, and have another owner
            kept.append(old)
    for temporary, file in staged:
        temporary.replace(file.path)
        _flush(file.path.parent)
    return kept


def _staged(file: NewFile) -> Path:
    """Write a file under a name of its own beside its place; nobody else may read it before it is whole."""
    handle, name = tempfile.mkstemp(dir=file.path.parent, prefix=f".{file.path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(file.content)
            stream.flush()
            os.fsync(stream.fileno())
        _give(temporary, file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _give(temporary: Path, file: NewFile) -> None:
    secret = not file.mode & 0o007
    if file.path.exists() and not secret:
        before = file.path.stat()
        os.chown(temporary, before.st_uid, before.st_gid)
        temporary.chmod(before.st_mode & 0o777)
        return
    if file.group is not None:
        os.chown(temporary, -1, file.group)
    temporary.chmod(file.mode)


def _free(path: Path, stamp: str) -> Path:
    """A name for the old file that nothing has yet."""
    old, number = path.with_name(f"{path.name}.{stamp}"), 1
    while old.exists():
        number += 1
        old = path.with_name(f"{path.name}.{stamp}-{number}")
    return old


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals that would end the program wait; in the main thread only, where Python handles them."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _frame: came.append(number)) for number in _ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
