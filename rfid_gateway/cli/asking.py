"""Questions on a terminal that are asked again until the answer is good."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from rfid_gateway.setup.answers import UnfitNameError

T = TypeVar("T")


def ask(question: str, check: Callable[[str], T], default: str = "", *, hint: str = "") -> T:
    """Ask until `check` raises no ValueError, whose words are shown; Enter takes the default, which may be empty.

    A name that does not do is followed by one that does, as the next default.
    Ctrl-C and the end of the input raise click.Abort.
    """
    shown = f" ({hint})" if hint else ""
    while True:
        text: str = click.prompt(f"{question}{shown}", default=default, show_default=bool(default)).strip()
        try:
            return check(text)
        except UnfitNameError as error:
            wrong(str(error))
            default = error.better or default
        except ValueError as error:
            wrong(str(error))


def ask_secret(question: str) -> str:
    """Ask for something that is not shown."""
    secret: str = click.prompt(question, default="", show_default=False, hide_input=True)
    return secret


def choose(question: str, choices: Sequence[str], default: str) -> str:
    """Ask for one of a few words; their beginnings will do."""

    def one(text: str) -> str:
        fitting = [choice for choice in choices if text and choice.startswith(text.lower())]
        if len(fitting) != 1:
            raise ValueError(f"{text!r}: expected one of {', '.join(choices)}")
        return fitting[0]

    return ask(question, one, default, hint=", ".join(choices))


def numbers(text: str, count: int) -> list[int]:
    """Positions (from 0) that `1,3`, `all` or `none` names among so many.

    Raises:
        ValueError: a part is no number, or there are not so many.
    """
    if text in ("", "none", "-"):
        return []
    if text == "all":
        return list(range(count))
    chosen = []
    for part in filter(None, text.replace(" ", ",").split(",")):
        if not count:
            raise ValueError(f"{part!r}: there is none to choose")
        if not (part.isascii() and part.isdecimal() and 1 <= int(part) <= count):
            raise ValueError(f"{part!r}: expected numbers from 1 to {count} with commas, all or none")
        if int(part) - 1 not in chosen:
            chosen.append(int(part) - 1)
    return chosen


def title(text: str) -> None:
    """Begin a group of questions."""
    click.echo()
    click.secho(text, bold=True)


def note(text: str) -> None:
    """Explain something between questions."""
    click.secho(text, dim=True)


def wrong(text: str) -> None:
    """Say that an answer does not do."""
    click.secho(text, fg="red")


def good(text: str) -> None:
    """Say that something works."""
    click.secho(text, fg="green")
