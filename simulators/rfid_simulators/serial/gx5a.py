"""A simulated reader of the GX protocol: command bytes in, answer and tag bytes out. Pure; its own codec.

Written from the vendor's byte layout: 5A 00 01 MT MID [ADR] LEN(2) data CRC, the CRC (polynomial 1021, initial 0)
over all bytes after 5A, its high byte first.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rfid_simulators.world.sighting import Sighting

_MEMORY = 1024
"""Tags that wait for a round; the oldest is forgotten."""

_SERIAL_NUMBER = b"GX0001"
_COMPILED = b"2021-03-01 12:00"


@dataclass(frozen=True, slots=True)
class Gx5aSetting:
    """What a simulated reader is and how it was configured."""

    address: int | None = None
    """On RS-485: listens to this address alone and names it in every frame."""
    reading: bool = False
    """Whether an inventory was left running."""
    numbered: bool = False
    """Tags carry a number under which they want to be acknowledged."""
    start_result: int = 0
    """Answers the start of an inventory with this; any but 0 is a refusal."""
    clock_offset: int = 0
    """What the reader's clock, counted from 1970, shows when the world begins; microseconds."""


def seal(body: bytes) -> bytes:
    """Append the CRC to 5A..data."""
    crc = 0
    for byte in body[1:]:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return body + bytes((crc >> 8, crc & 0xFF))


class SimulatedGx5a:
    """One reader's firmware. Owned by the server that runs it."""

    usual_error = 6
    """The reader cannot start."""

    def __init__(self, setting: Gx5aSetting) -> None:
        self.reading = setting.reading
        """Whether an inventory runs; a restart ends it."""
        self.started = 0
        """Inventories that were started by command."""
        self.acknowledged: list[int] = []
        """Numbers of tags that were acknowledged."""
        self.error = setting.start_result or None
        self._setting = setting
        self._antennas = 0xFFFFFFFF
        self._seen: deque[Sighting] = deque(maxlen=_MEMORY)
        self._number = 0

    def hear(self, sightings: Sequence[Sighting]) -> list[bytes]:
        """Take what the antennas heard; give the frames that are sent because of it."""
        if not self.reading:
            self._seen.extend(sightings)
            return []
        if self.error is not None:
            self.reading = False
            return [self._frame(0x12, 0x01, b"\x02")]
        return self._tags(sightings)

    def receive(self, data: bytes) -> list[bytes]:
        """Take commands, as one read brings them; give the answer frames. Damaged, or for another address: silence."""
        return [answer for frame in _cut(data) for answer in self._receive_one(frame)]

    def heartbeat(self, counter: int) -> bytes:
        """Give the frame that such a reader sends from time to time."""
        return self._frame(0x11, 0x12, counter.to_bytes(4, "big"))

    def is_keepalive(self, frame: bytes) -> bool:
        """Whether a frame is a heartbeat."""
        return (frame[3] & 0x1F, frame[4]) == (0x11, 0x12)

    def unknown(self) -> bytes:
        """Build a frame that no manual has."""
        return self._frame(0x14, 0x77, b"\x01\x02")

    def restart(self) -> None:
        """Lose the power and get it back."""
        self.reading = False
        self._seen.clear()

    def _receive_one(self, frame: bytes) -> list[bytes]:
        if seal(frame[:-2]) != frame:
            return []
        on_bus = frame[3] & 0x20
        if (frame[5] if on_bus else None) != self._setting.address:
            return []
        return self._obey(frame[3] & 0x1F, frame[4], frame[8 if on_bus else 7 : -2])

    def _obey(self, kind: int, number: int, data: bytes) -> list[bytes]:
        if (kind, number) == (1, 0x00):
            return [self._frame(1, 0x00, _information())]
        if (kind, number) == (1, 0x1D):
            self.acknowledged.append(int.from_bytes(data, "big"))
            return []
        if (kind, number) == (2, 0x10):
            self.reading = self.error is None
            self.started += self.reading
            self._antennas = int.from_bytes(data[:4], "big")
            if self.reading and data[4:5] == b"\x00":
                return [self._frame(kind, number, b"\x00"), *self._round()]
            return [self._frame(kind, number, bytes((self.error or 0,)))]
        if (kind, number) == (2, 0xFF):
            ended = [self._frame(0x12, 0x01, b"\x01")] if self.reading else []
            self.reading = False
            return [self._frame(kind, number, b"\x00"), *ended]
        return []

    def _round(self) -> list[bytes]:
        """Run the one round that was asked for: what was heard since the last, and the end."""
        self.reading = False
        tags = self._tags(self._seen)
        self._seen.clear()
        return [*tags, self._frame(0x12, 0x01, b"\x00")]

    def _tags(self, sightings: Iterable[Sighting]) -> list[bytes]:
        return [self._tag(sighting) for sighting in sightings if self._antennas >> sighting.antenna_id - 1 & 1]

    def _tag(self, sighting: Sighting) -> bytes:
        epc = bytes.fromhex(sighting.epc)
        pc = (len(epc) // 2 << 11).to_bytes(2, "big")
        seconds, microseconds = divmod(self._setting.clock_offset + sighting.at, 1_000_000)
        phase = round(sighting.phase / 6.283185307 * 128) % 128
        told = b"\x01" + bytes((round(sighting.rssi) + 129 & 0xFF,))
        told += b"\x07" + seconds.to_bytes(4, "big") + microseconds.to_bytes(4, "big")
        told += b"\x09" + bytes((phase,)) + b"\x14" + round(sighting.rssi).to_bytes(2, "big", signed=True)
        if self._setting.numbered:
            self._number += 1
            told += b"\x22" + self._number.to_bytes(4, "big")
        return self._frame(0x12, 0x00, _counted(epc) + pc + bytes((sighting.antenna_id,)) + told)

    def _frame(self, kind: int, number: int, data: bytes) -> bytes:
        address = self._setting.address
        header = bytes((kind, number)) if address is None else bytes((kind | 0x20, number, address))
        return seal(b"\x5a\x00\x01" + header + _counted(data))


def _counted(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _information() -> bytes:
    return _counted(_SERIAL_NUMBER) + bytes(4) + _counted(_COMPILED) + b"\x01\x01\x02\x00\x07"


def _cut(data: bytes) -> Iterator[bytes]:
    """Cut what one read brought into frames; no line loses bytes on the way to a simulated reader."""
    while len(data) >= 9 and data.startswith(b"\x5a\x00\x01"):  # noqa: PLR2004 - the shortest frame
        start = 8 if data[3] & 0x20 else 7
        size = start + int.from_bytes(data[start - 2 : start], "big") + 2
        yield data[:size]
        data = data[size:]
