"""One conversation with one serial reader, without I/O: bytes and time in, commands and tag reads out.

    bytes ──▶ Decoder ──Frame──▶ Session ──▶ Turn (tag reads, health, commands to send)
                                   │  ▲
                              Frame│  │commands
                                   ▼  │
                                 Dialogue

What every protocol needs is here, once: the watch over silence and noise, and the echo of an RS-485 adapter.
"""

from dataclasses import dataclass

from rfid_drivers.serial.framing import Counters, Rejected
from rfid_drivers.serial.protocol import US_PER_S, Decoder, Dialogue, Health, Instant, Kind, SerialOptions
from rfid_gateway.driver import ReaderError
from rfid_gateway.reads import TagRead

_NOISE_LIMIT = 4096
"""Bytes without one frame after which the line is taken for misconfigured: 0.7 s at 57600 baud."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one step of a session asks of the thread that owns the port."""

    send: tuple[bytes, ...]
    """Each to be written at once and in one piece."""
    tag_reads: tuple[TagRead, ...]
    health: Health | None
    """None where nothing changed."""


class Session:
    """Decoder and dialogue of one connection, and the watch over both. Owned by the thread that runs the reader."""

    def __init__(self, decoder: Decoder, dialogue: Dialogue, options: SerialOptions, opened_at: Instant) -> None:
        self._decoder = decoder
        self._dialogue = dialogue
        self._options = options
        self._heard_at = opened_at.monotonic
        self._noise = 0
        self._last_sent: tuple[bytes, ...] = ()
        self._heard = False
        self._foreign = ""
        self._reported: Health | None = None

    @property
    def heard_at(self) -> int:
        """When (monotonic microseconds) the reader was last understood."""
        return self._heard_at

    def excuse(self, waited_us: int) -> None:
        """Do not count as silence that the reader was not asked for this long, because others had its line."""
        self._heard_at += waited_us

    def advance(self, data: bytes, at: Instant) -> Turn:
        """Take what arrived until `at`, possibly nothing; raise ReaderError where the reader cannot be understood."""
        heard = self.hear(data, at)
        said = tuple(self._dialogue.tick(at.monotonic))
        self._remember(heard.send + said)
        return Turn(heard.send + said, heard.tag_reads, self._changed_health() or heard.health)

    def hear(self, data: bytes, at: Instant) -> Turn:
        """Take what arrived until `at` and say no more than that asks for; raise ReaderError as `advance` does."""
        send: list[bytes] = []
        tag_reads: list[TagRead] = []
        self._noise += len(data)
        for item in self._decoder.feed(data, at):
            if isinstance(item, Rejected) or item.raw in self._last_sent:
                # A half-duplex RS-485 adapter echoes what is sent: an echo is no sign of life.
                continue
            self._noise = 0
            if item.kind is Kind.FOREIGN:
                self._foreign = f", a frame {item.detail}"
                continue
            self._heard, self._heard_at = True, at.monotonic
            tag_reads += item.tag_reads
            send += self._dialogue.hear(item, at.monotonic)
        self._watch(at.monotonic)
        self._remember(tuple(send))
        return Turn(tuple(send), tuple(tag_reads), self._changed_health())

    def _remember(self, sent: tuple[bytes, ...]) -> None:
        if sent:
            self._last_sent = sent

    def _changed_health(self) -> Health | None:
        health = self._dialogue.health
        if not self._heard or health == self._reported:
            return None
        self._reported = health
        return health

    def _watch(self, now: int) -> None:
        port = self._options.port
        if self._noise >= _NOISE_LIMIT:
            raise ReaderError(
                f"{port}: {self._noise} bytes arrived and none made a frame: "
                f"check the baud rate ({self._options.baud}) and the driver chosen for this reader",
            )
        silence_us = now - self._heard_at
        limit_us = int(self._options.silence_timeout_s * US_PER_S)
        if limit_us and silence_us >= limit_us:
            raise ReaderError(
                f"{port}: nothing understood from the reader for {silence_us / US_PER_S:.1f} s "
                f"({_in_words(self._decoder.counters)}{self._foreign}): check its power, the wiring (TX and RX "
                f"crossed?), the baud rate ({self._options.baud}) and its address",
            )


def _in_words(counters: Counters) -> str:
    return (
        f"since opening {counters.frames} frames, {counters.crc_errors} wrong checksums, "
        f"{counters.resync_bytes} bytes of noise"
    )
