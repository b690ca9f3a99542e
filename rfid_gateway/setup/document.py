"""A configuration becomes the text of its file, with the comments of the annotated reference. Pure.

The reference (`config/gateway.toml`) is the only place where comments are written: its paragraphs are filled with what
was answered. A key that was not answered stays as the reference has it behind its #; an example value goes.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from rfid_gateway.config import fields_at
from rfid_gateway.config_tables import Document
from rfid_gateway.driver import DriverType

Values = Mapping[str, Any]

_TABLE = re.compile(r"(?P<off># )?\[{1,2}(?P<name>[a-z_.]+)\]{1,2}\s*(?:# (?P<comment>.*))?")
_KEY = re.compile(r"(?P<off># )?(?P<key>[a-z_0-9]+) = (?P<value>.+?)(?:\s+# (?P<comment>.*))?")
_COLUMN = 36
"""Where comments begin, as in the reference."""
_HEAD = "# rfid-gateway: configuration, written by rfid-gateway setup. Every key that there is: gateway.toml(5)."
_LONGEST_COMMENT = 80


def text_of(document: Document, reference: str, drivers: Mapping[str, DriverType]) -> str:
    """Write a configuration.

    Args:
        document: what was answered; only what was set in it is written.
        reference: the annotated example.
        drivers: the drivers that are installed, whose options have descriptions.

    Returns:
        TOML; the same for the same answers.
    """
    values = _said(document)
    paragraphs = [paragraph.splitlines() for paragraph in reference.strip("\n").split("\n\n")]
    head, *rest = paragraphs
    written = [[_HEAD, *head[1:]]]
    done: set[str] = set()
    for lines in rest:
        name, active = _table_of(lines)
        if name in done:
            continue
        if not active or name not in values:
            written.append(lines)
            continue
        done.add(name)
        if name == "readers":
            written += _readers(values[name], [p for p in rest if _table_of(p)[0] == "readers"], drivers)
        elif isinstance(values[name], list):
            first, *others = values[name]
            written.append(list(_filled(lines, first, fields_at(Document, (name, 0)))))
            written += [_plain(name, table, many=True) for table in others]
        else:
            written.append(list(_filled(lines, values[name], fields_at(Document, (name,)))))
        if name == "zones" and "doors" not in values:
            done.add("doors")
        if name == "readers":
            done.update({"zones", "doors"} - values.keys())
    return "\n\n".join("\n".join(lines) for lines in written) + "\n"


def effective(document: Document) -> str:
    """What a configuration says, without comments and without what is left at its default."""
    paragraphs = []
    for name, content in _said(document).items():
        tables = content if isinstance(content, list) else [content]
        paragraphs += ["\n".join(_plain(name, table, many=isinstance(content, list))) for table in tables]
    return "\n\n".join(paragraphs)


def _said(document: Document) -> dict[str, Any]:
    values = document.model_dump(exclude_unset=True, by_alias=True, mode="json")
    return {name: content for name, content in values.items() if content}


def _table_of(lines: Sequence[str]) -> tuple[str, bool]:
    """The table that a paragraph is about, and whether the reference has it without a #."""
    for line in lines:
        if found := _TABLE.fullmatch(line):
            return found["name"].partition(".")[0], not found["off"]
    return "", False


def _readers(
    tables: Sequence[Values], patterns: Sequence[Sequence[str]], drivers: Mapping[str, DriverType]
) -> Iterator[list[str]]:
    """Each reader; the first of each driver by the reference's pattern of that driver, if it has one."""
    intro = [line for line in patterns[0] if line.startswith("# ") and not _KEY.fullmatch(line)]
    for index, table in enumerate(tables):
        driver = table["driver"]
        first = all(earlier["driver"] != driver for earlier in tables[:index])
        pattern = next((lines for lines in patterns if f'driver = "{driver}"' in lines), ["[[readers]]"])
        options = drivers[driver].Options
        lines = list(_filled(_for_driver(pattern, intro, options), table, _descriptions(options)))
        written = lines if first else _plain("readers", table, many=True)
        yield [*intro, *written] if index == 0 else written


def _for_driver(pattern: Sequence[str], intro: Sequence[str], options: type[BaseModel]) -> list[str]:
    """The pattern with the keys that this driver has."""
    known = {"id", "driver", *options.model_fields}
    return [
        line for line in pattern if line not in intro and ((key := _KEY.fullmatch(line)) is None or key["key"] in known)
    ]


def _descriptions(options: type[BaseModel]) -> dict[str, str]:
    return {name: field.description or "" for name, field in options.model_fields.items()}


def _filled(lines: Sequence[str], values: Values, descriptions: Mapping[str, str]) -> Iterator[str]:
    """A paragraph of the reference with these values in its table and the tables below it."""
    open_table: dict[str, Any] = {}
    here: dict[str, Any] = dict(values)
    live = False
    for line in lines:
        if header := _TABLE.fullmatch(line):
            yield from _rest(here if live else {}, descriptions)
            inner = header["name"].split(".")[1:]
            found = values if not inner else values.get(inner[0])
            live = found is not None
            if found is None:
                here = {}
                if header["off"]:
                    yield line
                continue
            here = {key: value for key, value in found.items() if not _is_table(lines, header["name"], key, inner)}
            open_table = dict(here)
            yield _commented(line.removeprefix("# ").partition("#")[0].rstrip(), header["comment"] or "")
        elif key := _KEY.fullmatch(line):
            name = key["key"]
            if live and name in open_table:
                if name in here:
                    comment = key["comment"] or ("" if name in ("id", "driver") else descriptions.get(name, ""))
                    yield _line(name, here.pop(name), comment)
            elif key["off"]:
                yield line
        else:
            yield line
    yield from _rest(here if live else {}, descriptions)


def _is_table(lines: Sequence[str], table: str, key: str, inner: Sequence[str]) -> bool:
    """Whether the paragraph has a header of its own for this key."""
    if inner:
        return False
    headers = (_TABLE.fullmatch(line) for line in lines)
    return any(header is not None and header["name"] == f"{table}.{key}" for header in headers)


def _rest(values: dict[str, Any], descriptions: Mapping[str, str]) -> Iterator[str]:
    """Keys that the reference's table does not show."""
    for key, value in values.items():
        yield _line(key, value, "" if key in ("id", "driver") else descriptions.get(key, ""))
    values.clear()


def _plain(name: str, table: Values, *, many: bool) -> list[str]:
    """A table without comments, and the tables in it; a reader's are written on one line, as its drivers know them."""
    inner = {key: value for key, value in table.items() if isinstance(value, dict) and name != "readers"}
    lines = [f"[[{name}]]" if many else f"[{name}]"]
    lines += [_line(key, value, "") for key, value in table.items() if key not in inner]
    for key, value in inner.items():
        lines += [f"[{name}.{key}]", *(_line(each, content, "") for each, content in value.items())]
    return lines


def _line(key: str, value: object, comment: str) -> str:
    return _commented(f"{key} = {_toml(value)}", comment)


def _commented(text: str, comment: str) -> str:
    if len(comment) > _LONGEST_COMMENT:  # a driver's description, which is written for the manual page
        comment = re.split(r" \(|; |, (?=or |socket)", comment)[0]
    if not comment:
        return text
    return f"{text.ljust(_COLUMN - 1)} # {comment}" if len(text) < _COLUMN else f"{text}   # {comment}"


def _toml(value: object) -> str:
    """JSON's strings, numbers, booleans and lists are TOML's too; only the tables differ."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml_key(key)} = {_toml(content)}" for key, content in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml_key(key: object) -> str:
    text = str(key)
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else json.dumps(text, ensure_ascii=False)
