"""`rfid-gateway status`."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from rfid_gateway.cli.configuration import config_option, load
from rfid_gateway.cli.output import json_line, json_option, local_time
from rfid_gateway.clock import SystemClock
from rfid_gateway.state_file import read_state

_FRESH_US = 10_000_000
"""The gateway writes its status every second; older than this, it is not running or hangs."""


@click.command()
@config_option
@json_option
def status(config_file: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Say how the gateway on this PC is doing; exit code 1 if it is not running."""
    config = load(config_file)
    try:
        state: dict[str, Any] = read_state(Path(config.gateway.state_dir))
    except FileNotFoundError as error:
        raise click.ClickException(f"the gateway has not run here yet: there is no {error.filename}") from None
    running = not state["stopped"] and SystemClock().utc_us() - state["at"] < _FRESH_US
    state["running"] = running
    if as_json:
        json_line(state)
    else:
        _show(state)
    if not running:
        raise click.exceptions.Exit(1)


def _show(state: dict[str, Any]) -> None:
    if state["running"]:
        click.secho(f"running since {local_time(state['started'])}", fg="green", bold=True)
    elif state["stopped"]:
        click.secho(f"stopped at {local_time(state['at'])}", fg="yellow", bold=True)
    else:
        click.secho(f"not running: last sign of life {local_time(state['at'])}", fg="red", bold=True)
    click.echo(f"broker    {state['broker']}")
    click.echo(f"waiting   {state['backlog']} events not yet acknowledged by the broker")
    click.echo(
        f"so far    {state['reads']} tag reads, {state['events']} events, {state['published']} published, "
        f"{state['unbound']} observations wait for their shipment"
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("reader", "state", "since", "model", "reads", "detail"):
        table.add_column(column)
    for reader, row in state["readers"].items():
        table.add_row(reader, row["state"], local_time(row["since"]), row["model"], str(row["reads"]), row["detail"])
    Console().print(table)
