"""`rfid-gateway events` and `rfid-gateway trace`: what happened, from the history on disk."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import click

from rfid_gateway.cli.configuration import config_option, existing_store, load
from rfid_gateway.cli.output import Row, json_line, json_option, listing, local_time
from rfid_gateway.store.connection import Store
from rfid_gateway.store.history import EventFilter, HistoryEvent

_COLUMNS = ("time", "shipment", "unit", "step", "direction", "verdict", "place", "published")
_FOLLOW_PAUSE_S = 0.3
_PAGE = 500


@click.command()
@config_option
@click.option("--limit", "-n", default=20, show_default=True, help="How many of the latest events.")
@click.option("--follow", "-f", is_flag=True, help="Go on with events as they are committed.")
@click.option("--shipment", help="Only events of this shipment.")
@click.option("--verdict", help="Only events with this verdict, such as wrong_door.")
@json_option
def events(
    config_file: Path,
    limit: int,
    follow: bool,  # noqa: FBT001
    shipment: str | None,
    verdict: str | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """List the latest location events; with --follow also those to come, until Ctrl-C."""
    only = EventFilter(shipment_id=shipment, verdict=verdict)
    with existing_store(load(config_file)) as store:
        latest = store.history.events(limit, only)
        if not follow:
            rows = (_row(event) for event in latest)
            listing(rows, _COLUMNS, as_json=as_json, nothing="no events yet")
            return
        say = json_line if as_json else _say
        for event in latest:
            say(_row(event))
        newest = store.history.events(1)
        try:
            for event in _coming(store, newest[-1].sequence if newest else 0):
                if shipment in (None, event.shipment_id) and verdict in (None, event.verdict):
                    say(_row(event))
        except KeyboardInterrupt:
            return


@click.command()
@click.argument("name", metavar="ID")
@config_option
@json_option
def trace(name: str, config_file: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Tell all about a shipment, an SSCC, an EPC (hex) or an event id: what is expected of it and where it was."""
    with existing_store(load(config_file)) as store:
        found = store.history.trace(name)
    if not found.events and not found.shipments:
        raise click.ClickException(f"nothing is known of {name!r}: no shipment, SSCC, EPC or event id")
    if not as_json:
        for shipment in found.shipments:
            click.secho(f"shipment {shipment.shipment_id}", bold=True)
            for label, value in (
                ("orders", ", ".join(shipment.orders)),
                ("customer", shipment.customer_reference),
                ("carrier", shipment.carrier),
                ("destination", shipment.destination),
                ("planned door", shipment.planned_door),
                ("departure", shipment.planned_departure),
                ("units", ", ".join(unit.key for unit in shipment.units)),
            ):
                if value:
                    click.echo(f"  {label:14}{value}")
    rows = (_row(event) for event in found.events)
    listing(rows, _COLUMNS, as_json=as_json, nothing="no events of it yet")


def _coming(store: Store, sequence: int) -> Iterator[HistoryEvent]:
    """Events after a sequence, for ever; the gateway writes them in another process."""
    while True:
        page = store.history.events_after(sequence, _PAGE)
        yield from page
        if page:
            sequence = page[-1].sequence
        else:
            time.sleep(_FOLLOW_PAUSE_S)


def _row(event: HistoryEvent) -> Row:
    payload = json.loads(event.payload)
    return {
        "time": local_time(event.event_time),
        **{key: value for key, value in event._asdict().items() if key not in ("payload", "published_at")},
        "shipment": event.shipment_id,
        "unit": event.logistic_unit or event.epc,
        "step": event.biz_step,
        "place": event.read_point.rsplit(".", 1)[-1],
        "orders": payload["orders"],
        "confidence": payload["confidence"],
        "published": "waits" if event.published_at is None else "yes",
        "published_at": event.published_at,
        "epcis": payload["epcis"],
    }


def _say(row: Row) -> None:
    """One event on one line, for people who watch."""
    what = row["biz_step"] or "undecided"
    arrow = {"in": "→ in ", "out": "← out", "undecided": "? und"}.get(row["direction"] or "", "     ")
    colour = {"ok": "green", "undecided": "yellow"}.get(row["verdict"], "red")
    verdict = click.style(row["verdict"], fg=colour)
    place = row["read_point"].rsplit(":", 1)[-1]
    click.echo(f"{row['time']}  {row['shipment_id']:<20} {what:<12} {arrow}  {place:<28} {verdict}")
