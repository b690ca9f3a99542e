"""Damages a simulated reader's frames on their way to the wire. Pure, seeded: the same seed, the same damage."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NoiseLevel:
    """How often what happens to a frame, each as a probability from 0 to 1."""

    junk: float = 0.0
    """1 to 8 random bytes come before it."""
    flip: float = 0.0
    """One bit is turned over."""
    truncate: float = 0.0
    """Its end is lost."""
    loss: float = 0.0
    """It is lost whole."""
    split: float = 0.0
    """It is written in several pieces; else it may share a write with its neighbours."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Damaged:
    """What became of one frame."""

    data: bytes
    """What goes on the wire."""
    intact: bool
    """All of the frame is there, unchanged, whatever comes before it."""


class Noise:
    """A seeded source of damage. Owned by the server that uses it."""

    def __init__(self, level: NoiseLevel) -> None:
        self.level = level
        """How much there is."""
        self._random = random.Random(level.seed)

    def damage(self, frame: bytes) -> Damaged:
        """Decide what becomes of a frame."""
        chance = self._random.random
        junk = self._random.randbytes(self._random.randint(1, 8)) if chance() < self.level.junk else b""
        if chance() < self.level.loss:
            return Damaged(junk, intact=False)
        if chance() < self.level.truncate:
            return Damaged(junk + frame[: self._random.randrange(1, len(frame))], intact=False)
        if chance() < self.level.flip:
            return Damaged(junk + self._flipped(frame), intact=False)
        return Damaged(junk + frame, intact=True)

    def pieces(self, data: bytes) -> list[bytes]:
        """Cut what goes on the wire into the pieces of which each is one write."""
        if len(data) < 2 or self._random.random() >= self.level.split:  # noqa: PLR2004 - one byte has no parts
            return [data]
        cuts = sorted(self._random.sample(range(1, len(data)), min(3, len(data) - 1)))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    def _flipped(self, frame: bytes) -> bytes:
        bit = self._random.randrange(8 * len(frame))
        flipped = bytearray(frame)
        flipped[bit // 8] ^= 1 << bit % 8
        return bytes(flipped)
