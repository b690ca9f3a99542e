"""Faults can be written on the command line, and what is none is refused with what was expected."""

import pytest

from rfid_simulators.faults import CutMidMessage, LoseReplies, Reboot, SendGarbage, SilentHang, SlowReplies
from rfid_simulators.llrp.fault_names import FAULTS


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
