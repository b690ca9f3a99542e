"""How a protocol is told from others in the bytes of a port that nobody knows anything about. Pure.

Each protocol has, beside its driver, a `Detection` as the class attribute `detection`: what to ask, at which baud
rates, and which frames prove that it is this protocol. `detect_search.py` lets the recognisers of all of them read the
same bytes at once.

A frame in noise proves nothing (in two megabytes of random bytes there are dozens of headerless ones with a right
checksum), so frames that a reader sends by itself or in answer to our own question are wanted, two of them where the
checksum has eight bits, and verified frames have to make up a good part of all that arrived.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from rfid_drivers.serial.framing import Rejected
from rfid_drivers.serial.protocol import US_PER_S, Decoder, Dialogue, Frame, Instant, Kind
from rfid_gateway.clock import Clock, SystemClock
from rfid_gateway.driver import DriverOptions

Options = Mapping[str, str | int | bool | tuple[int, ...]]

USUAL_BAUDS = (115_200, 57_600, 9_600, 38_400, 19_200)

_ENOUGH_SHARE = 4
"""Ours: verified frames are at least one in so many of the bytes that arrived. Half-damaged lines have more."""

_KEPT_FRAMES = 1000
"""Frames kept of a window: more proves nothing more."""

_LATER_US = 3600 * US_PER_S


@dataclass(frozen=True, slots=True)
class Finding:
    """What a recogniser has recognised."""

    certainty: str
    """certain, likely or possible."""
    evidence: str
    explained_bytes: int
    model: str = ""
    firmware: str = ""
    antennas: tuple[int, ...] = ()
    sample_epc: str = ""
    detail: str = ""
    options: Options = field(default_factory=dict)


class Recogniser(Protocol):
    """Reads one window of bytes as one protocol. Owned by the search."""

    def feed(self, data: bytes, at: Instant) -> None:
        """Take what arrived."""
        ...

    @property
    def hopeful(self) -> bool:
        """Whether there is evidence, but too little yet: asking once more is worth it."""
        ...

    def finding(self) -> Finding | None:
        """Take the window for ended; say what was recognised."""
        ...


class DetectableDriver(Protocol):
    """What a driver's class has besides the contract, so that its protocol can be detected."""

    Options: type[DriverOptions]

    def __call__(self, reader_id: str, options: Any, clock: Clock) -> "DetectableReader":
        """Make a reader that opens nothing."""
        ...


class DetectableReader(Protocol):
    """What a recogniser needs of a reader."""

    def decoder(self) -> Decoder:
        """Make a decoder."""
        ...

    def dialogue(self) -> Dialogue:
        """Make a dialogue."""
        ...


class Detection(Protocol):
    """How one protocol is detected: the class attribute `detection` of its driver."""

    @property
    def bauds(self) -> tuple[int, ...]:
        """Where it is asked, the factory setting first. It is listened for at every rate."""
        ...

    @property
    def probes(self) -> tuple[bytes, ...]:
        """Commands that only read, each to be written in one piece; none for what only sends."""
        ...

    @property
    def last_resort(self) -> bool:
        """Whether it counts only where no other protocol was recognised."""
        ...

    def recogniser(self, driver: DetectableDriver) -> Recogniser:
        """Make the recogniser of one window."""
        ...


def _never(_frame: Frame) -> bool:
    return False


def _nothing(_frame: Frame) -> Options:
    return {}


@dataclass(frozen=True, slots=True)
class FrameDetection:
    """Detects a protocol by what its own decoder verifies."""

    bauds: tuple[int, ...]
    probes: tuple[bytes, ...] = ()
    answers: Callable[[Frame], bool] = _never
    """Whether a frame is the answer to one of the probes, or part of it."""
    frames_needed: int = 1
    """Tags, heartbeats and answers that prove it; two for a checksum of eight bits or none."""
    options: Options = field(default_factory=dict)
    """Options of the driver with which any reader is understood."""
    told: Callable[[Frame], Options] = _nothing
    """Options that a frame tells, such as an address that is not the factory's."""
    when_pushing: Options = field(default_factory=dict)
    """Options of a reader that sends tags unasked."""
    when_silent: str = ""
    """Option of a reader that never does, for a person."""
    last_resort: bool = False

    def recogniser(self, driver: DetectableDriver) -> "FrameRecogniser":
        """Make the recogniser of one window."""
        options = driver.Options.model_validate({"port": "/dev/null", **self.options})
        return FrameRecogniser(self, driver("", options, SystemClock()))


