"""Driver of ThingMagic and JADAK modules (M6e, M6e Nano, M7E) and Silion's: what to say to them, and when. No I/O.

Set-up, in the order that the modules want: stop a stream that an earlier gateway may have left running and let it
drain (until then every answer is one to something else), version, boot the firmware where only the bootloader runs,
region (without it nothing transmits, and it is lost with the power), protocol, antennas, power, read filter off (it
would report each tag once), start the stream. A streaming module is asked nothing: it sends a keep-alive each second.

Three seconds of quiet, the end of the stream, or an answer that nobody asked for (the module has restarted; they
brown out on weak USB supplies) mean set-up again. Bytes: `mercury_codec.py`.
"""

from collections import deque
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field, Strict

from rfid_drivers.serial import mercury_codec as codec
from rfid_drivers.serial.detection import FrameDetection
from rfid_drivers.serial.mercury_codec import MercuryDecoder
from rfid_drivers.serial.mercury_status import BAD_OPCODE, NO_TAG
from rfid_drivers.serial.protocol import US_PER_MS, US_PER_S, Frame, Health, SerialOptions
from rfid_drivers.serial.reader import SerialReader
from rfid_gateway.driver import DriverOptions
from rfid_gateway.reads import ReaderState

_ANSWER_US = 500 * US_PER_MS
"""Ours: an unanswered setting is repeated after this time. Modules answer within 100 ms."""

_SLOW_US = 2 * US_PER_S
"""A stream drains within one to two seconds, and firmware boots within one."""

_TRIES = 2
"""Ours: how often a command is sent; the vendor's own programs try twice, because the first may only wake it."""

_QUIET_US = 3 * US_PER_S
"""Ours: the keep-alive, due each second, did not come three times in a row."""

_REFUSED_PAUSE_US = 5 * US_PER_S
"""Ours: a module that refused what it cannot read without is set up again after this time."""

_FAULT_US = 3 * US_PER_S
"""Ours: a fault that the module has not repeated for this long is over. It repeats them each second."""

_WAKE = b"\xff" * 16
"""What a sleeping module may lose; an awake one skips it."""

_SEARCH = b"\x00\x1b"
"""Search flags: stream the tags, over the list of antennas."""

_CYCLE_MS = 1000

_REGIONS = {
    "NA": 0x01,
    "EU": 0x02,
    "KR": 0x03,
    "IN": 0x04,
    "JP": 0x05,
    "PRC": 0x06,
    "EU2": 0x07,
    "EU3": 0x08,
    "KR2": 0x09,
    "PRC2": 0x0A,
    "AU": 0x0B,
    "NZ": 0x0C,
    "OPEN": 0xFF,
}

_MODELS = {
    0x18: "M6e",
    0x19: "M6e-i",
    0x20: "M6e Micro",
    0x30: "M6e Nano",
    0x31: "Silion",
    0x38: "M7E Hecto",
    0xA1: "Silion",
}
"""Names by the hardware's first byte. Nothing depends on them."""

_Antenna = Annotated[int, Field(ge=1, le=15)]


class MercuryOptions(SerialOptions):
    """Options of a ThingMagic, JADAK or Silion module."""

    baud: int = Field(default=115_200, ge=300, le=4_000_000, description="Bits per second; ignored with socket://.")
    region: Literal["NA", "EU", "KR", "IN", "JP", "PRC", "EU2", "EU3", "KR2", "PRC2", "AU", "NZ", "OPEN"] = Field(
        default="EU3",
        description="Radio region, without which the module does not transmit. EU3 is 865 to 868 MHz with four "
        "channels, NA 902 to 928 MHz. Must be lawful on site.",
    )
    antennas: Annotated[tuple[_Antenna, ...], Strict(strict=False)] = Field(
        default=(1,), min_length=1, max_length=15, description="Antennas to read from, counted from 1."
    )
    power_dbm: float | None = Field(
        default=None, ge=-10, le=33, description="Transmit power in dBm; without it the module keeps its own."
    )


class _Step(NamedTuple):
    """One command of the set-up."""

    code: int
    data: bytes
    what: str
    """What was wanted, for the words about a refusal."""
    must: bool = False
    """Without it there is no reading."""
    wait_us: int = _ANSWER_US


_STOP = _Step(codec.STREAM, b"\x00\x00\x02", "to stop", wait_us=_SLOW_US)
_BOOT = _Step(codec.BOOT, b"", "to boot its firmware", wait_us=_SLOW_US)


def _steps(options: MercuryOptions) -> tuple[_Step, ...]:
    ports = b"".join(bytes((antenna, antenna)) for antenna in options.antennas)
    steps = [
        _STOP,
        _Step(codec.GET_VERSION, b"", "to say its version"),
        _Step(codec.GET_PROGRAM, b"", "to say which program runs"),
        _Step(codec.SET_REGION, bytes((_REGIONS[options.region],)), f"region {options.region}", must=True),
        _Step(codec.SET_PROTOCOL, b"\x00\x05", "protocol Gen2", must=True),
        _Step(codec.SET_ANTENNAS, b"\x02" + ports, f"antennas {', '.join(map(str, options.antennas))}"),
    ]
    if options.power_dbm is not None:
        power = round(options.power_dbm * 100).to_bytes(2, "big", signed=True)
        steps.append(_Step(codec.SET_POWER, power, f"{options.power_dbm} dBm"))
    steps.append(_Step(codec.SET_OPTION, b"\x01\x0c\x00", "to report a tag more than once"))
    steps.append(_Step(codec.STREAM, _start_data(), "to read continuously", must=True))
    return tuple(steps)


