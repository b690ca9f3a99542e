"""A simulated reader that sends text, one tag a line. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import xor

from rfid_simulators.world.sighting import Sighting


@dataclass(frozen=True, slots=True)
class LineSetting:
    """How a simulated reader writes its lines."""

    template: str = "{epc}\r\n"
    """Python format with epc, antenna, rssi and checksum (exclusive or of the EPC's bytes, two hex digits)."""
    greeting: bytes = b""
    """Answer to whatever is sent to the reader."""


RDM6300 = LineSetting("\x02{epc}{checksum}\x03")
"""RDM6300 and ID-12: STX, ten hex digits, two of checksum, ETX; its tags have five bytes."""


class SimulatedLineReader:
    """One reader's firmware. Owned by the server that runs it."""

    def __init__(self, setting: LineSetting) -> None:
        self._setting = setting

    def hear(self, sightings: Sequence[Sighting]) -> list[bytes]:
        """Take what the antennas heard; give a line for each."""
        return [self._line(sighting) for sighting in sightings]

    def receive(self, command: bytes) -> list[bytes]:
        """Take what was sent to the reader; greet."""
        return [self._setting.greeting] if command and self._setting.greeting else []

    def restart(self) -> None:
        """Lose the power and get it back: there is nothing to forget."""

    def unknown(self) -> bytes:
        """Build a line that no tag's is, with the tags' own ends."""
        return self._setting.template.format(epc="?", antenna=0, rssi="0", checksum="?").encode("latin-1")

    def _line(self, sighting: Sighting) -> bytes:
        checksum = reduce(xor, bytes.fromhex(sighting.epc), 0)
        text = self._setting.template.format(
            epc=sighting.epc,
            antenna=sighting.antenna_id,
            rssi=f"{sighting.rssi:.0f}",
            checksum=f"{checksum:02X}",
        )
        return text.encode("latin-1")
