"""Write the manual pages from what the program says of itself; called with a folder while the package is built.

rfid-gateway(1) and rfid-simulator(1) are click's help of every command; gateway.toml(5) is the annotated configuration
and the fields of the configuration's tables and of every driver's options. So no page can be out of date.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from rfid_gateway.cli import cli
from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.cli.packaged import FILES
from rfid_gateway.config_tables import Document
from rfid_simulators.cli import main as simulator

Schema = Mapping[str, Any]

_FILES = (
    ("/etc/rfid-gateway/mqtt-password", "the broker's password, where setup was given one"),
    ("/etc/rfid-gateway/gateway.toml", "configuration; see gateway.toml(5)"),
    ("/etc/rfid-gateway/NAME.toml", "configuration of a further gateway on this PC, rfid-gateway@NAME.service"),
    ("/var/lib/rfid-gateway", "events, shipment directory and presence; kept when the package is removed"),
)
_EXITS = (("0", "done"), ("1", "failed"), ("2", "wrong use or configuration"))


def main() -> None:
    """Write all pages."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rfid-gateway.1").write_text(gateway_page(), encoding="utf-8")
    (folder / "rfid-simulator.1").write_text(simulator_page(), encoding="utf-8")
    (folder / "gateway.toml.5").write_text(configuration_page(), encoding="utf-8")


def gateway_page() -> str:
    """rfid-gateway(1)."""
    parts = [*_command_page(cli, "rfid-gateway"), ".SH FILES", *_definitions(_FILES)]
    return _text([*parts, ".SH EXIT STATUS", *_definitions(_EXITS), *_see_also("gateway.toml(5)", "rfid-simulator(1)")])


def simulator_page() -> str:
    """rfid-simulator(1)."""
    parts = _command_page(simulator, "rfid-simulator")
    return _text([*parts, ".SH EXIT STATUS", *_definitions(_EXITS), *_see_also("rfid-gateway(1)")])


def configuration_page() -> str:
    """gateway.toml(5)."""
    lines = [*_head("gateway.toml", 5, "configuration of rfid-gateway"), ".SH DESCRIPTION"]
    lines += [_plain("The annotated example, as it is installed, shows every table. All keys are listed below it."), ""]
    lines += [".nf", ".ft CW"]
    lines += [_plain(line) for line in (FILES / "gateway.toml").read_text(encoding="utf-8").splitlines()]
    lines += [".ft", ".fi"]
    schema = Document.model_json_schema()
    for name, value in schema["properties"].items():
        table, repeated = _table_of(value, schema)
        lines += [f".SH {_plain(f'[[{name}]]' if repeated else f'[{name}]')}"]
        lines += _keys(table, schema, f"{name}.")
    for name, driver in InstalledDrivers().items():
        options = driver.Options.model_json_schema()
        lines += [f".SH [[readers]] {_plain(f'with driver = {name}')}", _plain(options["description"])]
        lines += _keys(options, options, "")
    return _text([*lines, *_see_also("rfid-gateway(1)")])


def _command_page(command: click.Command, name: str) -> Iterator[str]:
    brief = command.get_short_help_str(200).rstrip(".")
    yield from _head(name, 1, brief[0].lower() + brief[1:])
    yield ".SH SYNOPSIS"
    yield f".B {_plain(name)}"
    yield _plain("COMMAND [OPTIONS] [ARGUMENTS]")
    yield ".SH DESCRIPTION"
    yield _plain(" ".join((command.help or "").split()))
    yield ".SH COMMANDS"
    yield from _subcommands(command, click.Context(command, info_name=name))


def _subcommands(group: click.Command, ctx: click.Context) -> Iterator[str]:
    assert isinstance(group, click.Group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=ctx)
        if isinstance(command, click.Group):
            yield from _subcommands(command, inner)
            continue
        yield f".SS {_plain(' '.join([inner.command_path, *command.collect_usage_pieces(inner)]))}"
        for paragraph in (command.help or "").split("\n\n"):
            yield ".PP"
            yield _plain(" ".join(paragraph.split()))
        records = [parameter.get_help_record(inner) for parameter in command.get_params(inner)]
        yield from _definitions([record for record in records if record is not None])


def _keys(table: Schema, schema: Schema, prefix: str) -> Iterator[str]:
    for key, value in table.get("properties", {}).items():
        inner, repeated = _table_of(value, schema)
        words = value.get("description", "")
        if inner:
            kind = "tables" if repeated else "table"
            yield from _definitions([(f"{prefix}{key} ({kind})", words or inner.get("description", ""))])
            yield from _keys(inner, schema, f"{prefix}{key}.")
            continue
        notes = [words, _kind(value, schema)]
        if key in table.get("required", ()):
            notes.append("Required.")
        elif value.get("default") not in (None, [], ""):
            notes.append(f"Default: {_default(value['default'])}.")
        yield from _definitions([(prefix + key, " ".join(f"{note.rstrip('.')}." for note in notes if note))])


def _default(value: object) -> str:
    """A default as the file would have it; text without its quotes where it can be read so."""
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value)


def _table_of(value: Schema, schema: Schema) -> tuple[Schema, bool]:
    """The table that a key holds, and whether several; an empty one for a plain value."""
    for choice in (value, *value.get("anyOf", ())):
        item = choice.get("items", choice)
        if isinstance(item, dict) and "$ref" in item:
            found: Schema = schema["$defs"][item["$ref"].rsplit("/", 1)[-1]]
            if "properties" in found:
                return found, "items" in choice
    return {}, False


def _kind(value: Schema, schema: Schema) -> str:
    """Type and bounds of a plain value in words."""
    if "$ref" in value:
        return _kind(schema["$defs"][value["$ref"].rsplit("/", 1)[-1]], schema)
    if "anyOf" in value:
        kinds = [_kind(choice, schema) for choice in value["anyOf"] if choice.get("type") != "null"]
        return " or ".join(filter(None, kinds))
    if "enum" in value:
        return f"One of {', '.join(map(str, value['enum']))}"
    if value.get("type") == "array":
        inner = _kind(value["items"], schema) if isinstance(value.get("items"), dict) else ""
        return f"List: {inner}" if inner else "List"
    words = {"string": "Text", "integer": "Whole number", "number": "Number", "boolean": "true or false"}
    kind = words.get(str(value.get("type")), "")
    bounds = [
        f"{words} {value[key]}"
        for key, words in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in value
    ]
    return ", ".join([kind, *bounds]) if kind else ""


def _head(name: str, section: int, brief: str) -> list[str]:
    return [
        f'.TH "{_plain(name).upper()}" {section} "" "rfid-gateway {version("rfid-gateway")}" "rfid-gateway"',
        ".SH NAME",
        f"{_plain(name)} \\- {_plain(brief)}",
    ]


def _see_also(*pages: str) -> list[str]:
    return [".SH SEE ALSO", _plain(", ".join(pages))]


def _definitions(pairs: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> Iterator[str]:
    for term, words in pairs:
        yield ".TP"
        yield f".B {_plain(term)}"
        yield _plain(words) or "\\&"


def _plain(text: str) -> str:
    """Text of which groff takes nothing for a request or an escape."""
    escaped = " ".join(text.splitlines()).replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    escaped = escaped.replace("`", "\\(ga").replace("~", "\\(ti").replace("^", "\\(ha")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
