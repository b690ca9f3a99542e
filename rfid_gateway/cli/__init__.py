"""The command line: one file per command group, and the only place that prints."""

import importlib
import signal
import sys

import click

_COMMANDS = {
    "setup": "rfid_gateway.cli.setup:setup",
    "run": "rfid_gateway.cli.run:run",
    "demo": "rfid_gateway.cli.demo:demo",
    "check": "rfid_gateway.cli.check:check",
    "status": "rfid_gateway.cli.status:status",
    "top": "rfid_gateway.cli.top:top",
    "detect": "rfid_gateway.cli.detect:detect",
    "discover": "rfid_gateway.cli.discover:discover",
    "decode": "rfid_gateway.cli.decode:decode",
    "frames": "rfid_gateway.cli.frames:frames",
    "analyse": "rfid_gateway.cli.analyse:analyse",
    "shipments": "rfid_gateway.cli.shipments:shipments",
    "loads": "rfid_gateway.cli.loads:loads",
    "republish": "rfid_gateway.cli.loads:republish",
    "events": "rfid_gateway.cli.events:events",
    "trace": "rfid_gateway.cli.events:trace",
    "outbox": "rfid_gateway.cli.outbox:outbox",
    "backup": "rfid_gateway.cli.backup:backup",
    "restore": "rfid_gateway.cli.restore:restore",
    "service": "rfid_gateway.cli.service:service",
    "support-bundle": "rfid_gateway.cli.support_bundle:support_bundle",
    "version": "rfid_gateway.cli.version:version",
}


class _LazyGroup(click.Group):
    """Imports a command's module when it is called, so that `decode` does not pay for MQTT and SQLite."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Read RFID tags, find their shipments, publish location events over MQTT."""


def main() -> None:
    """Run the command line; the exit code is 0 for done, 1 for failed, 2 for wrong use or configuration."""
    if sys.argv[1:2] == ["run"]:
        # Until `run` takes it: whoever wants a reload so early has it, the file is yet to be read.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Not before that: it takes a moment.
    from rfid_gateway.cli.journal_socket import stderr_is_journal
    from rfid_gateway.config import ConfigError

    try:
        # Without click's own ending, the result is the exit code of whatever left early.
        sys.exit(cli(standalone_mode=False))
    except click.ClickException as error:
        if stderr_is_journal():
            complain(f"Error: {error.format_message()}")
        else:
            error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(1)
    except ConfigError as error:
        for mistake in error.mistakes:
            complain(mistake)
        sys.exit(2)


def complain(words: str) -> None:
    """Say why the program ends; in the journal as an error, so that `journalctl -p err` has it."""
    from rfid_gateway.cli.journal_socket import stderr_is_journal

    click.echo(f"<3>{words}" if stderr_is_journal() else words, err=True)
