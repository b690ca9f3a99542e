"""Commands of the administrators' pages that need systemd or root, as the container is to run them. Pure."""

import re
import shlex

from tests.guide.pc import ELSEWHERE, runs_here, without_sudo
from tests.guide.running import PAGES, sections

REMOVING = ("apt remove", "apt purge", "deluser")
"""Beginnings of commands that end the package's life; they come last."""


def commands() -> list[str]:
    """Every such command once, in the order of the pages, without `sudo`; those that remove the package last."""
    found = dict.fromkeys(
        shlex.join(without_sudo(shlex.split(command.words)))
        for page in PAGES
        for section in sections(page)
        for command in section.commands
        if command.words not in ELSEWHERE and (not runs_here(command.words) or _systemd(command.words))
    )
    return sorted(found, key=lambda command: command.startswith(REMOVING))


def unattended(command: str) -> str:
    """The same command for a terminal at which nobody answers questions."""
    return re.sub(r"^apt (\w+)", r"apt-get \1 -y", command)


def fine(command: str, exit_code: int) -> bool:
    """Whether a command was taken: `systemctl status` says with 3 that a service does not run, journalctl -g with 1
    that nothing matched."""
    allowed = {0, 3} if command.startswith("systemctl status") else {0, 1} if " -g " in command else {0}
    return exit_code in allowed


def _systemd(words: str) -> bool:
    return without_sudo(shlex.split(words))[0] in {"systemctl", "journalctl"}
