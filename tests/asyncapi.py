"""The contract as tests use it: which channel a topic is, and what a payload on it must be."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
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

    def schema_file(self, message: str, part: str = "payload") -> str | None:
        """Name of the schema of a message's `payload` or `headers`; None where it has none."""
        described = self.document["components"]["messages"][message].get(part)
        return None if described is None else described["schema"]["$ref"].removeprefix("./schemas/")

    def content_type(self, message: str) -> str:
        """The content type of a message."""
        default = self.document["defaultContentType"]
        return str(self.document["components"]["messages"][message].get("contentType", default))

    def faults(self, reference: str, value: object) -> list[str]:
        """What is wrong with a value by a schema such as `command.json#/$defs/replay`; empty when all is well."""
        validator = Draft202012Validator(
            {"$ref": f"file:///{reference}"}, registry=self._registry, format_checker=FormatChecker()
        )
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    def faults_on(
        self,
        topic: str,
        payload: bytes,
        content_type: str | None = None,
        user_properties: Sequence[tuple[str, str]] = (),
    ) -> list[str]:
        """What is wrong with a message on a topic.

        A channel may have several messages: the content type says which one it is. Where a sender gives none, it is
        the document's default.
        """
        channel = self.channel_of(topic)
        if not payload:
            empty = channel.name == "commands" or any(self.schema_file(each) is None for each in channel.messages)
            return [] if empty else ["an empty payload is no message here"]
        kind = content_type or self.document["defaultContentType"]
        messages = [each for each in channel.messages if self.schema_file(each) and self.content_type(each) == kind]
        if not messages:
            return [f"no message here has the content type {kind}"]
        (message,) = messages
        match = channel.match(topic)
        inside = f"#/$defs/{match['command']}" if channel.name == "commands" and match is not None else ""
        wrong = self._faults_of_properties(message, user_properties)
        try:
            return [*wrong, *self.faults(f"{self.schema_file(message)}{inside}", json.loads(payload))]
        except json.JSONDecodeError as error:
            return [*wrong, f"no JSON: {error}"]

    def _faults_of_properties(self, message: str, user_properties: Sequence[tuple[str, str]]) -> list[str]:
        file = self.schema_file(message, "headers")
        if file is None:
            return [f"user property {name}: nobody described it" for name, _ in user_properties]
        names = [name for name, _ in user_properties]
        values = dict(user_properties)
        wrong = [
            f"user property {name}: is there {names.count(name)} times" for name in values if names.count(name) > 1
        ]
        wrong += [f"user property {fault}" for fault in self.faults(file, values)]
        # JSON Schema 2020-12 leaves it to whoever validates to look into a text that holds JSON (section 8.5).
        for name, described in SCHEMAS[file]["properties"].items():
            if described.get("contentMediaType") == "application/json" and name in values:
                wrong += [f"user property {name}: {fault}" for fault in _faults_inside(values[name], described)]
        return wrong


def _faults_inside(text: str, described: Mapping[str, Any]) -> list[str]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return [f"no JSON: {error}"]
    return [error.message for error in Draft202012Validator(described["contentSchema"]).iter_errors(value)]
