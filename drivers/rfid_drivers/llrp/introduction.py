"""Who a reader is that connected by itself: asked once, before its driver takes over. Pure.

A reader is told by its Identification and not by its address, which changes with every lease
(Identification, LLRP 1.0.1 section 16.2.6.2).
"""

import struct

from rfid_drivers.llrp.framing import HEADER_BYTES, Frame, Framer, encode_frame
from rfid_drivers.llrp.notifications import ConnectionAttempt, ConnectionAttempted, decode_notification
from rfid_drivers.llrp.parameters import LlrpDecodeError, unpack, walk
from rfid_gateway.driver import ReaderError

_NOTIFICATION, _GET_READER_CONFIG, _ANSWER, _ERROR_MESSAGE = 63, 2, 12, 100
_MESSAGE_ID = 0x7FFF_FFFF
"""Far from those that the session will use on the same connection."""
_THE_IDENTIFICATION = struct.pack("!HBHH", 0, 1, 0, 0)
_IDENTIFICATION = 218
_KIND_AND_LENGTH = struct.Struct("!BH")
_MAC48_DIGITS = 12


def normal(identification: str) -> str:
    """Bring a MAC address or EPC into one form: upper-case hex digits alone."""
    return "".join(digit for digit in identification if digit not in ":-.").upper()


def names(configured: str, stated: str) -> bool:
    """Whether both (in normal form) are the same reader; an EUI-64 made from a MAC address counts as that address."""
    widened = f"{configured[:6]}FFFE{configured[6:]}" if len(configured) == _MAC48_DIGITS else configured
    return stated in (configured, widened)


class Introduction:
    """Asks one reader who it is. Owner: the reception.

    Attributes:
        outgoing: what is to be sent; whoever sends it clears it.
        identification: what the reader said, in normal form; empty as long as it has not.
        said: everything else that it said until then, for the session that takes over.
    """

    def __init__(self) -> None:
        self.outgoing = b""
        self.identification = ""
        self.said = b""
        self._framer = Framer()

    def feed(self, data: bytes) -> None:
        """Take bytes as they came.

        Raises:
            ReaderError: it will not say, or speaks no LLRP.
        """
        self.said += data
        position = len(self.said) - len(data) - self._framer.pending_bytes
        frames, framing_lost = self._framer.feed(data)
        for frame in frames:
            end = position + HEADER_BYTES + len(frame.body)
            if frame.id == _MESSAGE_ID and frame.type in (_ANSWER, _ERROR_MESSAGE):
                self.identification = _identification(frame)
                self.said = self.said[:position] + self.said[end:]
                return
            if frame.type == _NOTIFICATION and _is_greeting(frame):
                self.outgoing = encode_frame(_GET_READER_CONFIG, _MESSAGE_ID, _THE_IDENTIFICATION)
            position = end
        if framing_lost:
            raise framing_lost


def _is_greeting(frame: Frame) -> bool:
    try:
        events = decode_notification(frame.body).events
    except LlrpDecodeError:
        return False
    return ConnectionAttempted(ConnectionAttempt.SUCCESS) in events


def _identification(answer: Frame) -> str:
    try:
        for parameter in walk(answer.body):
            if parameter.type == _IDENTIFICATION:
                _, length = unpack(_KIND_AND_LENGTH, parameter)
                return parameter.body[_KIND_AND_LENGTH.size :][:length].hex().upper()
    except LlrpDecodeError as error:
        raise ReaderError(f"its identification cannot be read: {error}") from error
    raise ReaderError("it does not tell its identification")
