"""What a client may send, as a table, and the one parser that holds requests against it. Pure, bounds-checked.

Sources: LLRP 1.0.1 16.1 and 16.2 (encodings of messages and parameters), 13.2 (which error answers which fault).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rfid_simulators.llrp.status import RequestError, StatusCode
from rfid_simulators.llrp.wire import CUSTOM
from rfid_simulators.llrp.wire import MessageType as M

Cardinality = tuple[int, int | None]
ONE: Cardinality = (1, 1)
OPTIONAL: Cardinality = (0, 1)
MANY: Cardinality = (0, None)
SOME: Cardinality = (1, None)

TLV_HEADER = 4
CUSTOM_HEADER = 12
TV_FLAG = 0x80


@dataclass(frozen=True, slots=True)
class Shape:
    """How one message or parameter is built: fields first, then parameters."""

    name: str
    fixed: int = 0
    """Bytes of fields with a fixed size."""
    arrays: tuple[int, ...] = ()
    """Bits per element of each counted array after the fixed fields; its count is 16 bits wide."""
    children: Mapping[int, Cardinality] | None = None
    """Parameter types with how often they may occur; None when the content is not looked into."""


@dataclass(frozen=True, slots=True)
class Element:
    """A request or parameter taken apart."""

    type: int
    fields: bytes
    """All fields, arrays included; a Custom parameter's start with its vendor and subtype."""
    children: tuple["Element", ...]
    raw: bytes
    """As it came, header included (for a request, its body)."""

    def all(self, kind: int) -> list["Element"]:
        """Return every child of that type, in order."""
        return [child for child in self.children if child.type == kind]

    def find(self, kind: int) -> "Element | None":
        """Return the first child of that type, or None."""
        return next((child for child in self.children if child.type == kind), None)

    def one(self, kind: int) -> "Element":
        """Return the child of that type, which the table promises."""
        found = self.find(kind)
        assert found is not None
        return found

    def uint(self, start: int, size: int) -> int:
        """Read an unsigned field of `size` bytes at byte `start`."""
        return int.from_bytes(self.fields[start : start + size], "big")


_CUSTOMS = {CUSTOM: MANY}

REQUESTS: Mapping[int, Shape] = {
    M.GET_READER_CAPABILITIES: Shape("GET_READER_CAPABILITIES", 1, children=_CUSTOMS),
    M.GET_READER_CONFIG: Shape("GET_READER_CONFIG", 7, children=_CUSTOMS),
    M.SET_READER_CONFIG: Shape(
        "SET_READER_CONFIG",
        1,
        children={244: OPTIONAL, 221: MANY, 222: MANY, 237: OPTIONAL, 239: OPTIONAL, 220: OPTIONAL}
        | {219: MANY, 225: MANY, 226: OPTIONAL, CUSTOM: MANY},
    ),
    M.CLOSE_CONNECTION: Shape("CLOSE_CONNECTION", children={}),
    M.ADD_ROSPEC: Shape("ADD_ROSPEC", children={177: ONE}),
    M.DELETE_ROSPEC: Shape("DELETE_ROSPEC", 4, children={}),
    M.START_ROSPEC: Shape("START_ROSPEC", 4, children={}),
    M.STOP_ROSPEC: Shape("STOP_ROSPEC", 4, children={}),
    M.ENABLE_ROSPEC: Shape("ENABLE_ROSPEC", 4, children={}),
    M.DISABLE_ROSPEC: Shape("DISABLE_ROSPEC", 4, children={}),
    M.GET_ROSPECS: Shape("GET_ROSPECS", children={}),
    M.ADD_ACCESSSPEC: Shape("ADD_ACCESSSPEC", children={207: ONE}),
    M.DELETE_ACCESSSPEC: Shape("DELETE_ACCESSSPEC", 4, children={}),
    M.ENABLE_ACCESSSPEC: Shape("ENABLE_ACCESSSPEC", 4, children={}),
    M.DISABLE_ACCESSSPEC: Shape("DISABLE_ACCESSSPEC", 4, children={}),
    M.GET_ACCESSSPECS: Shape("GET_ACCESSSPECS", children={}),
    M.GET_REPORT: Shape("GET_REPORT", children={}),
    M.ENABLE_EVENTS_AND_REPORTS: Shape("ENABLE_EVENTS_AND_REPORTS", children={}),
    M.KEEPALIVE_ACK: Shape("KEEPALIVE_ACK", children={}),
    M.CUSTOM_MESSAGE: Shape("CUSTOM_MESSAGE", 5, children=None),
}

