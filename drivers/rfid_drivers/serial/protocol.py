"""What a serial protocol brings: its options, a decoder and a dialogue, all without I/O.

A protocol is one file: a `Decoder` (what do these bytes mean?), a `Dialogue` (what to say to the reader, and when),
options, and a `SerialReader` that names the three. `session.py` and `reader.py` do the rest for all of them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from rfid_drivers.serial.framing import Counters, Rejected
from rfid_gateway.driver import DriverOptions
from rfid_gateway.reads import ReaderState, TagRead

US_PER_S = 1_000_000
US_PER_MS = 1_000

_URL_SCHEMES = ("socket", "rfc2217")


def checked_port(port: str) -> str:
    """Refuse (ValueError) what `open_port` could never open, while a person is still looking at the configuration."""
    expected = "expected a path (/dev/serial/by-id/...), socket://host:port or rfc2217://host:port"
    if "://" not in port:
        if not port.startswith("/"):
            raise ValueError(f"{port!r} is no port: {expected}")
        return port
    parts = urlsplit(port)
    if parts.scheme not in _URL_SCHEMES or not parts.hostname or not parts.port:
        raise ValueError(f"{port!r} is no port: {expected}")
    return port


class Alone(NamedTuple):
    """Why a reader, as it is configured, cannot share its line with others."""

    key: str
    """The option to change."""
    expected: str


class SerialOptions(DriverOptions):
    """Options that every serial reader has."""

    port: Annotated[str, AfterValidator(checked_port)] = Field(
        description="Path of the serial port (best one below /dev/serial/by-id or by-path), socket://host:port for a "
        "reader or serial server on TCP, or rfc2217://host:port.",
    )
    baud: int = Field(default=57600, ge=300, le=4_000_000, description="Bits per second; ignored with socket://.")
    parity: Literal["none", "even", "odd"] = Field(default="none", description="Parity; ignored with socket://.")
    idle_gap_ms: int = Field(
        default=200,
        ge=20,
        le=10_000,
        description="After this quiet time an incomplete frame is given up. Longer than any pause within a frame: "
        "50 is enough on a serial line, 200 over TCP or Bluetooth.",
    )
    silence_timeout_s: float = Field(
        default=10.0,
        ge=0,
        le=86_400,
        description="Without a word from the reader for this long it counts as gone and is connected anew; "
        "0 trusts a silent reader for ever.",
    )
    control_lines: Literal["raised", "low"] = Field(
        default="raised",
        description="DTR and RTS while the port is open. low: for boards that restart, or stay in their bootloader, "
        "when these are raised; ignored with socket://.",
    )

    @property
    def place(self) -> int | Alone:
        """Address of the reader among those that share its line; or why it needs the line for itself."""
        return Alone("port", "readers of this protocol have no address, so each needs a port of its own")


class Instant(NamedTuple):
    """A moment on both clocks, microseconds."""

    utc: int
    monotonic: int


class Kind(StrEnum):
    """What a frame is to the gateway."""

    TAGS = "tags"
    HEARTBEAT = "heartbeat"
    ANSWER = "answer"
    """Reply to a command, or a command seen on the line."""
    FOREIGN = "foreign"
    """From a reader with another address on the same line: no sign of life of ours."""
    IGNORED = "ignored"
    """Text that the configuration tells to ignore: banners, NOREAD."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One verified frame, in words that all serial protocols share."""

    kind: Kind
    raw: bytes
    """The whole frame as it was on the wire."""
    command: int | None = None
    status: int | None = None
    detail: str = ""
    """The status, or what is odd about the frame, in words."""
    tag_reads: tuple[TagRead, ...] = ()


def foreign(raw: bytes, code: int, address: int | None) -> Frame:
    """Make a frame of what a reader with another address, or with none, has sent."""
    return Frame(Kind.FOREIGN, raw, code, detail=f"from address {'none' if address is None else address}")


class Decoder(Protocol):
    """What bytes mean in one protocol. Owned by one session."""

    @property
    def counters(self) -> Counters:
        """What the line has carried."""
        ...

    def feed(self, data: bytes, at: Instant) -> list[Frame | Rejected]:
        """Take what arrived (or nothing, so that time passes); give what is complete, in the order of the stream."""
        ...


@dataclass(frozen=True, slots=True)
class Health:
    """How the reader says it is doing."""

    state: ReaderState = ReaderState.ONLINE
    detail: str = ""
    model: str = ""
    firmware: str = ""


class Dialogue(Protocol):
    """What one protocol says to its reader. `now` is monotonic microseconds. Owned by one session."""

    @property
    def health(self) -> Health:
        """The reader's health as known now; reported once a first frame has come, and on every change."""
        ...

    def hear(self, frame: Frame, now: int) -> list[bytes]:
        """Take a frame; give the commands to send because of it."""
        ...

    def tick(self, now: int) -> list[bytes]:
        """Give the commands that are due; called often, the first time right after opening."""
        ...


class PolledDialogue(Dialogue, Protocol):
    """A dialogue that may share its line: it says when what it asked for has been answered."""

    @property
    def awaited_until(self) -> int:
        """Until when (monotonic microseconds) an answer is waited for; 0 where it is complete or none is to come."""
        ...


def place_of_polled(address: int | None, mode: tuple[str, str], everybody: int | None) -> int | Alone:
    """Say which place a reader has that can share its line when it is polled.

    Args:
        address: as configured.
        mode: as configured, and the one in which the reader only speaks when it is asked.
        everybody: the address that stands for any reader.
    """
    if mode[0] != mode[1]:
        return Alone("mode", f'a reader that sends tags unasked needs a port of its own; expected "{mode[1]}"')
    if address is None or address == everybody:
        return Alone("address", "expected this reader's own address: on a shared port every reader would answer")
    return address
