"""A root of a distribution and the container that systemd boots in it. Every entry into a root demands its marker."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

MARKER = "rfid-gateway-test-root"
"""A file that only roots made here have: nothing is booted, entered or removed without it."""
PACKAGES = (
    "apt,systemd,systemd-sysv,dbus,libpam-systemd,udev,python3,tzdata,iproute2,procps,kmod,ca-certificates,"
    "mosquitto,mosquitto-clients"
)
# Ubuntu's keys are in no package of Debian. A root that is thrown away, has no network and holds no secret may be made
# of packages whose signature nobody checked; nothing else may.
UNSIGNED = [
    "--components=main,universe",
    '--aptopt=Acquire::AllowInsecureRepositories "true"',
    '--aptopt=APT::Get::AllowUnauthenticated "true"',
]
SUITES: dict[str, list[str]] = {"bookworm": [], "noble": UNSIGNED, "trixie": []}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def make_root(suite: str, folder: Path) -> Path:
    """The root of a suite as an archive, made once; mmdebstrap takes the sources that it finds or its own."""
    archive = folder / f"{suite}.tar"
    if not archive.exists():
        draft = archive.with_suffix(".draft.tar")
        hook = f'--customize-hook=touch "$1/{MARKER}"'
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", hook, *SUITES[suite]]
        subprocess.run([*command, suite, draft], check=True)
        draft.rename(archive)
    return archive


def eventually(condition: Callable[[], bool], patience_s: float = 60.0) -> bool:
    """Wait until a condition holds; whether it did."""
    until = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


class Container:
    """One booted root without network, from `with` on; the root is unpacked anew each time."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self.root = folder / "roots" / archive.stem
        self._archive = archive
        self._name = f"rfid-{archive.stem}-{os.getpid()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Self:
        self._remove()
        self.root.mkdir(parents=True)
        subprocess.run(["tar", "-xf", self._archive, "-C", self.root], check=True)
        self._demand_marker(self.root)
        # A device that nobody needs, open to everybody: only a sandbox keeps a program from it.
        subprocess.run(["mknod", "-m", "0666", self.root / "srv/some-device", "c", "1", "11"], check=True)
        console = (self.root.parent / f"{self._archive.stem}.console").open("wb")
        command = ["systemd-nspawn", "-q", "-D", str(self.root), "--boot", "--register=no", "--keep-unit"]
        self._process = subprocess.Popen(
            [*command, "-M", self._name, "--private-network", "--console=pipe"],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )
        try:
            assert eventually(self._find_leader), "systemd-nspawn did not start the container; see the .console file"
            assert eventually(self._booted), f"systemd did not come up: {self.run('systemctl', 'list-jobs')}"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        try:
            if self._leader and self._process.poll() is None:
                self.run("systemctl", "poweroff")
            self._process.wait(30)
        except (subprocess.TimeoutExpired, RuntimeError):
            # Also where the root was deleted under the container: it must not go on without us.
            self._process.kill()
            self._process.wait()
        self._remove()

    def run(self, *command: str, text: str = "") -> str:
        """Output of a command in the container, whatever its exit code."""
        return self.finish(*command, text=text).stdout

    def inside(self, *command: str) -> list[str]:
        """What to call out here so that a command runs in the container."""
        self._demand_marker(Path(f"/proc/{self._leader}/root"))
        return ["nsenter", "-t", str(self._leader), "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w", "--", *command]

    def finish(self, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """A command in the container, run to its end."""
        return subprocess.run(
            self.inside(*command),
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env={"PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        )

    def write(self, path: str, text: str) -> None:
        """Write a file in the container."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).strip()

    def _find_leader(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            return False
        for number in Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split():
            if (Path(f"/proc/{number}/root") / MARKER).exists():
                self._leader = int(number)
        return bool(self._leader)

    def _booted(self) -> bool:
        return self.run("systemctl", "is-system-running").strip() in {"running", "degraded"}

    def _demand_marker(self, root: Path) -> None:
        if not (root / MARKER).is_file():
            raise RuntimeError(f"{root} is no root made here ({MARKER} is missing): nothing is done with it")

    def _remove(self) -> None:
        if self.root.exists():
            self._demand_marker(self.root)
            subprocess.run(["rm", "-rf", "--one-file-system", self.root], check=True)
