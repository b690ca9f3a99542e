"""A reader that refuses settings: what is tried instead, what is told, and what is not done without."""

import struct

import pytest

from rfid_drivers.llrp.events import InventoryRuns
from rfid_drivers.llrp.fault import Fault, decode_fault
from rfid_drivers.llrp.handshake import Settled
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.retreat import attempts, named_setting
from rfid_gateway.driver import ReaderError
from tests.llrp_messages import IMPINJ, Answers, Dialogue, Request, message, refusal, status, tlv
from tests.llrp_radio import (
    FussyReader,
    antenna_state,
    capable,
    parameter_error,
    radio_capabilities,
    reader_config,
)

COMMAND = (177, 183, 186, 222, 330)
EVERYTHING = {
    "tx_power_dbm": 25.0,
    "rx_sensitivity_db": 20.0,
    "mode_index": 3,
    "tari_ns": 12500,
    "session": 1,
    "tag_population": 5,
    "target": "A",
    "impinj_search_mode": "dual_target",
    "filters": ({"mask": "3"},),
    "antenna_settings": {2: {"tx_power_dbm": 15.0}},
}
SEARCH_MODE = struct.pack("!II", IMPINJ, 23)
PHASE = struct.pack("!II", IMPINJ, 52)
UNSAID = status(100, "something")


def options(**changes: object) -> LlrpOptions:
    return LlrpOptions.model_validate({"host": "x", **EVERYTHING, **changes})


def set_up(reader: FussyReader, configured: LlrpOptions | None = None, more: Answers | None = None) -> Settled:
    answers = {
        **capable(radio_capabilities(manufacturer=IMPINJ)),
        **reader_config(*map(antenna_state, (1, 2, 3, 4))),
        **reader.answers,
    }
    dialogue = Dialogue(configured or options(), answers | (more or {})).run()
    (runs,) = [event for event in dialogue.events if isinstance(event, InventoryRuns)]
    return runs.settled


def test_a_reader_that_takes_everything_is_asked_once() -> None:
    reader = FussyReader({})
    assert set_up(reader).remarks == ()
    assert len(reader.tried) == 1


@pytest.mark.parametrize(
    ("part", "place", "field", "dropped"),
    [
        (tlv(335, struct.pack("!HH", 3, 12500)), (*COMMAND, 335), 1, "tari_ns"),
        (struct.pack("!HHH", 335, 8, 3), (*COMMAND, 335), 0, "mode_index tari_ns"),
        (struct.pack("!BHI", 1 << 6, 5, 5), (*COMMAND, 336), 1, "tag_population"),
        (struct.pack("!HHB", 336, 16, 1 << 6), (*COMMAND, 336), 0, "impinj_search_mode session"),
        (tlv(337, b"\x00"), (*COMMAND, 336, 337), None, "target"),
        (struct.pack("!HH", 223, 6), (177, 183, 186, 222, 223), 0, "rx_sensitivity_db"),
        (tlv(224, struct.pack("!HHH", 2, 7, 7)), (177, 183, 186, 222, 224), 2, "antenna_settings.tx_power_dbm"),
        (SEARCH_MODE, (*COMMAND, 1023), None, "impinj_search_mode"),
    ],
)
def test_a_setting_that_the_reader_names_is_left_out_at_once_with_what_needs_it(
    part: bytes, place: tuple[int, ...], field: int | None, dropped: str
) -> None:
    reader = FussyReader({part: parameter_error(*place, field=field)})
    remarks = set_up(reader).remarks
    assert " ".join(remark.split(":")[0] for remark in remarks) == dropped
    assert all("not so" in remark for remark in remarks)
    assert len(reader.tried) == 2


def test_several_settings_are_left_out_one_after_another() -> None:
    reader = FussyReader(
        {
            SEARCH_MODE: parameter_error(*COMMAND, 1023),
            struct.pack("!HH", 223, 6): parameter_error(177, 183, 186, 222, 223, field=0),
        }
    )
    assert [remark.split(":")[0] for remark in set_up(reader).remarks] == ["impinj_search_mode", "rx_sensitivity_db"]
    assert len(reader.tried) == 3


def test_report_contents_that_the_reader_names_are_tried_without_one_by_one() -> None:
    reader = FussyReader({PHASE: parameter_error(177, 237, 1023)})
    dropped = [remark.split(":")[0] for remark in set_up(reader).remarks]
    assert dropped[-1] == "vendor_content phase"
    assert all(one.startswith("vendor_content") for one in dropped)


