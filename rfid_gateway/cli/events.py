"""`rfid-gateway events`, `events withdraw` and `rfid-gateway trace`: what happened, from the history on disk."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from rfid_gateway.cli.configuration import config_option, existing_store, load
from rfid_gateway.cli.output import Row, json_line, json_option, listing, local_time
from rfid_gateway.clock import SystemClock
from rfid_gateway.events.withdrawal import Reason
from rfid_gateway.store.connection import Store
from rfid_gateway.store.database import StoreError
from rfid_gateway.store.history import EventFilter, HistoryEvent
from rfid_gateway.withdraw import WithdrawalError, withdraw

_COLUMNS = ("sequence", "time", "shipment", "unit", "step", "direction", "verdict", "place", "published", "withdrawn")
_FOLLOW_PAUSE_S = 0.3
_PAGE = 500


@click.group(invoke_without_command=True, subcommand_metavar="[withdraw ...]")
@config_option
@click.option("--limit", "-n", default=20, show_default=True, help="How many of the latest events.")
@click.option("--follow", "-f", is_flag=True, help="Go on with events as they are committed.")
@click.option("--shipment", help="Only events of this shipment.")
@click.option("--verdict", help="Only events with this verdict, such as wrong_door.")
@json_option
@click.pass_context
def events(
    context: click.Context,
    config_file: Path,
    limit: int,
    follow: bool,  # noqa: FBT001
    shipment: str | None,
    verdict: str | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """List the latest location events; with --follow also those to come, until Ctrl-C."""
    if context.invoked_subcommand is not None:
        _refuse_options_before(context, context.invoked_subcommand)
        return
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


@events.command("withdraw")
@click.argument("name", metavar="EVENT_ID|SEQUENCE")
@click.option(
    "--reason",
    required=True,
    type=click.Choice(["did_not_occur", "incorrect_data"]),
    help="did_not_occur: a ghost read. incorrect_data: it happened, but not like that.",
)
@click.option("--corrective", multiple=True, metavar="EVENT_ID", help="What is right instead; only of incorrect_data.")
@config_option
def withdraw_(name: str, reason: Reason, corrective: tuple[str, ...], config_file: Path) -> None:
    """Declare a location event erroneous, for the order backend too. The gateway may be running."""
    config = load(config_file)
    try:
        with existing_store(config) as store:
            withdrawn = withdraw(store, name, reason, corrective, SystemClock().utc_us(), config.zone_info)
    except (WithdrawalError, StoreError) as error:
        raise click.ClickException(str(error)) from error
    event = withdrawn.event
    click.echo(
        f"event {event.sequence} of shipment {event.shipment_id} ({event.biz_step or 'undecided'}, "
        f"{local_time(event.event_time)}) is withdrawn; event {withdrawn.sequence} says so to the order backend"
    )


def _refuse_options_before(context: click.Context, command: str) -> None:
    """Options of the listing mean nothing to a subcommand; passed over, --config would name another gateway."""
    for name in context.params:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"options stand behind {command!r}: rfid-gateway events {command} --help")


@click.command()
@click.argument("name", metavar="ID")
@config_option
@json_option
def trace(name: str, config_file: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Tell all about a shipment, an SSCC, an EPC (hex) or an event id: what is expected of it and where it was."""
    with existing_store(load(config_file)) as store:
        found = store.history.trace(name)
        waiting = store.unbound.tags(1, name.upper())
    if not found.events and not found.shipments and not waiting:
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
                ("load", shipment.load_id),
                ("units", ", ".join(unit.key for unit in shipment.units)),
            ):
                if value:
                    click.echo(f"  {label:14}{value}")
        for tag in waiting:
            click.echo(
                f"tag {tag.epc}: {tag.observations} observations from {local_time(tag.first_at)} to "
                f"{local_time(tag.last_at)} wait for a shipment that has it"
            )
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
        "withdraws": payload.get("withdraws"),
        "withdrawn": _withdrawn(event, payload),
        "epcis": payload["epcis"],
    }


def _withdrawn(event: HistoryEvent, payload: dict[str, Any]) -> str:
    """What people see of a withdrawal at either of its two events."""
    if event.withdrawn_by is not None:
        return f"by {event.withdrawn_by}"
    if payload.get("withdraws") is None:
        return ""
    return f"withdraws an event: {payload['epcis']['errorDeclaration']['reason']}"


def _say(row: Row) -> None:
    """One event on one line, for people who watch."""
    what = row["biz_step"] or "undecided"
    arrow = {"in": "→ in ", "out": "← out", "undecided": "? und"}.get(row["direction"] or "", "     ")
    colour = {"ok": "green", "undecided": "yellow"}.get(row["verdict"], "red")
    verdict = click.style(row["verdict"], fg=colour)
    place = row["read_point"].rsplit(":", 1)[-1]
    withdrawn = click.style(f"  {row['withdrawn']}", fg="red") if row["withdrawn"] else ""
    click.echo(f"{row['time']}  {row['shipment_id']:<20} {what:<12} {arrow}  {place:<28} {verdict}{withdrawn}")
