"""Types, lint, layers and spelling are part of the tests."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rfid_gateway.cli import cli

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["lint-imports"],
        ["codespell"],
        ["mypy"],
    ],
    ids=" ".join,
)
def test_the_tree_passes(command: list[str]) -> None:
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    missing = [name for name in cli.list_commands(None) if name != "version" and f"`rfid-gateway {name}" not in readme]  # type: ignore[arg-type]
    assert missing == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")), ids=lambda p: p.name)
def test_every_link_between_documents_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    broken = [link for link in links if not (page.parent / link).exists()]
    assert broken == []


def test_every_module_of_the_wheel_can_be_imported_alone() -> None:
    modules = [
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for root, package in ((ROOT, "rfid_gateway"), (ROOT / "drivers", "rfid_drivers"))
        for path in sorted((root / package).rglob("*.py"))
    ]
    assert len(modules) > 40
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            "import importlib, sys\nfor name in sys.argv[1:]:\n importlib.import_module(name)",
            *modules,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
