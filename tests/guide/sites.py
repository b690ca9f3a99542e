"""The states in which a page's sections want the warehouse: each of them really is what the section is about."""

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import trustme

from rfid_simulators.faults import RefuseAsBusy
from rfid_simulators.serial.faults import Unplug, WrongBaud
from tests.conftest import skip_or_fail
from tests.guide.page import Command
from tests.guide.pc import CONFIGURATION, Alias, warehouse_pc
from tests.guide.warehouse import ON_THE_TABLE, PALLET, TABLE_PORT, Warehouse
from tests.servers import Mosquitto, eventually, free_port, mosquitto_path
from tests.small_disk import small_disk

Site = Callable[[Warehouse], None]
SITES: dict[str, Site] = {}
BROKERS: dict[str, tuple[str, ...]] = {}
"""What the broker's configuration says at sites where that is not the usual; `{folder}` is the broker's."""
PASSWORD = "the broker's own"


def site(*broker: str) -> Callable[[Site], Site]:
    """Give a state of the warehouse the name by which pages ask for it, and its broker a configuration of its own."""

    def named(function: Site) -> Site:
        name = function.__name__.replace("_", "-")
        SITES[name] = function
        BROKERS[name] = broker or ("allow_anonymous true",)
        return function

    return named


@contextmanager
def warehouse(name: str) -> Iterator[Warehouse]:
    """A warehouse in the state of this name, for a block."""
    program = mosquitto_path()
    if program is None:
        skip_or_fail("Mosquitto is not installed")
    assert program is not None
    with warehouse_pc() as pc:
        folder = pc.folder / "mosquitto"
        folder.mkdir()
        _broker_files(folder)
        broker = Mosquitto(program, folder, "\n".join(line.format(folder=folder) for line in BROKERS[name]))
        broker.start()
        pc.parts.callback(broker.kill)
        house = Warehouse(pc, broker, pc.parts)
        SITES[name](house)
        yield house


def _broker_files(folder: Path) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
    (folder / "acl").write_text("topic readwrite #\ntopic deny rfid/+/+/events/#\n")
    # Mosquitto's own form of a password that nobody knows.
    (folder / "passwords").write_text("rfid-gateway:$7$101$AAAAAAAAAAAAAAAA$" + "A" * 86 + "==\n")


# All is well ---------------------------------------------------------------------------------------------------------


@site()
def running(house: Warehouse) -> None:
    house.go()


@site()
def fresh(house: Warehouse) -> None:
    """The package is installed and nothing is configured; the page's own addresses are those of this PC."""
    pc, port = house.pc, free_port()
    pc.path(CONFIGURATION).unlink()
    pc.aliases = [
        *pc.aliases[:3],
        Alias("setup --no-input", f"setup --no-input --output {pc.path(CONFIGURATION)} --state-dir {pc.state}"),
        Alias("--broker 127.0.0.1", f"--broker 127.0.0.1:{house.broker.port}"),
        Alias("127.0.0.1:1883", f"127.0.0.1:{house.broker.port}"),
        Alias('host = "127.0.0.1"', f'host = "127.0.0.1"\nport = {house.broker.port}'),
        Alias("127.0.0.1:4001", f"127.0.0.1:{port}"),
        Alias("--port 4001", f"--port {port}"),
    ]


# The broker ----------------------------------------------------------------------------------------------------------


@site()
def broker_away(house: Warehouse) -> None:
    house.go()
    house.broker.stop()
    house.pass_door()


@site("allow_anonymous false", "password_file {folder}/passwords")
def wrong_password(house: Warehouse) -> None:
    words = 'username = "rfid-gateway"\npassword_file = "/etc/rfid-gateway/mqtt-password"'
    house.pc.change('host = "broker.example"', f'host = "broker.example"\n{words}')
    house.pc.write("/etc/rfid-gateway/mqtt-password", "not what the broker knows\n")
    house.pc.start()


