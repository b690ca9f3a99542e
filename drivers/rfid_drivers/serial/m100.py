"""Driver of M100, QM100 and R200 modules: what to say to them, and when. No I/O.

Set-up: stop what may still run, ask for the version, then region and power where they are configured, forget a tag
selection that another program left (with it every round is empty), start. The module then sends each tag, and a
frame for each round without one, so a pause of two seconds means that it has stopped: by itself after 65 535 rounds,
or because it lost its power and its settings. It is therefore set up anew. The bytes are in `m100_codec.py`.

A sleeping module loses the byte that wakes it, and an R200 may want its own framing, so an unanswered command is
repeated, in the other framing.
"""

from dataclasses import replace
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from rfid_drivers.serial import m100_codec as codec
from rfid_drivers.serial.detection import USUAL_BAUDS, FrameDetection
from rfid_drivers.serial.m100_codec import M100Decoder
from rfid_drivers.serial.protocol import US_PER_MS, US_PER_S, Frame, Health, Kind, SerialOptions
from rfid_drivers.serial.reader import SerialReader
from rfid_gateway.driver import DriverOptions
from rfid_gateway.reads import ReaderState

_ANSWER_US = 300 * US_PER_MS
"""Ours: an unanswered command is repeated after this time. Modules answer within 50 ms."""

_TRIES = 4
"""Ours: how often a command is sent before the next one is tried: two in each framing."""

_STALLED_US = 2 * US_PER_S
"""Ours: without a tag and without an empty round for this long the inventory has stopped."""

_START = b"\x22\xff\xff"
"""Reserved byte and 65 535 rounds, the most there is."""

_REGIONS = {"CN2": 1, "US": 2, "EU": 3, "CN1": 4, "KR": 6}

_HEADS = {"bb": codec.BB, "aa": codec.AA}


class M100Options(SerialOptions):
    """Options of an M100, QM100 or R200 module."""

    baud: int = Field(default=115_200, ge=300, le=4_000_000, description="Bits per second; ignored with socket://.")
    framing: Literal["auto", "bb", "aa"] = Field(
        default="auto", description="bb: BB..7E; aa: AA..DD (some R200); auto: whichever the module answers."
    )
    region: Literal["CN1", "CN2", "EU", "KR", "US"] | None = Field(
        default=None, description="Radio region to set; without it the module keeps its own. Must be lawful on site."
    )
    power_dbm: float | None = Field(
        default=None, ge=0, le=33, description="Transmit power in dBm; without it the module keeps its own."
    )


class _Step(NamedTuple):
    """One command of the set-up."""

    code: int
    params: bytes
    what: str
    """What was wanted, for the words about a refusal."""


def _steps(options: M100Options) -> tuple[_Step, ...]:
    steps = [_Step(codec.STOP, b"", "to stop"), _Step(codec.GET_VERSION, b"\x00", "to say its version")]
    if options.region is not None:
        region = bytes((_REGIONS[options.region],))
        steps.append(_Step(codec.SET_REGION, region, f"region {options.region}"))
    if options.power_dbm is not None:
        power = round(options.power_dbm * 100).to_bytes(2, "big")
        steps.append(_Step(codec.SET_POWER, power, f"{options.power_dbm} dBm"))
    return (*steps, _Step(codec.SET_SELECT_MODE, b"\x01", "to read without a selection"))


class M100Dialogue:
    """What to say to an M100, QM100 or R200 module. Owned by one session."""

    def __init__(self, options: M100Options) -> None:
        self._health = Health(ReaderState.CONNECTING, model="M100")
        self._head = _HEADS.get(options.framing, codec.BB)
        self._settled = options.framing != "auto"
        self._steps = _steps(options)
        self._step = 0
        self._tries = 0
        self._running = False
        """Told to start, and not stalled since."""
        self._due = 0
        """Monotonic microseconds: when an answer counts as lost, or the rounds as stalled."""
        self._refused: list[str] = []

    @property
    def health(self) -> Health:
        """CONNECTING until inventory rounds run; DEGRADED where the module refused a setting."""
        return self._health

    def hear(self, frame: Frame, now: int) -> list[bytes]:
        """Take note of a frame; what to say follows at the next tick."""
        if frame.detail == "a command":
            return []
        self._head, self._settled = frame.raw[0], True
        version = codec.read_version(frame)
        if version:
            self._health = replace(self._health, model=version.split(maxsplit=1)[0], firmware=version)
        if self._running:
            self._hear_round(frame, now)
        elif self._step < len(self._steps):
            self._hear_answer(frame, self._steps[self._step], now)
        return []

    def tick(self, now: int) -> list[bytes]:
        """Give the command that is due."""
        if now < self._due:
            return []
        if self._running:
            self._begin_anew()
        elif self._tries >= _TRIES:
            self._next(now)
        if self._step == len(self._steps):
            return self._start(now)
        return self._ask(self._steps[self._step], now)

    def _begin_anew(self) -> None:
        self._running = False
        self._step = self._tries = 0
        self._refused.clear()

    def _ask(self, step: _Step, now: int) -> list[bytes]:
        if self._tries and not self._settled:
            self._head = codec.AA if self._head == codec.BB else codec.BB
        self._tries += 1
        self._due = now + _ANSWER_US
        return [codec.command(step.code, step.params, self._head)]

    def _start(self, now: int) -> list[bytes]:
        self._running = True
        self._due = now + _STALLED_US
        return [codec.command(codec.START, _START, self._head)]

    def _next(self, now: int) -> None:
        self._step += 1
        self._tries = 0
        self._due = now

    def _hear_answer(self, frame: Frame, step: _Step, now: int) -> None:
        refused = frame.command == codec.ERROR and frame.status != codec.NO_TAG
        if frame.command == step.code and frame.kind is Kind.ANSWER:
            self._next(now)
        elif refused and self._tries:
            self._refused.append(f"the module refused {step.what}: {frame.detail}")
            self._next(now)

    def _hear_round(self, frame: Frame, now: int) -> None:
        """A tag or an empty round: the inventory runs."""
        if frame.kind is Kind.ANSWER and frame.command != codec.ERROR:
            return
        self._due = now + _STALLED_US
        complaints = self._refused if frame.kind is not Kind.ANSWER else [*self._refused, f"inventory: {frame.detail}"]
        state = ReaderState.DEGRADED if complaints else ReaderState.ONLINE
        self._health = replace(self._health, state=state, detail="; ".join(complaints))


class M100Reader(SerialReader[M100Options]):
    """A reader with an M100, QM100 or R200 module (entry point `m100`)."""

    Options: ClassVar[type[DriverOptions]] = M100Options
    detection: ClassVar = FrameDetection(
        bauds=USUAL_BAUDS,
        probes=tuple(codec.command(codec.GET_VERSION, b"\x00", head) for head in (codec.BB, codec.AA)),
        answers=lambda frame: codec.read_version(frame) is not None,
        frames_needed=2,
    )

    def decoder(self) -> M100Decoder:
        """Make the decoder of a new connection."""
        return M100Decoder(self.options.idle_gap_ms)

    def dialogue(self) -> M100Dialogue:
        """Make the dialogue of a new connection."""
        return M100Dialogue(self.options)
