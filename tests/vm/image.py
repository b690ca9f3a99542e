"""The virtual PC's disk: Debian 12 with its full kernel and the package, made once for each package. I/O only.

Nothing is entered that has not the marker file of roots made here.
"""

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.systemd.container import MARKER

DISK_GB = 3
_PACKAGES = (
    "apt,systemd,systemd-sysv,dbus,udev,python3,tzdata,iproute2,procps,kmod,ca-certificates,e2fsprogs,"
    "initramfs-tools,linux-image-amd64,qemu-guest-agent"
)
_LEFT_OUT = "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*"
_SYSTEM = {
    "etc/fstab": "/dev/vda / ext4 defaults,errors=remount-ro 0 1\n",
    "etc/hostname": "warehouse-pc\n",
    # The whole set of drivers makes an initramfs that software emulation unpacks for seconds.
    "etc/initramfs-tools/conf.d/small": "MODULES=list\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\ncrc32c_generic\n",
    "etc/systemd/network/lan.network": "[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n",
    # Who stands beside the gateway and says what it has committed, as soon as it has.
    "etc/systemd/system/witness.service": """\
[Unit]
After=rfid-gateway.service
StartLimitIntervalSec=0
[Service]
User=rfid-gateway
ExecStart=/usr/bin/rfid-gateway events --follow --json --limit 1000000
StandardOutput=file:/dev/virtio-ports/witness
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target
""",
}
RULES = "etc/udev/rules.d/70-rfid-gateway.rules"
"""The administrator's copy of the package's rules."""
_SHIPPED_RULES = ("lib/udev/rules.d/70-rfid-gateway.rules", "usr/lib/udev/rules.d/70-rfid-gateway.rules")


@dataclass(frozen=True, slots=True)
class Image:
    """What a virtual PC boots from."""

    kernel: Path
    initrd: Path
    disk: Path
    """Never booted itself: each run has a copy."""


def make_image(deb: Path, folder: Path) -> Image:
    """The image with this package, made where it is not there yet; a second run finds it in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = _make_root(folder)
    key = hashlib.sha256(deb.read_bytes() + archive.name.encode())
    image = Image(*(folder / f"{key.hexdigest()[:16]}.{part}" for part in ("kernel", "initrd", "ext4")))
    if not image.disk.exists():
        for old in [*folder.glob("*.kernel"), *folder.glob("*.initrd"), *folder.glob("*.ext4")]:
            old.unlink()
        _make_disk(archive, deb, image, folder / "root")
    return image


def _make_root(folder: Path) -> Path:
    """Debian without the package, as an archive."""
    key = hashlib.sha256(repr((_PACKAGES, _LEFT_OUT, _SYSTEM)).encode()).hexdigest()[:16]
    archive = folder / f"bookworm-{key}.tar"
    if archive.exists():
        return archive
    for old in folder.glob("bookworm-*.tar"):
        old.unlink()
    overlay = folder / "overlay"
    shutil.rmtree(overlay, ignore_errors=True)
    for path, text in _SYSTEM.items():
        _write(overlay, path, text)
    hooks = [
        f'--customize-hook=touch "$1/{MARKER}"',
        f"--customize-hook=sync-in {overlay} /",
        '--customize-hook=chroot "$1" update-initramfs -u -k all',
        '--customize-hook=systemctl --root="$1" --quiet enable systemd-networkd witness.service',
        '--customize-hook=mkdir -p "$1/var/log/journal"; rm -rf "$1"/var/lib/apt/lists/*',
    ]
    draft = folder / "draft.tar"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", *_LEFT_OUT, f"--include={_PACKAGES}", *hooks]
    print("making Debian for the virtual PC, once: about two minutes", flush=True)
    done = subprocess.run([*command, "bookworm", draft], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"mmdebstrap: {done.stderr}"
    draft.rename(archive)
    return archive


def _make_disk(archive: Path, deb: Path, image: Image, root: Path) -> None:
    _remove(root)
    root.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", root], check=True)
    _demand_marker(root)
    shutil.copy(deb, root / "root/rfid-gateway.deb")
    done = subprocess.run(
        ["chroot", root, "dpkg", "-i", "/root/rfid-gateway.deb"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"the package cannot be installed: {done.stdout}{done.stderr}"
    shipped = next(root / path for path in _SHIPPED_RULES if (root / path).is_file())
    _write(root, RULES, _with_own_name(shipped.read_text()))
    for target, source in ((image.kernel, "vmlinuz-*"), (image.initrd, "initrd.img-*")):
        (found,) = (root / "boot").glob(source)
        shutil.copy(found, target)
    draft = image.disk.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    subprocess.run(["truncate", f"--size={DISK_GB}G", draft], check=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, draft], check=True)
    draft.rename(image.disk)
    _remove(root)


def make_disk(image: Image, disk: Path, files: dict[str, str]) -> None:
    """A disk of one's own, with other contents in some files that are there."""
    subprocess.run(["cp", "--sparse=always", image.disk, disk], check=True)
    for path, text in files.items():
        source = disk.with_suffix(".file")
        source.write_text(text, encoding="utf-8")
        for command in (f"rm {path}", f"write {source} {path}"):
            done = subprocess.run(["debugfs", "-w", "-R", command, disk], capture_output=True, text=True, check=True)
            # debugfs tells of trouble in words only; its name and version stand there always.
            words = [line for line in done.stderr.splitlines() if not line.startswith("debugfs ")]
            assert not words, f"{command}: {words}"
        source.unlink()


ADAPTER = "A50285BI"
"""Serial number of the reader's adapter: the one that the rules' example names."""
PORT_NAME = "rfid/packing-1"


def _with_own_name(rules: str) -> str:
    """The shipped rules with the example line for our adapter switched on, as they tell the administrator to."""
    example = f'# ENV{{ID_SERIAL_SHORT}}=="{ADAPTER}", SYMLINK+="{PORT_NAME}"\n'
    assert example in rules, f"the rules have no such example any more: {example}"
    return rules.replace(example, example.removeprefix("# "))


def _write(root: Path, path: str, text: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def _demand_marker(root: Path) -> None:
    if not (root / MARKER).is_file():
        raise RuntimeError(f"{root} is no root made here ({MARKER} is missing): nothing is done with it")


def _remove(root: Path) -> None:
    if root.exists() and any(root.iterdir()):
        _demand_marker(root)
        subprocess.run(["rm", "-rf", "--one-file-system", root], check=True)
    elif root.exists():
        root.rmdir()
