"""The physical model: how strong one antenna hears one tag, with constants from real reads.

| constant | from |
|---|---|
| -34 dBm at 0.91 m, 30 dB per decade | -23 dBm at 1 ft, -34 at 3 ft, -43 at 5 ft, -38 at 7 ft |
| echoes | static tag: sigma 0.3-0.8 dB on one channel, 1.3-2.3 dB when hopping over 50 channels |
| noise 0.52 dB, steps of 1 dB | successive reads of one tag within 50 ms |
"""

from cmath import exp as cexp
from cmath import pi
from collections.abc import Sequence
from math import log10

from rfid_simulators.world.antennas import Antenna, Region
from rfid_simulators.world.geometry import Point, distance
from rfid_simulators.world.streams import number, stream
from rfid_simulators.world.tags import Tag

REFERENCE_DBM = -34.0
REFERENCE_M = 0.91
DB_PER_DECADE = 30.0
SENSITIVITY_DBM = -64.0
"""Half of the inventory rounds hear a tag of this strength; it is the tag's power-up that ends first."""
SENSITIVITY_WIDTH_DB = 0.8
NOISE_DB = 0.52
DOPPLER_NOISE_HZ = 3.0
ECHOES = 3
ECHO_AMPLITUDE = 0.11
WALL_DB = 15.0
REACH_M = 14.0
"""Beyond this nothing is ever heard, so it need not be computed."""


class Link:
    """One antenna's view of the world: its echoes and the wall with its openings."""

    def __init__(self, seed: int, reader_id: str, antenna: Antenna, region: Region, openings: Sequence[Point]) -> None:
        self.antenna = antenna
        self._region = region
        self._openings = tuple(openings)
        self._seed = seed
        random = stream(seed, "echoes", reader_id, antenna.antenna_id)
        home = antenna.position
        self._echoes = tuple(
            Point(home.x + random.uniform(-4, 4), home.y + random.uniform(-4, 4), random.uniform(0, 4))
            for _ in range(ECHOES)
        )

    def rssi(self, tag: Tag, place: Point, channel: int) -> float:
        """Mean RSSI in dBm, before noise."""
        antenna = self.antenna
        far = distance(antenna.position, place)
        loss = DB_PER_DECADE * log10(max(far, 0.2) / REFERENCE_M) + tag.loss_db
        if self._behind_wall(place):
            loss += WALL_DB
        strength = REFERENCE_DBM - loss + 2.0 * antenna.pattern_db(place)
        if strength < SENSITIVITY_DBM - 3 * NOISE_DB - 10.0:
            return strength
        return strength + self._fading_db(tag, place, far, channel)

    def phase(self, tag: Tag, place: Point, channel: int) -> float:
        """Radians, 0 to 2 pi: twice the way in wavelengths, and an offset of the tag's own."""
        turns = 2.0 * distance(self.antenna.position, place) / self._region.wavelength(channel)
        return float((2.0 * pi * turns + number(tag.epc, "phase") % 6283 / 1000.0) % (2.0 * pi))

    def doppler(self, before: Point, after: Point, seconds: float, channel: int) -> float:
        """Hz, positive while the tag comes nearer."""
        nearer = distance(self.antenna.position, before) - distance(self.antenna.position, after)
        return 2.0 * nearer / seconds / self._region.wavelength(channel)

    def _fading_db(self, tag: Tag, place: Point, far: float, channel: int) -> float:
        wave = 2.0 * pi / self._region.wavelength(channel)
        own = number(self._seed, tag.epc, "echo") % 6283 / 1000.0
        total = 1.0 + 0.0j
        for index, echo in enumerate(self._echoes):
            detour = distance(self.antenna.position, echo) + distance(echo, place) - far
            total += ECHO_AMPLITUDE * cexp(1j * (wave * detour + own * (index + 1)))
        return 40.0 * log10(max(abs(total), 0.05))

    def _behind_wall(self, place: Point) -> bool:
        home = self.antenna.position
        if (home.x < 0) == (place.x < 0):
            return False
        y = home.y + (place.y - home.y) * home.x / (home.x - place.x)
        return not any(abs(y - opening.y) <= opening.x for opening in self._openings)
