"""`rfid-gateway version`."""

import platform
from importlib.metadata import version as installed

import click

from rfid_gateway import __version__


@click.command()
def version() -> None:
    """Print the versions of the gateway and of what it stands on."""
    click.echo(f"rfid-gateway {__version__}")
    click.echo(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in ("paho-mqtt", "sqlite-utils", "sllurp", "pyserial", "pydantic"):
        click.echo(f"{package} {installed(package)}")