@pytest.mark.parametrize(
    ("part", "dropped"), [(SEARCH_MODE, "impinj_search_mode"), (struct.pack("!HH", 223, 6), "rx_sensitivity_db")]
)
def test_a_reader_that_names_nothing_keeps_all_but_the_culprit(part: bytes, dropped: str) -> None:
    reader = FussyReader({part: UNSAID})
    (remark,) = set_up(reader).remarks
    assert remark.startswith(f"{dropped}: something")


def test_a_reader_that_names_nothing_and_minds_two_things_ends_without_both() -> None:
    reader = FussyReader({SEARCH_MODE: UNSAID, PHASE: UNSAID})
    dropped = {remark.split(":")[0] for remark in set_up(reader).remarks}
    assert {"impinj_search_mode", "vendor_content phase"} <= dropped
    assert "session" not in dropped


def test_a_refusal_to_enable_is_a_refusal_of_the_settings_too() -> None:
    reader = FussyReader({})
    refusing = [True, False]
    more: Answers = {24: lambda request: message(34, UNSAID if refusing.pop(0) else status(), request.id)}
    assert len(set_up(reader, more=more).remarks) == 1
    assert len(reader.tried) == 2


def test_what_the_reader_says_it_lacks_is_told_like_a_refusal_and_never_sent() -> None:
    reader = FussyReader({tlv(337, b"\x00"): UNSAID})
    plain = capable(radio_capabilities(state_aware=False))
    remarks = set_up(reader, options(vendor_content=("tid",)), plain).remarks
    assert [remark.split(":")[0] for remark in remarks] == ["target", "impinj_search_mode", "vendor_content tid"]
    assert len(reader.tried) == 1


@pytest.mark.parametrize(
    ("place", "field"),
    [
        ((*COMMAND, 331, 332), 0),
        ((*COMMAND, 331), None),
        ((177, 183), 0),
        ((177, 178, 179, 181), 0),
    ],
)
def test_filters_antennas_and_triggers_are_not_done_without(place: tuple[int, ...], field: int | None) -> None:
    reader = FussyReader({b"": parameter_error(*place, field=field)})
    dialogue = Dialogue(options(), capable(radio_capabilities()) | reader.answers)
    with pytest.raises(ReaderError, match="refused ADD_ROSPEC: not so"):
        dialogue.run()
    assert len(reader.tried) == 1


def test_the_power_for_all_antennas_is_not_done_without() -> None:
    reader = FussyReader({b"\x00\xe0\x00\x0a": parameter_error(177, 183, 186, 222, 224, field=2)})
    dialogue = Dialogue(LlrpOptions(host="x", tx_power_dbm=20), capable(radio_capabilities()) | reader.answers)
    with pytest.raises(ReaderError, match="refused ADD_ROSPEC: not so"):
        dialogue.run()


def test_a_reader_that_refuses_whatever_is_left_out_is_quoted_with_its_first_words() -> None:
    reader = FussyReader({b"": UNSAID})
    with pytest.raises(ReaderError, match="refused ADD_ROSPEC: something"):
        set_up(reader)
    assert len(reader.tried) <= 2 * 11


def test_what_was_left_out_before_is_adopted_and_told_again() -> None:
    first = FussyReader({SEARCH_MODE: UNSAID})
    asked: list[bytes] = []

    def add(request: Request) -> bytes:
        asked.append(request.body)
        return first.answers[20](request)

    set_up(first, more={20: add})
    running = asked[-1][:9] + b"\x02" + asked[-1][10:]
    again = FussyReader({})
    held: Answers = {26: lambda request: message(36, status() + running, request.id)}
    assert set_up(again, more=held).remarks == ("impinj_search_mode: refused when the reader was set up",)
    assert again.tried == []


def test_damaged_errors_name_as_much_as_can_be_followed() -> None:
    whole = parameter_error(177, 183, field=0)[4:]
    assert decode_fault(whole, 10) == Fault((177, 183), 0)
    assert decode_fault(whole[:-8] + b"\xff" * 8, 10).parameters in {(177, 183), (177,)}
    assert decode_fault(b"", 0) == Fault()


def test_a_place_that_no_setting_stands_in_names_none() -> None:
    assert named_setting(Fault((177,)), ["session"]) is None
    assert named_setting(Fault((177, 999), 3), ["session"]) is None


def test_attempts_leave_out_one_then_more() -> None:
    assert list(attempts(["a", "b", "c"])) == [{"a"}, {"b"}, {"c"}, {"a", "b"}, {"a", "b", "c"}]
    assert list(attempts([])) == []


def test_a_reader_that_refuses_its_configuration_is_set_up_all_the_same() -> None:
    settled = set_up(FussyReader({}), more={2: refusal})
    assert (settled.identification, settled.antennas_connected) == (None, None)
