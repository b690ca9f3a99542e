"""A simulated reader that speaks SW/CT: command bytes in, answer and tag bytes out. Pure; its own codec.

Written from the byte layout of the vendor's manual V2.0: asked with 53 57, answering with 43 54, LEN(2) ADR CMD
[STATUS] data CHK, the sum of all bytes being 0 and a status of 1 meaning success.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rfid_simulators.world.sighting import Sighting

_MEMORY = 1024
"""Tags that wait for an inventory; the oldest is forgotten."""

_FRAME_OF_TAGS = 50
"""Tags that one answer holds at most; the rest waits for the next."""

_SERIAL_NUMBER = bytes.fromhex("20180312000001")


@dataclass(frozen=True, slots=True)
class SwctSetting:
    """What a simulated reader is and how it was configured."""

    active: bool = True
    """Work mode: may send tags unasked and does so after a restart; else it refuses to."""
    address: int = 0


def seal(body: bytes) -> bytes:
    """Append the checksum to the bytes before it."""
    return body + bytes(((256 - sum(body) % 256) % 256,))


class SimulatedSwct:
    """One reader's firmware. Owned by the server that runs it."""

    usual_error = 0
    """Failed, the only error that the manual has."""

    def __init__(self, setting: SwctSetting) -> None:
        self.sending = setting.active
        """Whether tags are sent unasked."""
        self.acknowledged = 0
        """Acknowledgements of tags that came in."""
        self.error: int | None = None
        """Status that answers the order to send tags unasked, which then it does not."""
        self.tags_per_frame = 1
        """Of those sent unasked."""
        self._setting = setting
        self._seen: deque[Sighting] = deque(maxlen=_MEMORY)

    def hear(self, sightings: Sequence[Sighting]) -> list[bytes]:
        """Take what the antennas heard; give the frames that are sent because of it."""
        if self.sending and self.error is None:
            size = self.tags_per_frame
            return [self._sent(sightings[at : at + size]) for at in range(0, len(sightings), size)]
        self._seen.extend(sightings)
        return []

    def receive(self, data: bytes) -> list[bytes]:
        """Take commands, as one read brings them; give the answer frames. Damaged, or for another address: silence."""
        answers = []
        while len(data) > 4:  # noqa: PLR2004 - the header
            size = int.from_bytes(data[2:4], "big") + 4
            answers += self._receive_one(data[:size])
            data = data[size:]
        return answers

    def heartbeat(self) -> bytes:
        """Give the frame that such a reader sends from time to time."""
        return self._answer(0xFF, 1, _SERIAL_NUMBER)

    def is_keepalive(self, frame: bytes) -> bool:
        """Whether a frame is a heartbeat."""
        return frame[5] == 0xFF  # noqa: PLR2004 - command codes are the manual's

    def unknown(self) -> bytes:
        """Build a frame that no manual has."""
        return self._answer(0xB7, 1, b"\x01\x02")

    def restart(self) -> None:
        """Lose the power and get it back."""
        self.sending = self._setting.active
        self._seen.clear()

    def _receive_one(self, command: bytes) -> list[bytes]:
        if len(command) < 7 or command[:2] != b"SW" or sum(command) % 256:  # noqa: PLR2004 - the shortest command
            return []
        if command[4] not in (self._setting.address, 0xFF):
            return []
        return self._obey(command[5])

    def _obey(self, code: int) -> list[bytes]:
        if code == 0x01:
            return [self._inventory()]
        if code == 0x10:  # noqa: PLR2004 - command codes are the manual's
            return [self._answer(code, 1, b"\x26\x12" + _SERIAL_NUMBER)]
        if code == 0x40:  # noqa: PLR2004
            self.sending = False
            return [self._answer(code, 1)]
        if code == 0x41:  # noqa: PLR2004
            self.sending = self._setting.active and self.error is None
            return [self._answer(code, int(self.sending) if self.error is None else self.error)]
        if code == 0x45:  # noqa: PLR2004
            self.acknowledged += 1
            return []
        return [self._answer(code, 0)]

    def _inventory(self) -> bytes:
        heard = [self._seen.popleft() for _ in range(min(_FRAME_OF_TAGS, len(self._seen)))]
        if not heard:
            return self._answer(0x01, 0)
        return self._answer(0x01, 1, len(heard).to_bytes(2, "big") + b"".join(map(_tag, heard)))

    def _sent(self, sightings: Sequence[Sighting]) -> bytes:
        return self._answer(0x45, 1, _SERIAL_NUMBER + bytes((len(sightings),)) + b"".join(map(_tag, sightings)))

    def _answer(self, code: int, status: int, data: bytes = b"") -> bytes:
        return seal(b"CT" + (4 + len(data)).to_bytes(2, "big") + bytes((self._setting.address, code, status)) + data)


def _tag(sighting: Sighting) -> bytes:
    epc = bytes.fromhex(sighting.epc)
    strength = round(sighting.rssi) + 129 & 0xFF
    return bytes((3 + len(epc), 1, sighting.antenna_id)) + epc + bytes((strength,))
