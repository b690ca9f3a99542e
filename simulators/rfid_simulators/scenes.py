"""A scene of the simulated warehouse, as one of its readers hears it, for the readers of the command line. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rfid_simulators.world.paths import SECOND
from rfid_simulators.world.scenarios import SCENES
from rfid_simulators.world.sighting import Radio, Sighting
from rfid_simulators.world.world import TruePassage, World


@dataclass(frozen=True, slots=True)
class PlayedScene:
    """What a reader hears of a scene that begins some time after the reader's start.

    Raises:
        ValueError: The scene has no such reader; says which it has.
    """

    world: World
    reader_id: str
    begins_us: int
    """Microseconds after the reader's start."""

    def __post_init__(self) -> None:
        """Refuse a reader that is not there."""
        known = [reader.reader_id for reader in self.world.readers]
        if self.reader_id not in known:
            raise ValueError(f"this scene has no reader {self.reader_id!r}, expected one of {', '.join(known)}")

    @property
    def radio(self) -> Radio:
        """What the reader's antennas hear, in time since the reader's start."""
        return delayed(self.world.radio(self.reader_id), self.begins_us)

    def told(self) -> Iterator[str]:
        """Say what will truly happen, a line each, in seconds since the reader's start."""
        for event in self.world.truth():
            if isinstance(event, TruePassage):
                yield f"{event.epc} goes {event.direction} through {event.door} at {self._seconds(event.at)}"
            else:
                stay = f"from {self._seconds(event.arrived)} to {self._seconds(event.departed)}"
                yield f"{event.epc} is in {event.zone} {stay}"

    def _seconds(self, at: int) -> str:
        return f"{(at + self.begins_us) / SECOND:.1f} s"


def played(scene: str, seed: int, reader_id: str | None, after_s: float) -> PlayedScene:
    """Give a scene by name; without a reader's name it is the scene's first. Raises as `PlayedScene` does.

    Raises:
        KeyError: There is no such scene.
    """
    world = SCENES[scene](seed)
    return PlayedScene(world, reader_id or world.readers[0].reader_id, int(after_s * SECOND))


def delayed(radio: Radio, by_us: int) -> Radio:
    """Let a radio's world begin later, by so many microseconds."""

    def hear(start: int, end: int) -> Sequence[Sighting]:
        heard = radio(max(start - by_us, 0), max(end - by_us, 0))
        return [sighting._replace(at=sighting.at + by_us) for sighting in heard]

    return hear
