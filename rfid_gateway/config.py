"""The configuration: a TOML text becomes a `Config`, or is refused with every mistake named by line and key.

A configuration is either whole and consistent or refused with all its mistakes at once.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rfid_gateway import toml_lines
from rfid_gateway.config_checks import Mistake, mistakes_of_meaning, nearest
from rfid_gateway.config_tables import Config, Document, Door, Reader, ReaderConfig, Step, Zone, antenna_of
from rfid_gateway.driver import DriverType

__all__ = ["Config", "ConfigError", "Door", "ReaderConfig", "Step", "Zone", "antenna_of", "parse"]


class ConfigError(Exception):
    """The configuration cannot be used; one message for each mistake. Ends the program with exit code 2."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


def parse(text: str, name: str, drivers: Mapping[str, DriverType]) -> Config:
    """Make a configuration of a TOML text.

    Args:
        text: the file's content.
        name: the file's name, for messages.
        drivers: the drivers that are installed, by name.

    Raises:
        ConfigError: with every mistake as `name:line: key: what is wrong, what was expected`.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{name}: not TOML: {error}"]) from error
    found = list(_mistakes_of_shape(values, drivers))
    if not found:
        document = Document.model_validate(values)
        config = Config(
            gateway=document.gateway,
            mqtt=document.mqtt,
            readers=tuple(_with_driver(reader, drivers) for reader in document.readers),
            zones=document.zones,
            doors=document.doors,
            outputs=document.outputs,
            alerts=document.alerts,
            shipments=document.shipments,
            commands=document.commands,
            loads=document.loads,
            disk=document.disk,
            history=document.history,
        )
        found = list(mistakes_of_meaning(config))
        if not found:
            return config
    lines = toml_lines.lines_of_keys(text)
    placed = sorted((toml_lines.line_of(lines, path), toml_lines.dotted(path), message) for path, message in found)
    raise ConfigError([f"{name}:{line}: {key}: {message}" for line, key, message in placed])


def _mistakes_of_shape(values: dict[str, Any], drivers: Mapping[str, DriverType]) -> Iterator[Mistake]:
    """Unknown and missing keys and wrong types, in the fixed tables and in the options of each reader's driver."""
    try:
        document = Document.model_validate(values)
    except ValidationError as error:
        for detail in error.errors():
            yield _explain(detail, Document, ())
        readers = values.get("readers")
        tables = [table for table in readers if isinstance(table, dict)] if isinstance(readers, list) else []
    else:
        tables = [reader.model_dump() for reader in document.readers]
    for index, table in enumerate(tables):
        driver = table.get("driver")
        if not isinstance(driver, str):
            continue
        if driver not in drivers:
            yield ("readers", index, "driver"), f"unknown driver {driver!r}{nearest(driver, drivers)}"
            continue
        options = {key: value for key, value in table.items() if key not in Reader.model_fields}
        try:
            drivers[driver].Options.model_validate(options)
        except ValidationError as error:
            for detail in error.errors():
                yield _explain(detail, drivers[driver].Options, ("readers", index))


def _with_driver(reader: Reader, drivers: Mapping[str, DriverType]) -> ReaderConfig:
    driver = drivers[reader.driver]
    options = driver.Options.model_validate(reader.model_extra or {})
    return ReaderConfig(reader.id, reader.driver, driver, options)


def _explain(detail: ErrorDetails, model: type[BaseModel], prefix: toml_lines.Path) -> Mistake:
    """Turn one of pydantic's findings into a path and a sentence of ours."""
    path: toml_lines.Path = (*prefix, *detail["loc"])
    key = str(detail["loc"][-1]) if detail["loc"] else ""
    fields = fields_at(model, detail["loc"][:-1])
    if detail["type"] == "extra_forbidden":
        return path, f"unknown key{nearest(key, fields)}"
    if detail["type"] == "missing":
        description = fields.get(key, "")
        return path, "missing" + (f" ({description})" if description else "")
    message = detail["msg"].replace("Input should be", "expected").replace("Value error, ", "")
    if isinstance(detail["input"], str | int | float | bool):
        message += f", found {detail['input']!r}"
    return path, message


def fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> dict[str, str]:
    """Names (as the file writes them) and descriptions of the fields of the table at a place in the document."""
    for part in loc:
        if isinstance(part, int):
            continue
        field = next(
            (f for name, f in model.model_fields.items() if part in (name, f.alias)),
            None,
        )
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return {}
        model = inner
    return {field.alias or name: field.description or "" for name, field in model.model_fields.items()}


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The pydantic model inside an annotation such as `tuple[Zone, ...]` or `Step | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, getattr(annotation, "__args__", ()))), None)
