"""The disk's faults: a library between the gateway and libc, compiled here, and the memory that steers it."""

import mmap
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
_NAMES = ("sync_delay_us", "syncs_delayed", "kill_at_write", "kills", "writes_refused", "files_refused")
"""64-bit numbers in the order of `struct control` in shim.c."""


def compile_shim(folder: Path) -> Path:
    """The shared library in that folder; compiled with gcc."""
    library = folder / "faults.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE, "-ldl"], check=True, text=True
    )
    return library


class Disk:
    """The gateway's disk as the shim lets it be. Owner: the site's driver; the gateway's process counts in it."""

    def __init__(self, file: Path) -> None:
        size = 8 * len(_NAMES)
        file.write_bytes(bytes(size))
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), size)
        self.file = file
        self.armed = False
        """The gateway is going to be killed by its own write."""

    def slow(self, delay_us: int) -> None:
        """Let each fsync take so much longer; 0 ends it."""
        self._set("sync_delay_us", delay_us)

    def kill_at_write(self, number: int) -> None:
        """Let the gateway be killed in the middle of its so-manieth write from now on."""
        self.armed = True
        self._set("kill_at_write", number)

    def disarm(self) -> None:
        """The kill has happened and the gateway is known to be gone."""
        self.armed = False
        self._set("kill_at_write", 0)

    @property
    def syncs_delayed(self) -> int:
        return self._get("syncs_delayed")

    @property
    def kills(self) -> int:
        return self._get("kills")

    @property
    def writes_refused(self) -> int:
        """Writes of the database that failed or were cut short, as by a full disk."""
        return self._get("writes_refused")

    @property
    def files_refused(self) -> int:
        """Writes of other files, such as the state file, for which there was no room."""
        return self._get("files_refused")

    def close(self) -> None:
        self._memory.close()

    def _get(self, name: str) -> int:
        value: int = struct.unpack_from("q", self._memory, 8 * _NAMES.index(name))[0]
        return value

    def _set(self, name: str, value: int) -> None:
        struct.pack_into("q", self._memory, 8 * _NAMES.index(name), value)
