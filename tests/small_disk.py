"""A small file system of its own for a test: memory that is mounted, filled, made read-only and taken away again."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import skip_or_fail


class SmallDisk:
    """A mounted tmpfs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, left: int = 0) -> None:
        """Write until so many bytes are left."""
        with self._filler.open("ab") as file, contextlib.suppress(OSError):
            while (free := self.free()) > left:
                file.write(b"\0" * min(1 << 20, free - left))
                file.flush()

    def make_room(self) -> None:
        """Take what `fill` wrote away."""
        self._filler.unlink()

    def free(self) -> int:
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize

    def remount(self, mode: str) -> bool:
        """Make it "ro" or "rw"; False where the system does not let it, because a file is open for writing."""
        return _mount("-o", f"remount,{mode}", str(self.folder))


def _mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    folder.mkdir()
    if not _mount("-t", "tmpfs", "-o", f"size={megabytes}M", "rfid-test", str(folder)):
        skip_or_fail("a small file system cannot be mounted here (it takes root)")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """64 MB: room for the database, its log and the least ballast."""
    with small_disk(tmp_path / "disk", 64) as disk:
        yield disk
