"""Answers become a configuration with the comments of the annotated reference, whatever the reference has."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway import config
from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.cli.packaged import FILES
from rfid_gateway.config_tables import Document
from rfid_gateway.setup.document import effective, text_of

REFERENCE = (FILES / "gateway.toml").read_text(encoding="utf-8")
DRIVERS = InstalledDrivers()
LLRP = {"id": "dock-1", "driver": "llrp", "host": "fd00::5", "port": 5085, "tls": True, "antennas": [1, 2]}
SERIAL = {"id": "table", "driver": "mercury", "port": "/dev/ttyUSB0", "baud": 9600}
ZONE = {
    "id": "packing",
    "antennas": ["table"],
    "read_point": "urn:x:packing",
    "arrived": {"biz_step": "packing", "disposition": "in_progress", "biz_location": "urn:x:packing"},
}
DOOR = {
    "id": "door-1",
    "inside": ["dock-1:1"],
    "outside": ["dock-1:2"],
    "read_point": "urn:x:door-1",
    "in": {"biz_step": "arriving", "disposition": "in_progress"},
    "out": {"biz_step": "departing", "disposition": "in_transit"},
}
WHOLE: dict[str, Any] = {
    "gateway": {"site": "bremen", "id": "pc-1", "state_dir": "/var/lib/rfid-gateway", "time_zone": "Europe/Berlin"},
    "mqtt": {
        "host": "fd00::1",
        "port": 8883,
        "username": 'Jörg "ß" \\ # x',
        "password_file": "credential:mqtt",
        "tls": {"ca_file": "/etc/ca.pem"},
    },
    "readers": [LLRP, SERIAL, {**LLRP, "id": "dock-2", "antennas": [1, 2, 3]}],
    "zones": [ZONE, {**ZONE, "id": "storage", "antennas": ["dock-2:3"]}],
    "doors": [DOOR, {**DOOR, "id": "door-2", "inside": ["dock-2:1"], "outside": ["dock-2:2"]}],
}


def written(values: dict[str, Any]) -> str:
    return text_of(Document.model_validate(values), REFERENCE, DRIVERS)


def test_the_file_says_what_was_answered_and_nothing_else() -> None:
    text = written(WHOLE)
    said = tomllib.loads(text)
    assert {key: said.pop(key) for key in WHOLE} == WHOLE
    assert not any(said.values()), "a table that nobody was asked about has a value"
    config.parse(text, "gateway.toml", DRIVERS)


@pytest.mark.parametrize("missing", ["zones", "doors", "username", "tls", "port"])
def test_what_was_not_answered_is_not_in_it(missing: str) -> None:
    values = {key: value for key, value in WHOLE.items() if key != missing}
    values["mqtt"] = {key: value for key, value in WHOLE["mqtt"].items() if key not in (missing, "password_file")}
    said = tomllib.loads(written(values))
    assert {key: said[key] for key in values} == values
    assert missing not in said
    assert missing not in said["mqtt"]


def test_comments_and_defaults_are_those_of_the_reference() -> None:
    lines = written(WHOLE).splitlines()
    assert 'site = "bremen"                     # a topic level: letters, digits, - _ .' in lines
    assert "# window = 20                       # events that may wait for their PUBACK" in lines
    assert (
        "[mqtt.tls]                          # with this line alone: TLS with the authorities that the system trusts"
        in lines
    )
    assert "# keep_days = 90.0" in "\n".join(lines)
    examples = [line for line in lines if "hamburg" in line and not line.startswith("#")]
    assert examples == []


def test_every_key_of_a_first_table_is_explained() -> None:
    text = written(WHOLE)
    silent = {"id", "driver", "biz_step", "disposition", "biz_location", "keepalive_s"}
    first = text[: text.index('id = "dock-2"')]
    for line in first.splitlines():
        key, equals, rest = line.partition(" = ")
        if equals and not line.startswith("#") and key not in silent:
            assert " # " in rest, line


def test_a_driver_gets_no_keys_of_another_one() -> None:
    text = written({**WHOLE, "readers": [{**SERIAL, "driver": "rdm6300"}], "doors": []})
    readers = text[text.index("[[readers]]") : text.index("[[zones]]")]
    assert "mode" not in readers


def test_what_is_shown_is_what_the_file_says() -> None:
    document = Document.model_validate(WHOLE)
    assert tomllib.loads(effective(document)) == WHOLE
    assert not [line for line in effective(document).splitlines() if line.startswith("#")]


@given(st.text(min_size=1), st.lists(st.sampled_from(["a", "b", "c"]), unique=True, max_size=3))
def test_any_text_survives(name: str, more: list[str]) -> None:
    if any("\ud800" <= char <= "\udfff" for char in name):
        return
    values = {**WHOLE, "mqtt": {"host": "broker", "username": name}, "readers": [SERIAL, LLRP]}
    values["readers"] = [*values["readers"], *({**LLRP, "id": each} for each in more)]
    said = tomllib.loads(written(values))
    assert said["mqtt"]["username"] == name
    assert [reader["id"] for reader in said["readers"]] == ["table", "dock-1", *more]


def test_a_reference_of_another_shape_still_gives_a_configuration() -> None:
    bare = "# A heading.\n# Another.\n\n[gateway]\n\n[mqtt]\n\n[[readers]]\n\n[[zones]]\n\n[[doors]]\n"
    assert tomllib.loads(text_of(Document.model_validate(WHOLE), bare, DRIVERS)) == WHOLE
