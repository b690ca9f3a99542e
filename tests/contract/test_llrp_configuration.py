"""What the driver asks of readers, against the simulated reader's own checks and an independent dissector."""

import shutil
import subprocess
from pathlib import Path

import pytest

from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.reader import LlrpReader
from rfid_gateway.clock import SystemClock
from rfid_gateway.driver import ReaderError
from rfid_gateway.reads import ReaderAlert
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.profiles import GENERIC, IMPINJ_R420, IMPINJ_R700, PICKY, ZEBRA_FX9600, ReaderProfile
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.steady_field import steady_field
from tests.conftest import skip_or_fail
from tests.driving import Running, running
from tests.llrp_messages import IMPINJ, Dialogue, greeting, message, ok
from tests.llrp_radio import ZEBRA, antenna_state, autonomous, capable, radio_capabilities, reader_config
from tests.servers import eventually
from tests.tap import READER_PORT, write_pcap

FILTER = {"mask": "3034"}
RADIO: dict[str, object] = {
    "tx_power_dbm": 22.0,
    "session": 1,
    "tag_population": 40,
    "filters": [FILTER],
    "antenna_settings": {"2": {"tx_power_dbm": 15.5}},
}
OF_PROFILE: dict[str, dict[str, object]] = {
    IMPINJ_R420.name: {
        "mode_index": 1002,
        "rx_sensitivity_db": 20.0,
        "impinj_search_mode": "single_target",
        "vendor_content": ["phase", "doppler", "peak_rssi", "tid"],
    },
    GENERIC.name: {"mode_index": 1, "tari_ns": 25000},
}


def simulator(profile: ReaderProfile) -> LlrpReaderServer:
    radio = steady_field("dock", rate=300, tags=12, antennas=profile.antennas)
    return LlrpReaderServer(profile, Sources(radio))


def driver(server: LlrpReaderServer, settings: dict[str, object]) -> LlrpReader:
    host, port = server.address
    options = LlrpOptions.model_validate({"host": host, "port": port, "keepalive_s": 1, **settings})
    return LlrpReader("dock", options, SystemClock())


def alerts(run: Running) -> list[ReaderAlert]:
    return [item for item in run.items if isinstance(item, ReaderAlert)]


@pytest.mark.parametrize("profile", [IMPINJ_R420, GENERIC], ids=lambda profile: profile.name)
def test_a_simulated_reader_takes_every_setting_of_its_kind(profile: ReaderProfile) -> None:
    with simulator(profile) as server, running(driver(server, RADIO | OF_PROFILE[profile.name])) as run:
        run.reads_more(30)
        assert run.error is None
    assert alerts(run) == []
    assert {read.tid is not None for read in run.reads} == {profile is IMPINJ_R420}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tx_power_dbm": 5.0}, r"lowest is 10 dBm \(10 to 30 dBm\)"),
        ({"mode_index": 7}, "offers 0, 1, 2, 3, 4, 1000"),
        ({"filters": [FILTER] * 3}, "takes 2"),
    ],
)
def test_settings_beyond_the_readers_tables_are_an_error_with_words(settings: dict[str, object], words: str) -> None:
    with simulator(IMPINJ_R420) as server, running(driver(server, settings)) as run:
        assert run.ends_soon()
    assert isinstance(run.error, ReaderError)
    with pytest.raises(ReaderError, match=words):
        raise run.error


def test_a_photo_eye_starts_and_stops_the_reader_itself() -> None:
    triggers: dict[str, object] = {"start_trigger": {"gpi": 1}, "stop_trigger": {"gpi": 1}}
    with simulator(IMPINJ_R420) as server, running(driver(server, triggers)) as run:
        eventually(lambda: bool(run.states), "online")
        assert run.reads == []
        for _ in range(2):
            server.set_gpi(1, high=True)
            run.reads_more(5)
            server.set_gpi(1, high=False)
        assert run.error is None


