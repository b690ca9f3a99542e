"""The options of the radio as they stand in TOML."""

import math
import struct
import tomllib

import pytest
from pydantic import ValidationError

from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.reports import ReportDecoder
from tests.llrp_messages import custom, epc96, tag
from tests.llrp_radio import ZEBRA


def options(toml: str) -> LlrpOptions:
    return LlrpOptions.model_validate(tomllib.loads('host = "r1"\n' + toml))


def test_settings_of_an_antenna_are_a_table_by_its_number() -> None:
    found = options("[antenna_settings.2]\ntx_power_dbm = 21.5\n[[antenna_settings.2.filters]]\nmask = '30'")
    assert found.antenna_settings[2].tx_power_dbm == 21.5
    assert found.antenna_settings[2].filters is not None


@pytest.mark.parametrize(
    ("toml", "place"),
    [
        ("[antenna_settings.0]\nsession = 1", ("antenna_settings", "0", "[key]")),
        ("[antenna_settings.2]\nsessions = 1", ("antenna_settings", "2", "sessions")),
        ("[antenna_settings.2]\ntx_power_dbm = 50", ("antenna_settings", "2", "tx_power_dbm")),
        ('filters = [{ mask = "xyz" }]', ("filters", 0, "mask")),
        ('filters = [{ mask = "30", bank = "reserved" }]', ("filters", 0, "bank")),
        ("tari_ns = 5000", ("tari_ns",)),
        ('target = "C"', ("target",)),
        ('vendor_content = ["smell"]', ("vendor_content", 0)),
        ('profile = "acme"', ("profile",)),
        ("start_trigger = { gpi = 0 }", ("start_trigger", "gpi")),
    ],
)
def test_a_mistake_is_named_by_its_place(toml: str, place: tuple[object, ...]) -> None:
    with pytest.raises(ValidationError) as refused:
        options(toml)
    assert refused.value.errors()[0]["loc"] == place


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("antennas = [1]\n[antenna_settings.2]\nsession = 1", "antenna 2, which antennas does not name"),
        ("start_trigger = { gpi = 1 }", "belong together"),
        ("stop_trigger = { gpi = 1 }", "belong together"),
        ("stop_trigger = {}", "either duration_ms or gpi"),
        ("stop_trigger = { gpi = 1, duration_ms = 5 }", "either duration_ms or gpi"),
        ("stop_trigger = { duration_ms = 5, timeout_ms = 5 }", "timeout_ms belongs to gpi"),
        ('impinj_search_mode = "tag_focus"', "session = 1"),
        ('session = 2\n[antenna_settings.1]\nimpinj_search_mode = "tag_focus"', "session = 1"),
        ('filters = [{ mask = "30", bits = 9 }]', "has only 8"),
    ],
)
def test_options_that_contradict_each_other_are_refused(toml: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        options(toml)


@pytest.mark.parametrize(
    ("steps", "turns"), [(0, 0), (0x4000, 1 / 4), (-0x4000, 3 / 4), (-0x8000, 1 / 2), (-1, 1 - 1 / 65536)]
)
def test_zebra_phases_are_32768ths_of_half_a_turn_with_a_sign(steps: int, turns: float) -> None:
    body = tag(epc96(), custom(709, struct.pack("!h", steps), ZEBRA))
    (read,) = ReportDecoder().decode(body, 0).tag_reads
    assert read.phase == pytest.approx(turns * math.tau)
