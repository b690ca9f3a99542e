"""Driver of Chafon readers and their many rebrands: what to say to them, and when. No I/O.

A reader is used in one of two ways. Pushing, it sends each tag unasked; the gateway listens and asks for the reader's
information only when nothing has come for a while, the one question that a pushing reader always answers. Polled, it
is told to run one inventory after the other. Pushing survives a power cut of the reader: a reader that is to be
polled but pushes is told to stop, at most once a second, because it keeps that in flash memory. The bytes are in
`chafon_codec.py`.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import Field

from rfid_drivers.serial import chafon_codec as codec
from rfid_drivers.serial.bus_reader import BusReader
from rfid_drivers.serial.chafon_codec import ChafonDecoder
from rfid_drivers.serial.detection import FrameDetection
from rfid_drivers.serial.protocol import (
    US_PER_MS,
    US_PER_S,
    Alone,
    Frame,
    Health,
    SerialOptions,
    place_of_polled,
)
from rfid_gateway.driver import DriverOptions
from rfid_gateway.reads import ReaderState

_ASK_AGAIN_US = 1 * US_PER_S
"""Ours: an unanswered question is repeated after this time. Readers answer GET_INFORMATION within 50 ms."""

_ROUND_GRACE_US = 2 * US_PER_S
"""Ours: a round may overrun its scan time by this much before it counts as lost and the next one is started."""

_PUSH_GRACE_US = 2 * US_PER_S
"""Ours: a reader that pushes nothing for this long after it was opened is told to push, if it is to be told at all."""

_MODE_PAUSE_US = US_PER_S // 10
"""Ours: a reader that changes its mode gets no other command for this long; one command at a time is its rule."""

_MODE_SETTINGS = bytes((0x02, 0x04, 0x02, 0x06, 0x00))
"""Parameters of SET_ACTIVE_MODE after the mode: output on the serial line, all tags, EPC from word 2, 6 words, no
filter time. As seen on hardware in the field."""

_PUSH_COMMANDS = {
    "active_mode": (codec.SET_ACTIVE_MODE, b"\x01" + _MODE_SETTINGS),
    "real_time": (codec.SET_REAL_TIME_MODE, b"\x01"),
}

_FAULTS = frozenset({0x04, 0x05, 0xF8, 0xF9, 0xFD, 0xFE, 0xFF})
"""Statuses of an inventory that a person has to look at; the rest is everyday radio."""

_TYPES = {
    0x03: "RRU9803M",
    0x08: "RRU9803M",
    0x09: "UHFReader18",
    0x0C: "UHFReader288M",
    0x0F: "UHFReader86",
    0x10: "UHFReader86",
    0x16: "RRU9883M",
    0x20: "UHFReader288MP",
    0x8B: "UHFReader288ADV",
}
"""Names by type byte. New ones keep appearing, so nothing depends on them."""


class ChafonOptions(SerialOptions):
    """Options of a Chafon reader."""

    mode: Literal["push", "poll"] = Field(
        default="push",
        description="push: the reader sends tags by itself; poll: the gateway starts one inventory after the other.",
    )
    push_command: Literal["none", "active_mode", "real_time"] = Field(
        default="none",
        description="What makes a silent reader push: none (it is configured to), active_mode (command 35, "
        "UHFReader18) or real_time (command 76, UHFReader288 and later). The reader remembers it.",
    )
    address: int = Field(default=0xFF, ge=0, le=0xFF, description="The reader's address; 255 asks any reader.")
    poll_interval_ms: int = Field(
        default=20, ge=0, le=60_000, description="Pause between two inventories of mode poll."
    )
    q: int = Field(
        default=4, ge=0, le=15, description="Gen2 Q of a polled inventory: about 2 to the power of Q tags at once."
    )
    session: int = Field(default=0, ge=0, le=3, description="Gen2 session of a polled inventory.")
    antenna: int = Field(default=1, ge=1, le=16, description="Antenna of a polled inventory, counted from 1.")
    scan_time_ms: int = Field(
        default=500, ge=300, le=25_500, multiple_of=100, description="Longest time of one polled inventory."
    )

    @property
    def place(self) -> int | Alone:
        """Its address where it is polled by one."""
        return place_of_polled(self.address, (self.mode, "poll"), codec.EVERYBODY)


@dataclass(slots=True)
class _Round:
    """The inventory or change of mode that the reader is at, or the pause before the next. Owned by the dialogue."""

    running: bool = False
    due: int = 0
    """Monotonic microseconds: when the next one starts, or when the running one counts as lost."""


class ChafonDialogue:
    """What to say to a Chafon reader. Owned by one session."""

    def __init__(self, options: ChafonOptions) -> None:
        self._options = options
        self._health = Health(model="Chafon")
        self._information: codec.Information | None = None
        self._opened_at: int | None = None
        self._ask_at = 0
        self._heard_at = 0
        self._pushed = False
        self._mode_set = False
        self._stop_at = 0
        self._round = _Round()

    @property
    def health(self) -> Health:
        """ONLINE, or DEGRADED with the reader's own complaint."""
        return self._health

    @property
    def awaited_until(self) -> int:
        """Until when the answer to the question or the end of the round is waited for."""
        if self._information is None:
            return self._ask_at
        return self._round.due if self._round.running else 0

    def hear(self, frame: Frame, now: int) -> list[bytes]:
        """Take note of a frame; what to say follows at the next tick."""
        self._heard_at = now
        information = codec.read_information(frame)
        if information:
            self._introduce(information)
        elif frame.command == codec.PUSH:
            self._pushed = True
        elif frame.command == codec.INVENTORY and frame.status is not None:
            self._hear_inventory(frame, frame.status, now)
        return []

    def tick(self, now: int) -> list[bytes]:
        """Give the commands that are due."""
        if self._opened_at is None:
            self._opened_at = self._ask_at = self._heard_at = now
        if self._options.mode == "poll":
            return self._poll(now)
        return self._listen(now, self._opened_at)

    def _listen(self, now: int, opened_at: int) -> list[bytes]:
        options = self._options
        late = not self._pushed and now - opened_at >= _PUSH_GRACE_US
        if late and self._information and not self._mode_set and options.push_command != "none":
            self._mode_set = True
            return [self._command(*_PUSH_COMMANDS[options.push_command])]
        quiet_us = now - self._heard_at
        if self._information is None or quiet_us >= int(options.silence_timeout_s * US_PER_S) // 3:
            return self._ask(now)
        return []

    def _poll(self, now: int) -> list[bytes]:
        if self._information is None:
            return self._ask(now)
        if self._pushed and now >= self._stop_at:
            return [self._stop_pushing(self._information, now)]
        if now < self._round.due:
            return []
        self._round = _Round(running=True, due=now + self._options.scan_time_ms * US_PER_MS + _ROUND_GRACE_US)
        return [self._inventory(self._information)]

    def _ask(self, now: int) -> list[bytes]:
        if now < self._ask_at:
            return []
        self._ask_at = now + _ASK_AGAIN_US
        return [self._command(codec.GET_INFORMATION)]

    def _stop_pushing(self, information: codec.Information, now: int) -> bytes:
        self._pushed = False
        self._stop_at = now + _ASK_AGAIN_US
        self._round = _Round(running=True, due=now + _MODE_PAUSE_US)
        if information.has_antennas:
            return self._command(codec.SET_REAL_TIME_MODE, b"\x00")
        return self._command(codec.SET_ACTIVE_MODE, b"\x00" + _MODE_SETTINGS)

    def _inventory(self, information: codec.Information) -> bytes:
        if not information.has_antennas:
            return self._command(codec.INVENTORY)
        options = self._options
        target, antenna, scan = 0, 0x80 + options.antenna - 1, options.scan_time_ms // 100
        return self._command(codec.INVENTORY, bytes((options.q, options.session, target, antenna, scan)))

    def _command(self, code: int, data: bytes = b"") -> bytes:
        return codec.command(code, data, self._options.address)

    def _introduce(self, information: codec.Information) -> None:
        name = _TYPES.get(information.type_code, f"type {information.type_code:02X}")
        self._information = information
        self._health = replace(self._health, model=f"Chafon {name}", firmware=information.firmware)

    def _hear_inventory(self, frame: Frame, status: int, now: int) -> None:
        if status in (codec.MORE_FOLLOWS, codec.STATISTICS):
            return
        if self._round.running:
            self._round = _Round(due=now + self._options.poll_interval_ms * US_PER_MS)
        faulty = status in _FAULTS
        self._health = replace(
            self._health,
            state=ReaderState.DEGRADED if faulty else ReaderState.ONLINE,
            detail=f"inventory: {frame.detail}" if faulty else "",
        )


class ChafonReader(BusReader[ChafonOptions]):
    """A reader that speaks the Chafon protocol (entry point `chafon`)."""

    Options: ClassVar[type[DriverOptions]] = ChafonOptions
    detection: ClassVar = FrameDetection(
        bauds=(57_600, 115_200, 9_600, 38_400, 19_200),
        probes=(codec.command(codec.GET_INFORMATION),),
        answers=lambda frame: codec.read_information(frame) is not None,
        when_pushing={"mode": "push"},
        when_silent='mode = "poll"',
    )

    def decoder(self) -> ChafonDecoder:
        """Make the decoder of a new connection."""
        return ChafonDecoder(self.options.idle_gap_ms, self.options.address)

    def dialogue(self) -> ChafonDialogue:
        """Make the dialogue of a new connection."""
        return ChafonDialogue(self.options)
