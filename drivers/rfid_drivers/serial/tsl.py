"""Driver of readers that speak TSL's ASCII 2: what to say to them, and when. No I/O.

The gateway aborts what an earlier run left, asks for the version and then, in mode `loop`, starts one inventory after
the other; in mode `trigger` the reader's own trigger starts them and the gateway only listens, asking for the version
when nothing has come for a while. The lines are in `tsl_codec.py`.
"""

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from rfid_drivers.serial import tsl_codec as codec
from rfid_drivers.serial.detection import USUAL_BAUDS, FrameDetection
from rfid_drivers.serial.protocol import US_PER_MS, US_PER_S, Frame, Health, Kind, SerialOptions
from rfid_drivers.serial.reader import SerialReader
from rfid_drivers.serial.tsl_codec import TslDecoder
from rfid_gateway.driver import DriverOptions
from rfid_gateway.reads import ReaderState

_ASK_AGAIN_US = 1 * US_PER_S
"""Ours: an unanswered question for the version is repeated after this time."""

_QUIET_S = 3.0
"""Ours: quiet for this long asks for a sign of life where the silence of the reader is to be trusted for ever."""

_EVERYDAY = frozenset({0, codec.NO_TAG})


class TslOptions(SerialOptions):
    """Options of a reader that speaks ASCII 2."""

    baud: int = Field(default=115_200, ge=300, le=4_000_000, description="Bits per second; ignored with socket://.")
    mode: Literal["loop", "trigger"] = Field(
        default="loop", description="loop: the gateway starts one inventory after the other; trigger: the reader does."
    )
    inventory: str = Field(
        default=".iv -r on", pattern=r"^\.iv[ -~]*$", description="The command that starts one inventory with RSSI."
    )
    poll_interval_ms: int = Field(default=20, ge=0, le=60_000, description="Pause between inventories of mode loop.")
    inventory_timeout_ms: int = Field(
        default=3000, ge=100, le=60_000, description="Without a line for this long an inventory is started again."
    )


class TslDialogue:
    """What to say to a reader that speaks ASCII 2. Owned by one session."""

    def __init__(self, options: TslOptions) -> None:
        self._options = options
        self._quiet_us = int((options.silence_timeout_s / 3 or _QUIET_S) * US_PER_S)
        self._health = Health(model="TSL ASCII 2")
        self._due = 0
        """Monotonic microseconds: no command before."""
        self._aborted = False
        self._introduced = False
        self._answering = ""
        """The command whose answer is coming."""

    @property
    def health(self) -> Health:
        """ONLINE, or DEGRADED with what the reader complains of."""
        return self._health

    def hear(self, frame: Frame, now: int) -> list[bytes]:
        """Take note of a line or tag; what to say follows at the next tick."""
        if self._introduced:
            self._due = now + self._patience_us()
        if frame.kind == Kind.ANSWER:
            self._hear_line(frame, now)
        return []

    def tick(self, now: int) -> list[bytes]:
        """Give the commands that are due."""
        if now < self._due:
            return []
        self._due = now + (self._patience_us() if self._introduced else _ASK_AGAIN_US)
        if self._introduced and self._options.mode == "loop":
            # Noise may swallow the line that tells what is answered; its end then belongs to this.
            self._answering = ".iv"
            return [codec.command(self._options.inventory)]
        abort = [] if self._aborted else [codec.command(".ab")]
        self._aborted = True
        return [*abort, codec.command(".vr")]

    def _patience_us(self) -> int:
        return self._options.inventory_timeout_ms * US_PER_MS if self._options.mode == "loop" else self._quiet_us

    def _hear_line(self, frame: Frame, now: int) -> None:
        name, value = codec.read_line(frame)
        if name == "CS":
            self._answering = value[:3]
        elif name == "MF" and self._answering == ".vr":
            self._health = replace(self._health, model=value)
        elif name == "UF" and self._answering == ".vr":
            self._health = replace(self._health, firmware=value)
        elif frame.status is not None:
            self._hear_end(frame, now)

    def _hear_end(self, frame: Frame, now: int) -> None:
        if self._answering == ".vr":
            self._introduced = True
            self._due = now if self._options.mode == "loop" else now + self._quiet_us
        elif self._answering == ".iv" and self._introduced:
            self._complain("" if frame.status in _EVERYDAY else f"inventory: {frame.detail}")
            if self._options.mode == "loop":
                pause_us = self._options.poll_interval_ms * US_PER_MS
                self._due = now + (pause_us if frame.status in _EVERYDAY else _ASK_AGAIN_US)
        self._answering = ""

    def _complain(self, complaint: str) -> None:
        state = ReaderState.DEGRADED if complaint else ReaderState.ONLINE
        self._health = replace(self._health, state=state, detail=complaint)


class TslReader(SerialReader[TslOptions]):
    """A reader that speaks TSL's ASCII 2 (entry point `tsl`)."""

    Options: ClassVar[type[DriverOptions]] = TslOptions
    detection: ClassVar = FrameDetection(
        bauds=USUAL_BAUDS,
        probes=(codec.command(".vr"),),
        answers=codec.is_typical,
        frames_needed=2,
        when_pushing={"mode": "trigger"},
    )

    def decoder(self) -> TslDecoder:
        """Make the decoder of a new connection."""
        return TslDecoder(self.options.idle_gap_ms)

    def dialogue(self) -> TslDialogue:
        """Make the dialogue of a new connection."""
        return TslDialogue(self.options)
