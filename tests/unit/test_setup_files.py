"""Files are put in their places all together or not at all, and what they replace is kept."""

import os
import signal
import stat
from pathlib import Path

import pytest

from rfid_gateway.setup.files import NewFile, put
from rfid_gateway.setup.surroundings import local_networks, serial_ports, time_zone


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def mode_of(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_new_files_get_their_mode_and_folder(tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "rfid-gateway"
    kept = put([NewFile(folder / "a", "ä\n", 0o644), NewFile(folder / "secret", "ß\n", 0o640, os.getgid())], "s")
    assert (kept, names_in(folder)) == ([], ["a", "secret"])
    assert (mode_of(folder / "a"), mode_of(folder / "secret")) == (0o644, 0o640)
    assert (folder / "a").read_text(encoding="utf-8") == "ä\n"


def test_what_is_replaced_is_kept_and_a_secret_is_never_readable_for_more(tmp_path: Path) -> None:
    file, secret = tmp_path / "a", tmp_path / "secret"
    for each in (file, secret):
        each.write_text("old")
        each.chmod(0o660)
    assert put([NewFile(file, "new", 0o644), NewFile(secret, "new", 0o600)], "1") == [
        tmp_path / "a.1",
        tmp_path / "secret.1",
    ]
    assert (mode_of(file), mode_of(secret), mode_of(tmp_path / "secret.1")) == (0o660, 0o600, 0o660)
    assert put([NewFile(file, "newer", 0o644)], "1") == [tmp_path / "a.1-2"]
    assert [(tmp_path / name).read_text() for name in ("a.1", "a.1-2", "a")] == ["old", "new", "newer"]


def test_an_example_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("example")
    assert put([NewFile(file, "new", 0o644, keeps_old=False)], "1") == []
    assert (names_in(tmp_path), file.read_text()) == (["a"], "new")


def test_a_file_that_cannot_be_written_leaves_all_as_they_were(tmp_path: Path) -> None:
    good = tmp_path / "a"
    good.write_text("old")
    (tmp_path / "no-folder").write_text("")
    with pytest.raises(OSError):
        put([NewFile(good, "new", 0o644), NewFile(tmp_path / "no-folder" / "b", "new", 0o644)], "1")
    assert (names_in(tmp_path), good.read_text()) == (["a", "no-folder"], "old")


def test_a_full_disk_in_between_leaves_all_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    file.write_text("old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        put([NewFile(file, "new", 0o644)], "1")
    assert (names_in(tmp_path), file.read_text()) == (["a"], "old")


def test_ctrl_c_waits_until_the_files_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def interrupted(handle: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        real(handle)

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        put([NewFile(tmp_path / "a", "new", 0o644), NewFile(tmp_path / "b", "new", 0o644)], "1")
    assert names_in(tmp_path) == ["a", "b"]


def test_serial_adapters_are_listed_once_under_the_name_that_stays(tmp_path: Path) -> None:
    for name in ("ttyUSB0", "ttyUSB1", "ttyACM0", "ttyS0"):
        (tmp_path / name).touch()
    by_id, by_path = tmp_path / "serial/by-id", tmp_path / "serial/by-path"
    for folder, link, target in (
        (by_id, "usb-A", "ttyUSB1"),
        (by_path, "pci-1", "ttyUSB1"),
        (by_path, "pci-2", "ttyACM0"),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / link).symlink_to(tmp_path / target)
    assert serial_ports(tmp_path) == [str(by_id / "usb-A"), str(by_path / "pci-2"), str(tmp_path / "ttyUSB0")]
    assert serial_ports(tmp_path / "nothing") == []


def test_the_time_zone_is_that_of_the_pc(tmp_path: Path) -> None:
    assert time_zone(tmp_path) == "UTC"
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    assert time_zone(tmp_path) == "Europe/Berlin"
    (tmp_path / "timezone").write_text("Europe/Vienna\n")
    assert time_zone(tmp_path) == "Europe/Vienna"


def test_networks_are_small_enough_to_look_through() -> None:
    for each in local_networks():
        assert each.network.num_addresses <= 1024
        assert not each.network.is_loopback
