"""The static background of a door: tags that stand beside it and are read all the time.

A tag that was read through a whole passage window without crossing is *resting*: its RSSI level at each antenna is
remembered, and as long as it stays there its reads open no passage and cost next to nothing. When the smoothed level
leaves the remembered one, or another antenna hears it, it may have been picked up, and a passage opens.
"""

import json
from collections.abc import Mapping

KIND = "background"

LEAVE_DB = 6.0
"""The smoothed RSSI must leave the resting level by this much before the tag counts as picked up.

A static tag with channel hopping varies with a sigma of 1.3 to 2.3 dB (up to 3.5); smoothed over some seven reads
that is about 1 dB, so this is beyond four sigma even for the worst.
"""
SMOOTHING = 0.25
DRIFT = 0.005
"""How fast the remembered level follows: goods nearby change it over minutes."""

Port = tuple[str, int]
"""Reader id and the antenna id that was reported."""


class Resting:
    """One tag that stands at one door. Owner: the door's `Doors`, in the pipeline thread. Times are monotonic."""

    __slots__ = ("door", "epc", "heard", "last", "levels", "smoothed", "stored")

    def __init__(self, door: str, epc: str, levels: Mapping[Port, float], now: int) -> None:
        self.door = door
        self.epc = epc
        self.levels = dict(levels)
        self.smoothed = dict(levels)
        self.heard: dict[Port, int] = {}
        """UTC of the last read at each antenna, µs."""
        self.last = now
        self.stored = False

    def stays(self, port: Port, rssi: float, now: int, at: int) -> bool:
        """Take one read; False when the tag has been picked up, or an antenna hears it that never did before."""
        self.last = now
        level = self.levels.get(port)
        if level is None:
            return False
        self.heard[port] = at
        smoothed = self.smoothed[port] + SMOOTHING * (rssi - self.smoothed[port])
        self.smoothed[port] = smoothed
        self.levels[port] = level + DRIFT * (rssi - level)
        return -LEAVE_DB < smoothed - level < LEAVE_DB

    def rested_at(self, at: int, within: int) -> dict[Port, tuple[int, float]]:
        """Antennas that heard the tag less than `within` µs before `at`: when last, and its resting level there."""
        return {port: (heard, self.levels[port]) for port, heard in self.heard.items() if at - heard < within}

    def key(self) -> tuple[str, str, str]:
        """Kind, door and EPC."""
        return KIND, self.door, self.epc

    def state(self) -> str:
        """The levels, for the database."""
        return json.dumps(
            [
                [reader, antenna, self.levels[reader, antenna], self.smoothed[reader, antenna]]
                for reader, antenna in self.levels
            ]
        )

    @classmethod
    def restored(cls, door: str, epc: str, state: str, now: int) -> "Resting":
        """A resting tag as `state` remembers it."""
        rows = json.loads(state)
        resting = cls(door, epc, {(reader, antenna): level for reader, antenna, level, _ in rows}, now)
        resting.smoothed = {(reader, antenna): smoothed for reader, antenna, _, smoothed in rows}
        resting.stored = True
        return resting
