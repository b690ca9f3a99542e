"""Vendor extensions that the simulated readers know: a part of Impinj's and of Zebra's. Pure.

Facts as used by clients in the field: IMPINJ_ENABLE_EXTENSIONS first, then Custom parameters of vendor 25882;
Zebra's (vendor 161) are known from the start, and its phase has 2 bytes, -pi to pi.
"""

import struct
from dataclasses import dataclass

from rfid_simulators.llrp.grammar import Element
from rfid_simulators.llrp.status import RequestError, StatusCode, bad_parameter_field
from rfid_simulators.llrp.wire import CUSTOM, IMPINJ, ZEBRA, custom

ENABLE_EXTENSIONS = 21
ENABLE_EXTENSIONS_RESPONSE = 22
REQUESTED_DATA = 21
READER_TEMPERATURE = 37
LINK_MONITOR = 38
TAG_REPORT_CONTENT_SELECTOR = 50
SERIALIZED_TID = 55
RF_PHASE_ANGLE = 56
PEAK_RSSI = 57
RF_DOPPLER_FREQUENCY = 68
ZEBRA_AUTONOMOUS_STATE = 101
ZEBRA_TAG_REPORT_CONTENT_SELECTOR = 708
ZEBRA_TAG_PHASE = 709

_ZEBRA_ENABLE_PHASE = 1 << 28

_ENABLE_LENGTH = 14
"""Bytes of a Custom header and a 16-bit mode."""
_LINK_MONITOR_LENGTH = 4
"""Bytes of a mode and a threshold."""

_ASKS_EVERYTHING, _ASKS_TEMPERATURE, _ASKS_LINK_MONITOR = 2000, 2004, 2005
"""Values of ImpinjRequestedData that ask for configuration."""

_ENABLES = {51: SERIALIZED_TID, 52: RF_PHASE_ANGLE, 53: PEAK_RSSI, 67: RF_DOPPLER_FREQUENCY}
"""Parameter within ImpinjTagReportContentSelector -> parameter of a tag report that it switches on."""


@dataclass(frozen=True, slots=True)
class Extension:
    """One Custom parameter of Impinj."""

    subtype: int
    data: bytes


def check_customs(tree: Element, vendors: frozenset[int]) -> None:
    """Refuse Custom parameters of vendors that the reader does not know (LLRP 1.0.1 8.2).

    Raises:
        RequestError: P_UnsupportedParameter, with the path to the parameter.
    """
    for child in tree.children:
        try:
            _check(child, vendors)
        except RequestError as error:
            raise error.within(child.type) from None


def _check(element: Element, vendors: frozenset[int]) -> None:
    if element.type == CUSTOM and element.uint(0, 4) not in vendors:
        text = f"custom parameter {element.uint(4, 4)} of vendor {element.uint(0, 4)} is not supported"
        raise RequestError(text, StatusCode.P_UNSUPPORTED_PARAMETER)
    check_customs(element, vendors)


def extensions(parent: Element) -> list[Extension]:
    """Return the Impinj parameters directly within `parent`; call `check_customs` first."""
    customs = parent.all(CUSTOM)
    return [Extension(one.uint(4, 4), one.fields[8:]) for one in customs if one.uint(0, 4) == IMPINJ]


def _zebra(parent: Element, subtype: int) -> list[Element]:
    return [one for one in parent.all(CUSTOM) if (one.uint(0, 4), one.uint(4, 4)) == (ZEBRA, subtype)]


def is_autonomous(request: Element, *, on_before: bool) -> bool:
    """Whether a Zebra reader reads by itself after this SET_READER_CONFIG."""
    states = _zebra(request, ZEBRA_AUTONOMOUS_STATE)
    return bool(states[-1].uint(8, 1) & 0x80) if states else on_before


def autonomous_state(*, on: bool) -> bytes:
    """Encode MotoAutonomousState."""
    return custom(ZEBRA, ZEBRA_AUTONOMOUS_STATE, bytes((on << 7,)))


def report_extensions(report_spec: Element) -> frozenset[int]:
    """Return the subtypes that the ROReportSpec switches on for tag reports.

    Raises:
        RequestError: the selector is cut short.
    """
    chosen: set[int] = set()
    for extension in extensions(report_spec):
        if extension.subtype == TAG_REPORT_CONTENT_SELECTOR:
            chosen.update(_selected(extension.data))
    for selector in _zebra(report_spec, ZEBRA_TAG_REPORT_CONTENT_SELECTOR):
        if selector.uint(8, 4) & _ZEBRA_ENABLE_PHASE:
            chosen.add(ZEBRA_TAG_PHASE)
    return frozenset(chosen)


def _selected(data: bytes) -> set[int]:
    chosen: set[int] = set()
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if not _ENABLE_LENGTH <= length <= len(data) - at:
            text = f"ImpinjTagReportContentSelector is cut short at byte {at}"
            raise bad_parameter_field(text, (CUSTOM,), 2, StatusCode.A_INVALID)
        subtype = int.from_bytes(data[at + 8 : at + 12], "big")
        mode = int.from_bytes(data[at + 12 : at + 14], "big")
        if mode and subtype in _ENABLES:
            chosen.add(_ENABLES[subtype])
        at += length
    return chosen


def requested_configuration(request: Element, celsius: int, link_monitor: int) -> bytes:
    """Encode what ImpinjRequestedData parameters of a GET_READER_CONFIG ask for; what is not known is left out."""
    answers = {
        _ASKS_TEMPERATURE: custom(IMPINJ, READER_TEMPERATURE, struct.pack("!h", celsius)),
        _ASKS_LINK_MONITOR: custom(IMPINJ, LINK_MONITOR, struct.pack("!HH", link_monitor > 0, link_monitor)),
    }
    asked = {one.data[:4] for one in extensions(request) if one.subtype == REQUESTED_DATA}
    everything = _ASKS_EVERYTHING.to_bytes(4, "big") in asked
    return b"".join(data for kind, data in answers.items() if everything or kind.to_bytes(4, "big") in asked)


def link_monitor_threshold(request: Element, before: int) -> int:
    """Return after how many unanswered keepalives the reader gives its client up; 0 means never.

    Raises:
        RequestError: ImpinjLinkMonitorConfiguration is too short.
    """
    for extension in extensions(request):
        if extension.subtype == LINK_MONITOR:
            if len(extension.data) < _LINK_MONITOR_LENGTH:
                text = "ImpinjLinkMonitorConfiguration lacks its mode or threshold"
                raise bad_parameter_field(text, (CUSTOM,), 2, StatusCode.A_INVALID)
            mode = int.from_bytes(extension.data[:2], "big")
            return int.from_bytes(extension.data[2:4], "big") if mode else 0
    return before
