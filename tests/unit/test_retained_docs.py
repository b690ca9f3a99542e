"""What docs/mqtt.md says of retained topics is what is published."""

import json
import re
from pathlib import Path

from rfid_gateway.retained_payloads import load_status, shipment_status
from rfid_gateway.shipments.directory import Shipment
from rfid_gateway.shipments.loads import Load, compare
from rfid_gateway.shipments.progress import STATES, state_of
from rfid_gateway.store.unit_states import UnitState

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "mqtt.md").read_text()


def example(beginning: str) -> dict[str, object]:
    """The JSON block that begins so."""
    (block,) = [block for block in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL) if block.startswith(beginning)]
    values: dict[str, object] = json.loads(block)
    return values


def test_the_examples_have_the_fields_that_are_published_in_their_order() -> None:
    status = shipment_status(Shipment("S-1"), [UnitState("epc:AA", "S-1", None, None, "urn:x", 0)], 0)
    assert status is not None
    assert list(example('{"shipment_id"')) == list(status)
    load = load_status(Load("L", None, None), compare("L", [], [], (), closed=False), 0)
    assert list(example('{"load_id"')) == list(load)


def test_the_table_of_states_is_the_one_that_is_used() -> None:
    rows = re.findall(r"^\| (`[a-z`, ]+`) \| (`.+) \|$", DOCUMENT.partition("| state | business step")[2], re.MULTILINE)
    documented = {}
    for states, steps in rows[:8]:
        names, groups = re.findall(r"`(\w+)`", states), steps.split(";")
        for index, name in enumerate(names):
            documented[name] = set(re.findall(r"`(\w+)`", groups[index]))
    assert list(documented) == [name for name in STATES if name not in ("seen", "returned")]
    for name, steps in documented.items():
        assert {state_of(step, "ok") for step in steps} == {name}
