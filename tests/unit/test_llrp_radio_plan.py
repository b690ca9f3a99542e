"""What is configured, against what a reader can do and is set to: which bytes come of it."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_drivers.llrp.control import decode_capabilities
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.profiles import GENERIC_PROFILE, IMPINJ_PROFILE, ZEBRA_PROFILE, Profile
from rfid_drivers.llrp.radio_plan import Reader, droppable, make_plan, unsupported
from rfid_drivers.llrp.reader_config import ReaderConfig, decode_reader_config
from rfid_drivers.llrp.rospec_encoding import encode_rospec
from rfid_gateway.driver import ReaderError
from tests.llrp_messages import status
from tests.llrp_radio import Node, antenna_state, radio_capabilities, taken_apart

READER = decode_capabilities(status() + radio_capabilities())
TOLD = decode_reader_config(status() + b"".join(antenna_state(antenna) for antenna in (1, 2, 3, 4)))
ANTENNA = (183, 186, 222)
COMMAND = (*ANTENNA, 330)


def options(toml: str) -> LlrpOptions:
    return LlrpOptions.model_validate(tomllib.loads('host = "r"\n' + toml))


def rospec(
    toml: str = "", config: ReaderConfig = TOLD, profile: Profile = GENERIC_PROFILE, without: tuple[str, ...] = ()
) -> Node:
    wanted = options(toml)
    (node,) = taken_apart(encode_rospec(wanted, make_plan(wanted, Reader(READER, config, profile), without), profile))
    return node


def test_nothing_configured_asks_for_nothing() -> None:
    assert rospec().all(*ANTENNA) == []


def test_power_keeps_hop_table_and_channel_of_the_reader() -> None:
    node = rospec("tx_power_dbm = 29.9")
    assert node.fields_at(*ANTENNA) == ["0000"]
    assert node.fields_at(*ANTENNA, 224) == ["000200070007"]
    assert node.all(*COMMAND) == []


@pytest.mark.parametrize(("hopping", "fields"), [(True, "000500000001"), (False, "000000010001")])
def test_a_reader_that_does_not_tell_its_hop_table_gets_the_first(hopping: bool, fields: str) -> None:  # noqa: FBT001  # a case
    capabilities = decode_capabilities(status() + radio_capabilities(hopping=hopping))
    wanted = options("tx_power_dbm = 10")
    plan = make_plan(wanted, Reader(capabilities, ReaderConfig(), GENERIC_PROFILE))
    (node,) = taken_apart(encode_rospec(wanted, plan, GENERIC_PROFILE))
    assert node.fields_at(*ANTENNA, 224) == [fields]


def test_an_antenna_takes_its_own_settings_before_those_for_all() -> None:
    node = rospec("tx_power_dbm = 30\nsession = 1\n[antenna_settings.3]\ntx_power_dbm = 20.5")
    assert node.fields_at(*ANTENNA) == ["0001", "0002", "0003", "0004"]
    assert [fields[-4:] for fields in node.fields_at(*ANTENNA, 224)] == ["00c1", "00c1", "0007", "00c1"]
    assert {fields[:2] for fields in node.fields_at(*COMMAND, 336)} == {"40"}


def test_only_configured_antennas_are_configured() -> None:
    node = rospec("antennas = [2, 4]\n[antenna_settings.4]\nrx_sensitivity_db = 39")
    assert node.fields_at(183) == ["000200020004"]
    assert node.fields_at(*ANTENNA) == ["0002", "0004"]
    assert node.fields_at(*ANTENNA, 223) == ["0004"]


@pytest.mark.parametrize(
    ("toml", "control", "singulation"),
    [
        ("session = 0", [], ["00004d00000005"]),
        ("tag_population = 9", [], ["80000900000005"]),
        ("mode_index = 9", ["0009186a"], []),
        ("mode_index = 3", ["00030000"], []),
        ("mode_index = 3\ntari_ns = 25000", ["000361a8"], []),
        ("tari_ns = 6250", ["0009186a"], []),
    ],
)
def test_what_shares_a_parameter_with_a_setting_is_written_back(
    toml: str, control: list[str], singulation: list[str]
) -> None:
    node = rospec(toml)
    assert node.fields_at(*COMMAND, 335) == control
    assert node.fields_at(*COMMAND, 336) == singulation


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("tx_power_dbm = 9.9", r"lowest is 10 dBm \(10 to 30 dBm\)"),
        ("[antenna_settings.2]\ntx_power_dbm = 1", "lowest is 10 dBm"),
        ("mode_index = 5", "offers 3, 9"),
        ("mode_index = 3\ntari_ns = 6250", "12500 to 25000 ns"),
        ("tari_ns = 7000", "mode 9, which allows 6250 to 6250 ns"),
        ('filters = [{ mask = "1" }, { mask = "2" }, { mask = "3" }]', "3 filters .* takes 2"),
    ],
)
def test_what_the_readers_tables_rule_out_is_refused_with_what_they_have(toml: str, words: str) -> None:
    with pytest.raises(ReaderError, match=words):
        rospec(toml)


def test_tari_without_any_known_mode_is_refused() -> None:
    with pytest.raises(ReaderError, match="set mode_index too"):
        rospec("tari_ns = 7000", config=ReaderConfig())


# Filters


@pytest.mark.parametrize(
    ("one", "mask", "action"),
    [
        ('mask = "3074257BF7"', "400020" + "0028" + "3074257bf7", "00"),
        ('mask = "FFF", bits = 9', "400020" + "0009" + "ff80", "00"),
        ('mask = "E28", bank = "tid"', "800000" + "000c" + "e280", "00"),
        ('mask = "1", bank = "user", pointer = 16, action = "exclude"', "c00010" + "0004" + "10", "04"),
    ],
)
def test_a_filter_is_a_select_on_bits_of_a_bank(one: str, mask: str, action: str) -> None:
    node = rospec(f"filters = [{{ {one} }}]")
    assert node.fields_at(*COMMAND) == ["00"]
    assert node.fields_at(*COMMAND, 331, 332) == [mask]
    assert node.fields_at(*COMMAND, 331, 334) == [action]


@given(
    st.lists(st.tuples(st.sampled_from(["include", "exclude"]), st.integers(0, 15)), min_size=1, max_size=2),
    st.integers(0, 15),
)
def test_any_include_and_no_exclude_lets_a_tag_in(filters: list[tuple[str, int]], tag: int) -> None:
    listed = ", ".join(f'{{ mask = "{mask:X}", action = "{action}" }}' for action, mask in filters)
    node = rospec(f"filters = [{listed}]")
    selected = False
    for mask, action in zip(
        node.fields_at(*COMMAND, 331, 332), node.fields_at(*COMMAND, 331, 334), strict=True
    ):  # as a tag does: LLRP 1.0.1 16.3.1.2.1.1.3
        matches = int(mask[-2], 16) == tag
        selected = {"00": matches, "01": selected or matches, "03": selected and not matches, "04": not matches}[action]
    includes = [mask for action, mask in filters if action == "include"]
    excludes = [mask for action, mask in filters if action == "exclude"]
    assert selected is ((not includes or tag in includes) and tag not in excludes)


@pytest.mark.parametrize(("target", "flags"), [("A", "40"), ("B", "c0")])
def test_a_target_without_filters_asks_tags_whose_sl_flag_is_not_set(target: str, flags: str) -> None:
    node = rospec(f'target = "{target}"')
    assert node.fields_at(*COMMAND) == ["80"]
    assert node.fields_at(*COMMAND, 336, 337) == [flags]


def test_a_target_with_filters_asks_tags_whose_sl_flag_the_filters_set() -> None:
    node = rospec('target = "B"\nfilters = [{ mask = "3", action = "exclude" }, { mask = "1" }]')
    assert node.fields_at(*COMMAND, 336, 337) == ["80"]
    assert node.fields_at(*COMMAND, 331, 333) == ["0000", "0005"]
    assert node.all(*COMMAND, 331, 334) == []


# Triggers


def test_without_triggers_reading_starts_at_once_and_never_stops() -> None:
    assert rospec().fields_at(178, 179) == ["01"]
    assert rospec().fields_at(178, 182) == ["0000000000"]


def test_photo_eyes_start_and_stop_with_the_right_type_number() -> None:
    node = rospec("start_trigger = { gpi = 1 }\nstop_trigger = { gpi = 2, timeout_ms = 30000 }")
    assert node.fields_at(178, 179) == ["03"]
    assert node.fields_at(178, 179, 181) == ["00018000000000"]
    assert node.fields_at(178, 182) == ["0200000000"]
    assert node.fields_at(178, 182, 181) == ["00020000007530"]


def test_a_duration_stops_what_an_input_started() -> None:
    node = rospec("start_trigger = { gpi = 1, high = false }\nstop_trigger = { duration_ms = 5000 }")
    assert node.fields_at(178, 179, 181) == ["00010000000000"]
    assert node.fields_at(178, 182) == ["0100001388"]


# Vendors


def test_impinj_search_mode_stands_in_the_inventory_command() -> None:
    node = rospec('session = 1\nimpinj_search_mode = "tag_focus"', profile=IMPINJ_PROFILE)
    assert node.fields_at(*COMMAND, 1023) == ["0000651a" + "00000017" + "0003"]


@pytest.mark.parametrize(
    ("contents", "subtypes"),
    [("", [52, 53, 67]), ('vendor_content = ["tid"]', [51]), ("vendor_content = []", [])],
)
def test_impinj_contents_stand_in_the_report_spec(contents: str, subtypes: list[int]) -> None:
    node = rospec(contents, profile=IMPINJ_PROFILE)
    enabled = [one.fields for one in node.all(237, 1023, 1023)]
    assert [int.from_bytes(one[4:8]) for one in enabled] == subtypes
    assert {one[8:] for one in enabled} <= {b"\0\1"}


def test_zebra_phase_is_asked_for_in_the_report_spec() -> None:
    assert rospec(profile=ZEBRA_PROFILE).fields_at(237, 1023) == ["000000a1" + "000002c4" + "10000000"]


def test_a_plain_reader_is_asked_for_no_vendors_content() -> None:
    assert rospec().all(237, 1023) == []


def test_what_a_reader_says_it_has_not_is_not_asked_for_and_named() -> None:
    plain = decode_capabilities(status() + radio_capabilities(state_aware=False))
    wanted = options('session = 1\ntarget = "A"\nimpinj_search_mode = "tag_focus"\nvendor_content = ["phase"]')
    missing = unsupported(wanted, Reader(plain, TOLD, GENERIC_PROFILE))
    assert set(missing) == {"target", "impinj_search_mode", "vendor_content phase"}
    assert unsupported(wanted, Reader(READER, TOLD, IMPINJ_PROFILE)) == {}


# Doing without

MUCH = """
tx_power_dbm = 25
rx_sensitivity_db = 20
mode_index = 3
tari_ns = 12500
session = 1
target = "A"
tag_population = 5
impinj_search_mode = "dual_target"
filters = [{ mask = "3" }]
[antenna_settings.2]
tx_power_dbm = 15
"""


def test_power_for_all_filters_antennas_and_triggers_are_never_left_out() -> None:
    names = droppable(options(MUCH), Reader(READER, TOLD, IMPINJ_PROFILE))
    assert names == (
        "vendor_content peak_rssi",
        "vendor_content doppler",
        "vendor_content phase",
        "impinj_search_mode",
        "tag_population",
        "tari_ns",
        "target",
        "mode_index",
        "rx_sensitivity_db",
        "antenna_settings.tx_power_dbm",
        "session",
    )
    node = rospec(MUCH, profile=IMPINJ_PROFILE, without=names)
    assert node.fields_at(*ANTENNA, 224) == ["000200070001"]
    assert [one.kind for one in node.all(*COMMAND)[0].children] == [331]
    assert [one.kind for one in node.all(*ANTENNA)[0].children] == [224, 330]


def test_without_powers_of_their_own_all_antennas_get_the_lowest() -> None:
    node = rospec("[antenna_settings.2]\ntx_power_dbm = 21", without=("antenna_settings.tx_power_dbm",))
    assert node.fields_at(*ANTENNA) == ["0000"]
    assert node.fields_at(*ANTENNA, 224) == ["000200070007"]
