"""Driver of Chafon's "UHF Prime" readers: what to say to them, and when. No I/O.

A reader is used in one of three ways. In active mode, as delivered, it sends each tag unasked; the gateway listens and
asks for the parameters only when nothing has come for a while. In answer mode the gateway starts an inventory without
an end; when nothing has come for a while it stops and starts it again, which both proves that the reader is there and
makes one read that has restarted meanwhile. Or it starts one round after the other, and so leaves room for other
readers on its line. Modes, power and antennas are kept in the reader's flash memory and set
with the vendor's tool; nothing is written there. The bytes are in `cfprime_codec.py`.
"""

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from rfid_drivers.serial import cfprime_codec as codec
from rfid_drivers.serial.bus_reader import BusReader
from rfid_drivers.serial.cfprime_codec import CfPrimeDecoder
from rfid_drivers.serial.detection import USUAL_BAUDS, FrameDetection
from rfid_drivers.serial.protocol import US_PER_S, Alone, Frame, Health, Kind, SerialOptions, place_of_polled
from rfid_gateway.driver import DriverOptions
from rfid_gateway.reads import ReaderState

_ASK_AGAIN_US = 1 * US_PER_S
"""Ours: an unanswered command is repeated after this time."""

_GO_ON_US = US_PER_S // 20
"""Ours: the pause before an inventory that the reader ended is started again."""

_TRY_AGAIN_US = 1 * US_PER_S
"""Ours: the pause before an inventory that the reader refused is started again."""

_QUIET_S = 3.0
"""Ours: quiet for this long asks for a sign of life where the silence of the reader is to be trusted for ever."""

_ANSWER_MODE = 0

_ONLY_ANSWERS = (
    "the reader only answers and sends no tags unasked: set its work mode to active with the vendor's tool, "
    'or mode = "start" here'
)


class CfPrimeOptions(SerialOptions):
    """Options of a UHF Prime reader."""

    baud: int = Field(default=115_200, ge=300, le=4_000_000, description="Bits per second; ignored with socket://.")
    mode: Literal["push", "start", "poll"] = Field(
        default="push",
        description="push: the reader is in active mode and sends tags by itself; start: the gateway starts the "
        "inventory of a reader in answer mode; poll: it starts one round after the other, which lets readers share a "
        "port.",
    )
    address: int = Field(default=0xFF, ge=0, le=0xFF, description="The reader's address; 255 asks any reader.")

    @property
    def place(self) -> int | Alone:
        """Its address where it is polled by one."""
        return place_of_polled(self.address, (self.mode, "poll"), codec.EVERYBODY)


class CfPrimeDialogue:
    """What to say to a UHF Prime reader. Owned by one session."""

    def __init__(self, options: CfPrimeOptions) -> None:
        self._options = options
        self._quiet_us = int((options.silence_timeout_s / 3 or _QUIET_S) * US_PER_S)
        self._health = Health(model="Chafon UHF Prime")
        self._due = 0
        """Monotonic microseconds: no command before."""
        self._heard_at = 0
        self._introduced = False
        self._mode_known = options.mode != "push"
        self._inventory = codec.ONE_ROUND if options.mode == "poll" else codec.FOREVER
        self._asked: int | None = None
        """The command that is not answered yet."""
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
        """Take note of a frame; what to say follows at the next tick."""
        self._heard_at = now
        if frame.command == self._asked and frame.status is not None and not _goes_on(frame):
            self._asked = None
        information = codec.read_information(frame)
        work_mode = codec.read_work_mode(frame)
        if information:
            self._introduce(information)
        elif work_mode is not None:
            self._hear_work_mode(work_mode)
        elif frame.command == codec.STOP_INVENTORY and frame.status is not None:
            self._stopped = True
            self._due = now
        elif frame.command == codec.START_INVENTORY and frame.status is not None:
            self._hear_inventory(frame, frame.status, now)
        return []

    def tick(self, now: int) -> list[bytes]:
        """Give the commands that are due."""
        if now < self._due:
            return []
        if not self._introduced:
            return self._ask(codec.GET_INFORMATION, now)
        if not self._mode_known:
            return self._ask(codec.GET_PARAMETERS, now)
        quiet = now - self._heard_at >= self._quiet_us
        if self._options.mode == "push":
            return self._ask(codec.GET_PARAMETERS, now) if quiet else []
        return self._keep_running(now, quiet=quiet)

    def _keep_running(self, now: int, *, quiet: bool) -> list[bytes]:
        if self._running and (quiet or self._options.mode == "poll"):  # a round that is over would not run any more
            self._running = self._stopped = False
        if self._running:
            return []
        if not self._stopped:
            return self._ask(codec.STOP_INVENTORY, now)
        self._running = True
        return self._ask(codec.START_INVENTORY, now, self._inventory)

    def _ask(self, code: int, now: int, data: bytes = b"") -> list[bytes]:
        self._asked, self._due = code, now + _ASK_AGAIN_US
        return [codec.command(code, data, self._options.address)]

    def _introduce(self, information: codec.Information) -> None:
        self._introduced = True
        self._due = self._heard_at
        model = f"Chafon UHF Prime {information.hardware}".strip()
        self._health = replace(self._health, model=model, firmware=information.firmware)

    def _hear_work_mode(self, work_mode: int) -> None:
        self._mode_known = True
        useless = self._options.mode == "push" and work_mode == _ANSWER_MODE
        self._complain(_ONLY_ANSWERS if useless else "")

    def _hear_inventory(self, frame: Frame, status: int, now: int) -> None:
        good = frame.kind == Kind.TAGS or status in (0, codec.DONE)
        self._complain("" if good else f"inventory: {frame.detail}")
        if self._options.mode == "poll" and frame.kind == Kind.TAGS:
            # Tags of no round of ours: it restarted and sends them unasked, as its work mode tells it.
            self._stopped = self._stopped and self._running
            self._due = now + _ASK_AGAIN_US if self._running else now
        if self._running and status != 0:
            self._running = False
            self._due = now + (_GO_ON_US if good else _TRY_AGAIN_US)

    def _complain(self, complaint: str) -> None:
        state = ReaderState.DEGRADED if complaint else ReaderState.ONLINE
        self._health = replace(self._health, state=state, detail=complaint)


def _goes_on(frame: Frame) -> bool:
    """Whether a frame is one of an inventory, and not the last."""
    return frame.command == codec.START_INVENTORY and frame.status == 0


class CfPrimeReader(BusReader[CfPrimeOptions]):
    """A reader that speaks the UHF Prime protocol (entry point `cfprime`)."""

    Options: ClassVar[type[DriverOptions]] = CfPrimeOptions
    detection: ClassVar = FrameDetection(
        bauds=USUAL_BAUDS,
        probes=(codec.command(codec.GET_INFORMATION),),
        answers=lambda frame: codec.read_information(frame) is not None,
        when_pushing={"mode": "push"},
        when_silent='mode = "start"',
    )

    def decoder(self) -> CfPrimeDecoder:
        """Make the decoder of a new connection."""
        return CfPrimeDecoder(self.options.idle_gap_ms, self.options.address)

    def dialogue(self) -> CfPrimeDialogue:
        """Make the dialogue of a new connection."""
        return CfPrimeDialogue(self.options)
