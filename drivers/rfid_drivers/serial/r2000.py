"""Driver of readers with the R2000 board protocol: what to say to them, and when. No I/O.

These readers never send a tag unasked. The gateway selects an antenna, starts one round of inventory, and on its last
frame at once starts the next, antenna after antenna. A round can hang for ever, so it is started anew when nothing
comes for a while. What the reader would keep in flash memory (its address, baud rate, power for good) is never
written: the power is set until the next restart of the reader. The bytes are in `r2000_codec.py`.
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field, Strict

from rfid_drivers.serial import r2000_codec as codec
from rfid_drivers.serial.bus_reader import BusReader
from rfid_drivers.serial.detection import FrameDetection
from rfid_drivers.serial.explain import explain
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
from rfid_drivers.serial.r2000_codec import R2000Decoder
from rfid_gateway.driver import DriverOptions
from rfid_gateway.reads import ReaderState

_TRIES = 3
"""Ours: a setting that the reader does not answer is sent this often; then it is read from without."""

_TRY_AGAIN_US = 1 * US_PER_S
"""Ours: an antenna with a fault is left out for this long; the others are read meanwhile."""

_TARGETS = {"A": 0, "B": 1}

_EVERYDAY = frozenset({codec.SUCCESS, 0x36, 0x38})
"""Statuses of an inventory that are no fault: no tag, nothing in the buffer."""


class R2000Options(SerialOptions):
    """Options of a reader with the R2000 board protocol."""

    baud: int = Field(default=115_200, ge=300, le=4_000_000, description="Bits per second; ignored with socket://.")
    address: int = Field(
        default=1,
        ge=0,
        le=0xFF,
        description="The reader's address, 1 as delivered; 255 asks any reader, but tells noise from frames less well.",
    )
    antennas: Annotated[tuple[Annotated[int, Field(ge=1, le=4)], ...], Strict(strict=False)] = Field(
        default=(1,), min_length=1, description="Antennas to read, one after the other, counted from 1."
    )
    power_dbm: int | None = Field(
        default=None, ge=20, le=33, description="Output power until the reader restarts; none leaves it as it is."
    )
    session: int | None = Field(
        default=None, ge=0, le=3, description="Gen2 session; none leaves the choice to the reader (command 89)."
    )
    target: Literal["A", "B"] = Field(default="A", description="Gen2 inventoried flag to look for, with `session`.")
    # From 16 on this number would be a status: the answer "antenna missing" is byte for byte the command for 34 rounds,
    # and the echo of that command looks the same. The same goes for a power below 18 dBm.
    rounds: Annotated[int, Field(ge=1, le=15)] | Literal[255] = Field(
        default=1,
        description="Inventory rounds at an antenna before the next one; without `session`, 255 is one very short one.",
    )
    round_timeout_ms: int = Field(
        default=1500,
        ge=100,
        le=60_000,
        description="After this time without a frame a round counts as lost and is started again.",
    )

    @property
    def place(self) -> int | Alone:
        """Its address: such a reader never sends unasked."""
        return place_of_polled(self.address, ("poll", "poll"), codec.EVERYBODY)


@dataclass(slots=True)
class _Waiting:
    """The command whose end is awaited. Owned by the dialogue."""

    code: int | None = None
    until: int = 0
    """Monotonic microseconds: when the command counts as lost."""


class R2000Dialogue:
    """What to say to an R2000 reader. Owned by one session."""

    def __init__(self, options: R2000Options) -> None:
        self._options = options
        self._health = Health(model="R2000")
        self._waiting = _Waiting()
        self._settings = self._all_settings()
        """Commands to send before the first round."""
        self._tries = 0
        self._selected: int | None = None
        self._confirmed = False
        """Whether a round has ended at the antenna that was selected: then one at another means a restart."""
        self._turns = list(options.antennas)
        """The antenna whose turn it is comes first."""
        self._left_out_until: dict[int, int] = {}
        self._complaints: dict[str, str] = {}

    @property
    def health(self) -> Health:
        """ONLINE, or DEGRADED with what the reader complains of."""
        detail = "; ".join(f"{what}: {words}" for what, words in self._complaints.items())
        return replace(self._health, state=ReaderState.DEGRADED if detail else ReaderState.ONLINE, detail=detail)

    @property
    def awaited_until(self) -> int:
        """Until when the end of the command is waited for."""
        return self._waiting.until

    def hear(self, frame: Frame, now: int) -> list[bytes]:
        """Take note of a frame; what to say follows at the next tick."""
        if frame.command == self._waiting.code:
            self._hear_awaited(frame, now)
        return []

    def tick(self, now: int) -> list[bytes]:
        """Give the commands that are due."""
        if self._waiting.code is not None:
            if now < self._waiting.until:
                return []
            self._give_up()
        if self._settings:
            self._tries += 1
            return [self._await(now, *self._settings[0])]
        antenna = self._next_antenna(now)
        if antenna is None:
            return []
        if antenna != self._selected:
            return [self._await(now, codec.SET_ANTENNA, bytes((antenna - 1,)))]
        return [self._await(now, *self._inventory())]

    def _all_settings(self) -> list[tuple[int, bytes]]:
        power = self._options.power_dbm
        set_power = [] if power is None else [(codec.SET_TEMPORARY_POWER, bytes((power,)))]
        return [(codec.GET_FIRMWARE_VERSION, b""), *set_power]

    def _give_up(self) -> None:
        """Take the command that was awaited for lost."""
        self._waiting = _Waiting()
        if not self._settings:
            self._begin_anew()
        elif self._tries >= _TRIES:
            self._end_setting("the reader did not answer")

    def _begin_anew(self) -> None:
        """The reader has restarted, or may have, which loses antenna and power."""
        self._selected, self._confirmed = None, False
        self._settings = self._all_settings()

    def _next_antenna(self, now: int) -> int | None:
        """Give the antenna whose turn it is and put it first; None while all of them are left out."""
        for turn, antenna in enumerate(self._turns):
            if now >= self._left_out_until.get(antenna, now):
                self._turns = self._turns[turn:] + self._turns[:turn]
                return antenna
        return None

    def _inventory(self) -> tuple[int, bytes]:
        options = self._options
        if options.session is None:
            return codec.INVENTORY, bytes((options.rounds,))
        return codec.SESSION_INVENTORY, bytes((options.session, _TARGETS[options.target], options.rounds))

    def _await(self, now: int, code: int, data: bytes) -> bytes:
        self._waiting = _Waiting(code, now + self._options.round_timeout_ms * US_PER_MS)
        return codec.command(code, data, self._options.address)

    def _hear_awaited(self, frame: Frame, now: int) -> None:
        if frame.kind == Kind.TAGS:
            self._waiting.until = now + self._options.round_timeout_ms * US_PER_MS
        elif frame.status is not None or codec.ends_round(frame) or codec.read_firmware_version(frame):
            self._waiting = _Waiting()
            self._finish(frame, now)

    def _finish(self, frame: Frame, now: int) -> None:
        good = frame.status is None or frame.status in _EVERYDAY
        complaint = "" if good else frame.detail
        if self._settings:
            firmware = codec.read_firmware_version(frame) or self._health.firmware
            self._health = replace(self._health, firmware=firmware)
            self._end_setting(complaint)
        elif frame.command == codec.SET_ANTENNA and good:
            self._selected = self._turns[0]
        else:
            self._end_turn(complaint, now)
            self._check_antenna(codec.antenna_of_end(frame))

    def _check_antenna(self, antenna: int | None) -> None:
        if antenna == self._selected:
            self._confirmed = True
        elif antenna is not None and self._confirmed:
            self._begin_anew()

    def _end_setting(self, complaint: str) -> None:
        code, _ = self._settings.pop(0)
        self._tries = 0
        if code == codec.SET_TEMPORARY_POWER:
            self._note("power", complaint)

    def _end_turn(self, complaint: str, now: int) -> None:
        antenna = self._turns.pop(0)
        self._turns.append(antenna)
        self._note(f"antenna {antenna}", complaint)
        self._left_out_until[antenna] = now + _TRY_AGAIN_US if complaint else now

    def _note(self, what: str, complaint: str) -> None:
        if complaint:
            self._complaints[what] = complaint
        else:
            self._complaints.pop(what, None)


class R2000Reader(BusReader[R2000Options]):
    """A reader with the R2000 board protocol (entry point `r2000`)."""

    Options: ClassVar[type[DriverOptions]] = R2000Options
    detection: ClassVar = FrameDetection(
        bauds=(115_200, 38_400),
        probes=(codec.command(codec.GET_FIRMWARE_VERSION),),
        answers=lambda frame: codec.read_firmware_version(frame) is not None,
        frames_needed=2,
        options={"address": codec.EVERYBODY},
        told=lambda frame: {"address": codec.address_of(frame)},
    )

    def decoder(self) -> R2000Decoder:
        """Make the decoder of a new connection."""
        return R2000Decoder(self.options.idle_gap_ms, self.options.address)

    def explain(self, data: bytes) -> list[dict[str, object]]:
        """Say what the protocol makes of bytes, of whatever reader they are: a capture need not be of this one."""
        return explain(R2000Decoder(self.options.idle_gap_ms), data)

    def dialogue(self) -> R2000Dialogue:
        """Make the dialogue of a new connection."""
        return R2000Dialogue(self.options)