PARAMETERS: Mapping[int, Shape] = {
    128: Shape("UTCTimestamp", 8, children={}),
    177: Shape("ROSpec", 6, children={178: ONE, 183: MANY, 187: MANY, CUSTOM: MANY, 237: OPTIONAL}),
    178: Shape("ROBoundarySpec", children={179: ONE, 182: ONE}),
    179: Shape("ROSpecStartTrigger", 1, children={180: OPTIONAL, 181: OPTIONAL}),
    180: Shape("PeriodicTriggerValue", 8, children={128: OPTIONAL}),
    181: Shape("GPITriggerValue", 7, children={}),
    182: Shape("ROSpecStopTrigger", 5, children={181: OPTIONAL}),
    183: Shape("AISpec", 0, (16,), {184: ONE, 186: SOME, CUSTOM: MANY}),
    184: Shape("AISpecStopTrigger", 5, children={181: OPTIONAL, 185: OPTIONAL}),
    185: Shape("TagObservationTrigger", 12, children={}),
    186: Shape("InventoryParameterSpec", 3, children={222: MANY, CUSTOM: MANY}),
    187: Shape("RFSurveySpec", 10, children={188: ONE, CUSTOM: MANY}),
    188: Shape("RFSurveySpecStopTrigger", 9, children={}),
    207: Shape("AccessSpec", 12, children={208: ONE, 209: ONE, 239: OPTIONAL, CUSTOM: MANY}),
    208: Shape("AccessSpecStopTrigger", 3, children={}),
    209: Shape("AccessCommand", children=dict.fromkeys((341, 342, 343, 344, 346, 347, CUSTOM), MANY) | {338: ONE}),
    219: Shape("GPOWriteData", 3, children={}),
    220: Shape("KeepaliveSpec", 5, children={}),
    221: Shape("AntennaProperties", 5, children={}),
    222: Shape("AntennaConfiguration", 2, children={223: OPTIONAL, 224: OPTIONAL, 330: MANY}),
    223: Shape("RFReceiver", 2, children={}),
    224: Shape("RFTransmitter", 6, children={}),
    225: Shape("GPIPortCurrentState", 4, children={}),
    226: Shape("EventsAndReports", 1, children={}),
    237: Shape("ROReportSpec", 3, children={238: ONE, CUSTOM: MANY}),
    238: Shape("TagReportContentSelector", 2, children={348: MANY}),
    239: Shape("AccessReportSpec", 1, children={}),
    244: Shape("ReaderEventNotificationSpec", children={245: SOME}),
    245: Shape("EventNotificationState", 3, children={}),
    330: Shape("C1G2InventoryCommand", 1, children={331: MANY, 335: OPTIONAL, 336: OPTIONAL, CUSTOM: MANY}),
    331: Shape("C1G2Filter", 1, children={332: ONE, 333: OPTIONAL, 334: OPTIONAL}),
    332: Shape("C1G2TagInventoryMask", 3, (1,), {}),
    333: Shape("C1G2TagInventoryStateAwareFilterAction", 2, children={}),
    334: Shape("C1G2TagInventoryStateUnawareFilterAction", 1, children={}),
    335: Shape("C1G2RFControl", 4, children={}),
    336: Shape("C1G2SingulationControl", 7, children={337: OPTIONAL}),
    337: Shape("C1G2TagInventoryStateAwareSingulationAction", 1, children={}),
    338: Shape("C1G2TagSpec", children={339: SOME}),
    339: Shape("C1G2TargetTag", 3, (1, 1), {}),
    341: Shape("C1G2Read", 11, children={}),
    342: Shape("C1G2Write", 9, (16,), {}),
    343: Shape("C1G2Kill", 6, children={}),
    344: Shape("C1G2Lock", 6, children={345: SOME}),
    345: Shape("C1G2LockPayload", 2, children={}),
    346: Shape("C1G2BlockErase", 11, children={}),
    347: Shape("C1G2BlockWrite", 9, (16,), {}),
    348: Shape("C1G2EPCMemorySelector", 1, children={}),
    CUSTOM: Shape("Custom", 8, children=None),
}


