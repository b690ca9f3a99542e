"""The control messages, encoded and decoded with sllurp's message tables. The only importer of sllurp.

Whatever sllurp raises (it raises struct.error, KeyError, IndexError on damaged messages) becomes an error of the one
message at hand. Its client is not used: it dies silently on such messages, and never times out.
"""

import struct
from typing import Any

from sllurp import llrp_proto
from sllurp.llrp import LLRPMessage

from rfid_drivers.llrp.capabilities import Capabilities, RfMode
from rfid_drivers.llrp.encoding import custom
from rfid_drivers.llrp.framing import HEADER_BYTES, encode_frame
from rfid_drivers.llrp.parameters import IMPINJ, ZEBRA, LlrpDecodeError

_IMPINJ_LINK_MONITOR = 38
_LINK_MONITOR = struct.Struct("!HH")
_LINK_DOWN_AFTER_KEEPALIVES = 3
_AUTONOMOUS_STATE = 101
_KEEP_THE_REST = b"\x00"
"""SET_READER_CONFIG without ResetToFactoryDefault."""
_LONGEST_DECODED = 1 << 16
"""Real capabilities take 2 to 10 kB, and sllurp's time grows with the square of the length."""

WANTED_EVENTS = {
    "HoppingEvent": False,
    "GPIEvent": True,
    "ROSpecEvent": True,
    "ReportBufferFillWarning": True,
    "ReaderExceptionEvent": True,
    "RFSurveyEvent": False,
    "AISpecEvent": False,
    "AISpecEventWithSingulation": False,
    "AntennaEvent": True,
}
"""Which events the reader is to send (LLRP 1.0.1 section 16.2.7.5)."""


def _encode_events_and_reports(parameter: dict[str, bool], _: object) -> bytes:
    return bytes([parameter["HoldEventsAndReportsUponReconnect"] << 7])


# sllurp 3.0.5 can only decode this parameter; without an encoder it would be left out without a word.
llrp_proto.Param_struct["EventsAndReports"]["encode"] = _encode_events_and_reports


