"""Shipments from CSV text: UTF-8 with or without BOM, comma or semicolon, one row for each unit.

shipment_id;sscc;parent;orders;carrier;planned_door
S-1001;340123450000000017;;4711|4712;DHL;dock-1
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from rfid_gateway.shipments import fields
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.shipments.faults import Faults, nearest

COLUMNS = ("shipment_id", *fields.KEY_FIELDS, "parent", "orders", *fields.TEXT_FIELDS)

_ORDER_SEPARATOR = re.compile(r"[;|]")


@dataclass(slots=True)
class _Draft:
    """A shipment whose rows are being read; owned by the parser."""

    units: list[Unit] = field(default_factory=list)
    orders: dict[str, None] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)


def parse_csv(lines: Iterable[bytes], source: str) -> tuple[Shipment, ...]:
    """Return all shipments of a file, in the order of their first rows.

    `lines` are read one by one; `source` names the file in errors. Rows of one shipment need not stand together.
    Each names one unit, by one or more of its keys. Orders of its rows are collected; the other columns must agree
    or be empty.

    Raises:
        ShipmentSourceError: with every fault of the file; nothing of it is to be used then.
    """
    faults = Faults(source)
    parser = _Parser(faults)
    for number, row in _rows(lines, faults):
        parser.read(number, row)
    faults.raise_if_any()
    return parser.shipments()


def _rows(lines: Iterable[bytes], faults: Faults) -> Iterator[tuple[int, list[str]]]:
    """Rows with the numbers of the lines on which they begin."""
    texts = _texts(lines, faults)
    header = next(texts, None)
    if header is None:
        faults.add(1, "", "the file is empty; expected a line with the names of the columns")
        return
    delimiter = ";" if header.count(";") > header.count(",") else ","
    yield 1, next(csv.reader([header], delimiter=delimiter))
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    begins = 2
    try:
        for row in reader:
            yield begins, row
            begins = reader.line_num + 2
    except csv.Error as error:
        faults.add(begins, "", f'{error}; expected quotes in pairs, and "" for one inside a value')


def _texts(lines: Iterable[bytes], faults: Faults) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            faults.add(number, f"byte {error.start + 1}", "is not UTF-8; save the file as 'CSV UTF-8'")
            text = line.decode(errors="replace")
        yield text.removeprefix("\ufeff") if number == 1 else text


class _Parser:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._columns: list[str] = []
        self._drafts: dict[str, _Draft] = {}
        self._lines: dict[str, int] = {}
        """Line on which each key was first seen."""

    def read(self, line: int, row: list[str]) -> None:
        if not self._columns:
            self._read_header([name.strip().lower() for name in row])
        elif any(cell.strip() for cell in row):
            self._read_row(line, row)

    def shipments(self) -> tuple[Shipment, ...]:
        return tuple(
            Shipment(name, tuple(draft.units), tuple(draft.orders), **draft.texts)
            for name, draft in self._drafts.items()
        )

    def _read_header(self, names: list[str]) -> None:
        self._columns = names
        for name in dict.fromkeys(names):
            if name not in COLUMNS:
                self._faults.add(1, name, f"unknown column; {nearest(name, COLUMNS)}")
            elif names.count(name) > 1:
                self._faults.add(1, name, "the column is there twice")
        if "shipment_id" not in names:
            self._faults.add(1, "shipment_id", "the column is missing")
        if not set(names) & set(fields.KEY_FIELDS):
            self._faults.add(1, "", f"no column names the units; expected one of {', '.join(fields.KEY_FIELDS)}")
        # With the wrong columns every row would be at fault, and none of them rightly.
        self._faults.raise_if_any()

    def _read_row(self, line: int, row: list[str]) -> None:
        if len(row) != len(self._columns):
            self._faults.add(line, "", f"{len(row)} values for {len(self._columns)} columns")
            return
        cells = dict(zip(self._columns, row, strict=True))
        name = self._faults.attempt(line, "shipment_id", lambda: fields.shipment_id(cells["shipment_id"]))
        # The row is read on without a name, so that its other faults are told as well.
        draft = _Draft() if name is None else self._drafts.setdefault(name, _Draft())
        self._read_units(line, cells, draft)
        if written := cells.get("orders"):
            found = self._faults.attempt(line, "orders", lambda: fields.orders(_ORDER_SEPARATOR.split(written)))
            draft.orders |= dict.fromkeys(found or ())
        for column in fields.TEXT_FIELDS:
            if cell := cells.get(column):
                self._read_text(line, column, cell, draft)

    def _read_units(self, line: int, cells: dict[str, str], draft: _Draft) -> None:
        given = [column for column in fields.KEY_FIELDS if cells.get(column, "").strip()]
        if not given:
            self._faults.add(line, "", "names no unit; expected a value in one of the columns of keys")
        parent = None
        if written := cells.get("parent", "").strip():
            parent = self._faults.attempt(line, "parent", lambda: fields.unit_key("unit", written))
        first: str | None = None
        for column in given:
            key = self._faults.attempt(line, column, partial(fields.unit_key, column, cells[column]))
            if key is None:
                continue
            if key in self._lines:
                self._faults.add(line, column, f"{key} stands already on line {self._lines[key]}")
            self._lines[key] = line
            draft.units.append(Unit(key, parent, first))
            first = first or key

    def _read_text(self, line: int, column: str, cell: str, draft: _Draft) -> None:
        value = self._faults.attempt(line, column, lambda: fields.text_field(column, cell))
        if value is None:
            return
        first = draft.texts.setdefault(column, value)
        if value != first:
            self._faults.add(line, column, f"{value!r}, but an earlier row of the same shipment says {first!r}")
