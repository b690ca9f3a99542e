"""What a simulated reader's radio sees: the one type between the world and the simulated readers."""

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Sighting(NamedTuple):
    """One inventory round in which one antenna heard one tag."""

    at: int
    """Microseconds since the world began."""
    reader_id: str
    antenna_id: int
    """Counted from 1."""
    epc: str
    """Upper-case hex, whole 16-bit words."""
    rssi: float
    """dBm."""
    phase: float = 0.0
    """Radians, 0 to 2 pi."""
    doppler: float = 0.0
    """Hz."""
    channel: int = 1


Radio = Callable[[int, int], Sequence[Sighting]]
"""`radio(start, end)`: what one reader's antennas hear in that stretch of world time, in order of time.

Microseconds, end excluded. The same stretch always gives the same sightings, however it is sliced.
"""
