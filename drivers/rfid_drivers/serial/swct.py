"""Driver of readers that speak SW/CT: what to say to them, and when. No I/O.

A reader is used in one of two ways. Mode `push`: the gateway tells it to send tags and listens; when nothing has come
for a while it tells it so again, which both proves that the reader is there and makes one read that has restarted
meanwhile. Mode `poll`: the gateway tells it to stop sending and starts one inventory after the other. The work mode
that a reader keeps over a power cut is set with the vendor's tool; nothing is written there. The bytes are in
`swct_codec.py`.
"""

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from rfid_drivers.serial import swct_codec as codec
from rfid_drivers.serial.bus_reader import BusReader
from rfid_drivers.serial.detection import FrameDetection
from rfid_drivers.serial.protocol import (
    US_PER_MS,
    US_PER_S,
    Alone,
    Frame,
    Health,
    Kind,
    SerialOptions,
    place_of_polled,
)
from rfid_drivers.serial.swct_codec import SwctDecoder
from rfid_gateway.driver import DriverOptions
from rfid_gateway.reads import ReaderState

_ASK_AGAIN_US = 1 * US_PER_S
"""Ours: an unanswered command is repeated after this time."""

_TRIES = 3
"""Ours: a reader that does not say who it is after this many questions is read from all the same."""

_QUIET_S = 3.0
"""Ours: quiet for this long asks for a sign of life where the silence of the reader is to be trusted for ever."""

_REFUSED_TO_SEND = (
    "the reader refuses to send tags unasked: set its work mode to active with the vendor's tool, "
    'or mode = "poll" here'
)


class SwctOptions(SerialOptions):
    """Options of a reader that speaks SW/CT."""

    baud: int = Field(default=115_200, ge=300, le=4_000_000, description="Bits per second; ignored with socket://.")
    mode: Literal["push", "poll"] = Field(
        default="push",
        description="push: the reader is told to send tags by itself; poll: the gateway starts one inventory after "
        "the other.",
    )
    address: int = Field(default=0xFF, ge=0, le=0xFF, description="The reader's address; 255 asks any reader.")
    acknowledge: bool = Field(
        default=False, description="Acknowledge tags sent unasked, for readers that keep them until then."
    )
    poll_interval_ms: int = Field(
        default=20, ge=0, le=60_000, description="Pause between the inventories of mode poll, ms."
    )
    inventory_timeout_ms: int = Field(
        default=1500, ge=100, le=60_000, description="Without an answer for this long an inventory is started again."
    )

    @property
    def place(self) -> int | Alone:
        """Its address where it is polled by one."""
        return place_of_polled(self.address, (self.mode, "poll"), codec.EVERYBODY)


class SwctDialogue:
    """What to say to a reader that speaks SW/CT. Owned by one session."""

    def __init__(self, options: SwctOptions) -> None:
        self._options = options
        self._quiet_us = int((options.silence_timeout_s / 3 or _QUIET_S) * US_PER_S)
        self._health = Health(model="SW/CT")
        self._due = 0
        """Monotonic microseconds: no command before."""
        self._asked: int | None = None
        """The command that is not answered yet."""
        self._heard_at = 0
        self._questions = 0
        self._introduced = False
        self._set_up = False
        """Whether the reader has answered that it sends, or no longer sends, tags unasked."""

    @property
    def health(self) -> Health:
        """ONLINE, or DEGRADED with what the reader complains of."""
        return self._health

    @property
    def awaited_until(self) -> int:
        """Until when the answer to the last command is waited for."""
        return 0 if self._asked is None else self._due

    def hear(self, frame: Frame, now: int) -> list[bytes]:
        """Take note of a frame; give the acknowledgement of tags where the options ask for it."""
        if frame.kind != Kind.HEARTBEAT:
            # A reader that restarted, and no longer sends tags, has heartbeats all the same.
            self._heard_at = now
        if frame.command == self._asked and frame.status is not None:
            self._asked = None
        information = codec.read_information(frame)
        if information and not self._introduced:
            self._introduce(information, now)
        elif frame.command == self._switch() and frame.status is not None:
            self._hear_switched(frame.status, now)
        elif frame.command == codec.INVENTORY and frame.status is not None:
            self._due = now + self._options.poll_interval_ms * US_PER_MS
        elif frame.command == codec.SENT_TAGS and frame.kind == Kind.TAGS:
            return self._hear_sent()
        return []

    def tick(self, now: int) -> list[bytes]:
        """Give the commands that are due."""
        if now < self._due:
            return []
        if not self._introduced and self._questions < _TRIES:
            self._questions += 1
            return self._ask(codec.GET_INFORMATION, now + _ASK_AGAIN_US)
        if not self._set_up:
            return self._ask(self._switch(), now + _ASK_AGAIN_US)
        if self._options.mode == "poll":
            return self._ask(codec.INVENTORY, now + self._options.inventory_timeout_ms * US_PER_MS)
        if now - self._heard_at >= self._quiet_us:
            return self._ask(codec.START_SENDING, now + _ASK_AGAIN_US)
        return []

    def _switch(self) -> int:
        return codec.START_SENDING if self._options.mode == "push" else codec.STOP_SENDING

    def _ask(self, code: int, due: int) -> list[bytes]:
        self._asked, self._due = code, due
        return [codec.command(code, address=self._options.address)]

    def _introduce(self, information: codec.Information, now: int) -> None:
        self._introduced = True
        self._due = now
        self._health = replace(self._health, model=f"SW/CT {information.hardware}", firmware=information.software)

    def _hear_switched(self, status: int, now: int) -> None:
        refused = status != codec.SUCCESS and self._options.mode == "push"
        self._set_up = not refused
        self._due = now + _ASK_AGAIN_US if refused else now
        self._complain(_REFUSED_TO_SEND if refused else "")

    def _hear_sent(self) -> list[bytes]:
        if self._options.mode == "poll":
            # It restarted and sends again, as its work mode tells it: stop it as at the beginning.
            self._set_up = False
        else:
            self._complain("")
        if not self._options.acknowledge:
            return []
        return [codec.command(codec.SENT_TAGS, address=self._options.address)]

    def _complain(self, complaint: str) -> None:
        state = ReaderState.DEGRADED if complaint else ReaderState.ONLINE
        self._health = replace(self._health, state=state, detail=complaint)


class SwctReader(BusReader[SwctOptions]):
    """A reader that speaks SW/CT (entry point `swct`)."""

    Options: ClassVar[type[DriverOptions]] = SwctOptions
    detection: ClassVar = FrameDetection(
        bauds=(115_200, 9_600),
        probes=(codec.command(codec.GET_INFORMATION),),
        answers=lambda frame: codec.read_information(frame) is not None,
        frames_needed=2,
        when_pushing={"mode": "push"},
    )

    def decoder(self) -> SwctDecoder:
        """Make the decoder of a new connection."""
        return SwctDecoder(self.options.idle_gap_ms, self.options.address)

    def dialogue(self) -> SwctDialogue:
        """Make the dialogue of a new connection."""
        return SwctDialogue(self.options)
