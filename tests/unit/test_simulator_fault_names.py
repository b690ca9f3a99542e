"""Faults can be written on the command line, and what is none is refused with what was expected."""

import pytest

from rfid_simulators.faults import CutMidMessage, LoseReplies, Reboot, SendGarbage, SilentHang, SlowReplies
from rfid_simulators.llrp.fault_names import FAULTS
from rfid_simulators.serial.fault_names import FAULTS as SERIAL_FAULTS
from rfid_simulators.serial.faults import Damage, EpcLengths, PauseMidFrame, ReportError, Unplug


@pytest.mark.parametrize(
    ("text", "after_s", "fault"),
    [
        ("hang", 0, SilentHang()),
        ("reset:3", 0, CutMidMessage(3, reset=True)),
        ("reboot:3@10", 10, Reboot(3_000_000)),
        ("slow@2.5", 2.5, SlowReplies(1_000_000)),
        ("garbage:00ff", 0, SendGarbage(b"\x00\xff")),
        ("lose:34", 0, LoseReplies(34)),
    ],
)
def test_a_fault_is_a_name_a_value_and_a_time(text: str, after_s: float, fault: object) -> None:
    assert FAULTS.read(text) == (after_s, fault)


@pytest.mark.parametrize("name", sorted(set(FAULTS.names) - {"lose"}))
def test_every_fault_but_one_does_without_a_value(name: str) -> None:
    assert FAULTS.read(name).after_s == 0


@pytest.mark.parametrize("text", ["", "explode", "lose", "hang:1", "slow:soon", "slow:1@later", "garbage:xx"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no fault .* expected NAME\[:VALUE\]\[@SECONDS\]"):
        FAULTS.read(text)


@pytest.mark.parametrize(
    ("text", "after_s", "fault"),
    [
        ("hang", 0, SilentHang()),
        ("stuck:0.5@3", 3, PauseMidFrame(500_000)),
        ("status", 0, ReportError()),
        ("status:0504", 0, ReportError(0x0504)),
        ("epc-lengths:4,62", 0, EpcLengths((4, 62))),
        ("lose:0.3", 0, Damage("loss", 0.3)),
        ("unplug@10", 10, Unplug(1_000_000)),
    ],
)
def test_a_serial_fault_is_written_the_same_way(text: str, after_s: float, fault: object) -> None:
    assert SERIAL_FAULTS.read(text) == (after_s, fault)


@pytest.mark.parametrize("name", SERIAL_FAULTS.names)
def test_every_serial_fault_does_without_a_value(name: str) -> None:
    assert SERIAL_FAULTS.read(name).after_s == 0


@pytest.mark.parametrize(
    "text",
    [
        "junk:2",
        "junk:a lot",
        "epc-lengths:3",
        "epc-lengths:64",
        "epc-lengths:",
        "tags-per-frame:0",
        "echo:1",
        "status:x",
    ],
)
def test_what_is_no_serial_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no fault .* expected NAME\[:VALUE\]\[@SECONDS\]"):
        SERIAL_FAULTS.read(text)


def test_a_tag_keeps_the_length_that_it_was_given_and_the_end_of_its_epc() -> None:
    lengths = EpcLengths()
    epcs = [f"3034257BF7194E40{number:08X}" for number in range(60)]
    shaped = [lengths.reshape(epc) for epc in epcs]
    assert {len(epc) // 2 for epc in shaped} == {4, 8, 12, 16, 20, 62}
    assert len(set(shaped)) == len(epcs)
    assert shaped == [lengths.reshape(epc) for epc in epcs]


def test_the_first_fault_to_come_stands_first() -> None:
    assert [planned.after_s for planned in SERIAL_FAULTS.plan(["hang@5", "junk", "echo@2"])] == [0, 2, 5]
