"""A wire tap: passes TCP on and keeps what went by, and writes it as a capture file for tshark."""

import socket
import struct
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

CLIENT_PORT, READER_PORT = 40000, 5084
RAW_IP = 101
_SEGMENT = 1400


class Tap:
    """A TCP relay for one connection. Its two threads own one direction each and append to `traffic`.

    `traffic` holds (from the client, bytes) in the order in which they went by; `list.append` is atomic.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.traffic: list[tuple[bool, bytes]] = []
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._relay, daemon=True)]
        self._sockets = [self._listener]

    @property
    def port(self) -> int:
        """Where a client has to connect to."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads[0].join(60)
        for one in self._sockets:
            one.close()

    def _relay(self) -> None:
        client, _ = self._listener.accept()
        reader = socket.create_connection(self._target)
        self._sockets += [client, reader]
        back = threading.Thread(target=self._pump, args=(reader, client, False), daemon=True)
        back.start()
        self._pump(client, reader, from_client=True)
        back.join(60)

    def _pump(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:  # noqa: FBT001  # thread
        try:
            while data := source.recv(65536):
                self.traffic.append((from_client, data))
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return


def write_pcap(file: Path, traffic: Iterable[tuple[bool, bytes]]) -> None:
    """Write one TCP conversation between a client and a reader's port 5084 as a pcap file of raw IP packets."""
    packets: list[bytes] = []
    sequence = {True: 1, False: 1}
    for from_client, data in traffic:
        for at in range(0, len(data), _SEGMENT):
            segment = data[at : at + _SEGMENT]
            packets.append(_packet(segment, sequence[from_client], sequence[not from_client], from_client=from_client))
            sequence[from_client] += len(segment)
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, RAW_IP)
    records = (struct.pack("<IIII", 0, number, len(one), len(one)) + one for number, one in enumerate(packets))
    file.write_bytes(header + b"".join(records))


def _packet(segment: bytes, sequence: int, acknowledged: int, *, from_client: bool) -> bytes:
    ports = (CLIENT_PORT, READER_PORT) if from_client else (READER_PORT, CLIENT_PORT)
    push_ack = 0x5018
    tcp = struct.pack("!HHIIHHHH", *ports, sequence, acknowledged, push_ack, 65535, 0, 0)
    hosts = (b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02")
    addresses = hosts if from_client else hosts[::-1]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(segment), 0, 0, 64, socket.IPPROTO_TCP, 0)
    return ip + b"".join(addresses) + tcp + segment
