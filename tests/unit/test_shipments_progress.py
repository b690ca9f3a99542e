import pytest

from rfid_gateway.events.vocabulary import BIZ_STEPS
from rfid_gateway.shipments.progress import STATES, progress, state_of

CLAIM_NOTHING = {
    "assembling", "commissioning", "creating_class_instance", "cycle_counting", "decommissioning", "destroying",
    "disassembling", "dispensing", "encoding", "entering_exiting", "installing", "killing", "other", "removing",
    "repairing", "replacing", "reserving", "retail_selling", "sampling", "sensor_reporting", "stock_taking",
}  # fmt: skip


def test_every_step_of_cbv_brings_a_unit_somewhere_or_is_known_to_claim_nothing() -> None:
    assert {step for step in BIZ_STEPS if state_of(step, "ok") is None} == CLAIM_NOTHING
    assert {state_of(step, "ok") for step in BIZ_STEPS} - {None} == set(STATES) - {"seen", "returned"}


def test_an_undecided_passage_claims_nothing_and_a_return_is_one_whatever_the_door_calls_it() -> None:
    assert state_of(None, "undecided") is None
    assert state_of("arriving", "returned") == "returned"


@pytest.mark.parametrize(
    ("states", "total", "state"),
    [
        (["loaded", "loaded"], 2, "loaded"),
        (["loaded", "loaded", "loaded"], 5, "partly_loaded"),
        (["loaded", "stored", "departed"], 3, "stored"),
        (["loaded", "stored"], 3, "partly_stored"),
        (["departed", "returned"], 2, "returned"),
        (["stored", None], 2, "seen"),
    ],
)
def test_a_shipment_is_as_far_as_its_least_advanced_unit_and_never_further_than_was_seen(
    states: list[str | None], total: int, state: str
) -> None:
    assert progress(states, total).state == state


def test_the_units_are_counted_by_state_in_order_of_progress() -> None:
    how_far = progress(["loaded", "stored", "loaded", None], 5)
    assert (how_far.total, how_far.seen) == (5, 4)
    assert list(how_far.states.items()) == [("seen", 1), ("stored", 1), ("loaded", 2)]
