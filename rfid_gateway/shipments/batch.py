"""Many changes of the directory in one payload: entries and deletions, all of them or none. Pure.

One JSON array, or one object on each line (JSON lines), of entries as every other source has them and of deletions:

    [{"shipment_id": "S-1", "units": [{"sscc": "340123450000000017"}]}, {"shipment_id": "S-0", "delete": true}]

or that array as `entries` of an object, beside fields of the request itself: `{"request_id": "7", "entries": [...]}`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from rfid_gateway.shipments.directory import Shipment
from rfid_gateway.shipments.faults import Faults, nearest
from rfid_gateway.shipments.json_source import EntryReader, json_value

MOST_BYTES = 1 << 20
MOST_ENTRIES = 2_000
"""The directory is written by the thread that also makes events: it must not be away for longer than a moment."""

_REQUEST_FIELDS = ("request_id", "reply_to")


@dataclass(frozen=True, slots=True)
class Batch:
    """What a payload asks for, in its order."""

    entries: tuple[Shipment, ...]
    deletions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A payload taken apart, with the fields around its entries still to be checked."""

    values: tuple[tuple[int | None, object], ...] = field(repr=False)
    """Line (None where the entries do not stand on lines of their own) and JSON value of each."""
    request: Mapping[str, object]
    """`request_id` and `reply_to` as they were given."""


def read_batch(payload: bytes, faults: Faults) -> BatchRequest:
    """Take a payload apart; what is wrong with it as a whole is noted in `faults`.

    Raises:
        ShipmentSourceError: there are too many faults to go on.
    """
    if len(payload) > MOST_BYTES:
        faults.add(None, "", f"has {len(payload)} bytes; expected at most {MOST_BYTES}")
        return BatchRequest((), {})
    content = payload.removeprefix(b"\xef\xbb\xbf")
    if content.lstrip().startswith(b"["):
        return BatchRequest(tuple(_listed(json_value(content, None, faults), faults)), {})
    whole = json_value(content, None, Faults(""))
    if not isinstance(whole, dict):
        return BatchRequest(tuple(_on_lines(content.splitlines(), faults)), {})
    if "entries" not in whole:
        return BatchRequest(((None, whole),), {})
    for name in sorted(whole.keys() - {"entries", *_REQUEST_FIELDS}):
        faults.add(None, name, f"unknown key; {nearest(name, ('entries', *_REQUEST_FIELDS))}")
    request = {name: whole[name] for name in _REQUEST_FIELDS if whole.get(name) is not None}
    return BatchRequest(tuple(_listed(whole["entries"], faults)), request)


def parse_batch(request: BatchRequest, faults: Faults) -> Batch:
    """Return the changes.

    Raises:
        ShipmentSourceError: with every fault in `faults`, each with the index of its entry as `[3].units[0].sscc`.
    """
    if not request.values and not faults.found:
        faults.add(None, "", "has no entries; expected at least one")
    if len(request.values) > MOST_ENTRIES:
        faults.add(None, "", f"has {len(request.values)} entries; expected at most {MOST_ENTRIES} at a time")
        faults.raise_if_any()
    entries: list[Shipment] = []
    deletions: list[str] = []
    first_at: dict[str, int] = {}
    places: dict[str, str] = {}
    for index, (line, value) in enumerate(request.values):
        path = f"[{index}]."
        reader = EntryReader(faults, places, line, path)
        deleted = isinstance(value, dict) and "delete" in value
        shipment = reader.read_deletion(value) if deleted and isinstance(value, dict) else reader.read(value, None)
        if shipment is None:
            continue
        if shipment.shipment_id in first_at:
            problem = f"{shipment.shipment_id!r} stands already in [{first_at[shipment.shipment_id]}]"
            faults.add(line, f"{path}shipment_id", problem)
        first_at.setdefault(shipment.shipment_id, index)
        if deleted:
            deletions.append(shipment.shipment_id)
        else:
            entries.append(shipment)
    faults.raise_if_any()
    return Batch(tuple(entries), tuple(deletions))


def _listed(value: object, faults: Faults) -> Iterator[tuple[None, object]]:
    if isinstance(value, list):
        yield from ((None, entry) for entry in value)
    elif not faults.found:
        faults.add(None, "entries", "expected a list of entries and deletions")


def _on_lines(lines: Iterable[bytes], faults: Faults) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, json_value(line, number, faults)
