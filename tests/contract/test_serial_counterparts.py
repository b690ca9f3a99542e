"""Clients that we did not write talk to our simulated readers: see tests/counterparts.txt."""

import importlib.util
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from queue import Queue
from types import ModuleType
from typing import Any

import pytest

from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.r2000 import R2000Setting, SimulatedR2000
from rfid_simulators.serial.server import SerialReaderServer
from rfid_simulators.serial.wires import PtyWire
from rfid_simulators.world.sighting import Radio, Sighting
from tests.conftest import skip_or_fail
from tests.servers import eventually

FOLDER = Path(__file__).parents[2] / "build" / "counterparts"
EPCS = [f"30340000000000000000{number:04X}" for number in range(10)]
PATIENCE_S = 60.0
RSSI = -35.0  # where the vendor's table and the client's reckoning agree
MORE_FOLLOWS = 3


def counterpart(name: str) -> ModuleType:
    """Import a package of that folder and nothing else of it: the folder never gets on the path."""
    if name in sys.modules:
        return sys.modules[name]
    start = FOLDER / name / "__init__.py"
    if not start.is_file():
        skip_or_fail(f"{name} is not there; tests/counterparts.txt says how to install it, make test does")
    spec = importlib.util.spec_from_file_location(name, start, submodule_search_locations=[str(start.parent)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def once(antenna_id: int) -> Radio:
    """Every tag is heard in the reader's first moment and never again."""

    def radio(start: int, _end: int) -> list[Sighting]:
        return [Sighting(0, "r", antenna_id, epc, RSSI, channel=8) for epc in EPCS] if start == 0 else []

    return radio


@pytest.fixture
def chafon_transport(tmp_path: Path) -> Iterator[Any]:
    """The client's serial port, not opened before the test has started a reader at that link."""
    counterpart("chafon_rfid")
    opened: list[Any] = []

    def open_transport() -> Any:
        opened.append(
            import_module("chafon_rfid.transport_serial").SerialTransport(str(tmp_path / "reader"), timeout=PATIENCE_S)
        )
        return opened[-1]

    yield open_transport
    for transport in opened:
        transport.destroy()


@pytest.mark.parametrize(
    ("with_antennas", "module", "type_name", "code"),
    [(True, "uhfreader288m", "UHFReader288MP", 0x20), (False, "uhfreader18", "UHFReader18", 0x09)],
)
def test_chafon_rfid_introduces_itself_to_our_reader_and_reads_all_its_tags(
    tmp_path: Path, chafon_transport: Any, *, with_antennas: bool, module: str, type_name: str, code: int
) -> None:
    setting = ChafonSetting(with_antennas=with_antennas, type_code=code)
    library, base = import_module(f"chafon_rfid.{module}"), import_module("chafon_rfid.base")
    with SerialReaderServer(SimulatedChafon(setting), once(antenna_id=3), PtyWire(tmp_path / "reader")):
        transport = chafon_transport()
        information = base.ReaderInfoFrame(base.CommandRunner(transport).run(base.ReaderCommand(0x21)))
        assert (information.type.name, information.power, information.frequency_band.name) == (type_name, 26, "US")
        transport.write(base.ReaderCommand(0x01).serialize())
        frames = [transport.read_frame()]
        while frames[-1][3] == MORE_FOLLOWS:
            frames.append(transport.read_frame())
    tags = [tag for frame in frames for tag in library.G2InventoryResponse(frame).get_tag()]
    assert [bytes(tag.epc).hex().upper() for tag in tags] == EPCS
    assert len(frames) > 1
    assert {tag.antenna_num for tag in tags} == {3 if with_antennas else 1}


def test_chafon_rfid_makes_our_reader_push_and_stop(tmp_path: Path, chafon_transport: Any) -> None:
    base = import_module("chafon_rfid.base")
    firmware = SimulatedChafon(ChafonSetting())
    with SerialReaderServer(firmware, lambda _start, _end: [], PtyWire(tmp_path / "reader")):
        runner = base.CommandRunner(chafon_transport())
        for mode, pushing in ((1, True), (0, False)):
            answer = base.ReaderResponseFrame(runner.run(base.ReaderCommand(0x76, data=[mode])))
            assert (answer.resp_cmd, answer.result_status) == (0x76, 0)
            assert firmware.pushing == pushing


@pytest.fixture
def impinj() -> Iterator[tuple[Any, Queue[dict[str, Any]]]]:
    """A client of pyImpinj, not connected yet."""
    counterpart("libscrc")
    heard: Queue[dict[str, Any]] = Queue()
    client = counterpart("pyImpinj").ImpinjR2KReader(heard, address=1)
    yield client, heard
    client.worker_close()


@pytest.mark.parametrize("inventory", ["rt_inventory", "session_inventory"])
@pytest.mark.filterwarnings("ignore:set.* is deprecated:DeprecationWarning")
def test_pyimpinj_sets_power_and_antenna_of_our_reader_and_reads_all_its_tags(
    inventory: str, tmp_path: Path, impinj: tuple[Any, Queue[dict[str, Any]]]
) -> None:
    client, heard = impinj
    firmware = SimulatedR2000(R2000Setting())
    with SerialReaderServer(firmware, once(antenna_id=3), PtyWire(tmp_path / "reader")):
        client.connect(str(tmp_path / "reader"))
        client.worker_start()
        assert client.fast_power(27) == (True, "SUCCESS")
        assert client.set_work_antenna(2) == (True, "SUCCESS")
        eventually(lambda: firmware.waiting == len(EPCS), "all tags heard")
        getattr(client, inventory)()
        items = [heard.get(timeout=PATIENCE_S) for _ in range(len(EPCS) + 1)]
        client.worker_close()
    assert firmware.power == 27
    assert [item["epc"] for item in items[:-1]] == EPCS
    assert {(item["antenna"], item["rssi"], float(item["frequency"])) for item in items[:-1]} == {(3, RSSI, 902.5)}
    assert (items[-1]["type"], items[-1]["total_read"]) == ("DONE", len(EPCS))


def test_pyimpinj_is_told_by_our_reader_that_an_antenna_is_missing(
    tmp_path: Path, impinj: tuple[Any, Queue[dict[str, Any]]]
) -> None:
    client, heard = impinj
    setting = R2000Setting(antennas=frozenset({1}))
    with SerialReaderServer(SimulatedR2000(setting), once(antenna_id=1), PtyWire(tmp_path / "reader")):
        client.connect(str(tmp_path / "reader"))
        client.worker_start()
        client.set_work_antenna(1)
        client.rt_inventory()
        assert heard.get(timeout=PATIENCE_S) == {"type": "ERROR", "logs": "Antenna miss error."}
        client.worker_close()
