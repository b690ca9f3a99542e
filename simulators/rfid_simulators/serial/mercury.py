"""A simulated ThingMagic module: command bytes in, answer and stream bytes out. Pure; its own codec.

Written from the vendor's programming guides: FF, length, opcode, in answers a status word, data, CRC. The CRC takes
the message four bits at a time at its low end (polynomial 1021, initial FFFF).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rfid_simulators.world.sighting import Sighting

_SHORTEST = 5
_STEPS_PER_CYCLE = 100
"""The server steps every 10 ms or so, and a module sends its keep-alive once a second."""

_NO_TAG = 0x0400
_BAD_OPCODE = 0x0101
_NO_REGION = 0x010B


@dataclass(frozen=True, slots=True)
class MercurySetting:
    """What a simulated module is and how it was left."""

    hardware: int = 0x30
    """First byte of the hardware version: 30 is an M6e Nano."""
    reading: bool = False
    """Still streaming what an earlier gateway asked for."""
    in_bootloader: bool = False
    """Its firmware has to be booted first."""
    knows_streams: bool = True
    """Not so the M5e."""
    fault: int | None = None
    """Status that comes with each cycle, as from a module that is too hot."""


def crc(body: bytes) -> int:
    """Compute the module's CRC over length..data."""
    register = 0xFFFF
    for byte in body:
        for nibble in (byte >> 4, byte & 0x0F):
            carried = register >> 12
            register = (register << 4 | nibble) & 0xFFFF
            register ^= carried << 12 ^ carried << 5 ^ carried
    return register


def seal(body: bytes) -> bytes:
    """Put the head before and the CRC after length..data."""
    return b"\xff" + body + crc(body).to_bytes(2, "big")


class SimulatedMercury:
    """One module's firmware. Owned by the server that runs it."""

    usual_error = 0x0505
    """High return loss."""

    def __init__(self, setting: MercurySetting) -> None:
        self.reading = setting.reading
        self.region = 1 if setting.reading else 0
        self.commands: list[bytes] = []
        """Opcode and data of the commands obeyed, in order."""
        self.error = setting.fault
        """Status that comes with each cycle."""
        self._setting = setting
        self._in_bootloader = setting.in_bootloader
        self._restarted = False
        self._steps = 0
        self._cycle_began: int | None = None

    def restart(self) -> None:
        """Lose the power and get it back: reads no more, has no region, and says at its next step that it started."""
        self.reading, self.region = False, 0
        self._restarted = True

    def hear(self, sightings: Sequence[Sighting]) -> list[bytes]:
        """Take what the antennas heard; give what the stream carries because of it, the keep-alive and faults too."""
        if self._restarted:
            self._restarted = False
            return [self._version(0x04)]
        if not self.reading:
            return []
        frames = [self._answer(0x22, 0, self._tag(sighting)) for sighting in sightings]
        self._steps += 1
        if self._steps % _STEPS_PER_CYCLE == 0:
            self._cycle_began = None
            frames += [] if self.error is None else [self._answer(0x22, self.error)]
            frames.append(self._answer(0x22, _NO_TAG))
        return frames

    def is_keepalive(self, frame: bytes) -> bool:
        """Whether a frame ends a cycle of the stream."""
        return frame == self._answer(0x22, _NO_TAG)

    def unknown(self) -> bytes:
        """Build a frame that no manual has."""
        return self._answer(0xE7, 0, b"\x01\x02")

    def receive(self, data: bytes) -> list[bytes]:
        """Take commands, as one read brings them, each perhaps after FF bytes that wake; give the answers."""
        answers = []
        while len(data) >= _SHORTEST:
            if data[:2] == b"\xff\xff":
                data = data[1:]
                continue
            end = _SHORTEST + data[1]
            answers += self._receive_one(data[:end])
            data = data[end:]
        return answers

    def _receive_one(self, command: bytes) -> list[bytes]:
        if seal(command[1:-2]) != command:
            return []
        code, data = command[2], command[3:-2]
        if self.reading and command[2] != 0x2F:  # noqa: PLR2004 - opcodes are the guide's
            return [self._answer(code, _BAD_OPCODE)]
        self.commands.append(bytes((code,)) + data)
        return self._boot(code) if self._in_bootloader else self._obey(code, data)

    def _boot(self, code: int) -> list[bytes]:
        match code:
            case 0x03:
                return [self._version(code)]
            case 0x0C:
                return [self._answer(code, 0, b"\x11")]
            case 0x04:
                self._in_bootloader = False
                return [self._version(code)]
        return [self._answer(code, _BAD_OPCODE)]

    def _obey(self, code: int, data: bytes) -> list[bytes]:
        match code:
            case 0x03:
                return [self._version(code)]
            case 0x0C:
                return [self._answer(code, 0, b"\x12")]
            case 0x97:
                self.region = data[0]
            case 0x91 | 0x92 | 0x93 | 0x9A:
                pass
            case 0x2F if self._setting.knows_streams:
                return self._stream(data)
            case _:
                return [self._answer(code, _BAD_OPCODE)]
        return [self._answer(code, 0)]

    def _stream(self, data: bytes) -> list[bytes]:
        if data[2] == 0x02:  # noqa: PLR2004 - stop
            self.reading = False
            return [self._answer(0x2F, 0, b"\x02")]
        if not self.region:
            return [self._answer(0x2F, _NO_REGION)]
        self.reading, self._cycle_began = True, None
        return [self._answer(0x2F, 0, b"\x01")]

    def _version(self, code: int) -> bytes:
        hardware = bytes((self._setting.hardware, 0, 0, 1))
        numbers = bytes.fromhex("12120200") + hardware + bytes.fromhex("20230914 010D0003 00000010")
        return self._answer(code, 0, numbers)

    def _tag(self, sighting: Sighting) -> bytes:
        if self._cycle_began is None:
            self._cycle_began = sighting.at
        epc = bytes.fromhex(sighting.epc)
        reply = (len(epc) // 2 << 11).to_bytes(2, "big") + epc
        reply += _tag_crc(reply).to_bytes(2, "big")
        metadata = (
            b"\x01",
            max(-128, min(127, round(sighting.rssi))).to_bytes(1, "big", signed=True),
            bytes((sighting.antenna_id << 4 | sighting.antenna_id,)),
            (902_250 + 500 * sighting.channel).to_bytes(3, "big"),
            ((sighting.at - self._cycle_began) // 1000).to_bytes(4, "big"),
            (round(sighting.phase * 57.29577951308232) % 360).to_bytes(2, "big"),
            b"\x05\x00\x00\x0f",  # Gen2, no tag memory, inputs
        )
        bits = (8 * len(reply)).to_bytes(2, "big")
        return bytes.fromhex("10001B01FF01") + b"".join(metadata) + bits + reply

    @staticmethod
    def _answer(code: int, status: int, data: bytes = b"") -> bytes:
        return seal(bytes((len(data), code)) + status.to_bytes(2, "big") + data)


def _tag_crc(data: bytes) -> int:
    register = 0xFFFF
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ 0x1021 if register & 0x8000 else register << 1) & 0xFFFF
    return register ^ 0xFFFF
