"""Inventory rounds: how tags share one reader's time. Gen2 rounds follow each other, antenna by antenna.

Rates from real readers: one tag at one antenna 70 reads/s, one tag at four antennas 23 reads/s in total, 69 tags
102 reads/s in total. They fit a round of 4.5 ms, 9.8 ms more for every tag that answers, and 29 ms more for
changing the antenna.
"""

from collections.abc import Iterator, Sequence
from math import exp
from random import Random

from rfid_simulators.world.antennas import Reader
from rfid_simulators.world.geometry import Point, distance
from rfid_simulators.world.propagation import (
    DOPPLER_NOISE_HZ,
    NOISE_DB,
    REACH_M,
    SENSITIVITY_DBM,
    SENSITIVITY_WIDTH_DB,
    Link,
)
from rfid_simulators.world.sighting import Sighting
from rfid_simulators.world.streams import number, stream
from rfid_simulators.world.tags import Population, Tag

BLOCK = 1_000_000
"""µs. Each block is computed by itself from the seed, so any stretch of an endless world costs the same."""
ROUND = 4_500
PER_TAG = 9_800
CHANGE_ANTENNA = 29_000
ANSWERS = 0.97
"""Share of rounds in which a loud tag is really read; the rest are collisions and bad CRCs."""
MOMENT = 10_000
"""µs over which Doppler is measured."""

_Answer = tuple[float, Tag, Random]


class Rounds:
    """One reader's rounds. Pure: the same block always gives the same sightings."""

    def __init__(self, seed: int, reader: Reader, openings: Sequence[Point], population: Population) -> None:
        self._seed = seed
        self._reader = reader
        self._population = population
        self._links = [Link(seed, reader.reader_id, antenna, reader.region, openings) for antenna in reader.antennas]

    def block(self, index: int) -> tuple[Sighting, ...]:
        """What the reader's antennas hear in block `index`, in order of time."""
        start = index * BLOCK
        tags = [tag for tag in self._population.between(start, start + BLOCK) if self._is_near(tag, start)]
        streams = [(tag, stream(self._seed, self._reader.reader_id, tag.epc, index)) for tag in tags]
        return tuple(self._rounds(index, streams)) if streams else ()

    def _rounds(self, index: int, tags: Sequence[tuple[Tag, Random]]) -> Iterator[Sighting]:
        at, end = index * BLOCK, (index + 1) * BLOCK
        change = CHANGE_ANTENNA if len(self._links) > 1 else 0
        turn = index
        while at < end:
            link = self._links[turn % len(self._links)]
            turn += 1
            channel = self._channel(at)
            answers = sorted(self._answers(link, tags, at, channel), key=lambda answer: answer[0])
            at += ROUND + change
            for _, tag, random in answers:
                at += PER_TAG
                if at >= end:
                    return
                sighting = self._sighting(link, tag, random, at, channel)
                if sighting is not None:
                    yield sighting

    def _answers(self, link: Link, tags: Sequence[tuple[Tag, Random]], at: int, channel: int) -> Iterator[_Answer]:
        for tag, random in tags:
            place = tag.path.place(at)
            chance, slot = random.random(), random.random()
            if place is None:
                continue
            margin = (link.rssi(tag, place, channel) - SENSITIVITY_DBM) / SENSITIVITY_WIDTH_DB
            if margin > -20 and chance < ANSWERS / (1.0 + exp(-min(margin, 20.0))):  # noqa: PLR2004 - e^20 is for ever
                yield slot, tag, random

    def _sighting(self, link: Link, tag: Tag, random: Random, at: int, channel: int) -> Sighting | None:
        before, place = tag.path.place(at - MOMENT), tag.path.place(at)
        if before is None or place is None:
            return None
        return Sighting(
            at,
            self._reader.reader_id,
            link.antenna.antenna_id,
            tag.epc,
            float(round(link.rssi(tag, place, channel) + random.gauss(0, NOISE_DB))),
            link.phase(tag, place, channel),
            link.doppler(before, place, MOMENT / 1e6, channel) + random.gauss(0, DOPPLER_NOISE_HZ),
            channel,
        )

    def _channel(self, at: int) -> int:
        region = self._reader.region
        return 1 + number(self._seed, "hop", self._reader.reader_id, at // region.dwell) % region.channels

    def _is_near(self, tag: Tag, start: int) -> bool:
        """Whether any antenna may hear the tag: nothing runs more than 5 m in half a block."""
        moments = (max(tag.path.start, start), start + BLOCK // 2, min(tag.path.end, start + BLOCK))
        places = [place for at in moments if (place := tag.path.place(at)) is not None]
        return any(distance(link.antenna.position, place) < REACH_M for link in self._links for place in places)
