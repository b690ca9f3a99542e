"""Readers and their antennas: where they hang, where they look, and in which channels they hop."""

from dataclasses import dataclass
from enum import Enum

from rfid_simulators.world.geometry import Point, angle

FRONT_TO_BACK_DB = 9.0
"""One way. A patch alone has 20 dB, but in a door frame of steel a good part of the rest comes back around."""


class Region(Enum):
    """Radio regulation: first channel's MHz, channel spacing in MHz, number of channels, dwell in µs."""

    ETSI = (865.7, 0.6, 4, 2_000_000)
    """EN 302 208: four channels close together, so standing-wave nulls stay where they are."""
    FCC = (902.75, 0.5, 50, 400_000)
    """Part 15.247: fifty channels over 25 MHz, which averages the nulls out."""

    @property
    def channels(self) -> int:
        """Number of channels, counted from 1."""
        return self.value[2]

    @property
    def dwell(self) -> int:
        """Microseconds on one channel."""
        return self.value[3]

    def wavelength(self, channel: int) -> float:
        """Metres."""
        first, spacing, _, _ = self.value
        return 299.792458 / (first + spacing * (channel - 1))


@dataclass(frozen=True, slots=True)
class Antenna:
    """A patch antenna."""

    antenna_id: int
    """Counted from 1."""
    position: Point
    facing: Point
    """Unit vector."""
    beamwidth: float = 70.0
    """Degrees between the half-power points."""

    def pattern_db(self, target: Point) -> float:
        """Gain towards `target` below that of the main direction, one way, 0 or less (3GPP TR 36.814 shape)."""
        off = angle(self.facing, self.position, target) / self.beamwidth
        return -min(12.0 * off * off, FRONT_TO_BACK_DB)


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader that takes turns between its antennas."""

    reader_id: str
    antennas: tuple[Antenna, ...]
    region: Region = Region.ETSI