@pytest.mark.parametrize("profile", [IMPINJ_R700, ZEBRA_FX9600], ids=lambda profile: profile.name)
def test_settings_that_all_readers_have_are_taken_by_other_makes_too(profile: ReaderProfile) -> None:
    mode = {"mode_index": profile.factory_rf_mode}
    with simulator(profile) as server, running(driver(server, RADIO | mode)) as run:
        run.reads_more(30)
        assert run.error is None
    assert alerts(run) == []


def test_a_picky_reader_is_read_without_what_it_refuses_and_every_such_setting_is_told() -> None:
    settings: dict[str, object] = {
        "session": 1,
        "tag_population": 40,
        "mode_index": 2,
        "tari_ns": 20000,
        "impinj_search_mode": "single_target",
    }
    with simulator(PICKY) as server, running(driver(server, settings)) as run:
        run.reads_more(30)
        assert run.error is None
    told = {name for name in settings if any(name in alert.detail for alert in alerts(run))}
    assert told >= {"tag_population", "mode_index", "tari_ns", "impinj_search_mode"}
    assert all(alert.kind == "setting_refused" for alert in alerts(run))


def test_a_reader_without_powers_for_single_antennas_gets_one_for_all() -> None:
    with (
        simulator(PICKY) as server,
        running(driver(server, {"antenna_settings": {"2": {"tx_power_dbm": 15.5}}})) as run,
    ):
        run.reads_more(30)
        assert run.error is None
    assert any("antenna_settings.tx_power_dbm" in alert.detail for alert in alerts(run))


def test_a_reader_that_refuses_filters_is_not_read_without_them() -> None:
    with simulator(PICKY) as server, running(driver(server, {"filters": [FILTER]})) as run:
        assert run.ends_soon()
    with pytest.raises(ReaderError, match=r"refused ADD_ROSPEC: .*filters"):
        raise run.error or AssertionError


EVERYTHING: dict[str, object] = {
    "host": "r",
    "tx_power_dbm": 25.0,
    "rx_sensitivity_db": 20.0,
    "mode_index": 3,
    "tari_ns": 12500,
    "session": 1,
    "tag_population": 5,
    "filters": [FILTER, {"mask": "E28", "bits": 11, "bank": "tid", "action": "exclude"}],
    "antenna_settings": {"2": {"tx_power_dbm": 15.0}},
    "start_trigger": {"gpi": 1},
    "stop_trigger": {"gpi": 1, "timeout_ms": 3000},
}


@pytest.mark.parametrize("manufacturer", [IMPINJ, ZEBRA, 0], ids=["impinj", "zebra", "generic"])
@pytest.mark.parametrize("target", [{}, {"target": "B"}], ids=["unaware", "aware"])
def test_tshark_dissects_a_full_set_up(manufacturer: int, target: dict[str, object], tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        skip_or_fail("tshark is not installed")
    extra = {"impinj_search_mode": "tag_focus", "vendor_content": ["phase", "doppler", "peak_rssi", "tid"]}
    options = LlrpOptions.model_validate(EVERYTHING | target | (extra if manufacturer == IMPINJ else {}))
    told = reader_config(*map(antenna_state, (1, 2, 3, 4)), autonomous(0x80))
    dialogue = Dialogue(options, capable(radio_capabilities(manufacturer=manufacturer, inputs=2)) | told).run()
    traffic = [(False, greeting())]
    for request in dialogue.sent:
        traffic.append((True, message(request.type, request.body, request.id, request.version)))
        if request.type not in (64, 72):
            traffic.append((False, ok(request)))
    write_pcap(tmp_path / "set-up.pcap", traffic)
    fields = ["-e", "llrp.type", "-e", "_ws.expert.message", "-e", "_ws.malformed"]
    command = ["tshark", "-r", str(tmp_path / "set-up.pcap"), "-d", f"tcp.port=={READER_PORT},llrp", "-T", "fields"]
    done = subprocess.run([*command, *fields], capture_output=True, text=True, timeout=60, check=True)
    kinds, *complaints = zip(*(line.split("\t") for line in done.stdout.splitlines()), strict=True)
    assert {"3", "20", "24"} <= set(",".join(kinds).split(","))
    assert {text for column in complaints for text in column} == {""}
