"""docs/asyncapi.yaml and docs/schemas against what a running gateway really publishes, and accepts."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rfid_gateway.alerts import Alert
from rfid_gateway.commands.catalogue import COMMANDS
from rfid_gateway.commands.envelope import parse_command, read_envelope
from rfid_gateway.commands.reply import Outcome, Reply
from rfid_gateway.shipments import json_source
from rfid_gateway.shipments.faults import ShipmentSourceError
from rfid_gateway.shipments.json_source import parse_payload
from rfid_simulators.demo import CONFIGURATION, GATEWAY, SITE, Warehouse
from tests.asyncapi import DOCS, SCHEMAS, Contract
from tests.conftest import skip_or_fail
from tests.e2e.running import RunningGateway, running_gateway
from tests.mqtt5 import Backend5, Heard, backend5
from tests.servers import eventually, free_port, mosquitto_path

ROOT = Path(__file__).parents[2]
OWN = f"rfid/{SITE}/{GATEWAY}"
DIRECTORY = f"rfid/{SITE}/directory"
SSCC = "340123450000000017"
LOAD = "Tour 4/7"
TOKEN = "correct-horse-battery"
RIGHTS = """
[[commands.clients]]
name = "backend"
token_file = "{folder}/token"
allow = ["restart_reader", "bind_tag", "unbind_tag", "close_load", "replay", "reload"]
[alerts]
reader_down_after_s = 1.0
[[readers]]
id = "not-there"
driver = "llrp"
host = "127.0.0.1"
port = {port}
"""
WRONG = [
    (f"{DIRECTORY}/shipments/S-1", b'{"units":[{"scc":"1"}]}'),
    (f"{DIRECTORY}/shipments/50%", b"{no shipment has that topic"),
    (f"{DIRECTORY}/batch", b'[{"shipment_id":"S-1","truck":"X"}]'),
    (f"{OWN}/commands/restart_reader", json.dumps({"token": TOKEN}).encode()),
    (f"{OWN}/commands/restart_reader", b"{"),
]
"""What the test sends although it breaks the contract."""


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Heard]]:
    """Everything that went over the broker of a warehouse in which all happens that can be provoked."""
    if mosquitto_path() is None:
        skip_or_fail("Mosquitto is not installed")
    folder = tmp_path_factory.mktemp("contract")
    (folder / "token").write_text(TOKEN)
    configuration = folder / "gateway.toml"
    with Warehouse(lambda _: None) as plant:
        text = plant.configuration(folder) + RIGHTS.format(folder=folder, port=free_port())
        configuration.write_text(text)
        port = int(re.findall(r"^port = (\d+)$", text, re.MULTILINE)[0])
        with backend5("127.0.0.1", port) as backend, running_gateway(configuration) as gateway:
            eventually(lambda: gateway.online("dock-1", "storage-1", "packing-1"), "the readers are online")
            _feed_the_directory(backend)
            _give_commands(backend)
            _wait_for_what_happens(backend)
            _end_it_twice(backend, gateway)
            yield list(backend.heard)


def _feed_the_directory(backend: Backend5) -> None:
    backend.publish(f"{DIRECTORY}/shipments/S%2F1", json.dumps({"units": []}), retain=True)
    backend.publish(f"{DIRECTORY}/shipments/S%2F1", b"", retain=True)
    for topic, payload in WRONG[:2]:
        backend.publish(topic, payload, retain=True)
        backend.publish(topic, b"", retain=True)
    site_wide = f"{DIRECTORY}/responses/backend/1"
    shipment = {"shipment_id": "S-1", "units": [{"sscc": SSCC}], "load": LOAD, "planned_door": "dock-1"}
    entries = [shipment, {"shipment_id": "S-0", "delete": True}]
    batches: list[Any] = [entries, {"request_id": "b-1", "entries": entries}, entries[0]]
    for payload in batches:
        assert _outcome(backend.ask(f"{DIRECTORY}/batch", payload, site_wide)) == "done"
    assert _outcome(backend.ask(*WRONG[2])) == "refused"


def _give_commands(backend: Backend5) -> None:
    eventually(lambda: len(_events(backend)) > 2, "events to replay")
    asked: dict[str, dict[str, Any]] = {
        "status": {},
        "restart_reader": {"reader": "packing-1"},
        "bind_tag": {"shipment_id": "S-1", "epc": "E2001122", "parent": SSCC},
        "find_tag": {"sscc": SSCC},
        "unbind_tag": {"epc": "E2001122"},
        "close_load": {"load": LOAD},
        "replay": {"from_sequence": 1, "to_sequence": 2},
        "reload": {},
    }
    assert asked.keys() == COMMANDS.keys()
    for name, given in asked.items():
        payload = {"token": TOKEN, "request_id": f"{name}-1", "expires_at": "2199-01-01T00:00:00+01:00", **given}
        topic = f"{OWN}/commands/{name}"
        assert _outcome(backend.ask(topic, payload)) == "done"
        assert _outcome(backend.ask(topic, payload, f"{OWN}/responses/backend")) == "done"
    unknown = {"token": TOKEN, "reader": "dock-9"}
    assert _outcome(backend.ask(f"{OWN}/commands/restart_reader", unknown)) == "refused"
    for wrong in WRONG[3:]:
        assert _outcome(backend.ask(*wrong)) == "refused"
    eventually(lambda: sum(event["replayed"] for event in _events(backend)) >= 2, "the replay")


def _wait_for_what_happens(backend: Backend5) -> None:
    eventually(lambda: bool(backend.on(f"{OWN}/loads/Tour 4%2F7")), "the load of S-1")
    kinds = {"reader_down", "directory_refused", "unknown_tag", "wrong_door", "missing"}
    topic = f"{OWN}/alerts"
    eventually(lambda: {alert["kind"] for alert in backend.on(topic)} >= kinds, f"alerts: {kinds}", patience_s=90)
    steps = {"packing", "storing", "departing"}
    seen = re.compile(rf"{OWN}/events/(\w+)")
    eventually(
        lambda: {match[1] for each in tuple(backend.heard) if (match := seen.fullmatch(each.topic))} >= steps,
        f"events: {steps}",
        patience_s=60,
    )


def _end_it_twice(backend: Backend5, gateway: RunningGateway) -> None:
    gateway.kill()
    topic = f"{OWN}/status"
    eventually(lambda: backend.on(topic)[-1] == {"state": "offline"}, "the Last Will")
    gateway.start()
    eventually(lambda: backend.on(topic)[-1]["state"] == "online", "the gateway is back")
    gateway.stop()
    eventually(lambda: "backlog" in backend.on(topic)[-1] and backend.on(topic)[-1]["state"] == "offline", "the end")


def _outcome(reply: Heard) -> str:
    return str(json.loads(reply.payload)["outcome"])


def _events(backend: Backend5) -> list[dict[str, Any]]:
    return [json.loads(each.payload) for each in tuple(backend.heard) if each.topic.startswith(f"{OWN}/events/")]


@pytest.mark.timeout(300)
def test_every_message_is_as_the_contract_says(contract: Contract, heard: list[Heard]) -> None:
    faults: dict[tuple[str, bytes], list[str]] = {}
    for each in heard:
        channel = contract.channel_of(each.topic)
        wrong = contract.faults_on(each.topic, each.payload, each.content_type, each.user_properties)
        if channel.action == "send":
            assert (each.qos, each.retain) == (channel.qos, channel.retain), each
        if wrong:
            faults[each.topic, each.payload] = wrong
    assert list(faults) == WRONG, faults


def test_every_channel_on_which_the_gateway_sends_was_seen(contract: Contract, heard: list[Heard]) -> None:
    seen = {contract.channel_of(each.topic).name for each in heard}
    assert {channel.name for channel in contract.channels} - seen == set()


def test_every_schema_refuses_a_field_that_nobody_described(contract: Contract, heard: list[Heard]) -> None:
    """So that the test above can fail."""
    tried = set()
    for each in heard:
        value = json.loads(each.payload) if each.payload and (each.topic, each.payload) not in WRONG else None
        if isinstance(value, dict):
            tried.add(contract.channel_of(each.topic).name)
            assert contract.faults_on(each.topic, json.dumps({**value, "surprise": 1}).encode()), each.topic
            for key in value.keys() & {"epcis", "result"}:
                if value[key]:
                    inside = {**value, key: {**value[key], "surprise": 1}}
                    assert contract.faults_on(each.topic, json.dumps(inside).encode()), (each.topic, key)
    assert tried == {channel.name for channel in contract.channels}


def test_a_topic_that_is_not_in_the_document_is_noticed(contract: Contract) -> None:
    with pytest.raises(AssertionError, match="no channel"):
        contract.channel_of(f"{OWN}/surprise")


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one_of_2020_12_and_used(contract: Contract, name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    messages = contract.document["components"]["messages"]
    assert name in {contract.schema_file(message, part) for message in messages for part in ("payload", "headers")}


def test_schemas_have_every_field_that_the_gateway_reads_or_says() -> None:
    assert SCHEMAS["directory-entry.json"]["properties"].keys() == set(json_source.NAMES)
    assert SCHEMAS["directory-entry.json"]["$defs"]["unit"]["properties"].keys() == set(json_source.UNIT_NAMES)
    aside = SCHEMAS["location-event.json"]["properties"].keys() - {"epcis"}
    assert SCHEMAS["epcis-event-properties.json"]["properties"].keys() == aside
    assert SCHEMAS["alert.json"]["properties"].keys() == {field.name for field in fields(Alert)}


def test_the_document_names_every_command(contract: Contract) -> None:
    assert contract.document["components"]["parameters"]["command"]["enum"] == list(COMMANDS)
    assert SCHEMAS["command.json"]["$defs"].keys() - {"shared"} == COMMANDS.keys()
    assert SCHEMAS["command.json"]["anyOf"] == [{"$ref": f"#/$defs/{name}"} for name in COMMANDS]
    assert SCHEMAS["reply.json"]["$defs"].keys() == {*COMMANDS, "directory_batch"}


@pytest.mark.parametrize("name", [*COMMANDS, "directory_batch"])
def test_the_result_of_a_reply_is_that_of_its_command(contract: Contract, name: str) -> None:
    values = Reply(Outcome.DONE, "well", {"surprise": 1}).values(GATEWAY, name, None, 0)
    (fault, *_) = contract.faults("reply.json", values)
    assert fault.startswith("$.result: ")


def test_what_is_written_for_people_names_every_command() -> None:
    table = re.findall(r"^\| `(\w+)` \|", (DOCS / "mqtt.md").read_text().partition("## Commands")[2], re.MULTILINE)
    assert table[: len(COMMANDS)] == list(COMMANDS)
    allowed = re.findall(r"^allow = (\[.*\])$", CONFIGURATION, re.MULTILINE)
    assert json.loads(allowed[0]) == list(COMMANDS), "the demo lets everybody give every command"


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("status", {}),
        ("status", {"reader": "x"}),
        ("restart_reader", {"reader": "dock-1"}),
        ("restart_reader", {"reader": 1}),
        ("restart_reader", {"reader": "dock-1", "request_id": ""}),
        ("restart_reader", {"reader": "dock-1", "request_id": "x" * 129}),
        ("restart_reader", {"reader": "dock-1", "expires_at": "tomorrow"}),
        ("restart_reader", {}),
        ("find_tag", {"sscc": SSCC}),
        ("find_tag", {"sscc": SSCC, "epc": "E2001122"}),
        ("bind_tag", {"shipment_id": "S-1", "epc": "E2001122"}),
        ("bind_tag", {"shipment_id": "S-1"}),
        ("bind_tag", {"epc": "E2001122"}),
        ("unbind_tag", {"unit": SSCC}),
        ("unbind_tag", {"unit": SSCC, "parent": SSCC}),
        ("close_load", {"load": LOAD}),
        ("close_load", {"load": ""}),
        ("close_load", {"load_id": LOAD}),
        ("close_load", {}),
        ("replay", {"from_sequence": 1, "to_sequence": 2}),
        ("replay", {"from_sequence": 0, "to_sequence": 2}),
        ("replay", {"from_sequence": True, "to_sequence": 2}),
        ("replay", {"from_sequence": "1", "to_sequence": 2}),
        ("reload", {}),
        ("reload", {"file": "x"}),
    ],
)
def test_gateway_and_schema_agree_on_commands(contract: Contract, name: str, given: dict[str, Any]) -> None:
    envelope = read_envelope(json.dumps(given).encode(), "t")
    accepted = not envelope.faults
    try:
        parse_command(name, envelope.arguments, "t")
    except ShipmentSourceError:
        accepted = False
    assert accepted == (contract.faults(f"command.json#/$defs/{name}", given) == [])


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"shipment_id": "S-1", "units": [{"sscc": SSCC, "tid": "E280"}], "orders": ["1"], "carrier": None},
        {"units": [{"parent": SSCC}]},
        {"units": [{"sscc": None}]},
        {"units": [{"sscc": 340123450000000017}]},
        {"units": {"sscc": SSCC}},
        {"orders": [1]},
        {"planned_departure": "2026-11-23T18:30:00+01:00"},
        {"planned_departure": "tomorrow"},
        {"load": "Tour 7"},
        {"load": None},
        {"load": 7},
        {"truck": "X"},
        [],
    ],
    ids=json.dumps,
)
def test_gateway_and_schema_agree_on_entries(contract: Contract, entry: object) -> None:
    try:
        parse_payload("S-1", json.dumps(entry).encode(), "t")
        accepted = True
    except ShipmentSourceError:
        accepted = False
    assert accepted == (contract.faults("directory-entry.json", entry) == [])


def test_the_page_has_every_topic_of_the_document(contract: Contract) -> None:
    page = (DOCS / "mqtt.md").read_text()
    written = {topic.replace("{biz_step}", "{bizStep}") for topic in re.findall(r"`(rfid/\{site\}[^`]*)`", page)}
    missing = {
        channel.address for channel in contract.channels if channel.address.replace("{prefix}", "rfid") not in written
    }
    assert missing == set()


def test_asyncapis_own_parser_finds_nothing_wrong(contract: Contract) -> None:
    modules = ROOT / ".venv/asyncapi/node_modules"
    if not (modules / "@asyncapi/parser").is_dir():
        skip_or_fail("node and @asyncapi/parser are not installed")
    done = subprocess.run(
        ["node", ROOT / "tests/peers/asyncapi_check.cjs", modules, DOCS / "asyncapi.yaml"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    diagnostics = [line for line in lines if "code" in line]
    # A newer version of the specification is no fault of a document that names the one it is written for.
    assert [line for line in diagnostics if line["code"] != "asyncapi-latest-version"] == []
    operations = {(line["operation"], line["action"]) for line in lines if "operation" in line}
    expected = {(name, operation["action"]) for name, operation in contract.document["operations"].items()}
    assert operations == expected
