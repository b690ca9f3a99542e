"""`rfid-gateway outbox`: what waits for the broker, what it does not take and why."""

from collections.abc import Iterator
from pathlib import Path

import click

from rfid_gateway.cli.configuration import config_option, existing_store, load
from rfid_gateway.cli.output import Row, json_line, json_option, listing, local_time
from rfid_gateway.store.connection import Store
from rfid_gateway.store.database import StoreError
from rfid_gateway.store.outbox import SetAside

_COLUMNS = ("sequence", "time", "shipment", "set_aside_at", "reason")
_PAGE = 500


@click.group(invoke_without_command=True)
@config_option
@json_option
@click.pass_context
def outbox(context: click.Context, config_file: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Say how many events wait for the broker and since when, and list what is set aside and why.

    With --json the first line is the summary, and one line follows for each event that is set aside.
    """
    if context.invoked_subcommand is not None:
        context.obj = config_file
        return
    with existing_store(load(config_file)) as store:
        summary = _summary(store)
        if as_json:
            json_line(summary)
            for event in _aside(store):
                json_line(_row(event))
            return
        _show(summary)
        if summary["set_aside"]:
            listing((_for_people(event) for event in _aside(store)), _COLUMNS, as_json=False, nothing="")


@outbox.command()
@click.argument("sequences", metavar="[SEQUENCE]...", type=click.IntRange(min=1), nargs=-1)
@config_option
@click.pass_context
def retry(context: click.Context, sequences: tuple[int, ...], config_file: Path) -> None:
    """Put events back that were set aside, all or the named ones: when the broker has been put right.

    The gateway may be running. It sends them at once, marked as replayed, after events that happened later.
    """
    source = click.core.ParameterSource.DEFAULT
    chosen = context.obj if context.get_parameter_source("config_file") is source else config_file
    with existing_store(load(chosen)) as store:
        missing = sorted(set(sequences) - {event.sequence for event in _aside(store)}) if sequences else []
        if missing:
            raise click.ClickException(f"not set aside: {', '.join(map(str, missing))}; nothing was changed")
        try:
            count = store.outbox.retry(sequences or None)
        except StoreError as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{count} events wait for the broker again")


def _summary(store: Store) -> dict[str, object]:
    oldest = store.outbox.oldest()
    return {
        "waiting": store.outbox.backlog(),
        "oldest_sequence": oldest and oldest.sequence,
        "oldest_event_time": oldest and oldest.event_time,
        "set_aside": store.outbox.aside_count(),
    }


def _show(summary: Row) -> None:
    if summary["waiting"]:
        since = local_time(summary["oldest_event_time"])
        click.echo(f"waiting   {summary['waiting']} events, the oldest ({summary['oldest_sequence']}) since {since}")
    else:
        click.echo("waiting   nothing: the broker has acknowledged every event")
    if summary["set_aside"]:
        words = f"set aside {summary['set_aside']} events that the broker does not take; rfid-gateway outbox retry"
        click.secho(f"{words} sends them again", fg="red")
    else:
        click.echo("set aside nothing")


def _aside(store: Store) -> Iterator[SetAside]:
    after = 0
    while page := store.outbox.aside(after, _PAGE):
        yield from page
        after = page[-1].sequence


def _row(event: SetAside) -> Row:
    return event._asdict()


def _for_people(event: SetAside) -> Row:
    return {
        "sequence": event.sequence,
        "time": local_time(event.event_time),
        "shipment": event.shipment_id,
        "set_aside_at": local_time(event.at),
        "reason": event.reason,
    }
