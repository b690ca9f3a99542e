"""Take every secret out of texts that leave this PC. Pure.

The configuration is redacted by a list of what may stay, not of what must go: the values of keys that the program knows
and that hold no secret stay, all else goes, comments included. It is read with a lexer that goes on where TOML's own
parser gives up, because the configurations that people need help with are often no TOML. Line numbers stay the same.

What is found there (passwords, tokens, user names) is then looked for in every other text, which also loses whatever
looks like a secret by itself: user names and passwords in URLs, private keys, `password=...`.
"""

import json
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from urllib.parse import quote

GONE = "REDACTED"

_TOKEN = re.compile(
    r"""(?P<long>\"{3}(?:\\.|[^\\])*?(?:\"{3,5}|\Z)|'{3}.*?(?:'{3,5}|\Z))
      | (?P<comment>\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\[^\n])*(?:"|(?=\n)|\Z|\\)|'[^'\n]*(?:'|(?=\n)|\Z))
      | (?P<newline>\n)
      | (?P<blank>[^\S\n]+)
      | (?P<mark>[=\[\]{},])
      | (?P<bare>[^\s"'\#=\[\]{},]+)""",
    re.VERBOSE | re.DOTALL,
)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64})*")
_PLAIN_VALUE = re.compile(r"true|false|[+-]?[0-9][0-9_.:TZe+-]*")
_SECRET_KEY = re.compile(
    r"pass|pwd|token|secret|user|login|auth|cred|key|\bpin\b|_pin|pin_|community|private", re.IGNORECASE
)
_PATH = re.compile(r"(?:/(?:etc|run|var|srv|opt|usr|home|root|mnt|media|tmp)/|\.{1,2}/)[\w./@+-]+|credential:[\w.-]+")

_SHORTEST = 3
"""A secret of fewer characters would take half of every text with it."""
_WORD = 6
"""Shorter secrets, and user names, only go where they stand as words of their own."""
_OWN_WORDS = frozenset({"rfid", "gateway", "rfid-gateway", "rfid-simulator", "root", "true", "false"})
"""What stands in every log and hides nobody."""

_WORDS = r"(?:pass(?:word|wd|phrase)?|pwd|token|secret|api[-_]?key)"
_VALUE = r"""(?:"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|(?!/|\s|credential:|REDACTED)[^\s,;&]+)"""
_IN_ANY_TEXT = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), GONE),
    # systemd's own: what `systemctl show` and `cat` print of a unit.
    (re.compile(r"^(\s*(?:Environment|SetCredential\w*)=).+$", re.MULTILINE), rf"\g<1>{GONE}"),
    (re.compile(r"(?<=://)[^\s/'\"<>]*@"), f"{GONE}@"),
    (re.compile(r"[^\s/'\"<>=@]+:[^\s/'\"<>@]+@(?=[\w\[])"), f"{GONE}@"),
    (re.compile(rf"(?i)({_WORDS}[\"']?\s*={{1,2}}\s*){_VALUE}"), rf"\g<1>{GONE}"),
    # Not `/etc/rfid-gateway/mqtt-password: Permission denied`, nor `mqtt.password: unknown key`.
    (re.compile(rf"(?i)((?<!\w-)(?<!/){_WORDS}[\"']?\s*:\s*)(?![a-z]+\b){_VALUE}"), rf"\g<1>{GONE}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/-]{8,}=*"), rf"\g<1> {GONE}"),
)
_QUERY = re.compile(r"([?&][^=&\s]*=)[^&\s\"']*")

_GOODS = re.compile(r"\b(shipment|shipments|load|epc|unit|units|topic|order|orders|name)=(\"(?:[^\"\\]|\\.)*\"|\S+)")
_GOODS_WORDS = re.compile(r"\b(detail|reason)=(\"(?:[^\"\\]|\\.)*\"|\S+)")
_EPC = re.compile(r"\b[0-9A-Fa-f]{16,}\b|\burn:epc:[^\s\"',]+")


@dataclass(frozen=True, slots=True)
class RedactedConfiguration:
    """A configuration that may leave this PC, and what must not."""

    text: str
    secrets: frozenset[str]
    """What was taken out, to be taken out of everything else."""
    files: tuple[str, ...]
    """Files that hold secrets: keys that end with `_file`."""


