"""What a zone and a door are: settings, checked when they are made. All frozen; times are microseconds."""

from dataclasses import dataclass

Antenna = tuple[str, int]
"""Reader id and antenna id; antenna id 0 means any antenna of that reader."""

InputPort = tuple[str, int]
"""Reader id and input port (LLRP GPI), counted from 1."""

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class ZoneRules:
    """A zone: the antennas that make it (ALE logical reader) and when a tag is in it.

    Raises:
        ValueError: A setting makes no sense; the text names the zone, the setting and what was expected.
    """

    zone: str
    antennas: frozenset[Antenna]
    min_reads: int = 2
    """Reads within the window before a tag arrives or moves here."""
    min_rssi: float | None = None
    """dBm; weaker reads are not counted. Reads without RSSI always are."""
    depart_after: int = 30 * SECOND
    """Quiet time after which a tag has departed."""
    hysteresis_db: float = 6.0
    """How much stronger this zone must be than the tag's present one before the tag moves here."""
    window: int = 5 * SECOND
    """Reads older than one to two of these no longer count in the mean RSSI nor in `min_reads`."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        subject = f"zone {self.zone!r}"
        _expect(bool(self.zone), "a zone needs a name")
        _expect_antennas(subject, "antennas", self.antennas)
        _expect(self.min_reads >= 1, f"{subject}: min_reads must be at least 1, got {self.min_reads}")
        _expect(self.window > 0, f"{subject}: window must be positive, got {self.window} µs")
        _expect(self.depart_after > 0, f"{subject}: depart_after must be positive, got {self.depart_after} µs")
        _expect(self.hysteresis_db >= 0, f"{subject}: hysteresis_db must not be negative, got {self.hysteresis_db}")


@dataclass(frozen=True, slots=True)
class DoorRules:
    """A door (portal): the antennas of its two sides and when a passage is believed.

    `outside` may be empty where two photo-eyes tell the direction; then `inside` has all antennas of the door.

    Raises:
        ValueError: A setting makes no sense; the text names the door, the setting and what was expected.
    """

    door: str
    inside: frozenset[Antenna]
    outside: frozenset[Antenna]
    rssi_floor: float = -75.0
    """dBm; weaker reads are ignored. Reads without RSSI never are."""
    quiet: int = 2 * SECOND
    """A passage is over when its tag was not read for this long."""
    cap: int = 15 * SECOND
    """A passage that is still being read after this long is judged with what is there."""
    min_confidence: float = 0.9
    """Below this a passage is UNDECIDED."""
    min_reads: int = 3
    """Fewer reads than this are stray reads."""
    movement_db: float = 5.0
    """A tag whose smoothed RSSI never rose or fell by this much stood still."""
    photo_eyes: tuple[InputPort, ...] = ()
    """One beam, or two: the inside one first."""
    photo_eye_active_high: bool = False
    """Level of an input while its beam is interrupted. Low is the fail-safe wiring: a cut cable is seen."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        subject = f"door {self.door!r}"
        _expect(bool(self.door), "a door needs a name")
        _expect_antennas(subject, "inside", self.inside)
        self._expect_two_sides(subject)
        for reader_id, antenna_id in sorted(_overlap(self.inside, self.outside)):
            raise ValueError(f"{subject}: antenna {antenna_id} of reader {reader_id!r} is on both sides")
        _expect(self.quiet > 0, f"{subject}: quiet must be positive, got {self.quiet} µs")
        _expect(self.cap > self.quiet, f"{subject}: cap ({self.cap} µs) must be longer than quiet ({self.quiet} µs)")
        _expect(
            0.5 <= self.min_confidence < 1,  # noqa: PLR2004 - a coin has 0.5, certainty 1
            f"{subject}: min_confidence must be from 0.5 to below 1, got {self.min_confidence}",
        )
        _expect(self.min_reads >= 1, f"{subject}: min_reads must be at least 1, got {self.min_reads}")
        _expect(self.movement_db > 0, f"{subject}: movement_db must be positive, got {self.movement_db}")

    def _expect_two_sides(self, subject: str) -> None:
        """A direction needs two antennas or two beams."""
        eyes = self.photo_eyes
        _expect(len(eyes) <= 2, f"{subject}: photo_eyes takes one or two, got {len(eyes)}")  # noqa: PLR2004 - sides
        _expect(len(set(eyes)) == len(eyes), f"{subject}: photo_eyes has the same input twice")
        for reader_id, port in eyes:
            _expect(bool(reader_id) and port >= 1, f"{subject}: photo_eyes: inputs of a reader count from 1")
        if len(eyes) < 2 or self.outside:  # noqa: PLR2004 - sides
            expected = "outside needs at least one antenna, unless two photo_eyes tell the direction"
            _expect(bool(self.outside), f"{subject}: {expected}")
            _expect_antennas(subject, "outside", self.outside)


def check_together(zones: tuple[ZoneRules, ...], doors: tuple[DoorRules, ...]) -> None:
    """Refuse rules that contradict each other.

    Raises:
        ValueError: Two zones or two doors share a name, an antenna or a photo-eye; the text names both.
    """
    _expect_apart("zone", [(rules.zone, rules.antennas) for rules in zones])
    _expect_apart("door", [(rules.door, rules.inside | rules.outside) for rules in doors])
    seen: dict[InputPort, str] = {}
    for rules in doors:
        for eye in rules.photo_eyes:
            other = seen.setdefault(eye, rules.door)
            subject = f"input {eye[1]} of reader {eye[0]!r}"
            _expect(other == rules.door, f"{subject} is at door {other!r} and {rules.door!r}")


def _expect_apart(kind: str, places: list[tuple[str, frozenset[Antenna]]]) -> None:
    for index, (name, antennas) in enumerate(places):
        for other, others in places[:index]:
            _expect(name != other, f"two {kind}s are called {name!r}")
            for reader_id, antenna_id in sorted(_overlap(antennas, others)):
                raise ValueError(f"antenna {antenna_id} of reader {reader_id!r} is at {kind} {other!r} and {name!r}")


def _overlap(one: frozenset[Antenna], other: frozenset[Antenna]) -> set[Antenna]:
    whole_readers = {reader_id for reader_id, antenna_id in one | other if antenna_id == 0}
    shared = set(one & other)
    for reader_id in whole_readers:
        mine = {antenna for antenna in one if antenna[0] == reader_id}
        theirs = {antenna for antenna in other if antenna[0] == reader_id}
        if mine and theirs:
            shared |= mine | theirs
    return shared


def _expect_antennas(subject: str, setting: str, antennas: frozenset[Antenna]) -> None:
    _expect(bool(antennas), f"{subject}: {setting} needs at least one antenna")
    for reader_id, antenna_id in antennas:
        _expect(bool(reader_id), f"{subject}: {setting} names a reader without an id")
        _expect(antenna_id >= 0, f"{subject}: {setting} has antenna {antenna_id} of {reader_id!r}; they count from 1")


def _expect(condition: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not condition:
        raise ValueError(otherwise)
