"""`rfid-gateway status`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from rfid_gateway.cli.configuration import config_option, load, state_folder
from rfid_gateway.cli.output import json_line, json_option, local_time, print_table
from rfid_gateway.clock import SystemClock
from rfid_gateway.config import Config, ConfigError
from rfid_gateway.state_file import read_state
from rfid_gateway.state_guard import FRESH_US


@click.command()
@config_option
@json_option
def status(config_file: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Say how the gateway on this PC is doing; exit code 1 if it is not running."""
    folder, mistakes = state_folder(config_file)
    try:
        state: dict[str, Any] = read_state(folder)
    except FileNotFoundError as error:
        if mistakes:
            raise ConfigError(mistakes) from None
        raise click.ClickException(f"the gateway has not run here yet: there is no {error.filename}") from None
    running = state["running"] = is_running(state)
    if as_json:
        json_line(state)
    else:
        _show(state)
        for mistake in mistakes:
            click.secho(f"file      {mistake}", fg="red")
        if not mistakes:
            _show_unplaced(load(config_file), state["readers"])
    if not running:
        raise click.exceptions.Exit(1)


def is_running(state: Mapping[str, Any]) -> bool:
    """Whether the gateway that wrote this runs, and writes on."""
    return not state["stopped"] and SystemClock().utc_us() - state["at"] < FRESH_US


def _show(state: dict[str, Any]) -> None:
    if state["running"]:
        click.secho(f"running since {local_time(state['started'])}", fg="green", bold=True)
    elif state["stopped"]:
        click.secho(f"stopped at {local_time(state['at'])}", fg="yellow", bold=True)
    else:
        click.secho(f"not running: last sign of life {local_time(state['at'])}", fg="red", bold=True)
    click.echo(f"broker    {state['broker']}")
    if (web := state.get("web", "off")) != "off":
        click.secho(f"web       {web}", fg="red" if web.startswith("does not") else None)
    for name in ("database", "disk", "clock"):
        if (words := state.get(name, "ok")) != "ok":
            click.secho(f"{name:<10}{words}", fg="red", bold=True)
    for name in state.get("databases_set_aside", ()):
        click.secho(f"database  set aside as {name}: it was damaged; see docs/durability.md", fg="red")
    if lost := state.get("observations_lost"):
        click.secho(f"lost      {lost} observations, while nothing could be kept", fg="red", bold=True)
    _show_reload(state.get("reload"))
    click.echo(f"waiting   {state['backlog']} events not yet acknowledged by the broker")
    if state["backlog"] and state.get("refused"):
        words = f"{state['refused']} times the broker refused an event, and gets it again; the log says why"
        click.secho(f"refused   {words}", fg="red", bold=True)
    if state.get("events_set_aside"):
        click.secho(
            f"set aside {state['events_set_aside']} events that the broker does not take: rfid-gateway outbox", fg="red"
        )
    click.echo(
        f"so far    {state['reads']} tag reads, {state['events']} events, {state['published']} published, "
        f"{'?' if state['unbound'] is None else state['unbound']} observations wait for their shipment"
    )
    _show_readers(state["readers"])


def _show_reload(reload: dict[str, Any] | None) -> None:
    if reload is None:
        return
    if not reload["mistakes"]:
        click.echo(f"reloaded  {local_time(reload['at'])}")
        return
    click.secho(f"reload    refused at {local_time(reload['at'])}, nothing was changed:", fg="red", bold=True)
    for mistake in reload["mistakes"]:
        click.secho(f"          {mistake}", fg="red")


def _show_readers(readers: dict[str, dict[str, Any]]) -> None:
    """One line for each reader, and below what is or was wrong with which."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(column, no_wrap=True, justify="right" if column in _NUMBERS else "left")
    for reader, row in readers.items():
        table.add_row(reader, *_cells(row))
    print_table(table)
    for reader, row in readers.items():
        if row["detail"]:
            click.secho(f"{reader}: {row['detail']}", fg="red")
        elif row["last_error"]:
            click.echo(f"{reader}: last trouble {local_time(row['last_error_at'])}: {row['last_error']}")


def _show_unplaced(config: Config, readers: dict[str, dict[str, Any]]) -> None:
    """Say which reads become nothing, because their antenna belongs to no zone and no door."""
    placed = {antenna for zone in config.zones for antenna in zone.rules.antennas}
    placed |= {antenna for door in config.doors for antenna in door.rules.inside | door.rules.outside}
    for reader, row in readers.items():
        heard = row.get("heard_antennas", ())
        if (reader, 0) not in placed and (unplaced := [each for each in heard if (reader, each) not in placed]):
            antennas = ", ".join(f"{reader}:{each}" for each in unplaced)
            click.secho(f"{reader}: tags are read at {antennas}, which is in no zone and no door: no event", fg="red")


_COLUMNS = (
    "reader",
    "state",
    "since",
    "reads/s",
    "reads",
    "last read",
    "clock",
    "returns",
    "antennas",
    "°C",
    "model",
)
_NUMBERS = {"reads/s", "reads", "clock", "returns", "°C"}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["state"],
        local_time(row["since"]),
        f"{row['reads_per_second']:.1f}",
        str(row["reads"]),
        "never" if row["last_read_at"] is None else local_time(row["last_read_at"]),
        "" if row["clock_offset"] is None else f"{row['clock_offset'] / 1e6:+.3f} s",
        str(row["reconnects"]),
        "?" if row["antennas"] is None else ", ".join(map(str, row["antennas"])) or "none",
        "" if row["temperature"] is None else f"{row['temperature']:.0f}",
        " ".join(filter(None, (row["model"], row["firmware"]))),
    )
