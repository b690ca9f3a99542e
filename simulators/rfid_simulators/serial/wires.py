"""What a simulated serial reader is plugged into: a pseudo-terminal or a TCP port. I/O only."""

import os
import selectors
import socket
import struct
import tty
from pathlib import Path
from typing import Protocol, runtime_checkable

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

    def unplug(self) -> None:
        """Pull the line out; until `plug_in` nothing else is called."""
        ...

    def plug_in(self) -> None:
        """Plug the line in again at the same URL."""
        ...

    def close(self) -> None:
        """Unplug for good."""
        ...


@runtime_checkable
class Connected(Protocol):
    """A wire with connections, which can break while the reader and its server stay."""

    def drop(self, last: bytes, *, reset: bool) -> None:
        """Send a last piece and close the connection, with a TCP reset where told so."""
        ...


class PtyWire:
    """A pseudo-terminal behind a stable symbolic link, as udev makes for a USB adapter.

    The gateway's end is kept open here too: without it the reader's end fails while no gateway is there. Closing
    ours gives the gateway exactly the errors of a pulled USB plug.
    """

    def __init__(self, link: Path) -> None:
        self._link = link
        self._open = True
        self._ours, self._theirs = os.openpty()
        self._link_up()

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

    def unplug(self) -> None:
        """Pull the plug: both ends are gone, and so is the link. The next pair is taken before, for another number."""
        following = os.openpty()
        self._let_go()
        self._ours, self._theirs = following

    def plug_in(self) -> None:
        """Give the next pair to whoever opens the link."""
        self._link_up()

    def close(self) -> None:
        """Unplug for good."""
        if self._open:
            self._let_go()
            self._open = False

    def _link_up(self) -> None:
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        if self._link.is_symlink():
            self._link.unlink()
        self._link.symlink_to(os.ttyname(self._theirs))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ours, selectors.EVENT_READ)

    def _let_go(self) -> None:
        self._link.unlink(missing_ok=True)
        self._selector.close()
        os.close(self._ours)
        os.close(self._theirs)


class TcpWire:
    """A TCP server for one gateway at a time, as serial servers are."""

    def __init__(self, port: int) -> None:
        self._peer: socket.socket | None = None
        self._listen(port)

    @property
    def url(self) -> str:
        """Address with the true port."""
        return f"socket://127.0.0.1:{self._port}"

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

    def drop(self, last: bytes, *, reset: bool) -> None:
        """Send a last piece and close the connection, with a TCP reset where told so."""
        self.send(last)
        if self._peer is not None and reset:
            self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._hang_up()

    def unplug(self) -> None:
        """Take connection and server away."""
        self._hang_up()
        self._selector.close()
        self._listener.close()

    def plug_in(self) -> None:
        """Listen on the same port again."""
        self._listen(self._port)

    def close(self) -> None:
        """Unplug for good."""
        self.unplug()

    def _listen(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(0)
        self._port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)

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
