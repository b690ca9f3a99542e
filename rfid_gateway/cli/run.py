"""`rfid-gateway run`."""

import faulthandler
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import click
import structlog

from rfid_gateway.cli import logs
from rfid_gateway.cli.configuration import config_option, load, load_next
from rfid_gateway.cli.hangup import Hangup
from rfid_gateway.cli.packaged import is_example
from rfid_gateway.clock import SystemClock
from rfid_gateway.config import ConfigError
from rfid_gateway.service import Service
from rfid_gateway.state_guard import InUseError, held, state_lock
from rfid_gateway.stop_signal import StopSignal
from rfid_gateway.store.database import StoreError
from rfid_gateway.systemd import Attendance, ServiceManager, message, reloading

log = structlog.get_logger(__name__)

BEAT_S = 0.5


@click.command()
@config_option
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Log events of this level and above; goes before log.level of the configuration.",
)
def run(config_file: Path, log_level: str | None) -> None:
    """Run the gateway until it is told to stop (SIGTERM or Ctrl-C); SIGHUP reads the configuration again."""
    faulthandler.enable()  # systemd's watchdog sends SIGABRT: the journal then has every thread's stack
    stop = click.get_current_context().with_resource(StopSignal())
    hangup = Hangup(stop)
    manager = ServiceManager()
    logs.configure(log_level or "info")
    if is_example(config_file):
        _not_configured(config_file, manager, stop, hangup)
        return
    config = load(config_file)
    logs.configure(log_level or config.log.level)
    with _alone(Path(config.gateway.state_dir)):
        try:
            service = Service(config, SystemClock(), partial(load_next, config_file))
        except StoreError as error:
            raise click.ClickException(str(error)) from error
        service.start()
        reloads = _Reloads(service, manager, hangup, log_level)
        _attend(service, manager, stop, reloads)
        died = not stop.is_set()
        manager.tell(message(STOPPING=1, STATUS="stopping: what was read is committed and sent"))
        summary = service.stop()
    manager.tell(message(STATUS=summary.sentence()))
    click.echo(summary.sentence())
    if died:
        raise click.ClickException("a part of the gateway ended by itself; the log says why")


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Have the state folder to ourselves; make it where it is not there.

    Raises:
        ConfigError: its state belongs elsewhere; starting again does not help.
        click.ClickException: somebody else works on it, or it cannot be made.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(state_lock(folder))
        except InUseError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(f"{folder}: {error.strerror}") from error
        if words := held(folder):
            raise ConfigError([f"{folder}: {words}"])
        yield


class _Reloads:
    """Begins reloads and tells the service manager of them. Owner: the main thread."""

    def __init__(self, service: Service, manager: ServiceManager, hangup: Hangup, log_level: str | None) -> None:
        self._service = service
        self._manager = manager
        self._hangup = hangup
        self._log_level = log_level
        self._told = False

    def turn(self, now: int) -> None:
        """Begin one where it is wanted, end one where it is applied; to be called while the gateway is up."""
        if self._service.reloading:
            return
        if self._told:
            logs.configure(self._log_level or self._service.config.log.level)
            self._manager.tell(message(READY=1))
            self._told = False
        elif self._hangup.take() or self._service.take_wish():
            self._told = True
            self._manager.tell(reloading(now))
            self._service.reload()


def _attend(service: Service, manager: ServiceManager, stop: StopSignal, reloads: _Reloads) -> None:
    """Tell the service manager how the workers are doing, until the end."""
    attendance, clock = Attendance(manager.watchdog_us), SystemClock()
    hanging: list[str] = []
    while not stop.wait(BEAT_S) and service.alive():
        now, heartbeats = clock.monotonic_us(), service.heartbeats()
        stale = attendance.stale(heartbeats, now)
        if stale != hanging:
            hanging = stale
            log.error("worker.hangs" if stale else "worker.moves", workers=", ".join(stale))
        if all(heartbeats.values()):
            reloads.turn(now)
        datagram = attendance.due(heartbeats, service.status_line(), now)
        if datagram is not None:
            manager.tell(datagram)


def _not_configured(config_file: Path, manager: ServiceManager, stop: StopSignal, hangup: Hangup) -> None:
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
        if hangup.take():
            log.error("reload.refused", reason=words)
    manager.tell(message(STOPPING=1))
