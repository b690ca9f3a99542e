"""Write what is made of systemd/journal.toml: the explanations of log events.

    journal_catalogue.py docs FILE        docs/journal.md, for people
    journal_catalogue.py catalog FOLDER   rfid-gateway.catalog and rfid-gateway.de.catalog, for `journalctl -x`

The catalogues are in English and German.
"""

import re
import sys
import tomllib
from pathlib import Path

from rfid_gateway.journal import message_id
from rfid_gateway.journal_catalogue import CATALOGUES, Kinds, catalogue

SOURCE = Path(__file__).resolve().parents[1] / "systemd/journal.toml"

_HEAD = """\
# The log, and its fields in the journal

Started by systemd, the gateway writes its log with fields into the journal. The line is the same as everywhere
(`event=... key=value`), and with it come

| field | what |
|---|---|
| `MESSAGE_ID` | the kind of event, below; it never changes for a name |
| `RFID_EVENT` | its name |
| `RFID_<FIELD>` | each of the event's own fields, in capitals: `RFID_READER`, `RFID_REASON`, ... |
| `PRIORITY` | 7 debug, 6 info, 4 warning, 3 error |
| `SYSLOG_IDENTIFIER` | `rfid-gateway`; of a further gateway on the PC `rfid-gateway-NAME` |

    journalctl -u rfid-gateway -x                      # with an explanation of each entry, in English or German
    journalctl MESSAGE_ID={example}
    journalctl RFID_EVENT=reader.down RFID_READER=dock-1 --since today
    journalctl -u rfid-gateway -p warning -o json --output-fields=RFID_EVENT,RFID_READER,RFID_REASON,MESSAGE

The explanations (`-x`) come with the Debian package and with `rfid-gateway service install`. While the journal's socket
is away, and where the log is not the journal, the same lines go to standard error.

The id is the UUID version 5 of the name in the namespace `6b6d63b6-0f43-4f3a-9d6e-5c1b1f3a7c52`, without hyphens. So
names are an interface: they are not changed without need.

Made of `systemd/journal.toml` by `python debian/journal_catalogue.py docs docs/journal.md`.

"""


def load() -> Kinds:
    """All kinds of log events by name."""
    kinds: Kinds = tomllib.loads(SOURCE.read_text(encoding="utf-8"))
    return kinds


def document(kinds: Kinds) -> str:
    """docs/journal.md."""
    parts = [_HEAD.format(example=message_id("reader.down"))]
    for name, kind in sorted(kinds.items()):
        fields = ", ".join(f"`{field}`" for field in kind["fields"]) or "none"
        parts += [
            f"## {name}\n\n",
            f"`{message_id(name)}` · {kind['level']} · fields: {fields}\n\n",
            f"{_plain(kind['subject'])}. {_plain(kind['means'])}\n\n",
            f"**Do:** {_plain(kind['do'])}\n\n",
        ]
    return "".join(parts).rstrip("\n") + "\n"


def _plain(text: str) -> str:
    """Fields in a text as the document names them."""
    return re.sub(r"@(RFID_[A-Z_]+)@", r"`\1`", text)


def main() -> None:
    """Write what is asked for."""
    what, place = sys.argv[1], Path(sys.argv[2])
    kinds = load()
    if what == "docs":
        place.write_text(document(kinds), encoding="utf-8")
        return
    place.mkdir(parents=True, exist_ok=True)
    for name, language in CATALOGUES.items():
        (place / name).write_text(catalogue(kinds, language), encoding="utf-8")


if __name__ == "__main__":
    main()
