"""A pipeline with a command desk on a real database, with what commands reach outside made by hand."""

import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rfid_gateway.command_desk import CommandDesk
from rfid_gateway.command_execution import Surroundings
from rfid_gateway.command_tokens import read_clients
from rfid_gateway.config import ConfigError, parse
from rfid_gateway.config_changes import Changes
from rfid_gateway.gateway import Drained, Pipeline
from rfid_gateway.mqtt.mailbox import Notice
from rfid_gateway.mqtt.requests import Request
from rfid_gateway.reads import TagRead, TagReport
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.store.connection import Store, open_store
from tests.unit.test_pipeline import CONFIG, DRIVERS, EPC, SECOND, SSCC, Clock

OWN = "rfid/hamburg/gate-1"
KEY = f"(00){SSCC}"
TOKEN = "correct-horse-battery"
RIGHTS = """
[commands]
allow = ["status", "find_tag", "restart_reader"]
per_minute = 30
[[commands.clients]]
name = "wms"
token_file = "{folder}/token"
allow = ["bind_tag", "unbind_tag", "close_load", "replay", "reload"]
"""


@dataclass
class Site:
    folder: Path
    clock: Clock = field(default_factory=Clock)
    notices: list[Notice] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    refilled: list[int] = field(default_factory=list)
    reloaded: list[int] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    """What is wrong with the configuration file now."""
    acknowledged: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "token").write_text(f"{TOKEN}\n")
        self.config = parse(CONFIG + RIGHTS.format(folder=self.folder), "test", DRIVERS)
        self.store = open_store(self.folder / "gateway.db")
        self.start()

    def start(self) -> None:
        surroundings = Surroundings(
            restart_reader={name: partial(self.restarted.append, name) for name in ("dock-1", "storage-1")},
            status=lambda: {"state": "online"},
            check_configuration=self.check_configuration,
            reload=lambda: self.reloaded.append(self.clock.now),
            outbox_refilled=lambda: self.refilled.append(self.clock.now),
            post=self.notices.append,
        )
        self.desk = CommandDesk(self.config, read_clients(self.config), self.store, self.clock, surroundings)
        self.pipeline = Pipeline(self.config, self.store, self.clock, self.desk)

    def check_configuration(self) -> Changes:
        if self.mistakes:
            raise ConfigError(self.mistakes)
        return Changes(tables=("readers", "zones"), readers_added=("shelf",), places=True)

    def send(
        self, command: str | None, fields: dict[str, Any] | list[Any] | bytes | None = None, **message: Any
    ) -> dict[str, Any]:
        """Have a request drained and return the one reply to it."""
        self.drain(command, fields, **message)
        values: dict[str, Any] = json.loads(self.notices[-1].payload)
        assert list(values)[:4] == ["request_id", "gateway", "command", "outcome"]
        return values

    def drain(
        self, command: str | None, fields: dict[str, Any] | list[Any] | bytes | None = None, **message: Any
    ) -> Drained:
        payload = fields if isinstance(fields, bytes) else json.dumps(fields or {}).encode()
        topic = f"{OWN}/commands/{command}" if command else "rfid/hamburg/directory/batch"
        done = command or "batch"
        return self.pipeline.drain(
            [Request(topic, command, payload, lambda: self.acknowledged.append(done), **message)]
        )

    def announce(self, shipment_id: str, *units: Unit, load: str | None = None) -> None:
        self.store.directory.upsert([Shipment(shipment_id, units or (Unit(f"epc:{shipment_id}"),), load=load)])

    def wms(self, command: str, request_id: str = "1", **fields: Any) -> dict[str, Any]:
        return self.send(command, {"token": TOKEN, "request_id": request_id, **fields})


def arrive(site: Site, epc: str) -> None:
    """Have the storage reader see a tag."""
    read = TagRead(epc, 1, site.clock.now, site.clock.now, -50.0)
    site.pipeline.drain([TagReport("storage-1", site.clock.now, site.clock.monotonic_us(), (read, read))])


def publish(store: Store, site: Site, count: int) -> None:
    """Let a tag arrive so often, and the broker acknowledge all but the last of its events."""
    store.directory.upsert([Shipment("S-1", (Unit(KEY),))])
    for _ in range(count):
        arrive(site, EPC)
        for _ in range(40):
            site.clock.now += SECOND
            site.pipeline.drain([])
    store.outbox.published(list(range(1, count)), site.clock.now)