def redact_configuration(text: str, known: AbstractSet[str]) -> RedactedConfiguration:
    """Take everything out of a TOML text, whole or broken, but what is known to be no secret.

    Args:
        text: the file's content.
        known: names of all tables and keys that there are, those of drivers' options among them.
    """
    redaction = _Configuration(known)
    for token in _TOKEN.finditer(text):
        redaction.feed(str(token.lastgroup), token[0])
    return redaction.result()


def redact(text: str, secrets: Iterable[str]) -> str:
    """Take known secrets, in every way of writing them, and what looks like one out of any text."""
    for pattern, instead in _IN_ANY_TEXT:
        text = pattern.sub(instead, text)
    for secret in sorted(secrets, key=len, reverse=True):
        for form in _forms(secret):
            literal = re.escape(form)
            text = re.sub(literal if len(form) >= _WORD else rf"(?<![\w.-]){literal}(?![\w.-])", GONE, text)
    return text


def redact_goods(text: str) -> str:
    """Take shipments, loads and EPCs out of log lines (`key=value`)."""
    return "\n".join(map(_without_goods, text.split("\n")))


def _without_goods(line: str) -> str:
    if _GOODS.search(line):
        line = _GOODS_WORDS.sub(rf"\g<1>={GONE}", _GOODS.sub(rf"\g<1>={GONE}", line))
    return _EPC.sub(GONE, line)


def _forms(secret: str) -> Iterator[str]:
    """How a secret is written in TOML, JSON, Python, URLs and logs."""
    forms = {secret, secret.strip(), json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    forms |= {repr(secret)[1:-1], quote(secret), quote(secret, safe=""), " ".join(secret.split())}
    yield from sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)


