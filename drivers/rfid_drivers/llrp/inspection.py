"""What a reader tells when it is asked how it is: its antennas and its temperature. Pure."""

import struct
from collections.abc import Generator
from dataclasses import dataclass

from rfid_drivers.llrp.handshake import Answer, Request
from rfid_drivers.llrp.parameters import CUSTOM, IMPINJ, LlrpDecodeError, unpack, walk
from rfid_drivers.llrp.versions import Probe

INSPECTION_EVERY_US = 60_000_000

_ANTENNA_PROPERTIES = 221
_ALL_ANTENNAS_THEIR_PROPERTIES = struct.pack("!HBHH", 0, 2, 0, 0)
"""AntennaID, RequestedData, GPIPortNum, GPOPortNum (LLRP 1.0.1 section 16.1.20)."""
_CONNECTED_AND_ID = struct.Struct("!BH")
_CONNECTED = 0x80
_VENDOR_VALUE = struct.Struct("!IIh")
_READER_TEMPERATURE = 37

TEMPERATURE_OF_IMPINJ = struct.pack("!HHIII", CUSTOM, 16, IMPINJ, 21, 2004)
"""ImpinjRequestedData: ask for ImpinjReaderTemperature besides."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """The answer; empty where the reader does not say."""

    antennas: tuple[tuple[int, bool], ...] = ()
    """AntennaProperties: antenna and whether it is connected."""
    temperature: float | None = None
    """Degrees Celsius."""


def inspect(besides: bytes = b"") -> Generator[Probe, Answer, Inspection]:
    """Ask once; a refusal, silence and an answer that cannot be read all say nothing.

    Args:
        besides: what to ask for in the vendor's own terms.
    """
    answer = yield Probe(Request("GET_READER_CONFIG", 2, 12, _ALL_ANTENNAS_THEIR_PROPERTIES + besides))
    if not answer.status.ok:
        return Inspection()
    try:
        return _decode(answer.body)
    except LlrpDecodeError:
        return Inspection()


def _decode(body: bytes) -> Inspection:
    antennas: dict[int, bool] = {}
    temperature = None
    for parameter in walk(body):
        if parameter.type == _ANTENNA_PROPERTIES:
            flags, antenna_id = unpack(_CONNECTED_AND_ID, parameter)
            antennas[antenna_id] = bool(flags & _CONNECTED)
        elif parameter.type == CUSTOM and len(parameter.body) >= _VENDOR_VALUE.size:
            vendor, subtype, value = unpack(_VENDOR_VALUE, parameter)
            if (vendor, subtype) == (IMPINJ, _READER_TEMPERATURE):
                temperature = float(value)
    return Inspection(tuple(sorted(antennas.items())), temperature)
