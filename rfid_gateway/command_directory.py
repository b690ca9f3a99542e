"""Commands and batches that look into the shipment directory or change it, inside the drain's commit.

A unit may have several keys (SSCC and TID of one tag). Whichever of them a command names, it means the whole unit.
"""

from typing import assert_never

from rfid_gateway.commands.catalogue import BindTag, DirectoryBatch, FindTag, UnbindTag
from rfid_gateway.commands.reply import Outcome, Reply, refused
from rfid_gateway.events.times import rfc3339
from rfid_gateway.shipments.faults import Fault
from rfid_gateway.store.connection import Store


class DirectoryCommands:
    """Carries out what concerns the directory. Owner: the executor, in the pipeline's thread; holds only the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def carry_out(self, ask: FindTag | BindTag | UnbindTag | DirectoryBatch) -> Reply:
        """Do what is asked; belongs into a transaction. Raises StoreError."""
        match ask:
            case FindTag():
                return self._find(ask.key)
            case BindTag():
                return self._bind(ask)
            case UnbindTag():
                return self._unbind(ask.key)
            case DirectoryBatch():
                return self._write(ask)
            case _:
                assert_never(ask)

    def _find(self, key: str) -> Reply:
        directory = self._store.directory
        found = directory.find((key,))
        state = self._store.unit_states.unit_state(found[1].thing if found else key)
        result: dict[str, object] = {
            "key": key,
            "keys": list(directory.keys_of(key)),
            "shipment_id": found[0].shipment_id if found else None,
            "parent": found[1].parent if found else None,
            "planned_door": found[0].planned_door if found else None,
            "last_read_point": state.read_point if state else None,
            "last_biz_step": state.biz_step if state else None,
            "last_direction": state.direction if state else None,
            "last_event_time": rfc3339(state.event_time, "+00:00") if state else None,
        }
        where = f"travels under {found[0].shipment_id}" if found else "is in no shipment"
        return Reply(Outcome.DONE, f"{key} {where}", result)

    def _bind(self, ask: BindTag) -> Reply:
        directory, key = self._store.directory, ask.unit.key
        found = directory.find((key,))
        if not directory.bind(ask.shipment_id, ask.unit):
            problem = f"there is no shipment {ask.shipment_id!r} in the directory; announce it first"
            return refused([Fault("", None, "shipment_id", problem)])
        before = found[0].shipment_id if found and found[0].shipment_id != ask.shipment_id else None
        result = {
            "key": key,
            "keys": list(directory.keys_of(key)),
            "shipment_id": ask.shipment_id,
            "previous_shipment_id": before,
        }
        return Reply(Outcome.DONE, f"{key} travels under {ask.shipment_id} now", result)

    def _unbind(self, key: str) -> Reply:
        directory = self._store.directory
        found = directory.find((key,))
        if found is None:
            problem = f"{key} is in no shipment; expected the key of a unit of the directory"
            return refused([Fault("", None, "", problem)])
        keys = directory.keys_of(key)
        directory.unbind(key)
        before = found[0].shipment_id
        result = {"key": key, "keys": list(keys), "shipment_id": None, "previous_shipment_id": before}
        return Reply(Outcome.DONE, f"{key} travels under {before} no longer", result)

    def _write(self, ask: DirectoryBatch) -> Reply:
        written = self._store.directory.upsert(ask.entries)
        deleted = sum(self._store.directory.delete(shipment_id) for shipment_id in ask.deletions)
        unknown = len(ask.deletions) - deleted
        detail = f"{written} entries written, {deleted} deleted, {unknown} to be deleted were not there"
        return Reply(Outcome.DONE, detail, {"written": written, "deleted": deleted, "unknown": unknown})
