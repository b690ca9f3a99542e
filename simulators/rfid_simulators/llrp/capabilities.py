"""GET_READER_CAPABILITIES_RESPONSE: what the simulated reader says it can do. Pure.

Source: LLRP 1.0.1 9.2 (reader capabilities), 15.2.1 (C1G2 capabilities), 16.2.3 and 16.3.1 (encodings).
"""

import struct
from collections.abc import Callable

from rfid_simulators.llrp.profiles import ReaderProfile, RfMode
from rfid_simulators.llrp.status import SUCCESS, bad_field
from rfid_simulators.llrp.wire import ParameterType as P
from rfid_simulators.llrp.wire import tlv, u32v, utf8v

EPC_GLOBAL_C1G2 = 1
"""AirProtocols value (LLRP 1.0.1 7.1.4)."""


def encode_capabilities(profile: ReaderProfile, requested: int) -> bytes:
    """Encode the response's body.

    Args:
        profile: the reader.
        requested: RequestedData of the request: 0 everything, 1 to 4 one group.

    Raises:
        RequestError: RequestedData is none of these.
    """
    if requested == 0:
        return SUCCESS + b"".join(group(profile) for group in _GROUPS.values())
    if requested not in _GROUPS:
        raise bad_field(f"RequestedData is {requested}, expected 0 to {max(_GROUPS)}", 0)
    return SUCCESS + _GROUPS[requested](profile)


def _general(profile: ReaderProfile) -> bytes:
    can_set_antenna_properties = 0
    flags = can_set_antenna_properties << 15 | profile.has_utc_clock << 14
    return tlv(
        P.GENERAL_DEVICE_CAPABILITIES,
        struct.pack("!HHII", profile.antennas, flags, profile.manufacturer, profile.model),
        utf8v(profile.firmware),
        *(
            tlv(P.RECEIVE_SENSITIVITY_TABLE_ENTRY, struct.pack("!Hh", index, db))
            for index, db in enumerate(profile.sensitivities_db, 1)
        ),
        tlv(P.GPIO_CAPABILITIES, struct.pack("!HH", profile.gpis, profile.gpos)),
        *(
            tlv(P.PER_ANTENNA_AIR_PROTOCOL, struct.pack("!HHB", antenna, 1, EPC_GLOBAL_C1G2))
            for antenna in range(1, profile.antennas + 1)
        ),
    )


def _llrp(profile: ReaderProfile) -> bytes:
    can_report_buffer_fill_warning = 1 << 6
    supports_event_and_report_holding = 1 << 3
    return tlv(
        P.LLRP_CAPABILITIES,
        struct.pack(
            "!BBHIIIII",
            can_report_buffer_fill_warning | supports_event_and_report_holding,
            1,  # priority levels
            0,  # ClientRequestOpSpecTimeout: there are no client request operations
            profile.max_rospecs,
            profile.max_specs_per_rospec,
            1,  # InventoryParameterSpecs per AISpec
            profile.max_accessspecs,
            profile.max_opspecs_per_accessspec,
        ),
    )


def _regulatory(profile: ReaderProfile) -> bytes:
    bands = tlv(
        P.UHF_BAND_CAPABILITIES,
        *(
            tlv(P.TRANSMIT_POWER_LEVEL_TABLE_ENTRY, struct.pack("!Hh", index, cdbm))
            for index, cdbm in enumerate(profile.powers_cdbm, 1)
        ),
        _frequencies(profile),
        tlv(P.C1G2_UHF_RF_MODE_TABLE, *(_rf_mode(mode) for mode in profile.rf_modes)),
    )
    return tlv(P.REGULATORY_CAPABILITIES, struct.pack("!HH", profile.country, profile.communications_standard), bands)


def _frequencies(profile: ReaderProfile) -> bytes:
    if profile.hopping:
        return tlv(
            P.FREQUENCY_INFORMATION, b"\x80", tlv(P.FREQUENCY_HOP_TABLE, b"\x01\x00", u32v(profile.frequencies_khz))
        )
    return tlv(P.FREQUENCY_INFORMATION, b"\x00", tlv(P.FIXED_FREQUENCY_TABLE, u32v(profile.frequencies_khz)))


def _rf_mode(mode: RfMode) -> bytes:
    return tlv(
        P.C1G2_UHF_RF_MODE_TABLE_ENTRY,
        struct.pack(
            "!IBBBBIIIII",
            mode.mode_identifier,
            mode.divide_ratio << 7,
            mode.m_value,
            mode.forward_link_modulation,
            mode.spectral_mask,
            mode.backscatter_rate,
            mode.pie,
            mode.min_tari,
            mode.max_tari,
            0,
        ),
    )


def _c1g2(profile: ReaderProfile) -> bytes:
    can_support_block_write = 1 << 6
    return tlv(P.C1G2_LLRP_CAPABILITIES, struct.pack("!BH", can_support_block_write, profile.max_filters))


_GROUPS: dict[int, Callable[[ReaderProfile], bytes]] = {1: _general, 2: _llrp, 3: _regulatory, 4: _c1g2}
"""By RequestedData, in the order of the response (LLRP 1.0.1 9.1.1)."""
