"""The `--config` option and the drivers that are installed: what several commands need first."""

import re
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click

from rfid_gateway import config
from rfid_gateway.config_changes import needing_restart
from rfid_gateway.config_tables import GatewayTable
from rfid_gateway.driver import DriverType
from rfid_gateway.store.connection import Store, open_existing_store
from rfid_gateway.store.database import StoreError

DEFAULT = "/etc/rfid-gateway/gateway.toml"


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command its `--config FILE` option."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(dir_okay=False, path_type=Path),
        default=DEFAULT,
        envvar="RFID_GATEWAY_CONFIG",
        show_default=True,
        help="Configuration file.",
    )(command)


class InstalledDrivers(Mapping[str, DriverType]):
    """The drivers that this Python installation offers, by name; each is imported when it is asked for.

    So a driver that cannot be imported hurts only the configuration that names it.
    """

    def __init__(self) -> None:
        self._entries = {entry.name: entry for entry in entry_points(group="rfid_gateway.drivers")}

    def __getitem__(self, name: str) -> DriverType:
        entry = self._entries[name]
        try:
            driver: DriverType = entry.load()
        except (ImportError, AttributeError) as error:
            raise config.ConfigError([f"driver {name!r} ({entry.value}) cannot be imported: {error}"]) from error
        return driver

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def load(file: Path) -> config.Config:
    """Read and check a configuration file.

    Raises:
        config.ConfigError: the file cannot be read or has mistakes; ends the program with exit code 2.
    """
    return config.parse(_text_of(file), str(file), InstalledDrivers())


def state_folder(file: Path) -> tuple[Path, tuple[str, ...]]:
    """Where a gateway keeps its state, and what is wrong with its configuration file.

    A gateway goes on while its file is being edited, and people must be able to see how it is doing.

    Raises:
        config.ConfigError: the file cannot be read.
    """
    try:
        return Path(load(file).gateway.state_dir), ()
    except config.ConfigError as error:
        found = re.search(r"""^\s*state_dir\s*=\s*["']([^"'\n]+)["']""", _text_of(file), flags=re.MULTILINE)
        usual = GatewayTable.model_fields["state_dir"].default
        return Path(found[1] if found else usual), error.mistakes


def load_next(file: Path, running: config.Config) -> config.Config:
    """Read and check a configuration file for a gateway that runs already.

    Raises:
        config.ConfigError: as for `load`, or it changes what needs a restart.
    """
    text = _text_of(file)
    following = config.parse(text, str(file), InstalledDrivers())
    fixed = config.placed(needing_restart(running, following), text, str(file))
    if fixed:
        raise config.ConfigError(fixed)
    return following


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise config.ConfigError([f"{file}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise config.ConfigError([f"{file}: byte {error.start} is not UTF-8"]) from error


def existing_store(configuration: config.Config) -> Store:
    """Open the gateway's database beside the running gateway.

    Raises:
        click.ClickException: there is none yet, or it is of another version.
    """
    try:
        return open_existing_store(configuration.database)
    except StoreError as error:
        raise click.ClickException(str(error)) from error
