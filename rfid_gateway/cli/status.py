"""`rfid-gateway status`."""

from collections.abc import Mapping
from pathlib import Path

import click
from rich.table import Table

from rfid_gateway.cli.configuration import config_option, load, state_folder
from rfid_gateway.cli.output import json_line, json_option, local_time, print_table
from rfid_gateway.cli.status_cells import (
    NUMBERS,
    READER_COLUMNS,
    State,
    current_state,
    headline,
    reader_cells,
    troubles,
)
from rfid_gateway.clock import SystemClock
from rfid_gateway.config import Config, ConfigError


@click.command()
@config_option
@json_option
def status(config_file: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Say how the gateway on this PC is doing; exit code 1 if it is not running."""
    folder, mistakes = state_folder(config_file)
    try:
        state = current_state(folder, SystemClock().utc_us())
    except click.ClickException:
        if mistakes:
            raise ConfigError(mistakes) from None
        raise
    if as_json:
        json_line(state)
    else:
        _show(state)
        for mistake in mistakes:
            click.secho(f"file      {mistake}", fg="red")
        if not mistakes:
            _show_unplaced(load(config_file), state["readers"])
    if not state["running"]:
        raise click.exceptions.Exit(1)


def _show(state: State) -> None:
    words, colour = headline(state)
    click.secho(words, fg=colour, bold=True)
    click.echo(f"broker    {state['broker']}")
    if (web := state.get("web", "off")) != "off":
        click.secho(f"web       {web}", fg="red" if web.startswith("does not") else None)
    for name, trouble in troubles(state):
        click.secho(f"{name:<10}{trouble}", fg="red", bold=True)
    _show_reload(state.get("reload"))
    click.echo(f"waiting   {state['backlog']} events not yet acknowledged by the broker")
    click.echo(
        f"so far    {state['reads']} tag reads, {state['events']} events, {state['published']} published, "
        f"{'?' if state['unbound'] is None else state['unbound']} observations wait for their shipment"
    )
    _show_readers(state["readers"])


def _show_reload(reload: State | None) -> None:
    if reload is None:
        return
    if not reload["mistakes"]:
        click.echo(f"reloaded  {local_time(reload['at'])}")
        return
    click.secho(f"reload    refused at {local_time(reload['at'])}, nothing was changed:", fg="red", bold=True)
    for mistake in reload["mistakes"]:
        click.secho(f"          {mistake}", fg="red")


def _show_readers(readers: Mapping[str, State]) -> None:
    """One line for each reader, and below what is or was wrong with which."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in READER_COLUMNS:
        table.add_column(column, no_wrap=True, justify="right" if column in NUMBERS else "left")
    for reader, row in readers.items():
        table.add_row(*reader_cells(reader, row).values())
    print_table(table)
    for reader, row in readers.items():
        if row["detail"]:
            click.secho(f"{reader}: {row['detail']}", fg="red")
        elif row["last_error"]:
            click.echo(f"{reader}: last trouble {local_time(row['last_error_at'])}: {row['last_error']}")


def _show_unplaced(config: Config, readers: Mapping[str, State]) -> None:
    """Say which reads become nothing, because their antenna belongs to no zone and no door."""
    placed = {antenna for zone in config.zones for antenna in zone.rules.antennas}
    placed |= {antenna for door in config.doors for antenna in door.rules.inside | door.rules.outside}
    for reader, row in readers.items():
        heard = row.get("heard_antennas", ())
        if (reader, 0) not in placed and (unplaced := [each for each in heard if (reader, each) not in placed]):
            antennas = ", ".join(f"{reader}:{each}" for each in unplaced)
            click.secho(f"{reader}: tags are read at {antennas}, which is in no zone and no door: no event", fg="red")
