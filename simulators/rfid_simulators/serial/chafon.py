"""A simulated Chafon reader: command bytes in, answer and push bytes out. Pure; its own codec.

Written from the manuals' byte layouts (UHFReader18, UHFReader288MP): LEN ADR CMD [STATUS] data CRC, the CRC
(polynomial 8408, initial FFFF) with its low byte first.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rfid_simulators.world.sighting import Sighting

_TAGS_PER_FRAME = 4
"""Tags that it usually packs into one inventory frame before it goes on in another (status 03)."""

_MEMORY = 256
"""Tags that wait for an inventory; the oldest is forgotten."""


@dataclass(frozen=True, slots=True)
class ChafonSetting:
    """What a simulated reader is and how it was configured."""

    with_antennas: bool = True
    """UHFReader288 and later, with antenna and RSSI; else UHFReader18."""
    pushing: bool = False
    """As it leaves its flash memory: pushes tags unasked."""
    address: int = 0
    type_code: int = 0x20
    inventory_status: int | None = None
    """Answers every inventory with this status and no tags, as a reader with a fault does."""


def seal(body: bytes) -> bytes:
    """Append the CRC to LEN..data."""
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return body + bytes((crc & 0xFF, crc >> 8))


class SimulatedChafon:
    """One reader's firmware. Owned by the server that runs it."""

    usual_error = 0xF8
    """An antenna is missing or damaged."""

    def __init__(self, setting: ChafonSetting) -> None:
        self.pushing = setting.pushing
        """Whether tags are pushed; kept in flash memory."""
        self.error = setting.inventory_status
        self.tags_per_frame = _TAGS_PER_FRAME
        self._setting = setting
        self._seen: deque[Sighting] = deque(maxlen=_MEMORY)

    def hear(self, sightings: Sequence[Sighting]) -> list[bytes]:
        """Take what the antennas heard; give the frames that are pushed because of it."""
        if self.pushing:
            return [self._answer(0xEE, 0x00, self._push_body(sighting)) for sighting in sightings]
        self._seen.extend(sightings)
        return []

    def receive(self, data: bytes) -> list[bytes]:
        """Take commands, as one read brings them; give the answer frames.

        Truncated or for another address: silence, as in the manual. Unknown or damaged: status FE.
        """
        answers = []
        while data:
            answers += self._receive_one(data[: data[0] + 1])
            data = data[data[0] + 1 :]
        return answers

    def restart(self) -> None:
        """Lose the power and get it back: what waits is forgotten; it pushes as its flash memory says."""
        self.pushing = self._setting.pushing
        self._seen.clear()

    def is_keepalive(self, frame: bytes) -> bool:
        """Whether a frame is a heartbeat."""
        return frame[2:4] == b"\xee\x28"

    def unknown(self) -> bytes:
        """Build a frame that no manual has."""
        return self._answer(0x97, 0x00, b"\x01\x02")

    def _receive_one(self, command: bytes) -> list[bytes]:
        if len(command) < 5 or command[0] != len(command) - 1:  # noqa: PLR2004 - the shortest command
            return []
        if command[1] not in (self._setting.address, 0xFF):
            return []
        code, data = command[2], command[3:-2]
        if seal(command[:-2]) != command:
            return [self._answer(0x00, 0xFE)]
        return self._obey(code, data)

    def heartbeat(self, packets: int) -> bytes:
        """Build the heartbeat that newer readers push."""
        return self._answer(0xEE, 0x28, packets.to_bytes(4, "big") + bytes((0, 0, 0, 1)) + packets.to_bytes(4, "big"))

    def _obey(self, code: int, data: bytes) -> list[bytes]:
        if code == 0x21:  # noqa: PLR2004 - command codes are the manual's
            return [self._answer(code, 0x00, self._information())]
        if code == self._mode_command and data:
            self.pushing = data[0] == 1
            return [self._answer(code, 0x00)]
        if code == 0x01 and not self.pushing:
            return self._inventory()
        return [] if self.pushing else [self._answer(code, 0xFE)]

    @property
    def _mode_command(self) -> int:
        return 0x76 if self._setting.with_antennas else 0x35

    def _information(self) -> bytes:
        short = bytes((5, 2, self._setting.type_code, 2, 0x31, 0x80, 26, 20))
        return short + bytes((1, 0, 0, 0)) if self._setting.with_antennas else short

    def _inventory(self) -> list[bytes]:
        if self.error is not None:
            return [self._answer(0x01, self.error)]
        if not self._seen:
            return [self._answer(0x01, 0xFB)]
        frames = []
        while self._seen:
            group = self._next_group()
            frames.append(self._answer(0x01, 0x03 if self._seen else 0x01, self._inventory_body(group)))
        return frames

    def _next_group(self) -> list[Sighting]:
        """Take tags of one antenna: a frame has room for one antenna byte."""
        group = [self._seen.popleft()]
        while self._seen and len(group) < self.tags_per_frame and self._seen[0].antenna_id == group[0].antenna_id:
            group.append(self._seen.popleft())
        return group

    def _inventory_body(self, group: Sequence[Sighting]) -> bytes:
        if not self._setting.with_antennas:
            return bytes((len(group),)) + b"".join(_length_and_epc(sighting) for sighting in group)
        tags = b"".join(_length_and_epc(sighting) + _rssi(sighting) for sighting in group)
        return bytes((_antenna_mask(group[0]), len(group))) + tags

    def _push_body(self, sighting: Sighting) -> bytes:
        if not self._setting.with_antennas:
            return bytes.fromhex(sighting.epc)
        return bytes((_antenna_mask(sighting),)) + _length_and_epc(sighting) + _rssi(sighting)

    def _answer(self, code: int, status: int, data: bytes = b"") -> bytes:
        return seal(bytes((5 + len(data), self._setting.address, code, status)) + data)


def _length_and_epc(sighting: Sighting) -> bytes:
    epc = bytes.fromhex(sighting.epc)
    return bytes((len(epc),)) + epc


def _rssi(sighting: Sighting) -> bytes:
    """Some unit of its own, as the real ones have: about 107 at -60 dBm."""
    return bytes((max(0, min(255, round(sighting.rssi) + 167)),))


def _antenna_mask(sighting: Sighting) -> int:
    return 1 << (sighting.antenna_id - 1) & 0xFF
