"""Which faults, in which order, at which site: a seed and a number become batches. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

BATCH = 20
"""Faults in the life of one site."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The faults of one site, from an empty database on."""

    number: int
    seed: str
    """Of everything that is left to chance in it."""
    kinds: tuple[str, ...]
    protocol: str
    """Version of MQTT that the gateway speaks."""


def plan(seed: int, faults: int, kinds: Sequence[str], size: int = BATCH) -> list[Batch]:
    """Deal the kinds out evenly, in random order."""
    chance = random.Random(seed)
    dealt = [kinds[number % len(kinds)] for number in range(faults)]
    chance.shuffle(dealt)
    return [
        Batch(number, f"{seed}/{number}", tuple(dealt[start : start + size]), ("5", "3.1.1")[number % 2])
        for number, start in enumerate(range(0, faults, size))
    ]