@site("allow_anonymous true", "certfile {folder}/certificate.pem", "keyfile {folder}/key.pem")
def tls_untrusted(house: Warehouse) -> None:
    house.pc.change('\n\n[[readers]]\nid = "dock-1"', '\n[mqtt.tls]\n\n[[readers]]\nid = "dock-1"')
    house.pc.start()


@site("allow_anonymous true", "acl_file {folder}/acl")
def not_authorised(house: Warehouse) -> None:
    house.announce("S-1", json.dumps({"units": [{"epc": ON_THE_TABLE}]}))
    house.pc.start()
    # Not "connected": Mosquitto 2.0.11 also closes the connection each time that it refuses.
    eventually(lambda: house.status().get("refused", 0) > 0, "the broker refuses the event", 60)


@site("allow_anonymous true", "max_packet_size 500")
def event_too_large(house: Warehouse) -> None:
    house.announce("S-1", json.dumps({"units": [{"epc": ON_THE_TABLE}]}))
    house.pc.start()


@site("allow_anonymous true", "retain_available false")
def no_retained(house: Warehouse) -> None:
    house.pc.start()


@site()
def directory_refused(house: Warehouse) -> None:
    house.go()
    house.announce("S-3", '{"units": [{"sscc": "340123450000000018"}]}')


# The readers ---------------------------------------------------------------------------------------------------------


@site()
def reader_off(house: Warehouse) -> None:
    house.go()
    house.dock_reader.stop()


@site()
def reader_busy(house: Warehouse) -> None:
    house.dock_reader.inject(RefuseAsBusy())
    house.pc.start()


@site()
def antenna_gone(house: Warehouse) -> None:
    house.go()
    house.dock_reader.set_antenna(2, connected=False)


@site()
def unplugged(house: Warehouse) -> None:
    house.go()
    house.table_reader.inject(Unplug(600_000_000))


@site()
def port_in_use(house: Warehouse) -> None:
    """Another program holds the port, as ModemManager and terminals do."""
    port = os.open(house.pc.path(TABLE_PORT), os.O_RDWR | os.O_NOCTTY)
    house.parts.callback(os.close, port)
    fcntl.flock(port, fcntl.LOCK_EX)
    house.pc.start()


@site()
def wrong_baud(house: Warehouse) -> None:
    house.table_reader.inject(WrongBaud())
    house.table.every_us = 20_000
    house.pc.start()


@site()
def port_forbidden(house: Warehouse) -> None:
    house.pc.as_nobody()
    house.pc.path(TABLE_PORT).chmod(0o600)
    house.pc.start()


@site()
def reader_clock_wrong(house: Warehouse) -> None:
    house.go()
    house.dock_reader.step_clock(3_650_000_000)
    house.pass_door()
    eventually(lambda: _clock_is_shown(house, "dock-1"), "the status shows the reader's clock", 60)


def _clock_is_shown(house: Warehouse, reader: str) -> bool:
    offset = house.status()["readers"][reader]["clock_offset"]
    return offset is not None and offset > 3_500_000_000


# Tags and doors ------------------------------------------------------------------------------------------------------


@site()
def tag_unknown(house: Warehouse) -> None:
    house.pc.start()
    eventually(lambda: house.status().get("unbound", 0) > 0, "the tag waits", 60)


@site()
def no_zone(house: Warehouse) -> None:
    house.pc.change('antennas = ["table"]', 'antennas = ["table:2"]')
    house.announce("S-1", json.dumps({"units": [{"epc": ON_THE_TABLE}]}))
    house.pc.start()
    eventually(lambda: house.status().get("reads", 0) > 5, "tags are read", 60)


@site()
def undecided(house: Warehouse) -> None:
    house.go()
    house.pass_door(apart=0.62)


@site()
def sides_swapped(house: Warehouse) -> None:
    house.pc.change('inside = ["dock-1:1"]\noutside = ["dock-1:2"]', 'inside = ["dock-1:2"]\noutside = ["dock-1:1"]')
    house.go()
    house.pass_door()