def _start_data() -> bytes:
    """Timeout 0, option 1, then a READ for Gen2 that the module repeats by itself."""
    flags = codec.ALL_METADATA.to_bytes(2, "big")
    read = bytes((codec.READ, codec.WITH_METADATA)) + _SEARCH + _CYCLE_MS.to_bytes(2, "big") + flags
    return bytes((0, 0, 1, codec.READ, 0, 0, 5, len(read) - 1)) + read


_STREAM_ENDS = b"\x02"


class MercuryDialogue:
    """What to say to a ThingMagic, JADAK or Silion module. Owned by one session."""

    def __init__(self, options: MercuryOptions) -> None:
        self._health = Health(ReaderState.CONNECTING, model="Mercury module")
        self._all_steps = _steps(options)
        self._steps = deque(self._all_steps)
        """What of the set-up is still to be done; the first of them is being done."""
        self._tries = 0
        self._due = 0
        """Monotonic microseconds: when an answer counts as lost, or the stream as broken off."""
        self._refused: list[str] = []
        self._fault_at = 0

    @property
    def health(self) -> Health:
        """CONNECTING until the stream runs; DEGRADED with what the module complains of."""
        return self._health

    def hear(self, frame: Frame, now: int) -> list[bytes]:
        """Take note of a frame; what to say follows at the next tick."""
        if frame.status is None:
            return []
        self._introduce(frame)
        if not self._steps:
            self._hear_streaming(frame, now)
        elif self._tries:
            self._hear_answer(frame, self._steps[0], now)
        return []

    def tick(self, now: int) -> list[bytes]:
        """Give the command that is due."""
        if now < self._due:
            return []
        if not self._steps:
            self._begin_anew(now)
        elif self._tries >= _TRIES:
            self._give_up(self._steps[0], now)
        step = self._steps[0]
        wake = _WAKE if step is _STOP and self._tries else b""
        self._tries += 1
        self._due = now + step.wait_us
        return [wake + codec.command(step.code, step.data)]

    def _begin_anew(self, due: int) -> None:
        self._steps = deque(self._all_steps)
        self._tries = 0
        self._due = due
        self._refused.clear()

    def _give_up(self, step: _Step, now: int) -> None:
        """Go on without the answer: a bootloader knows only few commands. What is a must is begun anew."""
        if step.must:
            self._begin_anew(now)
        else:
            self._next(now)

    def _next(self, now: int) -> None:
        self._steps.popleft()
        self._tries = 0
        self._due = now

    def _introduce(self, frame: Frame) -> None:
        version = codec.read_version(frame)
        if version:
            model = _MODELS.get(version.hardware, f"Mercury module {version.hardware:02X}")
            self._health = replace(self._health, model=model, firmware=version.firmware)

    def _hear_answer(self, frame: Frame, step: _Step, now: int) -> None:
        if frame.command != step.code:
            return
        data = codec.answer_data(frame)
        if step.code == codec.STREAM and frame.status == 0 and (data[:1] == _STREAM_ENDS) != (step is _STOP):
            return  # a late answer to the other of the two
        if frame.status:
            self._hear_refusal(frame, step, now)
            return
        self._next(now)
        if step.code == codec.GET_PROGRAM and codec.is_bootloader(data):
            self._steps.appendleft(_BOOT)
        if not self._steps:
            self._due = now + _QUIET_US
            self._assess("", now)

    def _hear_refusal(self, frame: Frame, step: _Step, now: int) -> None:
        words = f"the module refused {step.what}: {frame.detail}"
        if step.must:
            hint = " (an M5e cannot read continuously)" if frame.status == BAD_OPCODE else ""
            self._health = replace(self._health, state=ReaderState.DEGRADED, detail=words + hint)
            self._begin_anew(now + _REFUSED_PAUSE_US)
            return
        if step.code in _ABOUT_READING:
            self._refused.append(words)
        self._next(now)

    def _hear_streaming(self, frame: Frame, now: int) -> None:
        if frame.command == codec.STREAM and codec.answer_data(frame)[:1] != _STREAM_ENDS:
            return
        if frame.command != codec.READ or frame.detail == codec.STREAM_ENDED:
            self._begin_anew(now)
            return
        self._due = now + _QUIET_US
        self._assess(frame.detail if frame.status not in (0, NO_TAG) else "", now)

    def _assess(self, fault: str, now: int) -> None:
        if fault:
            self._fault_at = now
        elif self._health.state is ReaderState.DEGRADED and now - self._fault_at < _FAULT_US:
            return
        complaints = [*self._refused, f"inventory: {fault}"] if fault else self._refused
        state = ReaderState.DEGRADED if complaints else ReaderState.ONLINE
        self._health = replace(self._health, state=state, detail="; ".join(complaints))


_ABOUT_READING = frozenset({codec.SET_ANTENNAS, codec.SET_POWER, codec.SET_OPTION})
"""Settings whose refusal a person has to know of; a refused question has an answer of its own: none."""


class MercuryReader(SerialReader[MercuryOptions]):
    """A reader with a ThingMagic, JADAK or Silion module (entry point `mercury`)."""

    Options: ClassVar[type[DriverOptions]] = MercuryOptions
    detection: ClassVar = FrameDetection(
        bauds=(115_200, 9_600, 57_600, 38_400, 19_200, 230_400, 921_600),
        probes=(codec.command(codec.GET_VERSION),),
        answers=lambda frame: codec.read_version(frame) is not None,
    )

    def decoder(self) -> MercuryDecoder:
        """Make the decoder of a new connection."""
        return MercuryDecoder(self.options.idle_gap_ms)

    def dialogue(self) -> MercuryDialogue:
        """Make the dialogue of a new connection."""
        return MercuryDialogue(self.options)