class _Configuration:
    """Walks over the tokens of one text. Owner: one call of `redact_configuration`."""

    def __init__(self, known: AbstractSet[str]) -> None:
        self._known = {name for name in known if name.endswith("_file") or not _SECRET_KEY.search(name)}
        self._names = frozenset(known)
        self._out: list[str] = []
        self._secrets: set[str] = set()
        self._files: list[str] = []
        self._brackets: list[str] = []
        self._keys: list[str] = []
        """The key of this line, and those of the inline tables around this place."""
        self._pending: list[str] = []
        """What may become a key, or is nothing at all if there is no `=`."""
        self._in_value = self._in_header = False
        self._table_known = True

    def feed(self, kind: str, text: str) -> None:
        match kind:
            case "newline":
                self._end_line()
            case "comment":
                self._out.append("#")
                self._found(*_words_of_secrets(text))
            case "blank":
                (self._out if self._in_value or not self._pending else self._pending).append(text)
            case "mark":
                self._mark(text)
            case _ if self._in_value:
                self._out.append(self._value(kind, text))
            case _:
                self._pending.append(text)

    def result(self) -> RedactedConfiguration:
        self._drop_pending()
        secrets = frozenset(each for each in self._secrets if len(each) >= _SHORTEST and each not in _OWN_WORDS)
        return RedactedConfiguration("".join(self._out), secrets, tuple(dict.fromkeys(self._files)))

    def _end_line(self) -> None:
        self._drop_pending()
        self._out.append("\n")
        if not self._brackets:
            self._in_value = self._in_header = False
            self._keys.clear()

    def _mark(self, text: str) -> None:
        if not self._in_value and not self._in_header and text == "[" and not self._pending and not self._brackets:
            self._in_header = True
            self._out.append(text)
        elif self._in_header:
            if text == "]":
                self._header()
            self._out.append(text if text in "[]" else GONE)
        elif text == "=" and self._in_value:
            # No TOML: a list that somebody forgot to close, or nonsense. Nothing on this line is trusted.
            self._brackets.clear()
            self._keys = [""]
            self._out.append(text)
        elif text == "=":
            self._key()
            self._out.append(text)
        elif self._in_value or self._brackets:
            self._inside(text)
        else:
            self._pending.append(text)

    def _inside(self, text: str) -> None:
        self._drop_pending()
        self._out.append(text)
        if text in "[{":
            self._brackets.append(text)
            self._in_value = text == "["
            if text == "{":
                self._keys.append("")
        elif text in "]}" and self._brackets:
            if self._brackets.pop() == "{" and len(self._keys) > 1:
                self._keys.pop()
            self._in_value = True
        elif text == "," and self._brackets:
            self._in_value = self._brackets[-1] == "["

    def _header(self) -> None:
        name = "".join(self._pending).strip()
        self._pending.clear()
        parts = _parts(name)
        if parts:
            self._table_known = all(part in self._names for part in parts)
        self._out.append(name if parts and self._table_known else GONE if name else "")

    def _key(self) -> None:
        written = "".join(self._pending)
        self._pending.clear()
        parts = _parts(written)
        self._out.append(written if parts else f"{GONE} ")
        key = parts[-1] if parts else ""
        if any(part not in self._names for part in parts[:-1]):
            key = ""
        if self._brackets and self._keys:
            self._keys[-1] = key
        else:
            self._keys = [key]
        self._in_value = True

    def _value(self, kind: str, text: str) -> str:
        key = self._keys[-1] if self._keys else ""
        lines = "\n" * text.count("\n")
        value = _unquoted(text) if kind in {"string", "long"} else text
        if key.endswith("_file"):
            self._files.append(value)
            if _PATH.fullmatch(value):
                return text
        elif self._table_known and not lines and self._keys and all(each in self._known for each in self._keys):
            if kind == "bare" and not _PLAIN_VALUE.fullmatch(text):
                self._found(text)
                return GONE
            clean = _QUERY.sub(rf"\g<1>{GONE}", _without_user(text)) if kind == "string" else text
            if clean != text:
                self._found(*_parts_of_address(value))
            return clean
        if not (kind == "bare" and _PLAIN_VALUE.fullmatch(text) and len(text) < _WORD):
            self._found(value, *_parts_of_address(value))
        return f'"{GONE}"{lines}'

    def _drop_pending(self) -> None:
        """What stood where a key should be and was none."""
        if "".join(self._pending).strip():
            self._out.append(GONE)
            self._found("".join(self._pending), *(_unquoted(part) for part in self._pending))
        self._pending.clear()

    def _found(self, *secrets: str) -> None:
        for secret in secrets:
            self._secrets.update({secret.strip(), *(line.strip() for line in secret.splitlines())})


def _parts(name: str) -> list[str]:
    """The parts of a dotted key; none where it is not one that people write."""
    plain = re.sub(r"\s*\.\s*", ".", name.strip()).replace('"', "").replace("'", "")
    return plain.split(".") if _NAME.fullmatch(plain) else []


def _without_user(text: str) -> str:
    """An address without whatever stands before its `@`."""
    return re.sub(r"^([\"']?(?:[a-z0-9+.-]+://)?).*@", rf"\g<1>{GONE}@", text, flags=re.IGNORECASE)


def _parts_of_address(text: str) -> Iterator[str]:
    before, found, _ = text.rpartition("@")
    if found:
        user, _, password = before.rpartition("//")[2].partition(":")
        yield from (user, password, *password.split("@"))
    yield from re.findall(r"[?&][^=&\s]*=([^&\s\"']+)", text)


def _words_of_secrets(comment: str) -> Iterator[str]:
    """Values in what was commented out: `# password = "..."`."""
    for key, value in re.findall(r"([\w.-]+)\s*[=:]\s*(\"[^\"]*\"|'[^']*'|\S+)", comment):
        if key != "credential" and _SECRET_KEY.search(key) and not _PATH.fullmatch(_unquoted(value)):
            yield _unquoted(value)


def _unquoted(text: str) -> str:
    """What a TOML string stands for, as near as needed to find it again."""
    for quotes in ('"""', "'''", '"', "'"):
        if text.startswith(quotes):
            inner = text[len(quotes) :].removesuffix(quotes)
            if quotes.startswith("'") or "\\" not in inner:
                return inner
            try:
                plain = json.loads(f'"{inner}"')
            except ValueError:
                return inner
            return str(plain)
    return text
