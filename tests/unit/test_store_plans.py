from collections.abc import Callable
from pathlib import Path

import pytest

from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.shipments.loads import Load
from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.history import EventFilter
from rfid_gateway.store.unbound import UnboundObservation

LOADED = Shipment("S-1", (Unit("epc:AA"),), planned_door="dock-1", load="L")
QUERIES: dict[str, Callable[[Store], object]] = {
    "unpublished": lambda store: store.outbox.unpublished(5, 20),
    "published": lambda store: store.outbox.published([1], 2),
    "backlog": lambda store: store.outbox.backlog(),
    "set_aside": lambda store: store.outbox.set_aside(1, "too large", 2),
    "aside": lambda store: store.outbox.aside(5, 20),
    "retry": lambda store: store.outbox.retry([1]),
    "oldest": lambda store: store.outbox.oldest(),
    "find": lambda store: store.directory.find(["epc:AA"]),
    "show": lambda store: store.directory.show("S-1"),
    "list": lambda store: store.directory.list(10, "S-1"),
    "list of a door": lambda store: store.directory.list(10, planned_door="dock-1"),
    "delete": lambda store: store.directory.delete("S-1"),
    "events_after": lambda store: store.history.events_after(5, 20),
    "events": lambda store: store.history.events(20, EventFilter(shipment_id="S-1")),
    "trace": lambda store: store.history.trace("S-1"),
    "event": lambda store: store.history.event("7"),
    "unit_state": lambda store: store.unit_states.unit_state("epc:AA"),
    "take": lambda store: store.unbound.take(["epc:AA"]),
    "of_shipment": lambda store: store.unit_states.of_shipment("S-1"),
    "entry": lambda store: store.directory.entry("S-1"),
    "unbind": lambda store: store.directory.unbind("epc:AA"),
    "bind": lambda store: store.directory.bind("S-1", Unit("epc:AA")),
    "keys_of": lambda store: store.directory.keys_of("epc:AA"),
    "announce": lambda store: store.directory.upsert([LOADED]),
    "find a load": lambda store: store.loads.find("L"),
    "at_door": lambda store: store.loads.at_door("dock-1", 5),
    "came_off": lambda store: store.loads.came_off("epc:AA", 5, "M"),
    "touch": lambda store: store.loads.touch(["L"]),
    "close_due": lambda store: store.loads.close_due(5, 4, 4),
    "to_review": lambda store: store.loads.to_review(20),
    "compare": lambda store: store.loads.compare(Load("L", "dock-1", None)),
    "unsaid": lambda store: store.retained.unsaid(("load", "L"), 20),
    "to_say_again": lambda store: store.retained.to_say_again(20),
    "expire": lambda store: store.unbound.expire(5),
}


@pytest.mark.parametrize("name", QUERIES)
def test_no_query_that_must_be_quick_reads_a_whole_table(tmp_path: Path, name: str) -> None:
    with open_store(tmp_path / "gateway.db") as store:
        store.directory.upsert([LOADED])
        store.unbound.add([UnboundObservation("AA", ("epc:AA",), "{}", 9)], capacity=9)
        statements: list[str] = []
        store._database.raw.set_trace_callback(statements.append)
        QUERIES[name](store)
        store._database.raw.set_trace_callback(None)
        plans = [
            str(step[3])
            for statement in statements
            if statement.startswith(("SELECT", "DELETE", "UPDATE"))
            for step in store._database.rows(f"EXPLAIN QUERY PLAN {statement}")
        ]
    assert plans != []
    assert [step for step in plans if step.startswith("SCAN") and "LIST" not in step] == []
