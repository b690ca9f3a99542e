"""The commands as their users type them."""

import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from rfid_gateway.clock import SystemClock
from rfid_gateway.reader_views import ReaderViews
from rfid_gateway.reads import ReaderState, ReaderStatus, TagRead, TagReport
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.state_file import write_state
from rfid_gateway.store.connection import open_store
from rfid_gateway.store.loads import LoadUnit
from rfid_gateway.store.outbox import OutboxEvent
from tests.e2e.running import PROGRAM, command
from tests.servers import free_port

SSCC = "340123450000000017"
EPC = "314D7EA5A441C9C381000000"


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    file = tmp_path / "gateway.toml"
    file.write_text(
        f"""\
[gateway]
site = "hamburg"
id = "gate-1"
state_dir = "{tmp_path}/state"
[mqtt]
host = "127.0.0.1"
port = {free_port()}
[[readers]]
id = "dock-1"
driver = "llrp"
host = "127.0.0.1"
port = {free_port()}
[[zones]]
id = "storage"
antennas = ["dock-1"]
read_point = "urn:epc:id:sgln:4012345.00010.store-1"
[zones.arrived]
biz_step = "storing"
"""
    )
    return file


@pytest.fixture
def history(configuration: Path) -> Path:
    """The configuration of a gateway that has seen one unit of one shipment twice."""
    folder = configuration.parent / "state"
    folder.mkdir()
    with open_store(folder / "gateway.db") as store:
        store.directory.upsert([Shipment("S-1", (Unit(f"(00){SSCC}"),), ("PO-7",), planned_door="door-1")])
        store.outbox.append(
            OutboxEvent(
                event_id=f"ni:///sha-256;{number}?ver=CBV2.0",
                event_time=1_795_000_000_000_000 + number,
                epc=EPC,
                shipment_id="S-1",
                biz_step="storing",
                direction=None,
                verdict="ok",
                read_point="urn:epc:id:sgln:4012345.00010.store-1",
                topic="t",
                encode=lambda sequence: json.dumps(
                    {"event_id": "x", "sequence": sequence, "orders": ["PO-7"], "confidence": None, "epcis": {}},
                    separators=(",", ":"),
                ).encode(),
                logistic_unit=SSCC,
            )
            for number in (1, 2)
        )
        store.outbox.published([1], 1_795_000_000_000_005)
    return configuration


