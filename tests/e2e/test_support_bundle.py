"""`rfid-gateway support-bundle` as an administrator calls it: on a healthy site and where much is broken."""

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from rfid_gateway.store.connection import open_store
from tests.e2e.running import PROGRAM, command
from tests.small_disk import SmallDisk, disk  # noqa: F401 - a fixture

SECRETS = ("hunter2-mqtt", "hunter2-wms-token-0001", "hunter2-url", "hunter2-user", "hunter2-comment", "hunter2-typo")
CONFIG = """\
# hunter2-comment
[gateway]
site = "test"
id = "gate-1"
state_dir = "{state}"
[mqtt]
host = "127.0.0.1"
username = "hunter2-user"   # hunter2-comment
password_file = "{folder}/mqtt-password"
{extra}
[[commands.clients]]
name = "wms"
token_file = "{folder}/wms-token"
allow = ["status"]
[[readers]]
id = "dock"
driver = "chafon"
port = "socket://hunter2-user:hunter2-url@127.0.0.1:4001"
[[zones]]
id = "dock"
antennas = ["dock"]
read_point = "urn:epc:id:sgln:4012345.00010.dock"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A configuration with secrets, a database, and a status that repeats some of them; the configuration's path."""
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "mqtt-password").write_text("hunter2-mqtt\n")
    (tmp_path / "wms-token").write_text("hunter2-wms-token-0001\n")
    open_store(state / "gateway.db").close()
    detail = "socket://hunter2-user:hunter2-url@127.0.0.1:4001: refused for hunter2-user with hunter2-mqtt"
    (state / "status.json").write_text(json.dumps({"at": 1, "stopped": False, "detail": detail}))
    return configured(tmp_path, "")


def configured(folder: Path, extra: str) -> Path:
    file = folder / "gateway.toml"
    file.write_text(CONFIG.format(state=folder / "state", folder=folder, extra=extra))
    return file


def bundle(config: Path, *words: str | Path, cwd: Path) -> tuple[str, dict[str, str]]:
    """What was printed, and the files of the bundle; no byte of either is of a secret."""
    done = subprocess.run(
        [PROGRAM, "support-bundle", "--config", config, *words], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    place = Path(cwd, done.stdout.splitlines()[-1].partition(".tar.gz:")[0] + ".tar.gz")
    files = opened(place)
    everything = done.stdout + done.stderr + "".join(files) + "".join(files.values())
    assert [secret for secret in SECRETS if secret in everything] == []
    assert "hunter2" not in everything
    return done.stdout + done.stderr, files


def opened(place: Path) -> dict[str, str]:
    assert place.stat().st_mode & 0o777 == 0o600
    with tarfile.open(place) as tar:
        members = tar.getmembers()
        assert len({member.name.partition("/")[0] for member in members}) == 1
        found = {}
        for member in members:
            content = tar.extractfile(member)
            assert content is not None
            found[member.name.partition("/")[2]] = content.read().decode()
    return found


def test_a_bundle_has_what_helps_and_no_secret(site: Path, tmp_path: Path) -> None:
    printed, files = bundle(site, cwd=tmp_path)
    assert 'host = "127.0.0.1"' in files["gateway.toml"]
    assert "1 readers, 1 zones" in files["check.txt"]
    assert json.loads(files["status.json"])["at"] == 1
    assert "127.0.0.1:4001: refused" in files["status.json"]
    assert "quick_check: ok" in files["database.txt"]
    assert "rows of events: 0" in files["database.txt"]
    assert "schema changes: initial " in files["database.txt"]
    assert "gateway.db" in files["files.txt"]
    assert "paho-mqtt 2" in files["version.txt"]
    assert "lo: 127.0.0.1/8" in files["system/addresses.txt"]
    assert "MemTotal" in files["system/kernel.txt"]
    for name in files:
        assert name in printed or name == "CONTENTS.txt"
        assert name in files["CONTENTS.txt"] or name == "CONTENTS.txt"
    assert "events.jsonl" not in files
    _, files = bundle(site, "with.tar.gz", "--with-events", cwd=tmp_path)
    assert "because that was asked for" in files["CONTENTS.txt"]
    assert "outbox.jsonl" in files["CONTENTS.txt"]


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ('password = "hunter2-typo"', "mqtt.password: unknown key"),
        ("window = 0", "mqtt.window: expected"),
        ("password = hunter2-typo", "not TOML"),
        ('tls = { key = "hunter2-typo', "not TOML"),
    ],
)
def test_a_broken_configuration_is_in_it_with_what_is_wrong(site: Path, tmp_path: Path, extra: str, said: str) -> None:
    _, files = bundle(configured(tmp_path, extra), cwd=tmp_path)
    assert said in files["check.txt"]
    assert len(files["gateway.toml"].splitlines()) == len(site.read_text().splitlines())
    assert "check.txt: rfid-gateway ended with 2" in files["CONTENTS.txt"]


