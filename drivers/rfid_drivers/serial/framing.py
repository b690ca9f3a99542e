"""Finds verified frames in a byte stream of a binary serial protocol. Pure.

A serial line loses bytes, joins in the middle of a frame and carries noise. Where a candidate fails, exactly one byte
is dropped and the search goes on at the next: dropping the whole candidate loses the true frames inside it (measured
on the headerless Chafon stream: all 399 frames recovered against 0 to 320).

A false length byte makes the framer wait for bytes that never come. So once the line has been quiet for the idle
gap, what waits is given up byte by byte until a frame verifies or nothing is left.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

_REJECTED_RUN = 256
"""Bytes of one run of rejected bytes: an endless stream of noise is reported in pieces of this size."""


class Rejected(NamedTuple):
    """Bytes that belong to no frame, and why the first of them was given up."""

    raw: bytes
    reason: str


@dataclass(slots=True)
class Counters:
    """What a line has carried since it was opened. Owned by the framer or splitter that counts."""

    frames: int = 0
    crc_errors: int = 0
    resync_bytes: int = 0
    gap_flushes: int = 0


class FrameFormat(NamedTuple):
    """How frames of one protocol are told from noise."""

    needed: Callable[[bytearray], int | None]
    """How many bytes the frame at the start of the buffer has, or, while that cannot be known, how many are needed
    to know more; None where no frame can begin with these bytes. Bounded, so that the buffer is."""
    verifies: Callable[[bytes], bool]
    """Whether a candidate of that length has a right checksum."""


class Framer:
    """Cuts one stream into verified frames and rejected bytes. Owned by the decoder of one connection."""

    def __init__(self, frame_format: FrameFormat, idle_gap_us: int) -> None:
        self.counters = Counters()
        self._format = frame_format
        self._idle_gap_us = idle_gap_us
        self._buffer = bytearray()
        self._last_byte_at = 0
        self._dropped = bytearray()
        self._reason = ""

    def feed(self, data: bytes, now: int) -> list[bytes | Rejected]:
        """Take what arrived at `now` (monotonic, microseconds) and give what is complete, in the order of the stream.

        No bytes at all are welcome too: that is how the idle gap is noticed.
        """
        found: list[bytes | Rejected] = []
        if now - self._last_byte_at >= self._idle_gap_us:
            self._flush(found)
        if data:
            self._last_byte_at = now
            self._buffer += data
            self._advance(found)
        return found

    def _advance(self, found: list[bytes | Rejected]) -> None:
        while self._buffer:
            needed = self._format.needed(self._buffer)
            if needed is None:
                self._drop_one("no frame begins like this", found)
            elif needed > len(self._buffer):
                return
            else:
                self._judge(bytes(self._buffer[:needed]), found)

    def _judge(self, candidate: bytes, found: list[bytes | Rejected]) -> None:
        if not self._format.verifies(candidate):
            self.counters.crc_errors += 1
            self._drop_one("wrong checksum", found)
            return
        self._close_run(found)
        del self._buffer[: len(candidate)]
        self.counters.frames += 1
        found.append(candidate)

    def _flush(self, found: list[bytes | Rejected]) -> None:
        if self._buffer:
            self.counters.gap_flushes += 1
        while self._buffer:
            self._drop_one("incomplete when the line fell quiet", found)
            self._advance(found)
        self._close_run(found)

    def _drop_one(self, reason: str, found: list[bytes | Rejected]) -> None:
        self._reason = self._reason or reason
        self._dropped.append(self._buffer[0])
        del self._buffer[0]
        self.counters.resync_bytes += 1
        if len(self._dropped) >= _REJECTED_RUN:
            self._close_run(found)

    def _close_run(self, found: list[bytes | Rejected]) -> None:
        if self._dropped:
            found.append(Rejected(bytes(self._dropped), self._reason))
            self._dropped.clear()
            self._reason = ""
