"""The TCP connection to a reader: moves bytes and can be woken from another thread; knows nothing of LLRP."""

import contextlib
import errno
import os
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from typing import Self

from rfid_drivers.llrp.tls_words import in_words
from rfid_gateway.driver import ReaderError

_CHUNK = 1 << 18
_SEND_LIMIT_S = 2.0


class Waker:
    """Interrupts a wait of a `Connection`; `wake` may be called from any thread. Owner: the driver.

    A socket pair and no flag, because the waiting thread sleeps in the selector.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.settimeout(0)

    def fileno(self) -> int:
        """The descriptor that becomes readable."""
        return self._receiver.fileno()

    def wake(self) -> None:
        """Make a present or coming wait return; never fails, never blocks."""
        with contextlib.suppress(OSError):
            self._sender.send(b"\0", socket.MSG_DONTWAIT)

    def wait(self, timeout_s: float) -> None:
        """Wait for a wake, or until the time has passed."""
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            if selector.select(timeout_s):
                self.drain()

    def drain(self) -> None:
        """Forget the wakes so far, so that the next wait waits again."""
        with contextlib.suppress(BlockingIOError):
            self._receiver.recv(_CHUNK)

    def close(self) -> None:
        """Give the descriptors back."""
        self._receiver.close()
        self._sender.close()


Encrypt = Callable[[socket.socket, float, Waker], ssl.SSLSocket | None]
"""Encrypts a connected socket until a deadline (monotonic seconds); None if woken before; see `tls.Encryption`."""


class Connection:
    """One TCP connection, IPv4 or IPv6. Owner: the reader's thread."""

    def __init__(self, connected: socket.socket, waker: Waker) -> None:
        """Take over a connected socket, encrypted or not; `open` makes one."""
        self._socket = connected
        self._waker = waker
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(0)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(waker, selectors.EVENT_READ)

    @classmethod
    def open(cls, host: str, port: int, timeout_s: float, waker: Waker, encrypt: Encrypt | None = None) -> Self | None:
        """Connect to the first address of `host` that answers; None if woken meanwhile.

        Looking a name up is the system's business and cannot be interrupted; addresses need no looking up.

        Raises:
            ReaderError: no address answered in time, or the connection cannot be encrypted as it has to be.
        """
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ReaderError(f"the reader's host {host!r} cannot be looked up: {error.strerror or error}") from error
        deadline = time.monotonic() + timeout_s
        reason = ""
        for family, kind, protocol, _, address in addresses:
            candidate = socket.socket(family, kind, protocol)
            try:
                if not _connect(candidate, address, deadline, waker):
                    candidate.close()
                    return None
            except OSError as error:
                candidate.close()
                reason = error.strerror or str(error)
                continue
            encrypted = encrypt(candidate, deadline, waker) if encrypt else candidate
            return cls(encrypted, waker) if encrypted else None
        raise ReaderError(f"cannot connect to {host} port {port}: {reason}; check power, network and address")

    def receive(self, timeout_s: float) -> bytes | None:
        """Wait for bytes, the waker or the time-out and take what has arrived: None for nothing, empty at the end.

        Raises:
            ReaderError: the connection broke.
        """
        # What TLS has decrypted already is not seen by the selector.
        decrypted = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0
        ready = {key.fileobj for key, _ in self._selector.select(0 if decrypted else max(timeout_s, 0))}
        if self._waker in ready:
            self._waker.drain()
        if not decrypted and self._socket not in ready:
            return None
        try:
            return self._socket.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None  # half a TLS record, or one without data
        except ConnectionResetError as error:
            raise ReaderError("the reader closed the TCP connection, without having read all (reset)") from error
        except OSError as error:
            raise ReaderError(f"the connection to the reader broke: {in_words(error)}") from error

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            ReaderError: the connection broke, or the reader takes nothing any more.
        """
        self._socket.settimeout(_SEND_LIMIT_S)
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ReaderError(f"the reader takes no more data: {in_words(error)}") from error
        finally:
            self._socket.settimeout(0)

    def close(self) -> None:
        """Close the connection."""
        self._selector.close()
        self._socket.close()


def _connect(candidate: socket.socket, address: tuple[object, ...], deadline: float, waker: Waker) -> bool:
    """Connect a socket; False if woken before it was. Raises OSError like `connect`."""
    candidate.settimeout(0)
    code = candidate.connect_ex(address)
    if code not in (0, errno.EINPROGRESS):
        raise OSError(code, os.strerror(code))
    with selectors.DefaultSelector() as selector:
        selector.register(candidate, selectors.EVENT_WRITE)
        selector.register(waker, selectors.EVENT_READ)
        ready = {key.fileobj for key, _ in selector.select(max(deadline - time.monotonic(), 0))}
    if waker in ready:
        return False
    if not ready:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    code = candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
    return True
