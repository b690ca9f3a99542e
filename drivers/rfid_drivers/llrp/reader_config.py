"""What a reader is set to and connected with: GET_READER_CONFIG and its answer (LLRP 1.0.1 section 16.1.8). Pure.

Decoded here and not with sllurp's tables, which fail on the whole answer for the sake of one vendor's parameter.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rfid_drivers.llrp.parameters import CUSTOM, ZEBRA, LlrpDecodeError, Parameter, unpack, walk

_IDENTIFICATION, _ANTENNA_PROPERTIES, _ANTENNA_CONFIGURATION = 218, 221, 222
_RF_TRANSMITTER, _INVENTORY_COMMAND, _RF_CONTROL, _SINGULATION_CONTROL = 224, 330, 335, 336
_AUTONOMOUS_STATE = 101
_ID = struct.Struct("!BH")
_PROPERTIES = struct.Struct("!BH")
_ANTENNA = struct.Struct("!H")
_TRANSMITTER = struct.Struct("!HHH")
_CONTROL = struct.Struct("!HH")
_SINGULATION = struct.Struct("!BHI")
_VENDOR = struct.Struct("!II")
_FLAGS_OF_COMMAND = 1
_CONNECTED = 0x80
_ON = 0x80

EVERYTHING = bytes(7)
"""Body of GET_READER_CONFIG: every antenna, every group, every input and output."""


@dataclass(frozen=True, slots=True)
class AntennaState:
    """How one antenna is set; None where the reader does not tell."""

    hop_table_id: int | None = None
    channel_index: int | None = None
    mode_index: int | None = None
    tari_ns: int | None = None
    session: int | None = None
    tag_population: int | None = None
    tag_transit_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """What the driver uses of a reader's configuration."""

    identification: str | None = None
    """MAC address (EUI-64) or EPC in upper-case hex; None where the reader does not tell."""
    antennas_connected: tuple[int, ...] | None = None
    """None where the reader does not tell."""
    antennas: Mapping[int, AntennaState] = field(default_factory=dict)
    autonomous: bool = False
    """A Zebra reader reads by itself, for nobody in particular."""


def decode_reader_config(body: bytes) -> ReaderConfig:
    """Decode the body of GET_READER_CONFIG_RESPONSE; what is left out there is None here.

    Raises:
        LlrpDecodeError: the message does not follow LLRP.
    """
    parameters = list(walk(body))
    properties = [unpack(_PROPERTIES, one) for one in parameters if one.type == _ANTENNA_PROPERTIES]
    return ReaderConfig(
        identification=next((_identification(one) for one in parameters if one.type == _IDENTIFICATION), None),
        antennas_connected=tuple(antenna for flags, antenna in properties if flags & _CONNECTED)
        if properties
        else None,
        antennas=dict(_antenna(one) for one in parameters if one.type == _ANTENNA_CONFIGURATION),
        autonomous=any(_is_autonomous(one) for one in parameters if one.type == CUSTOM),
    )


def _identification(parameter: Parameter) -> str:
    _, length = unpack(_ID, parameter)
    found = parameter.body[_ID.size : _ID.size + length]
    if len(found) < length:
        raise LlrpDecodeError(f"Identification of {length} bytes overruns the parameter")
    return found.hex().upper()


def _antenna(parameter: Parameter) -> tuple[int, AntennaState]:
    (antenna,) = unpack(_ANTENNA, parameter)
    found: dict[str, int] = {}
    for kind, one in _settings(parameter):
        if kind == _RF_TRANSMITTER:
            found["hop_table_id"], found["channel_index"], _ = unpack(_TRANSMITTER, one)
        elif kind == _RF_CONTROL:
            found["mode_index"], found["tari_ns"] = unpack(_CONTROL, one)
        elif kind == _SINGULATION_CONTROL:
            flags, found["tag_population"], found["tag_transit_ms"] = unpack(_SINGULATION, one)
            found["session"] = flags >> 6
    return antenna, AntennaState(**found)


def _settings(antenna: Parameter) -> Iterator[tuple[int, Parameter]]:
    for one in walk(antenna.body, _ANTENNA.size):
        if one.type == _INVENTORY_COMMAND:
            yield from ((inner.type, inner) for inner in walk(one.body, _FLAGS_OF_COMMAND))
        else:
            yield one.type, one


def _is_autonomous(parameter: Parameter) -> bool:
    if unpack(_VENDOR, parameter) != (ZEBRA, _AUTONOMOUS_STATE):
        return False
    return bool(parameter.body[_VENDOR.size :][:1] >= bytes([_ON]))
