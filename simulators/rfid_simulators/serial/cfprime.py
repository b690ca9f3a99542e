"""A simulated Chafon "UHF Prime" reader: command bytes in, answer and tag bytes out. Pure; its own codec.

Written from the byte layout of the vendor's manual V1.3: CF ADR CMD(2) LEN [STATUS] data CRC, the CRC (polynomial
8408, initial FFFF) with its high byte first.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rfid_simulators.world.sighting import Sighting

_MEMORY = 1024
"""Tags that wait for a round; the oldest is forgotten."""

_PARAMETERS = 25
_WORK_MODE_AT = 2


@dataclass(frozen=True, slots=True)
class CfPrimeSetting:
    """What a simulated reader is and how it was configured."""

    active: bool = True
    """Work mode as it leaves its flash memory: sends tags unasked; else it only answers."""
    address: int = 0
    start_status: int = 0
    """Answers the start of an inventory with this status; any but 0 is a refusal."""


def seal(body: bytes) -> bytes:
    """Append the CRC to CF..data."""
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return body + bytes((crc >> 8, crc & 0xFF))


class SimulatedCfPrime:
    """One reader's firmware. Owned by the server that runs it."""

    usual_error = 0x02
    """The command failed inside the reader."""

    def __init__(self, setting: CfPrimeSetting) -> None:
        self.reading = setting.active
        """Whether tags are sent; a restart sets it back to what the work mode says."""
        self.error = setting.start_status or None
        self._setting = setting
        self._seen: deque[Sighting] = deque(maxlen=_MEMORY)

    def hear(self, sightings: Sequence[Sighting]) -> list[bytes]:
        """Take what the antennas heard; give the frames that are sent because of it."""
        if not self.reading:
            self._seen.extend(sightings)
            return []
        if self.error is not None:
            return [self._answer(0x0001, self.error)] if sightings else []
        return [self._answer(0x0001, 0x00, _tag(sighting)) for sighting in sightings]

    def receive(self, data: bytes) -> list[bytes]:
        """Take commands, as one read brings them; give the answer frames. Damaged, or for another address: silence."""
        answers = []
        while len(data) > 4:  # noqa: PLR2004 - the header
            answers += self._receive_one(data[: data[4] + 7])
            data = data[data[4] + 7 :]
        return answers

    def restart(self) -> None:
        """Lose the power and get it back."""
        self.reading = self._setting.active
        self._seen.clear()

    def unknown(self) -> bytes:
        """Build a frame that no manual has."""
        return self._answer(0x1234, 0x00, b"\x01\x02")

    def _receive_one(self, command: bytes) -> list[bytes]:
        if command[0] != 0xCF or seal(command[:-2]) != command:  # noqa: PLR2004 - the header byte
            return []
        if command[1] not in (self._setting.address, 0xFF):
            return []
        return self._obey(int.from_bytes(command[2:4], "big"), command[5:-2])

    def _obey(self, code: int, data: bytes) -> list[bytes]:
        if code == 0x0001 and any(data) and self.error is None:
            return self._round()
        if code == 0x0001:
            self.reading = self.error is None
            return [] if self.error is None else [self._answer(code, self.error)]
        if code in (0x0002, 0x0050):
            self.reading = False
            return [self._answer(code, 0x00)]
        if code == 0x0070:  # noqa: PLR2004 - command codes are the manual's
            return [self._answer(code, 0x00, _INFORMATION)]
        if code == 0x0072:  # noqa: PLR2004
            return [self._answer(code, 0x00, self._parameters())]
        return [self._answer(code, 0x01)]

    def _round(self) -> list[bytes]:
        """Run the one round that was asked for: what was heard since the last, and the end."""
        self.reading = False
        tags = [self._answer(0x0001, 0x00, _tag(sighting)) for sighting in self._seen]
        self._seen.clear()
        return [*tags, self._answer(0x0001, 0x12)]

    def _parameters(self) -> bytes:
        parameters = bytearray(_PARAMETERS)
        parameters[0] = self._setting.address
        parameters[_WORK_MODE_AT] = self._setting.active
        return bytes(parameters)

    def _answer(self, code: int, status: int, data: bytes = b"") -> bytes:
        header = bytes((0xCF, self._setting.address)) + code.to_bytes(2, "big") + bytes((1 + len(data), status))
        return seal(header + data)


def _text(text: str, size: int) -> bytes:
    return text.encode("ascii").ljust(size, b"\x00")


_INFORMATION = (
    _text("CF591 V2.0", 32) + _text("V1.30", 32) + bytes(12) + _text("V3.1", 32) + _text("E710", 32) + bytes(12)
)


def _tag(sighting: Sighting) -> bytes:
    epc = bytes.fromhex(sighting.epc)
    rssi = round(sighting.rssi * 10).to_bytes(2, "big", signed=True)
    return rssi + bytes((sighting.antenna_id, sighting.channel, len(epc))) + epc
