import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfid_drivers.llrp import control
from rfid_drivers.llrp.capabilities import Capabilities, power_index
from rfid_drivers.llrp.control import decode_capabilities
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.parameters import LlrpDecodeError, walk
from rfid_drivers.llrp.profiles import GENERIC_PROFILE, IMPINJ_PROFILE, Profile
from rfid_drivers.llrp.radio_plan import Reader, make_plan
from rfid_drivers.llrp.reader_config import ReaderConfig
from rfid_drivers.llrp.rospec import SpecState, content_of, installed_specs
from rfid_drivers.llrp.rospec_encoding import encode_rospec
from rfid_gateway.driver import ReaderError
from tests.llrp_messages import OPTIONS, capabilities, status, tlv

READER = decode_capabilities(status() + capabilities())
TABLE = ((1, 1000), (7, 2000), (193, 3000))


def test_the_recorded_capabilities_are_read(shared: Path) -> None:
    stem = shared / "vectors/llrp/GetReaderCapabilitiesResponse-000"
    found = decode_capabilities(stem.with_suffix(".bytes").read_bytes())
    expected = json.loads(stem.with_suffix(".json").read_text())
    general = expected["GeneralDeviceCapabilities"]
    assert (found.manufacturer, found.model, found.firmware, found.antennas) == (
        general["DeviceManufacturer"],
        general["Model"],
        general["FirmwareVersion"],
        general["MaxSupportedAntennas"],
    )
    assert found.holding is expected["LLRPCapabilities"]["SupportsEventsAndReportHolding"]
    assert found.max_rospecs == expected["LLRPCapabilities"]["MaxROSpecs"]
    assert (found.power_table[0], found.hop_table_id, found.inputs) == ((1, 1000), 1, 4)


def test_capabilities_without_the_optional_parts_are_enough() -> None:
    general = tlv(137, struct.pack("!HHIIH", 2, 0, 9, 8, 0))
    assert decode_capabilities(status() + general) == Capabilities(
        9, 8, "", 2, 0, 0, holding=False, power_table=(), hop_table_id=0
    )


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(0, 255))
def test_f7_damaged_capabilities_are_a_decode_error_whatever_sllurp_raises(length: int, noise: int) -> None:
    whole = status() + capabilities()
    cut = min(length, len(whole) - 1)
    for body in (whole[:cut], whole[:cut] + bytes([noise]) + whole[cut + 1 :]):
        try:
            found = decode_capabilities(body)
        except LlrpDecodeError:
            continue
        assert isinstance(found, Capabilities)


def test_capabilities_of_absurd_length_are_refused_unread() -> None:
    with pytest.raises(LlrpDecodeError, match="at most 65536"):
        decode_capabilities(bytes(65537))


@pytest.mark.parametrize(("dbm", "index"), [(10, 1), (19.99, 1), (20, 7), (29.9, 7), (30, 193), (40, 193)])
def test_the_power_step_is_the_nearest_that_is_not_above(dbm: float, index: int) -> None:
    assert power_index(TABLE, dbm) == index


def test_less_power_than_the_reader_can_do_is_refused_never_replaced_by_the_maximum() -> None:
    with pytest.raises(ReaderError, match="lowest is 10 dBm"):
        power_index(TABLE, 5)


def test_power_without_a_power_table_is_refused() -> None:
    with pytest.raises(ReaderError, match="leave the option out"):
        power_index((), 20)


def rospec_of(options: LlrpOptions, profile: Profile = GENERIC_PROFILE) -> bytes:
    return encode_rospec(options, make_plan(options, Reader(READER, ReaderConfig(), profile)), profile)


def test_the_rospec_leaves_alone_what_is_not_configured() -> None:
    expected = "00b1004600000564000000b2001200b300050100b600090000000000"
    expected += "00b700180001000000b80009000000000000ba0007000101"
    expected += "00ed001201000100ee000b1f80015c000540"
    assert rospec_of(OPTIONS).hex() == expected


def test_configured_antennas_power_mode_and_session_stand_in_the_rospec() -> None:
    options = LlrpOptions(
        host="x", antennas=(2, 4), tx_power_dbm=25, session=2, tag_population=50, mode_index=1002, report_every_n=9
    )
    encoded = rospec_of(options).hex()
    assert "00b7" in encoded
    assert "000200020004" in encoded  # AISpec: two antennas, 2 and 4
    assert "00e0000a000500000007" in encoded  # hop table 5, channel by hopping, power index 7
    assert "014f000803ea0000" in encoded
    assert "0150000b80003200000000" in encoded
    assert "010009" in encoded  # N


def test_impinj_content_is_asked_for_inside_the_report_spec() -> None:
    plain, extended = rospec_of(OPTIONS), rospec_of(OPTIONS, IMPINJ_PROFILE)
    added = len(extended) - len(plain)
    (rospec,) = walk(extended)
    report_spec = next(parameter for parameter in walk(rospec.body, 6) if parameter.type == 237)
    assert added == 12 + 3 * 14
    assert b"\x00\x00\x65\x1a\x00\x00\x00\x32" in report_spec.body


def test_the_settings_are_encoded_as_the_standard_says() -> None:
    assert control.encode_keepalive_config(5).hex() == "0000dc00090100001388"
    assert control.encode_holding_config().hex() == "0000e2000580"
    assert control.encode_inputs_config(2).hex() == "0000e100080001800000e1000800028000"
    assert control.encode_impinj_link_monitor_config().hex() == "0003ff00100000651a0000002600010003"
    assert control.encode_events_config().hex().count("00f50007") == len(control.WANTED_EVENTS)


def test_our_rospec_is_recognised_among_those_of_the_reader_whatever_its_state() -> None:
    ours = rospec_of(OPTIONS)
    running = bytearray(ours)
    running[9] = SpecState.ACTIVE
    foreign = tlv(177, struct.pack("!IBB", 1, 0, 1))
    first, second = installed_specs(status() + foreign + running)
    assert (first.rospec_id, first.state) == (1, SpecState.INACTIVE)
    assert (second.content, second.state) == (content_of(ours), SpecState.ACTIVE)


def test_a_reader_without_rospecs_has_none(shared: Path) -> None:
    assert installed_specs((shared / "vectors/llrp/GetROSpecsResponse-000.bytes").read_bytes()) == []
