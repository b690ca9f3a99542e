"""Every kind of log event that the source can write, found in its syntax trees."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOGGERS = {"log", "_log"}
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
ANY = "*"
"""Stands in a name for what is known only when the program runs."""


@dataclass(frozen=True, slots=True)
class LogCall:
    """One place that writes a log event."""

    name: str
    levels: frozenset[str]
    fields: frozenset[str]
    """`**` stands for fields that are not written out."""
    place: str


def log_calls(folders: tuple[str, ...] = ("rfid_gateway", "drivers", "simulators")) -> Iterator[LogCall]:
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield from calls_in(file.read_text(encoding="utf-8"), str(file.relative_to(ROOT)))


def calls_in(source: str, file: str) -> Iterator[LogCall]:
    tree = ast.parse(source)
    if "get_logger" not in source:
        return
    chosen = {
        target.id: levels
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and (levels := _levels(node.value))
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        levels = _levels(node.func)
        if isinstance(node.func, ast.Name):
            levels = chosen.get(node.func.id, frozenset())
        if levels:
            place = f"{file}:{node.lineno}"
            assert node.args, f"{place}: a log event has no name"
            fields = frozenset(keyword.arg or "**" for keyword in node.keywords)
            for name in _names(node.args[0], place):
                yield LogCall(name, levels, fields, place)


def _levels(node: ast.expr) -> frozenset[str]:
    """The levels of `log.info` and of `log.info if ... else log.warning`."""
    if isinstance(node, ast.IfExp):
        return _levels(node.body) | _levels(node.orelse)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in LOGGERS:
        assert node.attr in LEVELS | {"bind"}, f"log.{node.attr} is not known here"
        return frozenset({"error" if node.attr == "exception" else node.attr})
    return frozenset()


def _names(node: ast.expr, place: str) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(name)):
            yield name
        case ast.IfExp(body=body, orelse=orelse):
            yield from _names(body, place)
            yield from _names(orelse, place)
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else ANY for part in parts)
        case _:
            raise AssertionError(f"{place}: the name of a log event is not written there")
