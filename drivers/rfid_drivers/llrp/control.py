"""The control messages, encoded and decoded with sllurp's message tables. The only importer of sllurp.

Whatever sllurp raises (it raises struct.error, KeyError, IndexError on damaged messages) becomes an error of the one
message at hand. Its client is not used: it dies silently on such messages, and never times out.
"""

import struct
from dataclasses import dataclass
from typing import Any

from sllurp import llrp_proto
from sllurp.llrp import LLRPMessage

from rfid_drivers.llrp.framing import HEADER_BYTES, encode_frame
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.parameters import IMPINJ, LlrpDecodeError
from rfid_drivers.llrp.rospec import ROSPEC_ID, power_index

_IMPINJ_LINK_MONITOR = 38
_LINK_MONITOR = struct.Struct("!HH")
_LINK_DOWN_AFTER_KEEPALIVES = 3
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

_CONTENT = {
    "EnableROSpecID": False,
    "EnableSpecIndex": False,
    "EnableInventoryParameterSpecID": False,
    "EnableAntennaID": True,
    "EnableChannelIndex": True,
    "EnablePeakRSSI": True,
    "EnableFirstSeenTimestamp": True,
    "EnableLastSeenTimestamp": True,
    "EnableTagSeenCount": True,
    "EnableAccessSpecID": False,
    "C1G2EPCMemorySelector": {"EnableCRC": False, "EnablePCBits": True},
}
_IMPINJ_CONTENT = {
    "ImpinjEnableRFPhaseAngle": {"RFPhaseAngleMode": 1},
    "ImpinjEnablePeakRSSI": {"PeakRSSIMode": 1},
    "ImpinjEnableRFDopplerFrequency": {"RFDopplerFrequencyMode": 1},
}


def _encode_events_and_reports(parameter: dict[str, bool], _: object) -> bytes:
    return bytes([parameter["HoldEventsAndReportsUponReconnect"] << 7])


# sllurp 3.0.5 can only decode this parameter; without an encoder it would be left out without a word.
llrp_proto.Param_struct["EventsAndReports"]["encode"] = _encode_events_and_reports


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a reader told about itself (GET_READER_CAPABILITIES_RESPONSE)."""

    manufacturer: int
    """IANA private enterprise number."""
    model: int
    firmware: str
    antennas: int
    inputs: int
    """GPI ports."""
    max_rospecs: int
    """How many ROSpecs it can hold; 0 = no limit."""
    holding: bool
    """It can hold events and reports while nobody is connected."""
    power_table: tuple[tuple[int, int], ...]
    """(index, hundredths of a dBm)."""
    hop_table_id: int
    """Of the first hop table; 0 where the reader does not hop."""


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
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise LlrpDecodeError(f"GET_READER_CAPABILITIES_RESPONSE is incomplete: {error!r}") from error


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


def encode_impinj_link_monitor_config() -> bytes:
    """Body of SET_READER_CONFIG: drop a client that acknowledges no keepalives.

    An Impinj reader does not do so by itself: after a power cut of the gateway's PC it would stay busy for ever.
    """
    monitor = _LINK_MONITOR.pack(1, _LINK_DOWN_AFTER_KEEPALIVES)
    parameter = {"VendorID": IMPINJ, "Subtype": _IMPINJ_LINK_MONITOR, "Payload": monitor}
    return _encode("SET_READER_CONFIG", {"CustomParameter": [parameter]})


def encode_rospec(options: LlrpOptions, capabilities: Capabilities, content: dict[str, Any]) -> bytes:
    """Our ROSpec as an encoded parameter, which is also the body of ADD_ROSPEC.

    It starts at once and never stops; a report comes every `report_every_n` tag reads. sllurp's own builder puts that
    number into the AISpec's stop trigger, which restarts the radio each time; here it is in the report trigger.
    """
    inventory: dict[str, Any] = {"InventoryParameterSpecID": 1, "ProtocolID": 1}
    antenna = _antenna_configuration(options, capabilities)
    if antenna:
        inventory["AntennaConfiguration"] = [{"AntennaID": 0, **antenna}]
    rospec = {
        "ROSpecID": ROSPEC_ID,
        "Priority": 0,
        "CurrentState": "Disabled",
        "ROBoundarySpec": {
            "ROSpecStartTrigger": {"ROSpecStartTriggerType": "Immediate"},
            "ROSpecStopTrigger": {"ROSpecStopTriggerType": "Null", "DurationTriggerValue": 0},
        },
        "AISpec": [
            {
                "AntennaID": options.antennas or (0,),
                "AISpecStopTrigger": {"AISpecStopTriggerType": "Null", "DurationTriggerValue": 0},
                "InventoryParameterSpec": [inventory],
            }
        ],
        "ROReportSpec": {
            "ROReportTrigger": "Upon_N_Tags_Or_End_Of_AISpec",
            "N": options.report_every_n,
            "TagReportContentSelector": _CONTENT,
            **content,
        },
    }
    return _encode("ADD_ROSPEC", {"ROSpec": rospec})


def impinj_report_content() -> dict[str, Any]:
    """What Impinj readers are to report besides, as part of the ROReportSpec (they refuse it anywhere else)."""
    return {"ImpinjTagReportContentSelector": _IMPINJ_CONTENT}


def _antenna_configuration(options: LlrpOptions, capabilities: Capabilities) -> dict[str, Any]:
    """AntennaConfiguration for what is configured, and nothing else: the reader's own settings stay."""
    configuration: dict[str, Any] = {}
    if options.tx_power_dbm is not None:
        configuration["RFTransmitter"] = {
            "HopTableId": capabilities.hop_table_id,
            "ChannelIndex": 0 if capabilities.hop_table_id else 1,
            "TransmitPower": power_index(capabilities.power_table, options.tx_power_dbm),
        }
    command: dict[str, Any] = {}
    if options.mode_index is not None:
        command["C1G2RFControl"] = {"ModeIndex": options.mode_index, "Tari": 0}
    if options.session is not None or options.tag_population is not None:
        command["C1G2SingulationControl"] = {
            "Session": options.session or 0,
            "TagPopulation": options.tag_population or 32,
            "TagTransitTime": 0,
        }
    if command:
        configuration["C1G2InventoryCommand"] = [{"TagInventoryStateAware": False, **command}]
    return configuration
