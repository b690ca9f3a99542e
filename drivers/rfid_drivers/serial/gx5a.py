"""Driver of readers of the GX protocol: what to say to them, and when. No I/O.

The gateway asks who the reader is, stops an inventory that an earlier run left and starts one without an end. When
nothing but heartbeats has come for a while it stops and starts it again, which both proves that the reader is there
and makes one read that has restarted meanwhile. In mode `poll` it starts one round after the other instead, and leaves
room for other readers on an RS-485 line. Power and frequencies are the reader's own: nothing is written. The bytes are
in `gx5a_codec.py`.
"""

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field, Strict

from rfid_drivers.serial import gx5a_codec as codec
from rfid_drivers.serial.bus_reader import BusReader
from rfid_drivers.serial.detection import FrameDetection
from rfid_drivers.serial.gx5a_codec import Gx5aDecoder
from rfid_drivers.serial.protocol import US_PER_S, Alone, Frame, Health, Kind, SerialOptions, place_of_polled
from rfid_gateway.driver import DriverOptions
from rfid_gateway.reads import ReaderState

_ASK_AGAIN_US = 1 * US_PER_S
"""Ours: an unanswered command is repeated after this time."""

_TRIES = 3
"""Ours: a reader that does not say who it is after this many questions is read from all the same."""

_GO_ON_US = US_PER_S // 20
"""Ours: the pause before an inventory that the reader ended is started again."""

_QUIET_S = 3.0
"""Ours: quiet for this long asks for a sign of life where the silence of the reader is to be trusted for ever."""

_ROUND_US = 2 * US_PER_S
"""Ours: a round without a tag for this long counts as lost."""

_HOW_LONG = {"stream": b"\x01", "poll": b"\x00"}
"""An inventory for ever, or one round."""


class Gx5aOptions(SerialOptions):
    """Options of a reader of the GX protocol."""

    baud: int = Field(default=115_200, ge=300, le=4_000_000, description="Bits per second; ignored with socket://.")
    address: int | None = Field(
        default=None, ge=0, le=0xFF, description="The reader's address on RS-485; none for RS-232, USB and TCP."
    )
    mode: Literal["stream", "poll"] = Field(
        default="stream",
        description="stream: one inventory without an end; poll: the gateway starts one round after the other, which "
        "lets readers share a port.",
    )
    antennas: Annotated[tuple[Annotated[int, Field(ge=1, le=32)], ...], Strict(strict=False)] = Field(
        default=(1,), min_length=1, description="Antennas to read from, counted from 1."
    )
    phase_steps: int | None = Field(
        default=None, ge=2, le=256, description="Steps of phase that a full turn has; none leaves the phase out."
    )

    @property
    def place(self) -> int | Alone:
        """Its address where it is polled by one."""
        return place_of_polled(self.address, (self.mode, "poll"), None)


class Gx5aDialogue:
    """What to say to a reader of the GX protocol. Owned by one session."""

    def __init__(self, options: Gx5aOptions) -> None:
        self._options = options
        self._quiet_us = int((options.silence_timeout_s / 3 or _QUIET_S) * US_PER_S)
        self._patience_us = _ROUND_US if options.mode == "poll" else 0
        self._health = Health(model="GX")
        self._due = 0
        """Monotonic microseconds: no command before."""
        self._asked: int | None = None
        """The command that is not answered yet."""
        self._heard_at = 0
        self._questions = 0
        self._introduced = False
        self._stopped = False
        self._running = False

    @property
    def health(self) -> Health:
        """ONLINE, or DEGRADED with what the reader complains of."""
        return self._health

    @property
    def awaited_until(self) -> int:
        """Until when the answer to a command or the end of a round is waited for."""
        return 0 if self._asked is None else self._due

    def hear(self, frame: Frame, now: int) -> list[bytes]:
        """Take note of a frame; give the answer to a heartbeat or to a tag that wants to be acknowledged."""
        if frame.kind == Kind.HEARTBEAT:
            return [self._command(codec.HEARTBEAT_ANSWER, codec.data_of(frame))]
        self._heard_at = now
        if frame.command == self._ends_what_was_asked():
            self._asked = None
        information = codec.read_information(frame)
        if information and not self._introduced:
            self._introduce(information, now)
        elif frame.kind == Kind.TAGS:
            if self._running:
                self._due = now + self._patience_us
            return self._acknowledge(frame)
        elif frame.command == codec.STOP_INVENTORY and frame.status is not None:
            self._stopped, self._due = True, now
        elif frame.command == codec.START_INVENTORY and frame.status is not None:
            self._hear_started(frame, now)
        elif frame.command == codec.INVENTORY_ENDED and self._running:
            self._running, self._due = False, now + _GO_ON_US
        return []

    def tick(self, now: int) -> list[bytes]:
        """Give the commands that are due."""
        if now < self._due:
            return []
        if not self._introduced and self._questions < _TRIES:
            self._questions += 1
            return self._ask(now, codec.GET_INFORMATION)
        if self._running and (self._options.mode == "poll" or now - self._heard_at >= self._quiet_us):
            self._running = self._stopped = False
        if self._running:
            return []
        if not self._stopped:
            return self._ask(now, codec.STOP_INVENTORY)
        return self._ask(now, codec.START_INVENTORY, self._antennas() + _HOW_LONG[self._options.mode])

    def _antennas(self) -> bytes:
        return sum(1 << antenna - 1 for antenna in set(self._options.antennas)).to_bytes(4, "big")

    def _ends_what_was_asked(self) -> int | None:
        return codec.INVENTORY_ENDED if self._asked == codec.START_INVENTORY else self._asked

    def _ask(self, now: int, code: int, data: bytes = b"") -> list[bytes]:
        self._asked, self._due = code, now + _ASK_AGAIN_US
        return [self._command(code, data)]

    def _command(self, code: int, data: bytes) -> bytes:
        return codec.command(code, data, self._options.address)

    def _introduce(self, information: codec.Information, now: int) -> None:
        self._introduced, self._due = True, now
        model = f"GX {information.serial_number}".strip()
        self._health = replace(self._health, model=model, firmware=information.version)

    def _acknowledge(self, frame: Frame) -> list[bytes]:
        number = codec.read_notification_number(frame)
        return [] if number is None else [self._command(codec.TAG_ARRIVED, number)]

    def _hear_started(self, frame: Frame, now: int) -> None:
        self._running = frame.status == codec.SUCCESS
        self._due = now + (self._patience_us if self._running else _ASK_AGAIN_US)
        if not self._running:
            self._asked = None
        self._complain("" if self._running else f"inventory: {frame.detail}")

    def _complain(self, complaint: str) -> None:
        state = ReaderState.DEGRADED if complaint else ReaderState.ONLINE
        self._health = replace(self._health, state=state, detail=complaint)


class Gx5aReader(BusReader[Gx5aOptions]):
    """A reader of the GX protocol (entry point `gx5a`)."""

    Options: ClassVar[type[DriverOptions]] = Gx5aOptions
    detection: ClassVar = FrameDetection(
        bauds=(115_200, 9_600, 19_200, 230_400),
        probes=(codec.command(codec.GET_INFORMATION),),
        answers=lambda frame: codec.read_information(frame) is not None,
        told=lambda frame: {} if (address := codec.address_of(frame)) is None else {"address": address},
    )

    def decoder(self) -> Gx5aDecoder:
        """Make the decoder of a new connection."""
        return Gx5aDecoder(self.options.idle_gap_ms, self.options.phase_steps, self.options.address)

    def dialogue(self) -> Gx5aDialogue:
        """Make the dialogue of a new connection."""
        return Gx5aDialogue(self.options)
