"""The ballast: a file that keeps room on the disk for the moment when there is none.

On a full disk SQLite can neither delete nor bring its log into the tables (sqlite.org/rescode.html, SQLITE_FULL). What
the ballast gives back is enough for both: it is larger than twice the write-ahead log's limit.
"""

import os
from pathlib import Path

from rfid_gateway.store.database import WAL_LIMIT_BYTES

LEAST_BYTES = 2 * WAL_LIMIT_BYTES + (1 << 20)


class Ballast:
    """The file `ballast` beside the database. Owner: the pipeline's thread."""

    def __init__(self, path: Path, size: int) -> None:
        """Touch nothing yet; a `size` below what recovery needs is raised to it, 0 means none."""
        self._path = path
        self.size = max(size, LEAST_BYTES) if size else 0

    def is_held(self) -> bool:
        """Whether it is there, whole."""
        try:
            return self._path.stat().st_size >= self.size
        except OSError:
            return self.size == 0

    def restore(self, spare: int) -> bool:
        """Make it whole if that leaves `spare` bytes of the disk; return whether it is."""
        if self.is_held():
            return True
        try:
            if free_bytes(self._path.parent) < self.size + spare:
                return False
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                # Allocated, not just as long: a file with holes would keep no room.
                os.posix_fallocate(file, 0, self.size)
            finally:
                os.close(file)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Give its room back; return whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


def free_bytes(folder: Path) -> int:
    """Bytes of the disk that this user may still write.

    Raises:
        OSError: the folder is gone.
    """
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
