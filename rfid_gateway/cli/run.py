"""`rfid-gateway run`."""

import faulthandler
import signal
from pathlib import Path
from threading import Event

import click
import structlog

from rfid_gateway.cli import logs
from rfid_gateway.cli.configuration import config_option, load
from rfid_gateway.cli.packaged import is_example
from rfid_gateway.clock import SystemClock
from rfid_gateway.config import ConfigError
from rfid_gateway.service import Service
from rfid_gateway.store.database import StoreError
from rfid_gateway.systemd import Attendance, ServiceManager, message

log = structlog.get_logger(__name__)

BEAT_S = 0.5


@click.command()
@config_option
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
def run(config_file: Path, log_level: str) -> None:
    """Run the gateway until it is told to stop (SIGTERM or Ctrl-C)."""
    faulthandler.enable()  # systemd's watchdog sends SIGABRT: the journal then has every thread's stack
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    manager = ServiceManager()
    logs.configure(log_level)
    if is_example(config_file):
        _not_configured(config_file, manager, stop)
        return
    config = load(config_file)
    try:
        service = Service(config, SystemClock())
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    service.start()
    _attend(service, manager, stop)
    died = not stop.is_set()
    manager.tell(message(STOPPING=1, STATUS="stopping: what was read is committed and sent"))
    summary = service.stop()
    manager.tell(message(STATUS=summary.sentence()))
    click.echo(summary.sentence())
    if died:
        raise click.ClickException("a part of the gateway ended by itself; the log says why")


def _attend(service: Service, manager: ServiceManager, stop: Event) -> None:
    """Tell the service manager how the workers are doing, until the end."""
    attendance, clock = Attendance(manager.watchdog_us), SystemClock()
    hanging: list[str] = []
    while not stop.wait(BEAT_S) and service.alive():
        now, heartbeats = clock.monotonic_us(), service.heartbeats()
        stale = attendance.stale(heartbeats, now)
        if stale != hanging:
            hanging = stale
            log.error("worker.hangs" if stale else "worker.moves", workers=", ".join(stale))
        datagram = attendance.due(heartbeats, service.status_line(), now)
        if datagram is not None:
            manager.tell(datagram)


def _not_configured(config_file: Path, manager: ServiceManager, stop: Event) -> None:
    """Say what to do next. A fresh package's service waits with it in its status: it has not failed.

    Raises:
        ConfigError: there is no service manager, so there is nobody who would read a status.
    """
    words = f"not configured: call rfid-gateway setup, which writes {config_file} and says what to do next"
    if not manager.present:
        raise ConfigError([words])
    log.warning("gateway.not_configured", file=str(config_file), detail=words)
    manager.tell(message(READY=1, STATUS=words))
    while not stop.wait(BEAT_S):
        manager.tell(message(WATCHDOG=1))
    manager.tell(message(STOPPING=1))
