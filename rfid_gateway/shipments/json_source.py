"""Shipments from JSON: the payload of a directory topic, or a list of such objects for an import.

{"units": [{"sscc": "340123450000000017"}, {"epc": "3034257BF7194E4000001A85", "parent": "..."}],
 "orders": ["4711"], "carrier": "DHL", "planned_door": "dock-1"}
"""

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from rfid_gateway.shipments import fields
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.shipments.faults import Faults, nearest

NAMES = ("shipment_id", "units", "orders", *fields.TEXT_FIELDS)
UNIT_NAMES = (*fields.KEY_FIELDS, "parent")

T = TypeVar("T")


_BROKEN = object()
"""Stands for a value that could not be read and has left a fault; `null` is a value."""


def parse_payload(shipment_id: str, payload: bytes, topic: str) -> Shipment:
    """Return the entry that a directory topic carries.

    `shipment_id` is the last level of `topic`, which names the source in errors.

    Raises:
        ShipmentSourceError: with every fault of the payload; nothing of it is to be used then.
    """
    faults = Faults(topic)
    entry = EntryReader(faults, {}, None, "").read(json_value(payload, None, faults), shipment_id)
    faults.raise_if_any()
    assert entry is not None, "an entry that is not there has left a fault"
    return entry


def parse_json(lines: Iterable[bytes], source: str) -> tuple[Shipment, ...]:
    """Return all entries of a file: one JSON array of them, or one entry on each line (JSON lines).

    `source` names the file in errors. Every entry has its `shipment_id` inside.

    Raises:
        ShipmentSourceError: with every fault of the file; nothing of it is to be used then.
    """
    faults = Faults(source)
    entries: dict[str, Shipment] = {}
    places: dict[str, str] = {}
    for line, path, value in _values(iter(lines), faults):
        shipment = EntryReader(faults, places, line, path).read(value, None)
        if shipment is None:
            continue
        if shipment.shipment_id in entries:
            faults.add(line, f"{path}shipment_id", f"{shipment.shipment_id!r} stands already further up")
        entries[shipment.shipment_id] = shipment
    faults.raise_if_any()
    return tuple(entries.values())


def _values(lines: Iterator[bytes], faults: Faults) -> Iterator[tuple[int | None, str, object]]:
    """Line, JSON path in front of the entry's fields, and value of each entry."""
    blank = b""
    for number, line in enumerate(lines, start=1):
        content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not content.strip():
            blank += content
        elif content.lstrip().startswith(b"["):
            yield from _array(json_value(blank + content + b"".join(lines), None, faults))
        else:
            yield number, "", json_value(content, number, faults)


def _array(value: object) -> Iterator[tuple[None, str, object]]:
    if isinstance(value, list):
        yield from ((None, f"[{index}].", entry) for index, entry in enumerate(value))


def json_value(content: bytes, line: int | None, faults: Faults) -> object:
    """Return the value of a JSON text, or one of no JSON type after noting why it cannot be read."""
    try:
        return json.loads(content.decode())
    except UnicodeDecodeError as error:
        faults.add(line, f"byte {error.start + 1}", "is not UTF-8")
    except json.JSONDecodeError as error:
        faults.add(line or error.lineno, f"column {error.colno}", f"is no JSON: {error.msg}")
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, or brackets nested thousands deep.
        faults.add(line, "", f"is no JSON that can be read: {error}")
    return _BROKEN


class EntryReader:
    """Reads one entry. `path` stands in front of the places that its faults name, `places` knows each key's."""

    def __init__(self, faults: Faults, places: dict[str, str], line: int | None, path: str) -> None:
        self._faults = faults
        self._places = places
        self._line = line
        self._path = path

    def read(self, value: object, shipment_id: str | None) -> Shipment | None:
        """Return the entry, or None after noting why there is none; the caller raises what was noted."""
        if value is _BROKEN:
            return None
        if not isinstance(value, dict):
            self._add("", "expected an object with the fields of a shipment")
            return None
        self._refuse_unknown("", value, NAMES)
        name = self._shipment_id(value, shipment_id)
        units = tuple(self._units(value.get("units", [])))
        orders = self._orders(value.get("orders", []))
        texts = {field: self._text(field, value.get(field)) for field in fields.TEXT_FIELDS}
        return None if name is None else Shipment(name, units, orders, **texts)

    def read_deletion(self, value: dict[str, object]) -> Shipment | None:
        """Return the entry, without anything but its id, that `{"shipment_id": "S-1", "delete": true}` names."""
        self._refuse_unknown("", value, ("shipment_id", "delete"))
        if value["delete"] is not True:
            self._add("delete", "expected true; leave it out to write the entry")
        name = self._shipment_id(value, None)
        return None if name is None else Shipment(name)

    def _shipment_id(self, value: dict[str, object], expected: str | None) -> str | None:
        inside = value.get("shipment_id", expected)
        if inside is None:
            self._add("shipment_id", "is missing")
            return None
        name = self._attempt("shipment_id", lambda: fields.shipment_id(inside))
        if name is not None and expected is not None and name != expected:
            self._add("shipment_id", f"is {name!r}, but the topic says {expected!r}")
        return name

    def _units(self, values: object) -> Iterator[Unit]:
        if not isinstance(values, list):
            self._add("units", 'expected a list such as [{"sscc": "340123450000000017"}]')
            return
        for index, value in enumerate(values):
            if isinstance(value, dict):
                yield from self._unit(f"units[{index}]", value)
            else:
                self._add(f"units[{index}]", 'expected an object such as {"sscc": "340123450000000017"}')

    def _unit(self, place: str, value: dict[str, object]) -> Iterator[Unit]:
        self._refuse_unknown(f"{place}.", value, UNIT_NAMES)
        given = [field for field in fields.KEY_FIELDS if value.get(field) is not None]
        if not given:
            self._add(place, f"names no unit; expected one of {', '.join(fields.KEY_FIELDS)}")
        parent = None
        if value.get("parent") is not None:
            parent = self._attempt(f"{place}.parent", partial(fields.unit_key, "unit", value["parent"]))
        first: str | None = None
        for field in given:
            key = self._attempt(f"{place}.{field}", partial(fields.unit_key, field, value[field]))
            if key is not None:
                self._note(key, f"{place}.{field}")
                yield Unit(key, parent, first)
                first = first or key

    def _note(self, key: str, place: str) -> None:
        if key in self._places:
            self._add(place, f"{key} stands already in {self._places[key]}")
        self._places[key] = f"{self._path}{place}" if self._line is None else f"line {self._line}, {place}"

    def _orders(self, values: object) -> tuple[str, ...]:
        if not isinstance(values, list):
            self._add("orders", 'expected a list of strings such as ["4711"]')
            return ()
        return self._attempt("orders", lambda: fields.orders(values)) or ()

    def _text(self, field: str, value: object) -> str | None:
        return None if value is None else self._attempt(field, lambda: fields.text_field(field, value))

    def _refuse_unknown(self, place: str, value: dict[str, object], known: tuple[str, ...]) -> None:
        for name in sorted(value.keys() - set(known)):
            self._add(f"{place}{name}", f"unknown key; {nearest(name, known)}")

    def _add(self, place: str, problem: str) -> None:
        self._faults.add(self._line, f"{self._path}{place}".removesuffix("."), problem)

    def _attempt(self, place: str, check: Callable[[], T]) -> T | None:
        return self._faults.attempt(self._line, f"{self._path}{place}", check)
