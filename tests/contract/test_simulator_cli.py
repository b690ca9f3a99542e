"""The command `rfid-simulator reader` serves a reader until it is interrupted, and says what is wrong with its use."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from llrpkit import Reader

from rfid_simulators.cli import main
from rfid_simulators.world.scenarios import SCENES

START = [sys.executable, "-c", "from rfid_simulators.cli import main; main()", "reader", "--port", "0"]


async def epcs(port: int, enough: int) -> set[str]:
    async with Reader("127.0.0.1", port) as reader:
        return {tag.epc_hex async for tag in reader.inventory(max_tags=enough, duration=20)}


def read_from(options: list[str], enough: int) -> tuple[str, set[str]]:
    """The first line that the command prints, and the tags that a client reads from it."""
    with subprocess.Popen([*START, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"on 127\.0\.0\.1:(\d+)", line)
        assert found, line
        try:
            tags = asyncio.run(epcs(int(found[1]), enough))
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "stopped\n")
    return line, tags


def test_a_reader_shows_its_address_and_its_tags_and_ends_on_interrupt() -> None:
    line, tags = read_from(["--rate", "500", "--tags", "7", "--profile", "generic"], 50)
    assert line.startswith("generic on ")
    assert len(tags) == 7


def test_the_same_seed_gives_the_same_tags_and_another_seed_others() -> None:
    first, again, other = (read_from(["--rate", "500", "--tags", "3", "--seed", seed], 20)[1] for seed in "112")
    assert first == again
    assert first.isdisjoint(other)


def test_a_fault_from_the_command_line_shows_and_tags_are_read_all_the_same() -> None:
    options = ["--rate", "500", "--tags", "3", "--refuse", "filters", "--report-buffer", "100", "--fault", "split:3"]
    assert len(read_from(options, 30)[1]) == 3


def test_a_reader_told_to_opens_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        target = f"127.0.0.1:{listener.getsockname()[1]}"
        with subprocess.Popen([*START, "--connect-to", target], stdout=subprocess.DEVNULL) as process:
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(20)
                    assert connection.recv(100)[:2] == b"\x04\x3f", "READER_EVENT_NOTIFICATION of LLRP 1.0.1"
            finally:
                process.kill()


def test_a_scene_is_told_and_played() -> None:
    line, tags = read_from(["--scene", "parked", "--seed", "3", "--scene-after", "0", "--profile", "generic"], 30)
    assert line.startswith("generic on ")
    assert tags <= {tag.epc.lower() for tag in SCENES["parked"](3).population.between(0, 90_000_000)}
    assert tags


def test_a_folder_of_recorded_reports_is_played(shared: Path) -> None:
    _, tags = read_from(["--rate", "100", "--record", str(shared / "vectors/llrp")], 5)
    assert "3000abcdef00000000000003" in tags


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--rate", "0"], "--rate is 0.0 and --tags is 20, expected both above 0"),
        (["--profile", "toaster"], "'toaster' is not one of"),
        (["--record", str(Path(__file__).parent)], "holds no ROAccessReport*.bytes"),
        (["--scene", "parked", "--reader", "gate"], "no reader 'gate', expected one of dock-1"),
        (["--scene", "parked", "--record", str(Path(__file__).parent)], "give either --scene or --record"),
        (["--refuse", "everything"], "cannot refuse 'everything', expected one of population"),
        (["--fault", "explode"], "'explode' is no fault (the names are busy"),
        (["--connect-to", "gateway"], "--connect-to is 'gateway', expected HOST:PORT"),
        (["--tls-certificate", __file__], "no PEM certificate with its key"),
    ],
)
def test_wrong_use_is_exit_code_2_with_what_was_expected(options: list[str], text: str) -> None:
    result = CliRunner().invoke(main, ["reader", "--port", "0", *options])
    assert result.exit_code == 2
    assert text in result.output


def test_a_port_that_is_taken_is_exit_code_1_and_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["reader", "--port", str(port)])
    assert result.exit_code == 1
    assert f"port {port} on 127.0.0.1" in result.output