def rows(*words: str | Path) -> list[dict[str, object]]:
    done = command(*words, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_wrong_configuration_ends_with_2_and_names_the_line(configuration: Path) -> None:
    configuration.write_text(configuration.read_text().replace("port =", "prot =", 1))
    for name in ("check", "run", "status", "events"):
        done = command(name, "--config", configuration)
        assert done.returncode == 2
        assert done.stderr == f"{configuration}:7: mqtt.prot: unknown key, did you mean 'port'?\n"
        assert done.stdout == ""


def test_a_good_configuration_is_said_to_be_good(configuration: Path) -> None:
    done = command("check", "--config", configuration)
    assert done.returncode == 0
    assert done.stdout == f"{configuration}: 1 readers, 1 zones, 0 doors: ok\n"


def test_check_with_connect_names_what_cannot_be_reached(configuration: Path) -> None:
    done = command("check", "--connect", "--timeout", "3", "--config", configuration)
    assert done.returncode == 1
    broker, reader = done.stdout.splitlines()[1:]
    assert broker.startswith("FAILED broker 127.0.0.1:")
    assert reader.startswith("FAILED reader dock-1: ")


def test_decode_speaks_json_and_reads_standard_input() -> None:
    (row,) = rows("decode", EPC.lower())
    assert list(row) == ["hex", "scheme", "filter", "epc_uri", "tag_uri", "element_string", "digital_link", "error"]
    assert row["element_string"] == f"(00){SSCC}"
    assert row["error"] is None
    done = subprocess.run(
        [PROGRAM, "decode", "--json"], input=f"{EPC} E200\n\n", capture_output=True, text=True, check=True
    )
    assert [json.loads(line)["scheme"] for line in done.stdout.splitlines()] == ["SSCC-96", None]


def test_decode_of_text_that_is_no_hex_fails_and_still_tells_the_rest() -> None:
    done = command("decode", "xyz", EPC)
    assert done.returncode == 1
    assert "expected hex digits" in done.stdout
    assert SSCC in done.stdout


def test_shipments_are_imported_listed_and_shown(configuration: Path) -> None:
    sample = Path(__file__).resolve().parents[2] / "config" / "shipments.csv"
    done = command("shipments", "import", sample, "--config", configuration)
    assert done.returncode == 0, done.stderr
    listed = rows("shipments", "list", "--config", configuration)
    assert done.stdout.startswith(f"{len(listed)} shipments with ")
    shown = rows("shipments", "show", str(listed[0]["shipment_id"]), "--config", configuration)
    assert shown == listed[:1]


def test_a_unit_with_several_keys_is_shown_and_counted_once(configuration: Path, tmp_path: Path) -> None:
    file = tmp_path / "several.csv"
    file.write_text(
        "shipment_id,sscc,epc,tid,parent\n"
        f"S-1,{SSCC},E2001122AABB,E2801160,340123450000000024\n"
        "S-1,,,E2801161,\n"
        "S-1,,E2003344,E2801162,\n"
    )
    done = command("shipments", "import", file, "--config", configuration)
    assert done.stdout == "1 shipments with 3 units imported\n", done.stderr
    (shown,) = rows("shipments", "show", "S-1", "--config", configuration)
    assert shown["units"] == [
        f"(00){SSCC} = epc:E2001122AABB = tid:E2801160 on (00)340123450000000024",
        "epc:E2003344 = tid:E2801162",
        "tid:E2801161",
    ]


def test_an_import_with_a_mistake_imports_nothing_and_names_it(configuration: Path, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(f"shipment_id,sscc\nS-1,{SSCC}\nS-2,340123450000000018\n")
    done = command("shipments", "import", file, "--config", configuration)
    assert done.returncode == 1
    assert "bad.csv:3: sscc: " in done.stderr
    assert "1 mistakes; nothing was imported" in done.stderr
    assert not (configuration.parent / "state").exists()


def test_a_shipment_that_is_not_there_fails(history: Path) -> None:
    done = command("shipments", "show", "S-9", "--config", history)
    assert (done.returncode, done.stderr) == (1, "Error: there is no shipment 'S-9'\n")


def test_events_are_listed_with_what_still_waits(history: Path) -> None:
    listed = rows("events", "--config", history)
    assert [(row["sequence"], row["shipment_id"], row["published"]) for row in listed] == [
        (1, "S-1", "yes"),
        (2, "S-1", "waits"),
    ]
    assert rows("events", "--verdict", "wrong_door", "--config", history) == []
    table = command("events", "--config", history).stdout
    assert "S-1" in table
    assert "store-1" in table


@pytest.mark.parametrize("name", ["S-1", SSCC, EPC, EPC.lower(), "ni:///sha-256;1?ver=CBV2.0"])
def test_trace_finds_a_shipment_by_each_of_its_names(history: Path, name: str) -> None:
    assert [row["sequence"] for row in rows("trace", name, "--config", history)] == [1, 2]
    assert "shipment S-1" in command("trace", name, "--config", history).stdout


def test_trace_of_a_name_that_nobody_knows_fails(history: Path) -> None:
    done = command("trace", "nothing", "--config", history)
    assert done.returncode == 1
    assert "nothing is known of 'nothing'" in done.stderr


def test_an_event_is_withdrawn_once_and_seen_to_be(history: Path) -> None:
    words = ("events", "withdraw", "2", "--reason", "did_not_occur", "--config", history)
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("event 2 of shipment S-1 (storing, ")
    assert done.stdout.endswith(") is withdrawn; event 3 says so to the order backend\n")
    again = command(*words)
    assert (again.returncode, again.stderr) == (1, "Error: event 2 was withdrawn already, by event 3\n")
    for listing in (("events",), ("trace", "S-1")):
        listed = {row["sequence"]: row for row in rows(*listing, "--config", history)}
        assert {number: row["withdrawn_by"] for number, row in listed.items()} == {1: None, 2: 3, 3: None}
        assert {number: row["withdraws"] for number, row in listed.items()} == {1: None, 2: None, 3: "x"}
        table = command(*listing, "--config", history).stdout
        assert "by 3" in table
        assert "withdraws an event: did_not_occur" in table


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("2",), 2, "Missing option '--reason'"),
        (("2", "--reason", "oops"), 2, "'oops' is not one of 'did_not_occur', 'incorrect_data'"),
        (("7", "--reason", "did_not_occur"), 1, "there is no event '7' here"),
        (("2", "--reason", "did_not_occur", "--corrective", "1"), 1, "has no corrective events (CBV 2.0)"),
    ],
)
def test_a_withdrawal_that_cannot_be_is_refused_in_words(
    history: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    done = command("events", "withdraw", *words, "--config", history)
    assert done.returncode == code
    assert message in done.stderr
    assert len(rows("events", "--config", history)) == 2


def test_an_option_before_the_subcommand_is_not_passed_over(history: Path) -> None:
    done = command("events", "--config", history, "withdraw", "2", "--reason", "did_not_occur")
    assert done.returncode == 2
    assert "options stand behind 'withdraw'" in done.stderr


@pytest.fixture
def truck(configuration: Path) -> Path:
    """The configuration of a gateway with a load of three units: one out, one out with another load, one not seen."""
    folder = configuration.parent / "state"
    folder.mkdir()
    with open_store(folder / "gateway.db") as store:
        store.directory.upsert(
            Shipment(f"S-{number}", (Unit(f"epc:{number}"),), load=load)
            for number, load in ((1, "T-1"), (2, "T-1"), (3, "T-1"), (4, "T-2"))
        )
        for number, load in ((1, "T-1"), (2, "T-2"), (4, "T-1")):
            store.loads.passed(LoadUnit(load, f"epc:{number}", f"S-{number}", "out", 5))
    return configuration


def test_loads_are_listed_and_one_is_shown_with_each_unit_that_is_not_where_it_should_be(truck: Path) -> None:
    for words in (("loads",), ("loads", "show"), ("loads", "T-1")):
        row = rows(*words, "--config", truck)[0]
        counts = ("expected", "seen", "outstanding", "missing", "wrong_door", "misrouted")
        assert [row[name] for name in counts] == [3, 1, 1, 0, 1, 1]
    table = command("loads", "--config", truck).stdout.splitlines()
    assert table[0].split()[:3] == ["load", "state", "door"]
    assert len(table) == 3
    shown = command("loads", "--config", truck, "T-1").stdout
    lines = [line.split(maxsplit=2) for line in shown.splitlines() if line.startswith("epc:")]
    assert [(unit, shipment) for unit, shipment, _ in lines] == [("epc:3", "S-3"), ("epc:2", "S-2"), ("epc:4", "S-4")]
    assert "not seen yet" in lines[0][2]
    assert "take it off" in lines[2][2]


def test_a_load_is_closed_once(truck: Path) -> None:
    done = command("loads", "close", "T-1", "--config", truck)
    assert done.stdout == "load T-1 is closed: 1 of 3 units seen, 2 missing\n"
    assert (rows("loads", "T-1", "--config", truck)[0]["missing"], done.returncode) == (1, 0)
    again = command("loads", "close", "T-1", "--config", truck)
    assert (again.returncode, again.stderr) == (1, "Error: load 'T-1' is closed already\n")
    unknown = command("loads", "close", "T-9", "--config", truck)
    assert (unknown.returncode, unknown.stderr) == (1, "Error: there is no load 'T-9'\n")


def test_where_there_are_no_loads_it_is_said_why(history: Path) -> None:
    done = command("loads", "--config", history)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no loads: no shipment names one" in done.stderr


def test_status_before_the_first_run_says_so(configuration: Path) -> None:
    done = command("status", "--config", configuration)
    assert done.returncode == 1
    assert "the gateway has not run here yet" in done.stderr


def test_status_shows_the_figures_of_each_reader_and_what_was_wrong_with_it(configuration: Path) -> None:
    at = SystemClock().utc_us()
    readers = ReaderViews(["dock-1"], at)
    readers.status(ReaderStatus("dock-1", at, ReaderState.OFFLINE, "no route to host"))
    readers.status(ReaderStatus("dock-1", at, ReaderState.ONLINE, "", "Speedway R420", "5.14.0.240", (1, 3), 41.2))
    readers.report(TagReport("dock-1", at, 0, (TagRead(EPC, 1, at, at),) * 20, 2_500_000))
    folder = configuration.parent / "state"
    folder.mkdir()
    figures = dict.fromkeys(("backlog", "reads", "events", "published", "unbound"), 0)
    state = {"at": at, "started": at, "stopped": False, "broker": "connected", "database": "ok", **figures}
    write_state(folder, {**state, "readers": {"dock-1": asdict(readers.view("dock-1", 5_000_000))}})
    done = command("status", "--config", configuration)
    assert done.returncode == 0, done.stderr
    for words in ("online", "Speedway R420 5.14.0.240", "1, 3", "41", "2.0", "+2.500 s", ": no route to host"):
        assert words in done.stdout


def test_analyse_prints_observations_of_recorded_reads(configuration: Path, tmp_path: Path) -> None:
    reads = tmp_path / "reads.jsonl"
    reads.write_text(
        "".join(
            json.dumps({"reader_id": "dock-1", "received_at": at, "epc": EPC, "antenna_id": 1, "peak_rssi": -50}) + "\n"
            for at in (1_000_000, 2_000_000)
        )
    )
    arrived, departed = rows("analyse", reads, "--config", configuration)
    assert (arrived["kind"], arrived["change"], arrived["zone"]) == ("presence", "arrived", "storage")
    assert (departed["change"], departed["at"]) == ("departed", 2_000_000)


def test_analyse_takes_edges_of_photo_eyes(configuration: Path, tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "golden" / "observe" / "photo-eyes-one-antenna-out" / "reads.jsonl"
    door = """\
[[doors]]
id = "door-1"
antennas = ["dock-1:1"]
photo_eyes = ["dock-1:1", "dock-1:2"]
read_point = "urn:epc:id:sgln:4012345.00010.door-1"
"""
    configuration.write_text(configuration.read_text() + door)
    observed = rows("analyse", golden, "--config", configuration)
    (passage,) = [row for row in observed if row["kind"] == "passage"]
    assert passage["direction"] == "out"
    bad = tmp_path / "edges.jsonl"
    bad.write_text('{"reader_id": "dock-1", "received_at": 1, "port": 0, "high": true}\n')
    done = command("analyse", bad, "--config", configuration)
    assert "edges.jsonl:1: port: Input should be greater than or equal to 1" in done.stderr


def test_analyse_names_the_line_of_a_bad_read(configuration: Path, tmp_path: Path) -> None:
    reads = tmp_path / "reads.jsonl"
    reads.write_text('{"reader_id": "dock-1"}\n')
    done = command("analyse", reads, "--config", configuration)
    assert done.returncode == 1
    assert "reads.jsonl:1: received_at: Field required" in done.stderr


def test_version_names_the_program(tmp_path: Path) -> None:
    done = command("version", HOME=str(tmp_path))
    assert done.returncode == 0
    assert done.stdout.startswith("rfid-gateway 0.")


def test_a_load_that_names_no_door_is_listed_too(configuration: Path) -> None:
    (configuration.parent / "state").mkdir()
    with open_store(configuration.parent / "state" / "gateway.db") as store:
        store.directory.upsert([Shipment("S-1", (Unit("epc:1"),), load="T-1")])
    (row,) = rows("loads", "--config", configuration)
    assert (row["load_id"], row["expected"], row["outstanding"]) == ("T-1", 1, 1)
    (shipment,) = rows("shipments", "show", "S-1", "--config", configuration)
    assert shipment["load"] == "T-1"
