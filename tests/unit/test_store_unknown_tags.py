"""Tags that wait for their shipment, as people see them."""

from pathlib import Path

from rfid_gateway.store.connection import open_store
from rfid_gateway.store.unbound import UnboundObservation, UnknownTag


def test_tags_that_wait_are_listed_once_those_seen_last_first(tmp_path: Path) -> None:
    with open_store(tmp_path / "gateway.db") as store:
        waiting = [UnboundObservation(epc, (f"epc:{epc}",), "{}", at) for epc, at in (("AA", 5), ("BB", 7), ("AA", 6))]
        assert store.unbound.tags(10) == []
        store.unbound.add(waiting, 100)
        first, second = UnknownTag("BB", 1, 7, 7), UnknownTag("AA", 2, 5, 6)
        assert store.unbound.tags(10) == [first, second]
        assert store.unbound.tags(1) == [first]
        assert store.unbound.tags(10, "AA") == [second]
        assert store.unbound.tags(10, "CC") == []
