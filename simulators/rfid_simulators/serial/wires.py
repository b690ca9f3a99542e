"""What a simulated serial reader is plugged into: a pseudo-terminal or a TCP port. I/O only."""

import os
import selectors
import socket
import tty
from pathlib import Path
from typing import Protocol

_CHUNK = 4096


class Wire(Protocol):
    """The reader's end of a line. Used by the server's thread; `close` from any."""

    @property
    def url(self) -> str:
        """What a gateway is to open."""
        ...

    def receive(self, wait_s: float) -> bytes:
        """Give what the gateway sent, waiting up to `wait_s` for it."""
        ...

    def send(self, data: bytes) -> bool:
        """Send without waiting; False where not all of it went out, because nobody reads."""
        ...

    def close(self) -> None:
        """Unplug."""
        ...


class PtyWire:
    """A pseudo-terminal behind a stable symbolic link, as udev makes for a USB adapter.

    The gateway's end is kept open here too: without it the reader's end fails while no gateway is there. Closing
    ours gives the gateway exactly the errors of a pulled USB plug.
    """

    def __init__(self, link: Path) -> None:
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self._link = link
        if link.is_symlink():
            link.unlink()
        link.symlink_to(os.ttyname(self._theirs))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ours, selectors.EVENT_READ)

    @property
    def url(self) -> str:
        """Path of the symbolic link."""
        return str(self._link)

    def receive(self, wait_s: float) -> bytes:
        """Give what the gateway sent."""
        return os.read(self._ours, _CHUNK) if self._selector.select(wait_s) else b""

    def send(self, data: bytes) -> bool:
        """Send; drop what a full buffer does not take (about 18 KB when nobody reads)."""
        try:
            return os.write(self._ours, data) == len(data)
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Unplug: both ends are gone, and so is the link."""
        self._link.unlink(missing_ok=True)
        self._selector.close()
        os.close(self._ours)
        os.close(self._theirs)


class TcpWire:
    """A TCP server for one gateway at a time, as serial servers are."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(0)
        self._peer: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)

    @property
    def url(self) -> str:
        """Address with the true port."""
        return f"socket://127.0.0.1:{self._listener.getsockname()[1]}"

    def receive(self, wait_s: float) -> bytes:
        """Give what the gateway sent; take a gateway that has connected in between."""
        for key, _ in self._selector.select(wait_s):
            if key.fileobj is self._listener:
                self._accept()
            else:
                return self._read()
        return b""

    def send(self, data: bytes) -> bool:
        """Send; False where no gateway is connected or its buffer is full."""
        if self._peer is None:
            return False
        try:
            return self._peer.send(data) == len(data)
        except BlockingIOError:
            return False
        except OSError:
            self._hang_up()
            return False

    def close(self) -> None:
        """Unplug: connection and server are gone."""
        self._hang_up()
        self._selector.close()
        self._listener.close()

    def _accept(self) -> None:
        peer, _ = self._listener.accept()
        if self._peer is not None:
            peer.close()
            return
        peer.settimeout(0)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peer = peer
        self._selector.register(peer, selectors.EVENT_READ)

    def _read(self) -> bytes:
        assert self._peer is not None
        try:
            data = self._peer.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            self._hang_up()
        return data

    def _hang_up(self) -> None:
        if self._peer is not None:
            self._selector.unregister(self._peer)
            self._peer.close()
            self._peer = None
