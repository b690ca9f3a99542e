"""What a client may send, as a table, and the one parser that holds requests against it. Pure, bounds-checked.

Sources: LLRP 1.0.1 16.1 and 16.2 (encodings of messages and parameters), 13.2 (which error answers which fault).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rfid_simulators.llrp.status import RequestError, StatusCode
from rfid_simulators.llrp.wire import CUSTOM
from rfid_simulators.llrp.wire import MessageType as M
from rfid_simulators.llrp.wire import ParameterType as P

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
        children={
            P.READER_EVENT_NOTIFICATION_SPEC: OPTIONAL,
            P.ANTENNA_PROPERTIES: MANY,
            P.ANTENNA_CONFIGURATION: MANY,
            P.RO_REPORT_SPEC: OPTIONAL,
            P.ACCESS_REPORT_SPEC: OPTIONAL,
            P.KEEPALIVE_SPEC: OPTIONAL,
            P.GPO_WRITE_DATA: MANY,
            P.GPI_PORT_CURRENT_STATE: MANY,
            P.EVENTS_AND_REPORTS: OPTIONAL,
            CUSTOM: MANY,
        },
    ),
    M.CLOSE_CONNECTION: Shape("CLOSE_CONNECTION", children={}),
    M.ADD_ROSPEC: Shape("ADD_ROSPEC", children={P.ROSPEC: ONE}),
    M.DELETE_ROSPEC: Shape("DELETE_ROSPEC", 4, children={}),
    M.START_ROSPEC: Shape("START_ROSPEC", 4, children={}),
    M.STOP_ROSPEC: Shape("STOP_ROSPEC", 4, children={}),
    M.ENABLE_ROSPEC: Shape("ENABLE_ROSPEC", 4, children={}),
    M.DISABLE_ROSPEC: Shape("DISABLE_ROSPEC", 4, children={}),
    M.GET_ROSPECS: Shape("GET_ROSPECS", children={}),
    M.ADD_ACCESSSPEC: Shape("ADD_ACCESSSPEC", children={P.ACCESSSPEC: ONE}),
    M.DELETE_ACCESSSPEC: Shape("DELETE_ACCESSSPEC", 4, children={}),
    M.ENABLE_ACCESSSPEC: Shape("ENABLE_ACCESSSPEC", 4, children={}),
    M.DISABLE_ACCESSSPEC: Shape("DISABLE_ACCESSSPEC", 4, children={}),
    M.GET_ACCESSSPECS: Shape("GET_ACCESSSPECS", children={}),
    M.GET_REPORT: Shape("GET_REPORT", children={}),
    M.ENABLE_EVENTS_AND_REPORTS: Shape("ENABLE_EVENTS_AND_REPORTS", children={}),
    M.GET_SUPPORTED_VERSION: Shape("GET_SUPPORTED_VERSION", children={}),
    M.SET_PROTOCOL_VERSION: Shape("SET_PROTOCOL_VERSION", 1, children={}),
    M.KEEPALIVE_ACK: Shape("KEEPALIVE_ACK", children={}),
    M.CUSTOM_MESSAGE: Shape("CUSTOM_MESSAGE", 5, children=None),
}

PARAMETERS: Mapping[int, Shape] = {
    P.UTC_TIMESTAMP: Shape("UTCTimestamp", 8, children={}),
    P.ROSPEC: Shape(
        "ROSpec",
        6,
        children={
            P.RO_BOUNDARY_SPEC: ONE,
            P.AISPEC: MANY,
            P.RF_SURVEY_SPEC: MANY,
            CUSTOM: MANY,
            P.RO_REPORT_SPEC: OPTIONAL,
        },
    ),
    P.RO_BOUNDARY_SPEC: Shape("ROBoundarySpec", children={P.ROSPEC_START_TRIGGER: ONE, P.ROSPEC_STOP_TRIGGER: ONE}),
    P.ROSPEC_START_TRIGGER: Shape(
        "ROSpecStartTrigger", 1, children={P.PERIODIC_TRIGGER_VALUE: OPTIONAL, P.GPI_TRIGGER_VALUE: OPTIONAL}
    ),
    P.PERIODIC_TRIGGER_VALUE: Shape("PeriodicTriggerValue", 8, children={P.UTC_TIMESTAMP: OPTIONAL}),
    P.GPI_TRIGGER_VALUE: Shape("GPITriggerValue", 7, children={}),
    P.ROSPEC_STOP_TRIGGER: Shape("ROSpecStopTrigger", 5, children={P.GPI_TRIGGER_VALUE: OPTIONAL}),
    P.AISPEC: Shape("AISpec", 0, (16,), {P.AISPEC_STOP_TRIGGER: ONE, P.INVENTORY_PARAMETER_SPEC: SOME, CUSTOM: MANY}),
    P.AISPEC_STOP_TRIGGER: Shape(
        "AISpecStopTrigger", 5, children={P.GPI_TRIGGER_VALUE: OPTIONAL, P.TAG_OBSERVATION_TRIGGER: OPTIONAL}
    ),
    P.TAG_OBSERVATION_TRIGGER: Shape("TagObservationTrigger", 12, children={}),
    P.INVENTORY_PARAMETER_SPEC: Shape(
        "InventoryParameterSpec", 3, children={P.ANTENNA_CONFIGURATION: MANY, CUSTOM: MANY}
    ),
    P.RF_SURVEY_SPEC: Shape("RFSurveySpec", 10, children={P.RF_SURVEY_SPEC_STOP_TRIGGER: ONE, CUSTOM: MANY}),
    P.RF_SURVEY_SPEC_STOP_TRIGGER: Shape("RFSurveySpecStopTrigger", 9, children={}),
    P.ACCESSSPEC: Shape(
        "AccessSpec",
        12,
        children={P.ACCESSSPEC_STOP_TRIGGER: ONE, P.ACCESS_COMMAND: ONE, P.ACCESS_REPORT_SPEC: OPTIONAL, CUSTOM: MANY},
    ),
    P.ACCESSSPEC_STOP_TRIGGER: Shape("AccessSpecStopTrigger", 3, children={}),
    P.ACCESS_COMMAND: Shape(
        "AccessCommand",
        children={
            P.C1G2_TAG_SPEC: ONE,
            P.C1G2_READ: MANY,
            P.C1G2_WRITE: MANY,
            P.C1G2_KILL: MANY,
            P.C1G2_LOCK: MANY,
            P.C1G2_BLOCK_ERASE: MANY,
            P.C1G2_BLOCK_WRITE: MANY,
            CUSTOM: MANY,
        },
    ),
    P.GPO_WRITE_DATA: Shape("GPOWriteData", 3, children={}),
    P.KEEPALIVE_SPEC: Shape("KeepaliveSpec", 5, children={}),
    P.ANTENNA_PROPERTIES: Shape("AntennaProperties", 5, children={}),
    P.ANTENNA_CONFIGURATION: Shape(
        "AntennaConfiguration",
        2,
        children={P.RF_RECEIVER: OPTIONAL, P.RF_TRANSMITTER: OPTIONAL, P.C1G2_INVENTORY_COMMAND: MANY},
    ),
    P.RF_RECEIVER: Shape("RFReceiver", 2, children={}),
    P.RF_TRANSMITTER: Shape("RFTransmitter", 6, children={}),
    P.GPI_PORT_CURRENT_STATE: Shape("GPIPortCurrentState", 4, children={}),
    P.EVENTS_AND_REPORTS: Shape("EventsAndReports", 1, children={}),
    P.RO_REPORT_SPEC: Shape("ROReportSpec", 3, children={P.TAG_REPORT_CONTENT_SELECTOR: ONE, CUSTOM: MANY}),
    P.TAG_REPORT_CONTENT_SELECTOR: Shape("TagReportContentSelector", 2, children={P.C1G2_EPC_MEMORY_SELECTOR: MANY}),
    P.ACCESS_REPORT_SPEC: Shape("AccessReportSpec", 1, children={}),
    P.READER_EVENT_NOTIFICATION_SPEC: Shape("ReaderEventNotificationSpec", children={P.EVENT_NOTIFICATION_STATE: SOME}),
    P.EVENT_NOTIFICATION_STATE: Shape("EventNotificationState", 3, children={}),
    P.C1G2_INVENTORY_COMMAND: Shape(
        "C1G2InventoryCommand",
        1,
        children={P.C1G2_FILTER: MANY, P.C1G2_RF_CONTROL: OPTIONAL, P.C1G2_SINGULATION_CONTROL: OPTIONAL, CUSTOM: MANY},
    ),
    P.C1G2_FILTER: Shape(
        "C1G2Filter",
        1,
        children={
            P.C1G2_TAG_INVENTORY_MASK: ONE,
            P.C1G2_STATE_AWARE_FILTER_ACTION: OPTIONAL,
            P.C1G2_STATE_UNAWARE_FILTER_ACTION: OPTIONAL,
        },
    ),
    P.C1G2_TAG_INVENTORY_MASK: Shape("C1G2TagInventoryMask", 3, (1,), {}),
    P.C1G2_STATE_AWARE_FILTER_ACTION: Shape("C1G2TagInventoryStateAwareFilterAction", 2, children={}),
    P.C1G2_STATE_UNAWARE_FILTER_ACTION: Shape("C1G2TagInventoryStateUnawareFilterAction", 1, children={}),
    P.C1G2_RF_CONTROL: Shape("C1G2RFControl", 4, children={}),
    P.C1G2_SINGULATION_CONTROL: Shape(
        "C1G2SingulationControl", 7, children={P.C1G2_STATE_AWARE_SINGULATION_ACTION: OPTIONAL}
    ),
    P.C1G2_STATE_AWARE_SINGULATION_ACTION: Shape("C1G2TagInventoryStateAwareSingulationAction", 1, children={}),
    P.C1G2_TAG_SPEC: Shape("C1G2TagSpec", children={P.C1G2_TARGET_TAG: SOME}),
    P.C1G2_TARGET_TAG: Shape("C1G2TargetTag", 3, (1, 1), {}),
    P.C1G2_READ: Shape("C1G2Read", 11, children={}),
    P.C1G2_WRITE: Shape("C1G2Write", 9, (16,), {}),
    P.C1G2_KILL: Shape("C1G2Kill", 6, children={}),
    P.C1G2_LOCK: Shape("C1G2Lock", 6, children={P.C1G2_LOCK_PAYLOAD: SOME}),
    P.C1G2_LOCK_PAYLOAD: Shape("C1G2LockPayload", 2, children={}),
    P.C1G2_BLOCK_ERASE: Shape("C1G2BlockErase", 11, children={}),
    P.C1G2_BLOCK_WRITE: Shape("C1G2BlockWrite", 9, (16,), {}),
    P.C1G2_EPC_MEMORY_SELECTOR: Shape("C1G2EPCMemorySelector", 1, children={}),
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


def parse_parameter(raw: bytes) -> Element:
    """Take one parameter apart that has been checked before, header included."""
    kind = int.from_bytes(raw[:2], "big")
    return _parse(kind, PARAMETERS[kind], raw[TLV_HEADER:], raw, "P_")


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
