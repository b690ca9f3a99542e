"""Look at this PC and at the gateway on it. I/O only: what is found is text as it is, still with every secret.

Everything here works on a PC where much is broken. What cannot be had becomes a `Part` that says why.
"""

import os
import platform
import shutil
import stat
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

import ifaddr

from rfid_gateway import __version__
from rfid_gateway.state_file import STATE_FILE
from rfid_gateway.store.facts import database_facts
from rfid_gateway.support.parts import Part

_PATIENCE_S = 20.0
"""For each command, and for each question to a database."""
LOG_LINES = 5000
EVENTS = 1000
_PORTS = ("serial/by-id/*", "serial/by-path/*", "ttyUSB*", "ttyACM*", "ttyAMA*", "ttyS[0-9]")
_STATE_DIR = Path("/var/lib/rfid-gateway")


@dataclass(frozen=True, slots=True)
class Site:
    """What is looked at."""

    program: Path
    """rfid-gateway itself."""
    config_file: Path
    config_text: str
    """Empty where it cannot be read."""
    config_lacks: str
    unit: str

    @property
    def state_dir(self) -> Path:
        """The folder of the database as far as the configuration can say."""
        try:
            return Path(tomllib.loads(self.config_text)["gateway"]["state_dir"])
        except (tomllib.TOMLDecodeError, KeyError, TypeError):
            return _STATE_DIR


def look_at_site(program: Path, config_file: Path, unit: str) -> Site:
    """Read the configuration, whole or broken."""
    try:
        raw = config_file.read_bytes()
    except OSError as error:
        return Site(program, config_file, "", f"{config_file}: {error.strerror}", unit)
    return Site(program, config_file, raw.decode(errors="replace"), "", unit)


def content_of_secret_files(names: Sequence[str]) -> frozenset[str]:
    """First lines of the files in which passwords and tokens lie, where we may read them: to be taken out elsewhere."""
    found = set()
    for name in names:
        path = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials")) / name.removeprefix("credential:")
        try:
            content = (path if name.startswith("credential:") else Path(name)).read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        if "-----BEGIN" not in content:
            found.add(content.partition("\n")[0].strip())
    return frozenset(found - {""})


def parts(site: Site, *, with_events: bool) -> Iterator[Part]:
    """Find everything out but the configuration, one part after the other."""
    program, config = str(site.program), ("--config", str(site.config_file))
    yield _told("version.txt", _versions)
    yield command("check.txt", program, "check", *config)
    yield command("status.txt", program, "status", *config)
    yield _told("status.json", lambda: [(site.state_dir / STATE_FILE).read_text(encoding="utf-8")])
    yield _told("database.txt", lambda: _database(site.state_dir))
    yield _told("files.txt", lambda: _files(site.config_file.parent, site.state_dir))
    yield command(
        "log.txt", "journalctl", "--no-pager", "-o", "short-iso-precise", "-n", str(LOG_LINES), "-u", site.unit
    )
    yield command("unit/status.txt", "systemctl", "status", "--no-pager", "--full", "-n", "0", site.unit)
    yield command("unit/show.txt", "systemctl", "show", "--no-pager", site.unit)
    yield command("unit/cat.txt", "systemctl", "cat", "--no-pager", site.unit)
    yield _told("system/kernel.txt", _kernel)
    yield command("system/systemd.txt", "systemctl", "--version")
    yield command("system/clock.txt", "timedatectl", "show")
    yield command("system/clock-status.txt", "timedatectl", "status")
    yield command("system/disk.txt", "df", "-hT")
    yield command("system/inodes.txt", "df", "-i")
    yield _told("system/serial-ports.txt", _serial_ports)
    yield command("system/usb.txt", "lsusb")
    yield _told("system/addresses.txt", _addresses)
    yield command("system/routes.txt", "ip", "route")
    yield command("system/sockets.txt", "ss", "-tunap")
    if with_events:
        yield command("events.jsonl", program, "events", *config, "--json", "--limit", str(EVENTS))
        yield command("outbox.jsonl", program, "outbox", *config, "--json")