def test_without_configuration_and_state_the_rest_is_in_it(tmp_path: Path) -> None:
    _, files = bundle(tmp_path / "none.toml", "there.tar.gz", cwd=tmp_path)
    assert f"gateway.toml: {tmp_path}/none.toml: No such file or directory" in files["CONTENTS.txt"]
    assert "version.txt" in files


@pytest.mark.parametrize("damage", ["overwritten", "cut", "empty"])
def test_a_damaged_database_is_described(site: Path, tmp_path: Path, damage: str) -> None:
    database = tmp_path / "state/gateway.db"
    content = database.read_bytes()
    broken = {"overwritten": b"no" * 5000, "cut": content[: len(content) // 2], "empty": b""}[damage]
    database.write_bytes(broken)
    _, files = bundle(site, cwd=tmp_path)
    assert "quick_check: ok" not in files["database.txt"] or damage == "empty"
    assert {"overwritten": "file is not a database", "cut": "malformed", "empty": "page_count: 0"}[damage] in files[
        "database.txt"
    ]
    assert database.read_bytes() == broken, "looked at, not touched"


def test_on_a_full_disk_it_goes_to_another_folder(site: Path, tmp_path: Path, disk: SmallDisk) -> None:  # noqa: F811
    disk.fill()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [PROGRAM, "support-bundle", "--config", site, disk.folder / "bundle.tar.gz"],
        cwd=disk.folder,
        env={**os.environ, "TMPDIR": str(elsewhere)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{disk.folder}/bundle.tar.gz cannot be written: No space left on device" in done.stderr
    assert f"{elsewhere}/bundle.tar.gz: " in done.stdout
    assert "version.txt" in opened(elsewhere / "bundle.tar.gz")
    assert [path.name for path in disk.folder.iterdir()] == ["filler"], "no half of one is left"


def test_not_called_as_root_it_does_what_it_may(site: Path, tmp_path: Path) -> None:
    setpriv = shutil.which("setpriv")
    if setpriv is None or os.geteuid() != 0:
        pytest.skip("takes root to become another user")
    (tmp_path / "mqtt-password").chmod(0o600)
    readable = Path(PROGRAM).resolve()
    nobody = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*nobody, readable, "--help"], capture_output=True, check=False).returncode:
        pytest.skip("another user may not read this checkout")
    done = subprocess.run(
        [*nobody, PROGRAM, "support-bundle", "--config", site], cwd="/tmp", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "not called as root" in done.stderr
    place = Path("/tmp") / (done.stdout.splitlines()[-1].partition(".tar.gz:")[0] + ".tar.gz")
    try:
        files = opened(place)
    finally:
        place.unlink()
    assert "gateway.toml: " in files["CONTENTS.txt"]
    assert "Permission denied" in files["CONTENTS.txt"]


def test_nothing_is_overwritten(site: Path, tmp_path: Path) -> None:
    before = site.read_bytes()
    done = command("support-bundle", site, "--config", site)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert site.read_bytes() == before
    assert not list(tmp_path.glob("*.tar.gz"))
