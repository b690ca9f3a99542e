"""Who may use a state folder: one gateway at a time, and none while its state belongs elsewhere."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from rfid_gateway.state_file import last_sign_of_life, read_state
from rfid_gateway.store.sequence_mark import sync_folder

HOLD_FILE = "not-to-be-started"
"""In the state folder: why no gateway may go on with what is there, in words."""
FRESH_US = 10_000_000
"""The gateway writes its status every second; older than this, it does not run or hangs."""


class InUseError(Exception):
    """Another process works on the state folder; the message says so."""


@contextmanager
def state_lock(folder: Path) -> Generator[None]:
    """Have the folder to oneself; the system gives it back however the process ends.

    The lock is on the folder itself (flock(2)), so it needs no file, also on a disk that is full or read-only.

    Raises:
        InUseError: a gateway runs on it, or its state is being moved or restored.
        OSError: there is no such folder.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUseError(f"{folder}: a gateway runs on this state folder; stop it first") from error
        yield
    finally:
        os.close(handle)


def refuse_running(folder: Path, at: int) -> None:
    """Raise InUseError where the status file says that a gateway runs: one of a version that does not lock.

    `at` is UTC in microseconds.
    """
    try:
        stopped = bool(read_state(folder).get("stopped"))
    except (OSError, ValueError):
        return
    if not stopped and 0 <= at - last_sign_of_life(folder) < FRESH_US:
        raise InUseError(
            f"{folder}: a gateway gave a sign of life within the last {FRESH_US // 1_000_000} s; stop it first"
        )


def hold(folder: Path, words: str) -> None:
    """Let no gateway start on this folder, durably; the words say why and what helps."""
    path = folder / HOLD_FILE
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.write(handle, f"{words}\n".encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(folder)


def held(folder: Path) -> str | None:
    """Why no gateway may start on this folder; None where one may."""
    try:
        return (folder / HOLD_FILE).read_text(encoding="utf-8", errors="replace").strip() or HOLD_FILE
    except OSError:
        return None


def release(folder: Path) -> None:
    """Let gateways start again, durably."""
    (folder / HOLD_FILE).unlink(missing_ok=True)
    sync_folder(folder)