def decode_capabilities(body: bytes) -> Capabilities:
    """Decode the body of GET_READER_CAPABILITIES_RESPONSE (LLRP 1.0.1 section 16.1.2).

    Raises:
        LlrpDecodeError: the message does not follow LLRP, or does not tell the general capabilities.
    """
    message = _decode("GET_READER_CAPABILITIES_RESPONSE", body)
    try:
        general = message["GeneralDeviceCapabilities"]
        band = message.get("RegulatoryCapabilities", {}).get("UHFBandCapabilities", {})
        hop_tables = band.get("FrequencyInformation", {}).get("FrequencyHopTable", [])
        limits = message.get("LLRPCapabilities", {})
        sensitivities = general.get("ReceiveSensitivityTableEntry", [])
        return Capabilities(
            manufacturer=general["DeviceManufacturerName"],
            model=general["ModelName"],
            firmware=general["ReaderFirmwareVersion"].decode("utf-8", "replace"),
            antennas=general["MaxNumberOfAntennaSupported"],
            inputs=general.get("GPIOCapabilities", {}).get("NumGPIs", 0),
            max_rospecs=limits.get("MaxNumROSpec", 0),
            holding=limits.get("SupportsEventAndReportHolding", False),
            power_table=tuple(
                (entry["Index"], entry["TransmitPowerValue"]) for entry in band.get("TransmitPowerLevelTableEntry", [])
            ),
            hop_table_id=hop_tables[0]["HopTableId"] if hop_tables else 0,
            sensitivity_table=tuple((one["Index"], one["ReceiveSensitivityValue"]) for one in sensitivities),
            modes=_modes(band),
            state_aware=limits.get("CanDoTagInventoryStateAwareSingulation", False),
            max_filters=message.get("C1G2LLRPCapabilities", {}).get("MaxNumSelectFiltersPerQuery"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise LlrpDecodeError(f"GET_READER_CAPABILITIES_RESPONSE is incomplete: {error!r}") from error


def _modes(band: dict[str, Any]) -> tuple[RfMode, ...]:
    """Entries of all C1G2UHFRFModeTables; sllurp gives a single table by itself, several as a list."""
    tables = band.get("UHFC1G2RFModeTable", [])
    tables = tables if isinstance(tables, list) else [tables]
    return tuple(
        RfMode(entry["ModeIdentifier"], entry["MinTari"], entry["MaxTari"])
        for table in tables
        for entry in table.get("UHFC1G2RFModeTableEntry", [])
    )


def _decode(name: str, body: bytes) -> dict[str, Any]:
    """Decode a message body as sllurp's dictionary."""
    if len(body) > _LONGEST_DECODED:
        raise LlrpDecodeError(f"{name} of {len(body)} bytes, expected at most {_LONGEST_DECODED}")
    encoded = encode_frame(llrp_proto.Message_struct[name]["type"], 0, body)
    try:
        message: dict[str, Any] = LLRPMessage(msgbytes=encoded).msgdict[name]
    except Exception as error:  # sllurp lets any exception out of damaged messages
        raise LlrpDecodeError(f"{name} cannot be decoded: {error!r}") from error
    return message


def _encode(name: str, fields: dict[str, Any]) -> bytes:
    """Encode a message body; a mistake in `fields` is ours and shows as whatever sllurp raises."""
    encoded: bytes = LLRPMessage(msgdict={name: fields}).msgbytes
    return encoded[HEADER_BYTES:]


def encode_capabilities_request() -> bytes:
    """Body of GET_READER_CAPABILITIES, asking for all."""
    return _encode("GET_READER_CAPABILITIES", {"RequestedData": 0})


def encode_impinj_enable_extensions() -> bytes:
    """Body of IMPINJ_ENABLE_EXTENSIONS, a message of type 1023: vendor, subtype 21, 32 reserved bits."""
    return struct.pack("!IBI", IMPINJ, 21, 0)


def encode_keepalive_config(period_s: int) -> bytes:
    """Body of SET_READER_CONFIG: send a KEEPALIVE that often (KeepaliveTriggerType 1, milliseconds)."""
    return _encode("SET_READER_CONFIG", {"KeepaliveSpec": {"KeepaliveTriggerType": 1, "TimeInterval": period_s * 1000}})


def encode_holding_config() -> bytes:
    """Body of SET_READER_CONFIG: keep events and reports while nobody is connected."""
    return _encode("SET_READER_CONFIG", {"EventsAndReports": {"HoldEventsAndReportsUponReconnect": True}})


def encode_events_config() -> bytes:
    """Body of SET_READER_CONFIG: send the events that we use."""
    return _encode("SET_READER_CONFIG", {"ReaderEventNotificationSpec": {"EventNotificationState": WANTED_EVENTS}})


def encode_inputs_config(count: int) -> bytes:
    """Body of SET_READER_CONFIG: watch all inputs, or the reader sends no GPIEvent."""
    ports = [{"GPIPortNum": port, "GPIConfig": True} for port in range(1, count + 1)]
    return _encode("SET_READER_CONFIG", {"GPIPortCurrentState": ports})


def encode_gpo_write(port: int, *, high: bool) -> bytes:
    """Body of SET_READER_CONFIG: switch an output, counted from 1 (GPOWriteData, LLRP 1.0.1 section 16.2.6.14)."""
    return struct.pack("!BHHHB", 0, 219, 7, port, high << 7)


def encode_impinj_link_monitor_config() -> bytes:
    """Body of SET_READER_CONFIG: drop a client that acknowledges no keepalives.

    An Impinj reader does not do so by itself: after a power cut of the gateway's PC it would stay busy for ever.
    """
    monitor = _LINK_MONITOR.pack(1, _LINK_DOWN_AFTER_KEEPALIVES)
    parameter = {"VendorID": IMPINJ, "Subtype": _IMPINJ_LINK_MONITOR, "Payload": monitor}
    return _encode("SET_READER_CONFIG", {"CustomParameter": [parameter]})


def encode_zebra_autonomous_off_config() -> bytes:
    """Body of SET_READER_CONFIG: end the mode in which a Zebra reader reads by itself (MotoAutonomousState)."""
    return _KEEP_THE_REST + custom(ZEBRA, _AUTONOMOUS_STATE, b"\x00")
