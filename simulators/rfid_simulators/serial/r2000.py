"""A simulated reader with the R2000 board protocol: command bytes in, answer bytes out. Pure; its own codec.

Written from the byte layout of the IND903 manual V2.2: A0 LEN ADR CMD data CHK, the sum of all bytes being 0. Such a
reader says nothing unasked: what its antennas hear waits for the next inventory.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rfid_simulators.world.sighting import Sighting

_MEMORY = 1024
"""Tags that wait for an inventory; the oldest is forgotten."""

_REPORT_ANTENNA_MISSING = 0x22
_DONE = 0x10


@dataclass(frozen=True, slots=True)
class R2000Setting:
    """What a simulated reader is and how it was configured."""

    address: int = 1
    antennas: frozenset[int] = frozenset({1, 2, 3, 4})
    """Antennas that are plugged in; an inventory at another one is answered with status 22."""
    with_phase: bool = False
    """Newer firmware: two bytes of phase after the RSSI."""
    with_rate: bool = True
    """The end of a round tells the read rate too; firmware of V2.2 does not."""


def seal(body: bytes) -> bytes:
    """Append the checksum to A0..data."""
    return body + bytes(((256 - sum(body) % 256) % 256,))


class SimulatedR2000:
    """One reader's firmware. Owned by the server that runs it."""

    usual_error = _REPORT_ANTENNA_MISSING

    def __init__(self, setting: R2000Setting) -> None:
        self.power: int | None = None
        """What was last set for the time until a restart, dBm."""
        self.error: int | None = None
        """Status that answers every inventory."""
        self._setting = setting
        self._antenna = 1
        self._seen: deque[Sighting] = deque(maxlen=_MEMORY)

    @property
    def waiting(self) -> int:
        """Tags heard and not yet told."""
        return len(self._seen)

    def hear(self, sightings: Sequence[Sighting]) -> list[bytes]:
        """Take what the antennas heard; nothing is sent because of it."""
        self._seen.extend(sightings)
        return []

    def receive(self, data: bytes) -> list[bytes]:
        """Take commands, as one read brings them; give the answer frames. Damaged, or for another address: silence."""
        answers = []
        while len(data) > 1:
            answers += self._receive_one(data[: data[1] + 2])
            data = data[data[1] + 2 :]
        return answers

    def restart(self) -> None:
        """Lose the power and get it back: power, antenna and waiting tags are forgotten."""
        self.power, self._antenna = None, 1
        self._seen.clear()

    def unknown(self) -> bytes:
        """Build a frame that no manual has."""
        return self._answer(0xD5, b"\x01\x02")

    def _receive_one(self, command: bytes) -> list[bytes]:
        whole = len(command) >= 5 and command[0] == 0xA0 and command[1] == len(command) - 2  # noqa: PLR2004 - the shortest
        if not whole or sum(command) % 256:
            return []
        if command[2] not in (self._setting.address, 0xFF):
            return []
        return self._obey(command[3], command[4:-1])

    def _obey(self, code: int, data: bytes) -> list[bytes]:
        if code == 0x72:  # noqa: PLR2004 - command codes are the manual's
            return [self._answer(code, bytes((1, 9)))]
        if code == 0x70:  # noqa: PLR2004
            self.restart()
            return []
        if code == 0x66 and data:  # noqa: PLR2004
            self.power = data[0]
            return [self._answer(code, bytes((_DONE,)))]
        if code == 0x74 and data:  # noqa: PLR2004
            self._antenna = data[0] + 1
            return [self._answer(code, bytes((_DONE,)))]
        if code in (0x89, 0x8B) and data:
            return self._inventory(code)
        return [self._answer(code, b"\x11")]

    def _inventory(self, code: int) -> list[bytes]:
        if self.error is not None:
            return [self._answer(code, bytes((self.error,)))]
        if self._antenna not in self._setting.antennas:
            return [self._answer(code, bytes((_REPORT_ANTENNA_MISSING,)))]
        heard = [sighting for sighting in self._seen if sighting.antenna_id == self._antenna]
        for sighting in heard:
            self._seen.remove(sighting)
        tags = [self._answer(code, self._tag(sighting)) for sighting in heard]
        return [*tags, self._answer(code, self._end(len(heard)))]

    def _tag(self, sighting: Sighting) -> bytes:
        epc = bytes.fromhex(sighting.epc)
        where = bytes((sighting.channel % 64 << 2 | sighting.antenna_id - 1,))
        pc = (len(epc) // 2 << 11).to_bytes(2, "big")
        phase = round(sighting.phase * 1000).to_bytes(2, "big") if self._setting.with_phase else b""
        return where + pc + epc + bytes((_rssi(sighting.rssi),)) + phase

    def _end(self, reads: int) -> bytes:
        rate = reads.to_bytes(2, "big") if self._setting.with_rate else b""
        return bytes((self._antenna - 1,)) + rate + reads.to_bytes(4, "big")

    def _answer(self, code: int, data: bytes) -> bytes:
        return seal(bytes((0xA0, 3 + len(data), self._setting.address, code)) + data)


def _rssi(dbm: float) -> int:
    """Turn dBm into the vendor's table: 98 is -31, 90 is -39, 89 is -41; -40 is not in it."""
    whole = max(-99, min(-31, round(dbm)))
    return whole + 129 if whole >= -39 else whole + 130  # noqa: PLR2004 - the table's step
