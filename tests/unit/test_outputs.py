from rfid_gateway.outputs import Occasion, OutputRule, Outputs, Switch

SECOND = 1_000_000
HORN = OutputRule("dock", 1, frozenset({Occasion.WRONG_DOOR, Occasion.READER_DOWN}), "door-1", 3 * SECOND)
GREEN = OutputRule("dock", 2, frozenset({Occasion.OK}), None, 5 * SECOND)
LONG_HORN = OutputRule("dock", 1, frozenset({Occasion.UNDECIDED}), None, 10 * SECOND)


def happened(outputs: Outputs, occasion: Occasion, door: str, now: int) -> list[Switch]:
    return outputs.happened(frozenset({occasion}), frozenset({door}), now)


def test_an_output_is_on_for_its_pulse() -> None:
    outputs = Outputs([HORN])
    assert happened(outputs, Occasion.WRONG_DOOR, "door-1", 0) == [Switch("dock", 1, high=True)]
    assert outputs.expire(3 * SECOND - 1) == []
    assert outputs.expire(3 * SECOND) == [Switch("dock", 1, high=False)]
    assert outputs.expire(9 * SECOND) == []


def test_another_occasion_makes_it_last_longer_and_switches_nothing() -> None:
    outputs = Outputs([HORN])
    happened(outputs, Occasion.WRONG_DOOR, "door-1", 0)
    assert happened(outputs, Occasion.WRONG_DOOR, "door-1", 2 * SECOND) == []
    assert outputs.expire(3 * SECOND) == []
    assert outputs.expire(5 * SECOND) == [Switch("dock", 1, high=False)]


def test_a_short_pulse_does_not_end_a_long_one_of_the_same_output() -> None:
    outputs = Outputs([HORN, LONG_HORN])
    happened(outputs, Occasion.UNDECIDED, "door-1", 0)
    happened(outputs, Occasion.WRONG_DOOR, "door-1", SECOND)
    assert outputs.expire(9 * SECOND) == []
    assert outputs.expire(10 * SECOND) == [Switch("dock", 1, high=False)]


def test_a_rule_for_a_door_leaves_other_doors_alone() -> None:
    outputs = Outputs([HORN, GREEN])
    assert happened(outputs, Occasion.WRONG_DOOR, "door-2", 0) == []
    assert happened(outputs, Occasion.OK, "door-2", 0) == [Switch("dock", 2, high=True)]


def test_one_happening_may_be_several_occasions() -> None:
    inward = OutputRule("dock", 3, frozenset({Occasion.OUT}), None, SECOND)
    switches = Outputs([GREEN, inward]).happened(frozenset({Occasion.OK, Occasion.OUT}), frozenset({"door-1"}), 0)
    assert switches == [Switch("dock", 2, high=True), Switch("dock", 3, high=True)]


def test_a_start_switches_every_output_off_once() -> None:
    outputs = Outputs([HORN, LONG_HORN, GREEN])
    assert outputs.all_off() == [Switch("dock", 1, high=False), Switch("dock", 2, high=False)]
