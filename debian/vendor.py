"""Put the program's wheel and all libraries that it needs into one folder that serves several versions of Python.

Call: vendor.py WHEEL FOLDER. Pure modules are there once, compiled ones once for each version, side by side: their
names carry it (`.cpython-311-x86_64-linux-gnu.so`).
"""

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSIONS = ("3.11", "3.12", "3.13")
"""Debian 12, Ubuntu 24.04, Debian 13."""
GLIBC_MINORS = range(36, 4, -1)
"""Debian 12 has the oldest glibc of them, 2.36."""
UNUSED = ("pip", "pip-*.dist-info", "bin", "**/*.c", "**/*.pyx", "**/*.pxd", "**/*.pyi", "**/tests", "**/__pycache__")
"""pip is a dependency of sqlite-utils for a command of its own; sources of compiled modules and stubs nobody reads."""
EXECUTABLE_BITS = 0o111


def main() -> None:
    """Do it."""
    wheel, folder = Path(sys.argv[1]), Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as work:
        for version in VERSIONS:
            tree = Path(work) / version
            _install(wheel, tree, version)
            _merge(tree, folder)
    for path in folder.rglob("*.so*"):
        path.chmod(path.stat().st_mode & ~EXECUTABLE_BITS)
    print(f"{folder}: {sum(path.is_file() for path in folder.rglob('*'))} files for Python {', '.join(VERSIONS)}")


def _install(wheel: Path, tree: Path, version: str) -> None:
    """Unpack the wheels that pip would choose on a PC with this Python."""
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in GLIBC_MINORS]
    platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(tree)]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", version]
    command += [part for platform in platforms for part in ("--platform", platform)]
    subprocess.run([*command, str(wheel)], check=True)
    for pattern in UNUSED:
        for path in list(tree.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _merge(tree: Path, folder: Path) -> None:
    """Lay one version's files over those that are there; the same name must mean the same content."""
    for source in sorted(path for path in tree.rglob("*") if path.is_file()):
        name = source.relative_to(tree)
        if name.name == "direct_url.json":  # says where on this PC the wheel lay
            continue
        target = folder / name
        if target.exists():
            of_one_version = name.parts[0].endswith(".dist-info") and name.parts[1] in {"RECORD", "WHEEL", "sboms"}
            if not of_one_version and not filecmp.cmp(source, target, shallow=False):
                sys.exit(f"{name} differs between versions of Python: it cannot be in one package for all of them")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        os.chmod(target, 0o644)


if __name__ == "__main__":
    main()
