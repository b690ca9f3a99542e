"""What a reader is set to, and what is done because of it and of its make."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_drivers.llrp.events import InventoryRuns
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.parameters import LlrpDecodeError
from rfid_drivers.llrp.profiles import GENERIC_PROFILE, IMPINJ_PROFILE, PROFILES, ZEBRA_PROFILE, profile_for
from rfid_drivers.llrp.reader_config import AntennaState, ReaderConfig, decode_reader_config
from tests.llrp_messages import IMPINJ, Dialogue, custom, refusal, status, tlv
from tests.llrp_radio import ZEBRA, antenna_state, autonomous, capable, radio_capabilities, reader_config

IDENTITY = tlv(218, bytes.fromhex("000008001625ffff1125d6"))
PROPERTIES = tlv(221, bytes.fromhex("8000010000")) + tlv(221, bytes.fromhex("0000020000"))
AUTONOMOUS_OFF = b"\x00" + custom(101, b"\x00", ZEBRA)


def test_the_recorded_configuration_is_read(shared: Path) -> None:
    stem = shared / "vectors/llrp/GetReaderConfigResponse-000"
    found = decode_reader_config(stem.with_suffix(".bytes").read_bytes())
    expected = json.loads(stem.with_suffix(".json").read_text())
    assert found.identification is not None
    assert len(found.identification) == 16
    assert len(found.antennas) == len(expected["AntennaConfigurations"])
    assert found.antennas_connected is not None
    assert set(found.antennas_connected) <= set(found.antennas)
    assert found.antennas[1].hop_table_id == 1
    assert not found.autonomous


def test_a_configuration_is_read_antenna_by_antenna() -> None:
    found = decode_reader_config(status() + IDENTITY + PROPERTIES + antenna_state(3))
    state = AntennaState(2, 7, 9, 6250, 2, 77, 5)
    assert found == ReaderConfig("001625FFFF1125D6", (1,), {3: state})


def test_a_reader_that_tells_nothing_is_not_known() -> None:
    assert decode_reader_config(status()) == ReaderConfig(None, None, {})


@given(st.binary(max_size=60))
def test_damaged_configurations_are_a_decode_error(noise: bytes) -> None:
    for body in (status() + IDENTITY + noise, (IDENTITY + antenna_state(1))[: len(noise)] + noise):
        try:
            found = decode_reader_config(body)
        except LlrpDecodeError:
            continue
        assert isinstance(found, ReaderConfig)


def settings(dialogue: Dialogue) -> list[bytes]:
    return [request.body for request in dialogue.sent if request.type == 3]


def test_identification_and_connected_antennas_are_told() -> None:
    dialogue = Dialogue(answers=reader_config(IDENTITY, PROPERTIES)).run()
    (runs,) = [event for event in dialogue.events if isinstance(event, InventoryRuns)]
    assert (runs.settled.identification, runs.settled.antennas_connected) == ("001625FFFF1125D6", (1,))


@pytest.mark.parametrize("flags", [0x80, 0xFF])
def test_a_zebra_in_autonomous_mode_is_taken_out_of_it(flags: int) -> None:
    answers = capable(radio_capabilities(manufacturer=ZEBRA)) | reader_config(autonomous(flags))
    assert AUTONOMOUS_OFF in settings(Dialogue(answers=answers).run())


@pytest.mark.parametrize("told", [b"", autonomous(0x00), custom(102, b"\x80", ZEBRA), custom(101, b"\x80", IMPINJ)])
def test_any_other_zebra_is_left_as_it_is(told: bytes) -> None:
    answers = capable(radio_capabilities(manufacturer=ZEBRA)) | reader_config(told)
    dialogue = Dialogue(answers=answers).run()
    assert AUTONOMOUS_OFF not in settings(dialogue)
    assert any(isinstance(event, InventoryRuns) for event in dialogue.events)


@pytest.mark.parametrize(
    ("manufacturer", "profile"), [(25882, IMPINJ_PROFILE), (161, ZEBRA_PROFILE), (0, GENERIC_PROFILE)]
)
def test_a_profile_is_chosen_by_the_manufacturer(manufacturer: int, profile: object) -> None:
    assert profile_for(manufacturer) is profile


def test_every_quirk_has_a_reason() -> None:
    assert all(reason for profile in PROFILES.values() for reason in profile.quirks.values())


def test_a_configured_profile_comes_before_what_the_reader_says() -> None:
    options = LlrpOptions(host="x", profile="impinj")
    assert 1023 in Dialogue(options).run().types
    plain = LlrpOptions(host="x", profile="generic")
    answers = capable(radio_capabilities(manufacturer=IMPINJ))
    dialogue = Dialogue(plain, answers).run()
    assert 1023 not in dialogue.types
    assert all(b"\x00\x00\x65\x1a" not in request.body for request in dialogue.sent)


def test_without_its_extensions_an_impinj_is_asked_for_nothing_of_its_own() -> None:
    options = LlrpOptions(host="x", impinj_search_mode="dual_target")
    answers = {**capable(radio_capabilities(manufacturer=IMPINJ)), 1023: refusal}
    dialogue = Dialogue(options, answers).run()
    (runs,) = [event for event in dialogue.events if isinstance(event, InventoryRuns)]
    assert [remark.split(":")[0] for remark in runs.settled.remarks] == ["Impinj extensions", "impinj_search_mode"]
    assert not any(b"\x00\x00\x65\x1a" in request.body for request in dialogue.sent if request.type != 1023)


def test_a_triggered_rospec_is_not_awaited_and_may_end() -> None:
    options = LlrpOptions.model_validate(
        {"host": "x", "start_trigger": {"gpi": 1}, "stop_trigger": {"gpi": 1, "timeout_ms": 9}}
    )
    dialogue = Dialogue(options).run()
    assert 22 not in dialogue.types
    assert any(isinstance(event, InventoryRuns) for event in dialogue.events)
