"""Runs a section of a page at the warehouse that it wants, step by step."""

from pathlib import Path

import pytest

from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.cli.journal_socket import SOCKET
from rfid_gateway.config import parse as parse_configuration
from tests.guide.page import Command, File, Fragment, Section, matches, parse
from tests.guide.pc import runs_here
from tests.guide.sites import warehouse
from tests.guide.warehouse import GATEWAY

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("administration.md", "install.md", "troubleshooting.md")


def sections(page: str) -> list[Section]:
    return parse((DOCS / page).read_text())


def to_run(page: str) -> list[Section]:
    """Sections of a page that name a site."""
    return [section for section in sections(page) if section.site]


def run(page: str, section: Section) -> None:
    """Do what the section says, and compare what is said with it."""
    if SOCKET.exists():
        pytest.skip("the journal of this machine would get the log of the service that stands for the PC's")
    with warehouse(section.site) as house:
        for step in section.steps:
            where = f"docs/{page}:{step.line}"
            match step:
                case File():
                    house.pc.write(step.path, step.content)
                case Fragment():
                    parse_configuration(f"{GATEWAY}\n{step.content}", where, InstalledDrivers())
                case Command() if runs_here(step.words):
                    said = house.pc.answer(step)
                    shown = "\n".join(step.answer)
                    assert matches(step.answer, said), f"{where}: $ {step.words}\n{said}\nbut the page has\n{shown}"
                case Command():
                    """Run by `make test-systemd`."""