class FrameRecogniser:
    """Recognises a protocol by verified frames; its driver's dialogue reads model and firmware. Owned by the search."""

    def __init__(self, detection: FrameDetection, reader: DetectableReader) -> None:
        self._detection = detection
        self._decoder = reader.decoder()
        self._dialogue = reader.dialogue()
        self._frames: list[Frame] = []
        self._arrived = 0
        self._verified = 0
        self._last = Instant(0, 0)

    def feed(self, data: bytes, at: Instant) -> None:
        """Take what arrived."""
        if not self._arrived and data:
            # What it wants to say is not said: a dialogue takes answers only after it has asked.
            self._dialogue.tick(at.monotonic)
        self._arrived += len(data)
        self._last = at
        self._read(data, at)

    def _read(self, data: bytes, at: Instant) -> None:
        for item in self._decoder.feed(data, at):
            if not isinstance(item, Rejected) and item.raw not in self._detection.probes:
                self._take(item, at)

    def _take(self, frame: Frame, at: Instant) -> None:
        self._verified += len(frame.raw)
        self._dialogue.hear(frame, at.monotonic)
        proof = frame.kind in (Kind.TAGS, Kind.HEARTBEAT) or self._detection.answers(frame)
        if proof and len(self._frames) < _KEPT_FRAMES:
            self._frames.append(frame)

    @property
    def hopeful(self) -> bool:
        """Whether there is evidence, but too little yet: asking once more is worth it."""
        return 0 < len(self._frames) < self._detection.frames_needed

    def finding(self) -> Finding | None:
        """Take the window for ended; say what was recognised."""
        self._read(b"", Instant(self._last.utc, self._last.monotonic + _LATER_US))
        frames, needed = self._frames, self._detection.frames_needed
        if not self._arrived or len(frames) < needed or self._verified * _ENOUGH_SHARE < self._arrived:
            return None
        health = self._dialogue.health
        reads = [read for frame in frames for read in frame.tag_reads]
        pushing = any(frame.kind is Kind.TAGS for frame in frames)
        answered = any(map(self._detection.answers, frames))
        told = {key: value for frame in frames for key, value in self._detection.told(frame).items()}
        return Finding(
            certainty="certain" if answered or len(frames) >= 2 * needed else "likely",
            evidence=self._in_words(frames),
            explained_bytes=self._verified,
            model=health.model,
            firmware=health.firmware,
            antennas=tuple(sorted({read.antenna_id for read in reads if read.antenna_id})),
            sample_epc=reads[0].epc if reads else "",
            detail="" if pushing else self._silent_in_words(),
            options={**told, **(self._detection.when_pushing if pushing else {})},
        )

    def _in_words(self, frames: Sequence[Frame]) -> str:
        counts = {
            "tag": sum(frame.kind is Kind.TAGS for frame in frames),
            "heartbeat": sum(frame.kind is Kind.HEARTBEAT for frame in frames),
            "answer": sum(map(self._detection.answers, frames)),
        }
        told = ", ".join(f"{count} {what}{'s' * (count > 1)}" for what, count in counts.items() if count)
        return f"{told}; {self._verified} of {self._arrived} bytes are verified frames"

    def _silent_in_words(self) -> str:
        silent = self._detection.when_silent
        return f"it sent no tag unasked: unless it does once a tag is before it, it wants {silent}" if silent else ""


def detection_of(driver: object) -> Detection | None:
    """Give how a driver's protocol is detected; None where it is none that can be."""
    return cast("Detection | None", getattr(driver, "detection", None))
