"""`rfid-gateway run`."""

import signal
from pathlib import Path
from threading import Event

import click

from rfid_gateway.cli import logs
from rfid_gateway.cli.configuration import config_option, load
from rfid_gateway.clock import SystemClock
from rfid_gateway.service import Service
from rfid_gateway.store.database import StoreError


@click.command()
@config_option
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
def run(config_file: Path, log_level: str) -> None:
    """Run the gateway until it is told to stop (SIGTERM or Ctrl-C)."""
    config = load(config_file)
    logs.configure(log_level)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        service = Service(config, SystemClock())
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    service.start()
    while not stop.wait(0.5) and service.alive():
        pass
    died = not stop.is_set()
    summary = service.stop()
    click.echo(summary.sentence())
    if died:
        raise click.ClickException("a part of the gateway ended by itself; the log says why")
