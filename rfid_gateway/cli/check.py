"""`rfid-gateway check`."""

import contextlib
from pathlib import Path
from threading import Event, Thread
from typing import Any

import click

from rfid_gateway.cli.configuration import config_option, load
from rfid_gateway.cli.status_cells import is_running
from rfid_gateway.clock import SystemClock
from rfid_gateway.command_tokens import read_clients
from rfid_gateway.config import Config, ReaderConfig
from rfid_gateway.driver import ReaderError
from rfid_gateway.mqtt.probe import probe
from rfid_gateway.reads import UP, ReaderItem, ReaderState, ReaderStatus
from rfid_gateway.state_file import read_state


@click.command()
@config_option
@click.option("--connect", is_flag=True, help="Also connect to the broker and to every reader, once.")
@click.option("--timeout", default=15.0, show_default=True, help="Seconds to give each of them.")
def check(config_file: Path, connect: bool, timeout: float) -> None:  # noqa: FBT001 - click passes options by name
    """Check the configuration: every mistake with its line, and what was expected."""
    config = load(config_file)
    read_clients(config)
    click.echo(
        f"{config_file}: {len(config.readers)} readers, {len(config.zones)} zones, {len(config.doors)} doors: ok"
    )
    if connect and not _try_all(config, timeout):
        raise click.exceptions.Exit(1)


def _try_all(config: Config, timeout_s: float) -> bool:
    good = True
    for broker in config.mqtt.brokers:
        trouble = probe(broker, timeout_s)
        _say(f"broker {broker.address}", trouble or "connected", ok=trouble is None)
        good = good and trouble is None
    held = _held_by_gateway(config)
    for reader in config.readers:
        # Most readers have one client at a time: trying one that the running gateway reads from would only fail.
        ok, words = (True, held[reader.id]) if reader.id in held else _try_reader(reader, timeout_s)
        _say(f"reader {reader.id}", words, ok=ok)
        good = good and ok
    return good


def _held_by_gateway(config: Config) -> dict[str, str]:
    """Readers from which the running gateway reads, with words for people."""
    try:
        state = read_state(Path(config.gateway.state_dir))
    except (OSError, ValueError):
        return {}
    if not is_running(state, SystemClock().utc_us()):
        return {}
    readers: dict[str, Any] = dict(state["readers"])  # type: ignore[call-overload]
    return {
        name: f"not tried: the running gateway reads from it ({row['state']})"
        for name, row in readers.items()
        if row["state"] in UP
    }


def _try_reader(reader: ReaderConfig, timeout_s: float) -> tuple[bool, str]:
    """Run a reader's driver until it is online, or fails, or takes too long."""
    driver = reader.driver(reader.id, reader.options, SystemClock())
    online = Event()
    words = [f"did not begin to read within {timeout_s:g} s"]

    def listen(item: ReaderItem) -> None:
        if isinstance(item, ReaderStatus) and item.state is ReaderState.ONLINE:
            words[:] = [" ".join(filter(None, ("reading", item.model, item.firmware)))]
            online.set()

    def attempt() -> None:
        try:
            driver.run(listen)
        except ReaderError as error:
            words[:] = [str(error)]

    thread = Thread(target=attempt, name=f"check-{reader.id}", daemon=True)
    thread.start()
    with contextlib.suppress(KeyboardInterrupt):
        for _ in range(int(timeout_s * 20)):
            if online.wait(0.05) or not thread.is_alive():
                break
    driver.close()
    thread.join(5.0)
    return online.is_set(), words[0]


def _say(what: str, words: str, *, ok: bool) -> None:
    click.secho(f"{'ok    ' if ok else 'FAILED'} {what}: {words}", fg="green" if ok else "red")
