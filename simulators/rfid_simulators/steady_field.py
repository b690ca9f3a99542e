"""A field of tags that lie there and are read at a steady rate: a load, no physics. Pure and seeded."""

import random
from math import tau

from rfid_simulators.world.sighting import Radio, Sighting

SECOND = 1_000_000
PATTERN = 2048
"""Reads after which antennas, signal strengths and phases repeat; tags do not depend on it."""

_SGTIN_96 = 0x3034257BF7194E4000000000
"""GTIN 80614141123458 of the GS1 documentation, serial number 0."""


def tag_epc(number: int) -> str:
    """Return the EPC of tag `number`: an SGTIN-96 with that serial number."""
    return f"{_SGTIN_96 | number:024X}"


def steady_field(reader_id: str, *, rate: float, tags: int, antennas: int = 4, seed: int = 0) -> Radio:
    """Make a radio that hears `tags` tags in turn, `rate` reads per second in all.

    Tag `n` stays at one antenna; its signal varies between -75 and -45 dBm.
    """
    source = random.Random(f"{seed}/{reader_id}")
    epcs = [tag_epc(source.getrandbits(24) << 12 | number) for number in range(tags)]
    homes = [source.randint(1, antennas) for _ in range(tags)]
    pattern = [
        (source.uniform(-75, -45), source.uniform(0, tau), source.gauss(0, 0.5), source.randint(1, 4))
        for _ in range(PATTERN)
    ]

    def radio(start: int, end: int) -> list[Sighting]:
        first, last = _reads_before(start, rate), _reads_before(end, rate)
        return [
            Sighting(
                int(read * SECOND / rate), reader_id, homes[read % tags], epcs[read % tags], *pattern[read % PATTERN]
            )
            for read in range(first, last)
        ]

    return radio


def _reads_before(at: int, rate: float) -> int:
    """Count the reads before world time `at`: read `n` happens at int(n * SECOND / rate)."""
    count = max(0, int(at * rate / SECOND) - 1)
    while int(count * SECOND / rate) < at:
        count += 1
    return count
