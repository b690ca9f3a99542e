"""A simulated M100 or R200 module: command bytes in, answer and tag bytes out. Pure; its own codec.

Written from the manuals' byte layouts (MagicRF M100, R200 V2.3.3): head, type, command, length, parameters, the low
byte of their sum, tail; BB and 7E or AA and DD.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rfid_simulators.world.sighting import Sighting

_TAILS = {0xBB: 0x7E, 0xAA: 0xDD}
_SHORTEST = 7
_NO_TAG = 0x15


@dataclass(frozen=True, slots=True)
class M100Setting:
    """What a simulated module is and how it was left."""

    head: int = 0xBB
    """BB for an M100, AA for an R200: the framing that it understands."""
    version: str = "M100 26dBm V1.0"
    reading: bool = False
    """Still running the rounds that an earlier gateway started."""
    selecting: bool = False
    """A selection from another program is in force: every round is empty until it is taken away."""
    most_rounds: int = 65_535
    """Stops without a word after so many rounds, whatever was asked for."""
    refuses: frozenset[int] = frozenset()
    """Commands answered by error 17."""


def tag_crc(data: bytes) -> int:
    """Compute the CRC that a Gen2 tag sends after its PC and EPC: polynomial 1021, initial FFFF, inverted."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc ^ 0xFFFF


class SimulatedM100:
    """One module's firmware. Owned by the server that runs it."""

    usual_error = 0x20
    """No free channel to hop to."""

    def __init__(self, setting: M100Setting) -> None:
        self.reading = setting.reading
        self.commands: list[int] = []
        """Commands obeyed, in order."""
        self.error: int | None = None
        self._setting = setting
        self._reset(selecting=setting.selecting)

    def hear(self, sightings: Sequence[Sighting]) -> list[bytes]:
        """Run one round: give a frame for each tag heard, or the one that says that there was none."""
        if not self.reading:
            return []
        self._rounds -= 1
        self.reading = self._rounds > 0
        if self.error is not None:
            return [self._frame(0x01, 0xFF, bytes((self.error,)))]
        if not sightings or self._selecting:
            return [self._frame(0x01, 0xFF, bytes((_NO_TAG,)))]
        return [self._frame(0x02, 0x22, _tag(sighting)) for sighting in sightings]

    def receive(self, data: bytes) -> list[bytes]:
        """Take commands, as one read brings them; give the answers. The other framing is met with silence."""
        answers = []
        while len(data) >= _SHORTEST:
            end = _SHORTEST + int.from_bytes(data[3:5], "big")
            answers += self._receive_one(data[:end])
            data = data[end:]
        return answers

    def restart(self) -> None:
        """Lose the power and get it back: nothing is kept."""
        self.reading = False
        self._reset(selecting=False)

    def is_keepalive(self, frame: bytes) -> bool:
        """Whether a frame says that there was no tag in a round."""
        return frame[1:3] == b"\x01\xff" and frame[5] == _NO_TAG

    def unknown(self) -> bytes:
        """Build a frame that no manual has."""
        return self._frame(0x02, 0xE7, b"\x01\x02")

    def _reset(self, *, selecting: bool) -> None:
        self.region = 0
        self.power = 2600
        """Hundredths of a dBm."""
        self._selecting = selecting
        self._rounds = self._setting.most_rounds

    def _receive_one(self, command: bytes) -> list[bytes]:
        if command[0] != self._setting.head or command[-1] != _TAILS[self._setting.head]:
            return []
        code, params = command[2], command[5:-2]
        if self._frame(0x00, code, params) != command or code in self._setting.refuses:
            return [self._frame(0x01, 0xFF, b"\x17")]
        self.commands.append(code)
        return self._obey(code, params)

    def _obey(self, code: int, params: bytes) -> list[bytes]:
        match code:
            case 0x03:
                return [self._frame(0x01, code, b"\x00" + self._setting.version.encode())]
            case 0x27:
                self.reading = True
                self._rounds = min(int.from_bytes(params[1:3], "big"), self._setting.most_rounds)
                return []
            case 0x07:
                self.region = params[0]
            case 0xB6:
                self.power = int.from_bytes(params, "big")
            case 0x12:
                self._selecting = params[0] == 0
            case 0x28:
                self.reading = False
            case _:
                return [self._frame(0x01, 0xFF, b"\x17")]
        return [self._frame(0x01, code, b"\x00")]

    def _frame(self, kind: int, code: int, params: bytes) -> bytes:
        body = bytes((kind, code, len(params) >> 8, len(params) & 0xFF)) + params
        head = self._setting.head
        return bytes((head,)) + body + bytes((sum(body) & 0xFF, _TAILS[head]))


def _tag(sighting: Sighting) -> bytes:
    epc = bytes.fromhex(sighting.epc)
    reply = (len(epc) // 2 << 11).to_bytes(2, "big") + epc
    rssi = max(-128, min(127, round(sighting.rssi)))
    return rssi.to_bytes(1, "big", signed=True) + reply + tag_crc(reply).to_bytes(2, "big")
