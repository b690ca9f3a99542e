"""What can go wrong on the wire between a simulated reader and its client, as data. Pure.

Faults that a test injects into a running server. `CutMidMessage` and `SendGarbage` happen once, with the next bytes
that the reader sends; `Reboot` happens at once; `SilentHang` lasts until the client gives up; the others last until
they are cleared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TypeVar


@dataclass(frozen=True, slots=True)
class CutMidMessage:
    """The connection closes in the middle of the next message."""

    keep: int = 7
    """Bytes of that message that still arrive; an LLRP header has 10."""
    reset: bool = False
    """Close with a TCP reset instead of a FIN."""


@dataclass(frozen=True, slots=True)
class SilentHang:
    """The connection stays open, but the reader answers nothing and sends nothing: a half-open connection."""


@dataclass(frozen=True, slots=True)
class StopKeepalives:
    """Everything but keepalives is sent."""


@dataclass(frozen=True, slots=True)
class RefuseAsBusy:
    """New clients are refused with this ConnectionAttemptEvent status."""

    status: int = 2


@dataclass(frozen=True, slots=True)
class SendGarbage:
    """These bytes are sent before the next message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SplitWrites:
    """What is sent is cut into writes of these sizes in bytes, round and round."""

    sizes: tuple[int, ...] = (1,)


@dataclass(frozen=True, slots=True)
class Reboot:
    """The reader loses its power: connection, ROSpecs and settings are gone, and for a while nobody answers."""

    down_us: int = 2_000_000
    """Microseconds for which connections are refused."""
    clock_us: int = 946_684_800_000_000
    """What its clock shows afterwards, microseconds UTC: the year 2000."""


@dataclass(frozen=True, slots=True)
class SlowReplies:
    """Responses come late; reports and events overtake them."""

    delay_us: int = 1_000_000


@dataclass(frozen=True, slots=True)
class WrongIds:
    """Responses carry a message id that nobody asked with."""

    ahead: int = 1000


@dataclass(frozen=True, slots=True)
class LoseReplies:
    """Responses of one message type never come."""

    message_type: int


@dataclass(frozen=True, slots=True)
class WrongStatus:
    """Responses carry this LLRPStatus code whatever was done; 555 is none of any standard."""

    code: int = 555


@dataclass(frozen=True, slots=True)
class DuplicateReports:
    """Every tag report is sent twice."""


@dataclass(frozen=True, slots=True)
class AddToReports:
    """The first tag of every report ends with these bytes: a parameter that the client does not know."""

    parameter: bytes


Fault = (
    CutMidMessage
    | SilentHang
    | StopKeepalives
    | RefuseAsBusy
    | SendGarbage
    | SplitWrites
    | Reboot
    | SlowReplies
    | WrongIds
    | LoseReplies
    | WrongStatus
    | DuplicateReports
    | AddToReports
)
_F = TypeVar("_F")


@dataclass(frozen=True, slots=True)
class Writes:
    """What really goes out."""

    pieces: Sequence[bytes]
    closing: CutMidMessage | None = None
    """Why the connection is to be closed after the pieces."""


class FaultyLine:
    """The faults of one server at the moment. Owned by the server's thread.

    Args:
        is_keepalive: tells keepalives from other messages of the protocol.
    """

    def __init__(self, is_keepalive: Callable[[bytes], bool]) -> None:
        self._is_keepalive = is_keepalive
        self._faults: list[Fault] = []

    def inject(self, fault: Fault) -> None:
        """Add a fault."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Let everything go right again."""
        self._faults.clear()

    def find(self, kind: type[_F]) -> _F | None:
        """Return the first fault of that kind, or None."""
        return next((fault for fault in self._faults if isinstance(fault, kind)), None)

    def __bool__(self) -> bool:
        """Whether there is any fault."""
        return bool(self._faults)

    def end_session(self) -> None:
        """Forget what ends with a connection."""
        self._faults = [fault for fault in self._faults if not isinstance(fault, SilentHang)]

    def carry(self, messages: Sequence[bytes]) -> Writes:
        """Turn messages into the writes that the faults leave of them."""
        if not self._faults:
            return Writes([b"".join(messages)] if messages else [])
        if self.find(SilentHang):
            return Writes([])
        if self.find(StopKeepalives):
            messages = [message for message in messages if not self._is_keepalive(message)]
        if not messages:
            return Writes([])
        data = b"".join(messages)
        if garbage := self._once(SendGarbage):
            data = garbage.data + data
        cut = self._once(CutMidMessage)
        if cut:
            data = messages[0][: cut.keep]
        split = self.find(SplitWrites)
        return Writes(_split(data, split.sizes) if split else [data], cut)

    def _once(self, kind: type[_F]) -> _F | None:
        fault = self.find(kind)
        if fault is not None:
            self._faults = [other for other in self._faults if other is not fault]
        return fault


def _split(data: bytes, sizes: tuple[int, ...]) -> list[bytes]:
    pieces: list[bytes] = []
    at = 0
    for size in cycle(sizes):
        if at >= len(data):
            return pieces
        pieces.append(data[at : at + size])
        at += size
    return pieces
