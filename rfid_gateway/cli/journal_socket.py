"""The journal's own socket, on which it takes log events with fields (systemd.io/JOURNAL_NATIVE_PROTOCOL)."""

import array
import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Mapping
from pathlib import Path

SOCKET = Path("/run/systemd/journal/socket")
_F_ADD_SEALS = 1033
_ALL_SEALS = 0x1 | 0x2 | 0x4 | 0x8
"""fcntl(2) F_SEAL_SEAL, SHRINK, GROW and WRITE: journald reads no memory that could change under it."""


def stderr_is_journal(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether standard error is the journal's stream that systemd has made for us (JOURNAL_STREAM, systemd.exec(5)).

    A program that somebody starts from a service and whose errors go into a file inherits the variable, not the stream.
    """
    with contextlib.suppress(OSError):
        stream = os.fstat(2)
        return environment.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"
    return False


class JournalSocket:
    """Hands entries to journald. Any thread may send: a datagram is handed over whole or not at all."""

    def __init__(self, path: Path = SOCKET) -> None:
        self._path = str(path)
        # Not connected: journald may be restarted, and has a new socket under the same name then.
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def send(self, entry: bytes) -> None:
        """Hand one entry over.

        Raises:
            OSError: the journal is away.
        """
        try:
            self._socket.sendto(entry, self._path)
        except OSError as error:
            if error.errno not in {errno.EMSGSIZE, errno.ENOBUFS}:
                raise
            self._send_as_file(entry)

    def _send_as_file(self, entry: bytes) -> None:
        """An entry that is too large for a datagram goes as sealed memory."""
        descriptor = os.memfd_create("rfid-gateway-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with open(descriptor, "wb", closefd=True) as file:  # noqa: PTH123 - it has no path
            file.write(entry)
            file.flush()
            fcntl.fcntl(file, _F_ADD_SEALS, _ALL_SEALS)
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))
            self._socket.sendmsg([b""], [rights], 0, self._path)

    def close(self) -> None:
        """Close our end."""
        self._socket.close()