@site()
def wrong_door(house: Warehouse) -> None:
    house.go()
    house.announce("S-2", f'{{"units": [{{"epc": "{PALLET}"}}], "planned_door": "door-2"}}')
    house.pass_door()


@site()
def neighbour(house: Warehouse) -> None:
    """A pallet passes the door beside ours, whose reader belongs to another gateway: ours hears it faintly."""
    house.go()
    house.pass_door(peak=-55.0)


@site()
def flapping(house: Warehouse) -> None:
    house.pc.change("[zones.arrived]", "depart_after_s = 0.3\n[zones.arrived]")
    house.table.every_us = 700_000
    house.pc.change("[zones.arrived]", "min_reads = 1\n[zones.arrived]")
    house.go()
    eventually(lambda: house.status()["events"] > 4, "the tag arrives again and again", 60)


# The PC --------------------------------------------------------------------------------------------------------------


@site()
def mistake(house: Warehouse) -> None:
    house.pc.change("host = ", "hots = ")
    house.pc.start()


@site()
def hanging(house: Warehouse) -> None:
    """The password lies on something that never answers: a pipe without a writer stands for a dead network disk."""
    words = 'username = "rfid-gateway"\npassword_file = "/etc/rfid-gateway/mqtt-password"'
    house.pc.change('host = "broker.example"', f'host = "broker.example"\n{words}')
    os.mkfifo(house.pc.path("/etc/rfid-gateway/mqtt-password"))
    house.pc.environment["WATCHDOG_USEC"] = "4000000"
    house.pc.start()


@site()
def disk_low(house: Warehouse) -> None:
    house.pc.change("low_mb = 1", "low_mb = 1_000_000_000")
    house.go()


@site()
def disk_full(house: Warehouse) -> None:
    house.pc.change("low_mb = 1", "low_mb = 1\nballast_mb = 9")
    disk = house.parts.enter_context(small_disk(house.pc.state, 64))
    house.go()
    house.broker.stop()
    disk.fill()
    eventually(lambda: "the disk is full" in house.status()["disk"], "the disk is full", 60)
    disk.fill()


@site()
def quota_reached(house: Warehouse) -> None:
    house.pc.change("low_mb = 1", "low_mb = 1\nmax_database_mb = 2")
    rows = "".join(f"S-{number},3034{number:020d}\n" for number in range(20_000))
    house.pc.write("many.csv", f"shipment_id,epc\n{rows}")
    house.go()
    house.pc.run(Command(0, "rfid-gateway shipments import many.csv", ()), time.monotonic() + 60)


@site()
def database_damaged(house: Warehouse) -> None:
    house.go()
    house.pc.stop()
    (house.pc.state / "gateway.db").write_bytes(b"this is no database" * 1000)
    house.pc.start()


@site()
def database_newer(house: Warehouse) -> None:
    house.go()
    house.pc.stop()
    with closing(sqlite3.connect(house.pc.state / "gateway.db")) as database:
        database.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('rfid-gateway', '0099_of_a_later_version', '2027-01-01')"
        )
        database.commit()
    house.pc.start()


@site()
def state_forbidden(house: Warehouse) -> None:
    """Somebody called a command that writes as root, and its files are root's."""
    house.pc.state.mkdir(mode=0o755)
    house.pc.as_nobody()
    house.pc.start()


@site()
def stopped(house: Warehouse) -> None:
    house.go()
    house.pc.stop()


@site()
def power_cut(house: Warehouse) -> None:
    house.go()
    house.pc.kill()
    house.pc.start()
    eventually(lambda: house.online("dock-1", "table") and house.connected(), "all is well again", 60)


@site()
def clock_wrong(house: Warehouse) -> None:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        skip_or_fail("libfaketime is not installed")
    house.pc.environment |= {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME": "@1970-01-01 00:00:20",
    }
    house.pc.start()
