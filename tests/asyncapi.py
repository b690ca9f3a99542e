"""The contract as tests use it: which channel a topic is, and what a payload on it must be."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DOCS = Path(__file__).parents[1] / "docs"
SCHEMAS = {file.name: json.loads(file.read_text()) for file in sorted((DOCS / "schemas").glob("*.json"))}
_LEVELS = {"client": ".+", "gateway": "(?!directory/)[^/]+"}
"""Parameters that are not just any one level: the configuration refuses a gateway of that name."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of the document, with what the gateway does there."""

    name: str
    address: str
    action: str
    qos: int
    retain: bool
    messages: tuple[str, ...]
    parameters: Mapping[str, Any]

    def match(self, topic: str) -> re.Match[str] | None:
        """The topic's levels by parameter, if it is one of this channel's."""
        pattern = re.escape(self.address).replace(r"\{", "{").replace(r"\}", "}")
        for parameter in self.parameters:
            pattern = pattern.replace(f"{{{parameter}}}", f"(?P<{parameter}>{_LEVELS.get(parameter, '[^/]+')})")
        return re.fullmatch(pattern, topic)


class Contract:
    """docs/asyncapi.yaml with its schemas, and GS1's schema of EPCIS events."""

    def __init__(self, epcis_schema: dict[str, Any]) -> None:
        self.document = yaml.safe_load((DOCS / "asyncapi.yaml").read_text())
        registry: Registry[Any] = Registry()
        for name, schema in SCHEMAS.items():
            registry = registry.with_resource(f"file:///{name}", DRAFT202012.create_resource(schema))
        registry = registry.with_resource(epcis_schema["$id"], Resource.from_contents(epcis_schema))
        self._registry = registry

    @property
    def channels(self) -> Iterator[Channel]:
        """All channels; each has exactly one operation."""
        for operation in self.document["operations"].values():
            name = operation["channel"]["$ref"].rpartition("/")[2]
            channel = self.document["channels"][name]
            mqtt = operation["bindings"]["mqtt"]
            yield Channel(
                name,
                channel["address"],
                operation["action"],
                mqtt["qos"],
                mqtt["retain"],
                tuple(channel["messages"]),
                channel.get("parameters", {}),
            )

    def channel_of(self, topic: str) -> Channel:
        """The one channel that a topic belongs to."""
        found = [channel for channel in self.channels if channel.match(topic)]
        assert found, f"no channel of docs/asyncapi.yaml has the topic {topic}"
        (channel,) = found
        return channel

    def schema_file(self, message: str) -> str | None:
        """Name of the schema of a message's payload; None where it has no payload."""
        payload = self.document["components"]["messages"][message].get("payload")
        return None if payload is None else payload["schema"]["$ref"].removeprefix("./schemas/")

    def faults(self, reference: str, value: object) -> list[str]:
        """What is wrong with a value by a schema such as `command.json#/$defs/replay`; empty when all is well."""
        validator = Draft202012Validator(
            {"$ref": f"file:///{reference}"}, registry=self._registry, format_checker=FormatChecker()
        )
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    def faults_on(self, topic: str, payload: bytes) -> list[str]:
        """What is wrong with a payload on a topic."""
        channel = self.channel_of(topic)
        files = [self.schema_file(message) for message in channel.messages]
        if not payload:
            return [] if None in files or channel.name == "commands" else ["an empty payload is no message here"]
        (file,) = [file for file in files if file is not None]
        match = channel.match(topic)
        if channel.name == "commands" and match is not None:
            file = f"{file}#/$defs/{match['command']}"
        try:
            return self.faults(file, json.loads(payload))
        except json.JSONDecodeError as error:
            return [f"no JSON: {error}"]
