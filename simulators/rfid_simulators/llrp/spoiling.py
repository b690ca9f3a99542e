"""Faults within LLRP messages: wrong ids, unknown parameters and statuses, lost and doubled messages. Pure."""

from collections.abc import Callable, Sequence

from rfid_simulators.faults import AddToReports, DuplicateReports, FaultyLine, LoseReplies, WrongIds, WrongStatus
from rfid_simulators.llrp.wire import HEADER_LENGTH, Frame, MessageType, message, tlv
from rfid_simulators.llrp.wire import ParameterType as P

UNKNOWN_MESSAGE = message(900, 1, b"unknown")
"""For `SendGarbage`: a whole message of a type that no standard has."""
UNKNOWN_TLV = tlv(700, b"unknown")
"""For `AddToReports`: a parameter of a type that no standard has; a client can skip it."""
UNKNOWN_TV = b"\x99\x00\x01"
"""For `AddToReports`: TV parameter 25, whose length nobody knows, so that the rest of the tag is lost."""

_REPLIES = {kind for kind in MessageType if kind.name.endswith("_RESPONSE")} | {
    MessageType.ERROR_MESSAGE,
    MessageType.CUSTOM_MESSAGE,
}
_STATUS_AT = {MessageType.CUSTOM_MESSAGE: 5, MessageType.GET_SUPPORTED_VERSION_RESPONSE: 2}
_LLRP_STATUS = int(P.LLRP_STATUS).to_bytes(2, "big")
_CODE_AT = 4


def spoil(messages: Sequence[bytes], line: FaultyLine) -> list[bytes]:
    """Return what the faults of the moment leave of these messages, and make of them."""
    frames = [_frame(one) for one in messages]
    for rewrite in _rewrites(line):
        frames = [changed for frame in frames for changed in rewrite(frame)]
    return [message(frame.type, frame.message_id, frame.body, frame.version) for frame in frames]


def is_reply(encoded: bytes) -> bool:
    """Whether a message answers a request."""
    return _frame(encoded).type in _REPLIES


def _rewrites(line: FaultyLine) -> list[Callable[[Frame], list[Frame]]]:
    rewrites: list[Callable[[Frame], list[Frame]]] = []
    if lost := line.find(LoseReplies):
        rewrites.append(lambda frame: [] if frame.type == lost.message_type else [frame])
    if ids := line.find(WrongIds):
        rewrites.append(lambda frame: [_with_id(frame, frame.message_id + ids.ahead)])
    if status := line.find(WrongStatus):
        rewrites.append(lambda frame: [_with_status(frame, status.code)])
    if added := line.find(AddToReports):
        rewrites.append(lambda frame: [_with_parameter(frame, added.parameter)])
    if line.find(DuplicateReports):
        rewrites.append(lambda frame: [frame] * (2 if frame.type == MessageType.RO_ACCESS_REPORT else 1))
    return rewrites


def _frame(encoded: bytes) -> Frame:
    kind = int.from_bytes(encoded[:2], "big")
    return Frame(kind >> 10 & 7, kind & 0x3FF, int.from_bytes(encoded[6:10], "big"), encoded[HEADER_LENGTH:])


def _with_id(frame: Frame, message_id: int) -> Frame:
    return frame._replace(message_id=message_id & 0xFFFFFFFF) if frame.type in _REPLIES else frame


def _with_status(frame: Frame, code: int) -> Frame:
    at = next((at for kind, at in _STATUS_AT.items() if kind == frame.type), 0)
    if frame.type not in _REPLIES or frame.body[at : at + 2] != _LLRP_STATUS:
        return frame
    at += _CODE_AT
    return frame._replace(body=frame.body[:at] + code.to_bytes(2, "big") + frame.body[at + 2 :])


def _with_parameter(frame: Frame, parameter: bytes) -> Frame:
    if frame.type != MessageType.RO_ACCESS_REPORT or not frame.body:
        return frame
    end = int.from_bytes(frame.body[2:4], "big")
    return frame._replace(body=tlv(P.TAG_REPORT_DATA, frame.body[4:end], parameter) + frame.body[end:])
