"""What of the package can be checked without a container; the rest is `make test-systemd`."""

import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import click
import pytest

from rfid_gateway import __version__, config
from rfid_gateway.cli import cli
from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.cli.packaged import FILES, is_example
from rfid_gateway.cli.service import service_files
from rfid_simulators.cli import main as simulator
from tests.conftest import skip_or_fail
from tests.e2e.running import PROGRAM, command

ROOT = Path(__file__).resolve().parents[2]
UNITS = ("rfid-gateway.service", "rfid-gateway@.service")
EXPOSURE = "15"
"""systemd-analyze's threshold is ten times the figure that it prints."""


@pytest.fixture(scope="module")
def manpages() -> ModuleType:
    spec = spec_from_file_location("manpages", ROOT / "debian/manpages.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def leaves(group: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(group, click.Group):
        yield path, group
        return
    for name in group.list_commands(click.Context(group)):
        inner = group.get_command(click.Context(group), name)
        assert inner is not None
        yield from leaves(inner, f"{path} {name}")


def test_the_wheels_files_are_those_of_the_tree() -> None:
    assert (FILES / "gateway.toml").read_text() == (ROOT / "config/gateway.toml").read_text()
    for unit in UNITS:
        assert (FILES / "systemd" / unit).read_text() == (ROOT / "systemd" / unit).read_text()


def test_the_package_has_the_programs_version() -> None:
    changelog = (ROOT / "debian/changelog").read_text()
    assert changelog.startswith(f"rfid-gateway ({__version__}) ")


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_takes_the_unit_and_finds_it_locked_in(unit: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        skip_or_fail("systemd-analyze is not installed")
    # The real program's path, so that `verify` looks whether it is there.
    text = (ROOT / "systemd" / unit).read_text().replace("/usr/bin/rfid-gateway", str(PROGRAM))
    (tmp_path / unit).write_text(text)
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / unit], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    exposure = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", str(tmp_path / unit)]
    found = subprocess.run(exposure, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-200:]


@pytest.mark.parametrize("unit", UNITS)
def test_what_the_sandbox_lets_in_by_name_is_known_to_the_kernel_before_the_start(unit: str) -> None:
    """systemd looks a class of devices up once; `make test-vm` plugs the first adapter in after the start."""
    lines = (ROOT / "systemd" / unit).read_text().splitlines()
    modules = {"char-ttyUSB": "usbserial", "char-ttyACM": "cdc_acm"}
    allowed = [line.removeprefix("DeviceAllow=").split()[0] for line in lines if line.startswith("DeviceAllow=")]
    loaded = " ".join(f"modprobe@{modules[name]}.service" for name in allowed)
    assert allowed
    assert {f"Wants={loaded}", f"After={loaded}"} <= set(lines)


def test_the_units_of_one_and_of_several_gateways_differ_in_names_alone() -> None:
    one, several = ((ROOT / "systemd" / unit).read_text() for unit in UNITS)
    assert one != several
    named = several.replace("RFID gateway %i", "RFID gateway").replace("/%i.toml", "/gateway.toml")
    assert named.replace("rfid-gateway/%i", "rfid-gateway").replace("rfid-gateway-%i", "rfid-gateway") == one


def test_the_manual_names_every_command_option_and_key(manpages: ModuleType) -> None:
    for group, page in ((cli, manpages.gateway_page()), (simulator, manpages.simulator_page())):
        name = "rfid-gateway" if group is cli else "rfid-simulator"
        plain = page.replace("\\-", "-")
        for path, leaf in leaves(group, name):
            section = plain.split(f".SS {path} ")[1].split(".SS ")[0]
            missing = [option for parameter in leaf.params for option in parameter.opts if option not in section]
            assert [option for option in missing if option.startswith("-")] == [], path
    page = manpages.configuration_page().replace("\\-", "-")
    for table, keys in {"gateway": ["site", "state_dir"], "mqtt": ["host", "tls.ca_file"]}.items():
        assert [key for key in keys if f".B {table}.{key}" not in page] == []
    for name, driver in InstalledDrivers().items():
        options = page.split(f"with driver = {name}\n")[1].split(".SH ")[0]
        assert [key for key in driver.Options.model_fields if f".B {key}" not in options] == [], name


def test_groff_has_nothing_to_say_against_the_manual(manpages: ModuleType) -> None:
    if shutil.which("groff") is None:
        skip_or_fail("groff is not installed")
    for page in (manpages.gateway_page(), manpages.simulator_page(), manpages.configuration_page()):
        formatted = ["groff", "-man", "-Tutf8", "-Kutf8", "-ww", "-z"]
        said = subprocess.run(formatted, input=page, capture_output=True, text=True, check=True)
        assert said.stderr == ""


def test_the_launcher_takes_the_libraries_beside_it_and_nothing_from_its_user(tmp_path: Path) -> None:
    libraries = tmp_path / "usr/lib/rfid-gateway"
    libraries.mkdir(parents=True)
    for source in Path(sysconfig.get_path("purelib")).iterdir():
        if not source.name.startswith("rfid_gateway-"):
            (libraries / source.name).symlink_to(source)
    for package in ("rfid_gateway", "drivers/rfid_drivers", "simulators/rfid_simulators"):
        (libraries / Path(package).name).symlink_to(ROOT / package)
    (metadata,) = Path(sysconfig.get_path("purelib")).glob("rfid_gateway-*.dist-info")
    (libraries / metadata.name).symlink_to(metadata)
    bin_folder, decoy = tmp_path / "usr/bin", tmp_path / "decoy"
    bin_folder.mkdir()
    decoy.mkdir()
    (decoy / "click.py").write_text("raise SystemExit('this is not the library')")
    for name in ("rfid-gateway", "rfid-simulator"):
        shutil.copy(ROOT / "debian/launcher", bin_folder / name)
        done = subprocess.run(
            [os.path.realpath(sys.executable), "-I", bin_folder / name, "--help"],
            cwd=decoy,
            env={"PYTHONPATH": str(decoy), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert f"Usage: {name}" in done.stdout
    assert (ROOT / "debian/launcher").read_text().startswith("#!/usr/bin/python3 -I\n")


def test_the_guides_configuration_is_a_good_one() -> None:
    guide = (ROOT / "docs/install.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", guide, flags=re.DOTALL)
    assert config.parse(example, "install.md", InstalledDrivers()).readers[0].id == "table"


def test_the_example_as_installed_is_not_run(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    shutil.copy(ROOT / "config/gateway.toml", file)
    assert is_example(file)
    done = command("run", "--config", file)
    assert done.returncode == 2
    assert done.stderr.startswith(f"not configured: call rfid-gateway setup, which writes {file}")
    file.write_text(file.read_text() + "\n")
    assert not is_example(file)
    assert not is_example(tmp_path / "none.toml")


def test_as_a_service_the_example_waits_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    shutil.copy(ROOT / "config/gateway.toml", file)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen(
            [PROGRAM, "run", "--config", file], env=environment, stderr=subprocess.DEVNULL
        ) as gateway:
            said = manager.recv(1000).decode()
            assert said.startswith(f"READY=1\nSTATUS=not configured: call rfid-gateway setup, which writes {file}")
            assert manager.recv(1000) == b"WATCHDOG=1"
            gateway.terminate()
            assert gateway.wait(60) == 0


def test_service_install_writes_and_uninstall_removes_what_belongs_to_the_service(tmp_path: Path) -> None:
    program = Path("/opt/rfid-gateway/bin/rfid-gateway")
    unit = service_files(program)[0]
    assert unit.target == "etc/systemd/system/rfid-gateway.service"
    assert f"ExecStart={program} run" in unit.content
    assert "/usr/bin/rfid-gateway" not in unit.content
    (tmp_path / "etc/rfid-gateway").mkdir(parents=True)
    (tmp_path / "etc/rfid-gateway/gateway.toml").write_text("mine")
    for file in service_files(program):
        (tmp_path / file.target).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.target).write_text(file.content)
    removed = command("service", "uninstall", "--root", tmp_path)
    assert removed.returncode == 0, removed.stderr
    left = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert left == [Path("etc/rfid-gateway/gateway.toml")]
    again = command("service", "uninstall", "--root", tmp_path)
    assert again.returncode == 1
    assert "not installed" in again.stderr


def test_service_install_refuses_where_the_sandbox_hides_the_program_or_a_package_brings_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from rfid_gateway.cli.service import service

    monkeypatch.setattr(sys, "argv", ["/home/anna/venv/bin/rfid-gateway"])
    hidden = CliRunner().invoke(service, ["install", "--root", str(tmp_path)])
    assert (hidden.exit_code, list(tmp_path.iterdir())) == (1, [])
    assert "/home/anna/venv/bin/rfid-gateway lies below /home" in hidden.output
    monkeypatch.setattr(sys, "argv", ["/opt/rfid-gateway/bin/rfid-gateway"])
    done = CliRunner().invoke(service, ["install", "--root", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert is_example(tmp_path / "etc/rfid-gateway/gateway.toml")
    assert (tmp_path / "etc/udev/rules.d/70-rfid-gateway.rules").is_file()
    assert "kept" in CliRunner().invoke(service, ["install", "--root", str(tmp_path)]).output
    packaged = tmp_path / "usr/lib/systemd/system/rfid-gateway.service"
    packaged.parent.mkdir(parents=True)
    packaged.touch()
    refused = CliRunner().invoke(service, ["install", "--root", str(tmp_path)])
    assert refused.exit_code == 1
    assert "belongs to the package" in refused.output