def command(name: str, *words: str) -> Part:
    """What a command prints, errors too; a code other than 0 is noted."""
    if shutil.which(words[0]) is None:
        return Part(name, lacks=f"{words[0]} is not installed")
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, and this program itself
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE_S,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "SYSTEMD_COLORS": "0", "COLUMNS": "200"},
        )
    except subprocess.TimeoutExpired as late:
        return Part(name, (late.stdout or b"").decode(errors="replace"), f"no answer within {_PATIENCE_S:g} s")
    except OSError as error:
        return Part(name, lacks=f"{words[0]}: {error.strerror}")
    said = done.stdout.decode(errors="replace")
    why = f"{Path(words[0]).name} ended with {done.returncode}: {said.strip().partition(chr(10))[0][:120]}"
    return Part(name, said, why if done.returncode else "")


def _told(name: str, look: Callable[[], Sequence[str]]) -> Part:
    try:
        return Part(name, "\n".join(look()) + "\n")
    except OSError as error:
        return Part(name, lacks=f"{error.filename or ''}: {error.strerror}".removeprefix(": "))
    except UnicodeDecodeError as error:
        return Part(name, lacks=f"byte {error.start} is not UTF-8")


def _versions() -> list[str]:
    packages = {(each.metadata["Name"] or "").lower(): each.version for each in distributions()}
    return [
        f"rfid-gateway {__version__}",
        f"Python {platform.python_version()} ({platform.python_implementation()})",
        *(f"{name} {version}" for name, version in sorted(packages.items())),
    ]


def _database(folder: Path) -> list[str]:
    databases = sorted(folder.glob("*.db"))
    if not databases:
        # Raises where the folder is not there or may not be read.
        return [f"{folder}: no database among {len(list(folder.iterdir()))} files"]
    return [line for path in databases for line in (f"{path}", *database_facts(path, _PATIENCE_S), "")]


def _files(*folders: Path) -> list[str]:
    """Names, owners, rights and sizes; of no file its content."""
    lines = []
    for folder in folders:
        try:
            lines += [_file(path) for path in (folder, *sorted(folder.iterdir()))]
            disk = shutil.disk_usage(folder)
        except OSError as error:
            lines.append(f"{folder}: {error.strerror}")
        else:
            lines.append(f"{folder}: {disk.free >> 20} of {disk.total >> 20} MB free")
    return lines


def _file(path: Path) -> str:
    about = path.lstat()
    changed = datetime.fromtimestamp(about.st_mtime, UTC).isoformat(timespec="seconds")
    return f"{stat.filemode(about.st_mode)} {_owner(path)} {about.st_size:>12} {changed} {path}"


def _owner(path: Path) -> str:
    try:
        return f"{path.owner()}:{path.group()}"
    except (KeyError, OSError):
        about = path.lstat()
        return f"{about.st_uid}:{about.st_gid}"


def _kernel() -> list[str]:
    lines = [" ".join(platform.uname()), f"{os.cpu_count()} cores, load {os.getloadavg()}"]
    for name in ("/etc/os-release", "/proc/uptime", "/proc/meminfo", "/proc/pressure/io", "/proc/pressure/memory"):
        try:
            lines += ["", name, Path(name).read_text(encoding="utf-8").rstrip()]
        except OSError as error:
            lines += ["", f"{name}: {error.strerror}"]
    return lines


def _serial_ports() -> list[str]:
    found = [path for pattern in _PORTS for path in sorted(Path("/dev").glob(pattern))]
    return [f"{_file(path)} -> {path.resolve()}" if path.is_symlink() else _file(path) for path in found] or ["none"]


def _addresses() -> list[str]:
    return [
        f"{adapter.name}: {address.ip if isinstance(address.ip, str) else address.ip[0]}/{address.network_prefix}"
        for adapter in ifaddr.get_adapters()
        for address in adapter.ips
    ]
