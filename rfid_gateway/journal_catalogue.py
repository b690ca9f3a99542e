"""Explanations of log events as `journalctl -x` takes them. Pure. The format of a catalogue: systemd.io/CATALOG."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from rfid_gateway.journal import message_id

Kinds = Mapping[str, Mapping[str, Any]]
"""Kinds of log events by name, as they stand in systemd/journal.toml."""

CATALOGUES = {"rfid-gateway.catalog": "", "rfid-gateway.de.catalog": "de"}
"""Languages by file name; empty is English, which is shown where there is no other."""

_WORDS = {"": ("Meaning", "Do"), "de": ("Bedeutung", "Tun")}


def catalogue(kinds: Kinds, language: str) -> str:
    """A catalogue in English (""), or in another language as far as there is something in it."""
    entries = []
    for name, kind in sorted(kinds.items()):
        words = kind.get(language) if language else kind
        if words is not None:
            entries.append("\n".join(_entry(name, words, *_WORDS[language])))
    return "\n\n".join(entries) + "\n"


def _entry(name: str, words: Mapping[str, str], means: str, do: str) -> Iterator[str]:
    yield f"-- {message_id(name)}"
    yield f"Subject: {words['subject']}"
    yield "Defined-By: rfid-gateway"
    yield "Documentation: man:rfid-gateway(1)"
    yield ""
    for title, text in ((means, words["means"]), (do, words["do"])):
        # A line that begins with two hyphens would begin the next entry.
        yield textwrap.fill(f"{title}: {text}", 76, break_long_words=False, break_on_hyphens=False)
