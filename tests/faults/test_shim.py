"""The library under the gateway does what it is told, and counts what really happened."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import skip_or_fail
from tests.faults.shim import Disk, compile_shim


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    if shutil.which("gcc") is None:
        skip_or_fail("gcc is not installed")
    return Disk(tmp_path / "control")


def run(disk: Disk, code: str) -> int:
    library = compile_shim(disk.file.parent)
    environment = {**os.environ, "LD_PRELOAD": str(library), "RFID_FAULTS": str(disk.file)}
    return subprocess.run([sys.executable, "-c", f"import os\n{code}"], env=environment, check=False).returncode


def test_a_write_is_cut_in_half_by_the_kill(disk: Disk, tmp_path: Path) -> None:
    disk.kill_at_write(2)
    assert run(disk, f"f = os.open({str(tmp_path / 'f')!r}, 66)\nfor at in (0, 4, 8): os.pwrite(f, b'abcd', at)") == -9
    assert (tmp_path / "f").read_bytes() == b"abcdab"
    assert disk.kills == 1


def test_a_delayed_fsync_is_counted_and_done(disk: Disk, tmp_path: Path) -> None:
    disk.slow(1000)
    assert run(disk, f"f = os.open({str(tmp_path / 'f')!r}, 66)\nos.fsync(f)\nos.fdatasync(f)") == 0
    assert disk.syncs_delayed == 2
    disk.slow(0)
    assert run(disk, f"f = os.open({str(tmp_path / 'f')!r}, 66)\nos.fsync(f)") == 0
    assert disk.syncs_delayed == 2


@pytest.mark.parametrize(("call", "refused"), [("pwrite(f, b'a', 0)", (1, 0)), ("write(f, b'a')", (0, 1))])
def test_a_write_without_room_is_counted(disk: Disk, call: str, refused: tuple[int, int]) -> None:
    code = f"f = os.open('/dev/full', 2)\ntry: os.{call}\nexcept OSError: pass\nelse: os._exit(3)"
    assert run(disk, code) == 0
    assert (disk.writes_refused, disk.files_refused) == refused
