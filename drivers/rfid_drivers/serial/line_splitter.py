"""Cuts a stream of text into lines by their first and last characters, or by the pauses between them. Pure."""

from rfid_drivers.serial.framing import Counters, Rejected


class LineSplitter:
    """Cuts one stream into lines, without their delimiters, and rejected bytes. Owned by the decoder of a connection.

    `start` is the byte that begins each line, or empty; `ends` the bytes of which any ends one, or empty where only a
    pause of `idle_gap_us` does. Otherwise a pause within a line means that its end was lost: the line is given up,
    or it would make one false line together with the next.
    """

    def __init__(self, start: bytes, ends: bytes, max_line: int, idle_gap_us: int) -> None:
        self.counters = Counters()
        self._start = start[0] if start else None
        self._ends = frozenset(ends)
        self._max_line = max_line
        self._idle_gap_us = idle_gap_us
        self._line = bytearray()
        self._inside = not start
        self._overflowed = False
        self._last_byte_at = 0

    def feed(self, data: bytes, now: int) -> list[bytes | Rejected]:
        """Take what arrived at `now` (monotonic, microseconds), or nothing; give complete lines in order."""
        found: list[bytes | Rejected] = []
        if self._line and now - self._last_byte_at >= self._idle_gap_us:
            self._fall_quiet(found)
        if data:
            self._last_byte_at = now
        for byte in data:
            self._take(byte, found)
        return found

    def _take(self, byte: int, found: list[bytes | Rejected]) -> None:
        if byte == self._start:
            self._give_up("the line began anew before its end", found)
            self._inside, self._overflowed = True, False
        elif byte in self._ends:
            self._end(found)
        else:
            self._line.append(byte)
            if len(self._line) > self._max_line:
                self._overflowed = True
                self._give_up(f"longer than {self._max_line} bytes", found)

    def _end(self, found: list[bytes | Rejected]) -> None:
        if self._inside and not self._overflowed:
            if self._line.strip():
                found.append(bytes(self._line))
            self._line.clear()
        else:
            self._give_up("the rest of a line whose beginning was lost", found)
        self._inside = self._start is None
        self._overflowed = False

    def _fall_quiet(self, found: list[bytes | Rejected]) -> None:
        self.counters.gap_flushes += 1
        if self._ends:
            self._give_up("the line fell quiet before its end", found)
            self._overflowed = False
            self._inside = self._start is None
        else:
            self._end(found)

    def _give_up(self, reason: str, found: list[bytes | Rejected]) -> None:
        if self._line.strip():
            self.counters.resync_bytes += len(self._line)
            found.append(Rejected(bytes(self._line), reason))
        self._line.clear()
