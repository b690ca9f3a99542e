"""`rfid-gateway shipments`: the directory of what is expected, on this PC."""

from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from rfid_gateway.cli.configuration import config_option, existing_store, load
from rfid_gateway.cli.output import Row, json_line, json_option, listing, local_time
from rfid_gateway.shipments.csv_source import parse_csv
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.shipments.faults import ShipmentSourceError
from rfid_gateway.shipments.json_source import parse_json
from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.database import StoreError

_COLUMNS = ("shipment_id", "units", "orders", "destination", "carrier", "planned_door", "planned_departure", "load")
_BATCH = 2_000
"""Shipments in one commit: the running gateway must not wait for the database longer than a moment."""
_PAGE = 500


@click.group()
def shipments() -> None:
    """Import, list and show the shipments that tags belong to."""


@shipments.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@config_option
def import_file(file: Path, config_file: Path) -> None:
    """Read shipments from a CSV file, or from JSON (an array, or an object on each line).

    A file with a mistake is refused as a whole, with every mistake named. The gateway may be running.
    """
    config = load(config_file)
    parse = parse_csv if file.suffix.lower() in (".csv", ".txt") else parse_json
    try:
        with file.open("rb") as lines:
            entries = parse(lines, file.name)
    except ShipmentSourceError as error:
        click.echo(str(error), err=True)
        raise click.ClickException(f"{len(error.faults)} mistakes; nothing was imported") from error
    try:
        Path(config.gateway.state_dir).mkdir(parents=True, exist_ok=True)
        with open_store(config.database) as store:
            batches = [entries[start : start + _BATCH] for start in range(0, len(entries), _BATCH)]
            for batch in track(batches, "importing", console=Console(stderr=True), transient=True):
                store.directory.upsert(batch)
    except (StoreError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(entries)} shipments with {sum(len(_units(entry)) for entry in entries)} units imported")


@shipments.command("list")
@click.option("--limit", "-n", default=50, show_default=True, help="How many, in order of their ids.")
@click.option("--door", help="Only shipments planned for this door.")
@config_option
@json_option
def list_(limit: int, door: str | None, config_file: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """List shipments."""
    with existing_store(load(config_file)) as store:
        rows = (_row(entry) for entry in _entries(store, limit, door))
        listing(rows, _COLUMNS, as_json=as_json, nothing="the directory is empty")


@shipments.command()
@click.argument("shipment_id")
@config_option
@json_option
def show(shipment_id: str, config_file: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Show one shipment with its units."""
    with existing_store(load(config_file)) as store:
        entry = store.directory.show(shipment_id)
    if entry is None:
        raise click.ClickException(f"there is no shipment {shipment_id!r}")
    row = _row(entry)
    if as_json:
        json_line(row)
        return
    for name, value in row.items():
        for line in value if isinstance(value, list) else [value]:
            if line not in (None, ""):
                click.echo(f"{name.replace('_', ' '):20}{line}")


@shipments.command()
@click.option("-n", "--limit", default=100, show_default=True, help="How many tags at most.")
@config_option
@json_option
def unknown(limit: int, config_file: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """List tags that were seen and that no shipment has: their events wait for the entry."""
    with existing_store(load(config_file)) as store:
        rows = (
            {
                "epc": tag.epc,
                "observations": tag.observations,
                "first": local_time(tag.first_at),
                "last": local_time(tag.last_at),
                "first_at": tag.first_at,
                "last_at": tag.last_at,
            }
            for tag in store.unbound.tags(limit)
        )
        listing(rows, ("epc", "observations", "first", "last"), as_json=as_json, nothing="no tag waits for its entry")


def _entries(store: Store, limit: int, door: str | None) -> Iterator[Shipment]:
    after = ""
    while limit > 0:
        page = store.directory.list(min(limit, _PAGE), after, door)
        yield from page
        if len(page) < min(limit, _PAGE):
            return
        limit -= len(page)
        after = page[-1].shipment_id


def _row(entry: Shipment) -> Row:
    return {
        "shipment_id": entry.shipment_id,
        "orders": list(entry.orders),
        "customer_reference": entry.customer_reference,
        "despatch_advice": entry.despatch_advice,
        "carrier": entry.carrier,
        "destination": entry.destination,
        "planned_door": entry.planned_door,
        "planned_departure": entry.planned_departure,
        "load": entry.load_id,
        "units": _units(entry),
    }


def _units(entry: Shipment) -> list[str]:
    """A text for each unit: its keys, the one that stands for it first, and what carries it."""
    things: dict[str, list[Unit]] = {}
    for unit in entry.units:
        things.setdefault(unit.thing, []).append(unit)
    return [_unit(sorted(units, key=lambda unit: unit.counts_as is not None)) for units in things.values()]


def _unit(units: list[Unit]) -> str:
    keys, parent = " = ".join(unit.key for unit in units), units[0].parent
    return f"{keys} on {parent}" if parent else keys