def parse_request(kind: int, body: bytes) -> Element:
    """Take a request's body apart.

    Raises:
        RequestError: the reader knows no such message, or the body does not fit the table; says which parameter.
    """
    shape = REQUESTS.get(kind)
    if shape is None:
        raise RequestError(f"message type {kind} is not supported", StatusCode.M_UNSUPPORTED_MESSAGE)
    return _parse(kind, shape, body, body, "M_")


def _parse(kind: int, shape: Shape, content: bytes, raw: bytes, level: str) -> Element:
    end = _fields_end(shape, content, _code(level, "FIELD_ERROR"))
    if shape.children is None:
        return Element(kind, content, (), raw)
    children = _children(shape.children, content[end:], level)
    _count(shape, children, level)
    return Element(kind, content[:end], children, raw)


def _fields_end(shape: Shape, content: bytes, code: StatusCode) -> int:
    end = shape.fixed
    for bits in shape.arrays:
        count = int.from_bytes(content[end : end + 2], "big")
        end += 2 + (count * bits + 7) // 8
    if end > len(content):
        raise RequestError(f"{shape.name} ends after {len(content)} bytes, expected at least {end}", code)
    return end


def _children(allowed: Mapping[int, Cardinality], content: bytes, level: str) -> tuple[Element, ...]:
    found: list[Element] = []
    at = 0
    while at < len(content):
        kind, length = _header(content, at, level)
        raw = content[at : at + length]
        found.append(_child(kind, raw, allowed, level))
        at += length
    return tuple(found)


def _header(content: bytes, at: int, level: str) -> tuple[int, int]:
    if content[at] & TV_FLAG:  # only reports hold TV parameters
        kind = content[at] & 0x7F
        raise RequestError(f"parameter {kind} was not expected", _code(level, "UNEXPECTED_PARAMETER"))
    kind = int.from_bytes(content[at : at + 2], "big") & 0x3FF
    length = int.from_bytes(content[at + 2 : at + 4], "big")
    shortest = CUSTOM_HEADER if kind == CUSTOM else TLV_HEADER
    if not shortest <= length <= len(content) - at:
        left = len(content) - at
        raise RequestError(
            f"parameter {kind} claims {length} bytes, expected {shortest} to {left}",
            _code(level, "PARAMETER_ERROR"),
        )
    return kind, length


def _child(kind: int, raw: bytes, allowed: Mapping[int, Cardinality], level: str) -> Element:
    shape = PARAMETERS.get(kind)
    if shape is None:
        raise RequestError(f"parameter type {kind} is unknown", _code(level, "UNKNOWN_PARAMETER"))
    if kind not in allowed:
        raise RequestError(f"{shape.name} was not expected here", _code(level, "UNEXPECTED_PARAMETER"))
    try:
        return _parse(kind, shape, raw[TLV_HEADER:], raw, "P_")
    except RequestError as error:
        raise error.within(kind) from None


def _count(shape: Shape, children: tuple[Element, ...], level: str) -> None:
    counted = Counter(child.type for child in children)
    for kind, (least, most) in (shape.children or {}).items():
        if counted[kind] < least:
            name = PARAMETERS[kind].name
            raise RequestError(f"{shape.name} lacks {name}", _code(level, "MISSING_PARAMETER"))
        if most is not None and counted[kind] > most:
            name = PARAMETERS[kind].name
            raise RequestError(f"{shape.name} repeats {name}", _code(level, "DUPLICATE_PARAMETER"))


def _code(level: str, name: str) -> StatusCode:
    return StatusCode[level + name]
