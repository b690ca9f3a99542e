"""What can go wrong between a simulated serial reader and its gateway, as data, and what it does to the line. Pure.

Faults last until they are cleared, but for those that happen once: `CutMidMessage` and `SendGarbage` (with the next
frame), `PauseMidFrame` and `BreakOff` (likewise), `PowerCycle` and `Unplug` (at once).
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Literal, NamedTuple, TypeVar
from zlib import crc32

from rfid_simulators.faults import (
    CutMidMessage,
    DuplicateReports,
    SendGarbage,
    SilentHang,
    SplitWrites,
    StopKeepalives,
)
from rfid_simulators.serial.noise import Noise, NoiseLevel
from rfid_simulators.world.sighting import Sighting


@dataclass(frozen=True, slots=True)
class Damage:
    """A share of the frames, 0 to 1, is damaged in one of the ways of `NoiseLevel`."""

    kind: Literal["junk", "flip", "truncate", "loss", "split"]
    share: float

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        if not 0 <= self.share <= 1:
            raise ValueError(f"{self.share} is no share, expected 0 to 1")


@dataclass(frozen=True, slots=True)
class MergeWrites:
    """Frames wait for each other and go out in one write, as an adapter with a slow latency timer does it."""

    wait_us: int = 200_000


@dataclass(frozen=True, slots=True)
class PauseMidFrame:
    """The reader sticks in the middle of its next frame and goes on after a while, with the rest of that frame."""

    pause_us: int = 1_000_000


@dataclass(frozen=True, slots=True)
class BreakOff:
    """The next frame loses its end, and nothing more comes for a while."""

    quiet_us: int = 1_000_000


@dataclass(frozen=True, slots=True)
class ReportError:
    """The reader reports an error instead of tags; None is the usual one of its protocol."""

    code: int | None = None


@dataclass(frozen=True, slots=True)
class PowerCycle:
    """The reader loses its power and starts again; its adapter stays. A reader that hangs lives again by it."""

    down_us: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Unplug:
    """The adapter is pulled out and plugged in again: another pty behind the same link, or the same TCP port."""

    out_us: int = 1_000_000


@dataclass(frozen=True, slots=True)
class SendUnknown:
    """A well-made frame of a type that no manual has comes before the others."""


_GEN2_LENGTHS = frozenset(range(2, 63, 2))
"""Bytes: one to 31 words, which is what a Gen2 PC can tell."""


@dataclass(frozen=True, slots=True)
class EpcLengths:
    """Tags have EPCs of these lengths, bytes, whatever the radio heard; each tag keeps its own."""

    lengths: tuple[int, ...] = (4, 8, 12, 16, 20, 62)

    def __post_init__(self) -> None:
        """Refuse what no Gen2 tag has."""
        if not self.lengths or not set(self.lengths) <= _GEN2_LENGTHS:
            raise ValueError(f"{self.lengths} are no lengths of EPCs, expected even numbers from 2 to 62")

    def reshape(self, epc: str) -> str:
        """Give the EPC that a tag has instead: its end stays."""
        digits = 2 * self.lengths[crc32(epc.encode()) % len(self.lengths)]
        return (epc * -(-digits // len(epc)))[-digits:]


@dataclass(frozen=True, slots=True)
class TagsPerFrame:
    """So many tags at most share a frame; few of them make a Chafon reader answer in a chain of frames (status 03)."""

    count: int = 1

    def __post_init__(self) -> None:
        """Refuse frames without tags."""
        if self.count < 1:
            raise ValueError(f"{self.count} tags make no frame")


@dataclass(frozen=True, slots=True)
class Echo:
    """The adapter sends back whatever it is given, as half-duplex RS-485 adapters do."""


@dataclass(frozen=True, slots=True)
class WrongBaud:
    """Both sides have different baud rates: only random bytes arrive at either."""


Fault = (
    Damage
    | SplitWrites
    | MergeWrites
    | SendGarbage
    | PauseMidFrame
    | BreakOff
    | CutMidMessage
    | SilentHang
    | ReportError
    | PowerCycle
    | Unplug
    | StopKeepalives
    | DuplicateReports
    | SendUnknown
    | EpcLengths
    | TagsPerFrame
    | Echo
    | WrongBaud
)
_F = TypeVar("_F")


class Sending(NamedTuple):
    """What is to go out together."""

    pieces: list[bytes]
    """Each is one write."""
    intact: list[bytes]
    """Frames that are whole and unchanged in it."""


class FaultySerialLine:
    """The faults of one reader at the moment, and what they make of its frames. Owned by the server's thread.

    Args:
        level: the noise that is always there.
        is_keepalive: tells keepalives and heartbeats from other frames.
        unknown: makes a frame that no manual has.
    """

    def __init__(self, level: NoiseLevel, is_keepalive: Callable[[bytes], bool], unknown: Callable[[], bytes]) -> None:
        self._level = level
        self._is_keepalive = is_keepalive
        self._unknown = unknown
        self._random = random.Random(level.seed)
        self._noise = Noise(level)
        self._faults: list[Fault] = []
        self._quiet_until = 0
        self._rest = b""
        """End of the frame in which the reader sticks."""
        self._held: list[bytes] = []
        self._held_until = 0

    def inject(self, fault: Fault) -> None:
        """Add a fault."""
        self._faults.append(fault)
        if isinstance(fault, Damage):
            self._noise = Noise(NoiseLevel(**asdict(self._noise.level) | {fault.kind: fault.share}))

    def clear(self) -> None:
        """Let everything go right again."""
        self._faults.clear()
        self._noise = Noise(self._level)

    def restart(self) -> None:
        """Lose the power: the reader hangs and sticks no more, and what it has not sent is lost."""
        self._faults = [fault for fault in self._faults if not isinstance(fault, SilentHang)]
        self._rest, self._quiet_until = b"", 0
        self._held.clear()

    def find(self, kind: type[_F]) -> _F | None:
        """Return the newest fault of that kind, or None."""
        return next((fault for fault in reversed(self._faults) if isinstance(fault, kind)), None)

    def has(self, kind: type[Fault]) -> bool:
        """Whether there is a fault of that kind."""
        return any(isinstance(fault, kind) for fault in self._faults)

    def take(self, kind: type[_F]) -> _F | None:
        """Return the newest fault of that kind, or None; it has happened then."""
        fault = self.find(kind)
        self._faults = [other for other in self._faults if other is not fault]
        return fault

    def heard(self, sightings: Sequence[Sighting]) -> Sequence[Sighting]:
        """Say what the radio hears under these faults."""
        lengths = self.find(EpcLengths)
        return [one._replace(epc=lengths.reshape(one.epc)) for one in sightings] if lengths else sightings

    def receive(self, command: bytes) -> bytes:
        """Say what of the gateway's bytes reaches the reader."""
        return b"" if self.has(SilentHang) or self.has(WrongBaud) else command

    def carry(self, frames: Iterable[bytes], now: int) -> list[Sending]:
        """Turn the frames of this moment (microseconds) into what goes out; call it often, for what has to wait."""
        if self.has(SilentHang) or now < self._quiet_until:
            return []
        sendings = [Sending([self._rest], [])] if self._rest else []
        self._rest = b""
        frames = self._chosen(list(frames))
        if self.has(WrongBaud):
            return [Sending([self._random.randbytes(len(frame))], []) for frame in frames]
        if frames and (sticks := self.take(PauseMidFrame)):
            half = len(frames[0]) // 2
            self._rest, self._quiet_until = frames[0][half:], now + sticks.pause_us
            return [*sendings, Sending([frames[0][:half]], [])]
        if frames and (breaks := self.take(BreakOff)):
            self._quiet_until = now + breaks.quiet_us
            return [*sendings, Sending([frames[0][: len(frames[0]) // 2]], [])]
        return sendings + self._written(frames, now)

    def _chosen(self, frames: list[bytes]) -> list[bytes]:
        if self.has(StopKeepalives):
            frames = [frame for frame in frames if not self._is_keepalive(frame)]
        if self.has(DuplicateReports):
            frames = [frame for frame in frames for _ in range(2)]
        if frames and self.has(SendUnknown):
            frames.insert(0, self._unknown())
        return frames

    def _written(self, frames: list[bytes], now: int) -> list[Sending]:
        merging = self.find(MergeWrites)
        if merging or self._held:
            if not self._held:
                self._held_until = now + (merging.wait_us if merging else 0)
            self._held += frames
            if merging and now < self._held_until:
                return []
            frames, self._held = self._held, []
            damaged = [self._noise.damage(frame) for frame in frames]
            whole = [frame for frame, done in zip(frames, damaged, strict=True) if done.intact]
            return [Sending(self._pieces(b"".join(done.data for done in damaged)), whole)] if frames else []
        sendings = []
        for frame in frames:
            done = self._noise.damage(frame)
            sendings.append(Sending(self._pieces(done.data), [frame] if done.intact else []))
        return sendings

    def _pieces(self, data: bytes) -> list[bytes]:
        garbage = self.take(SendGarbage)
        data = garbage.data + data if garbage else data
        split = self.find(SplitWrites)
        if split is None:
            return self._noise.pieces(data)
        pieces, sizes = [], cycle(split.sizes)
        while data:
            size = next(sizes)
            pieces.append(data[:size])
            data = data[size:]
        return pieces
