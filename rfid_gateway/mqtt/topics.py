"""Topics: what the gateway's own are called, and which shipment an inbound one speaks of. Pure.

A name from the configuration (site, gateway, reader) becomes a topic level as it is, and is refused where it cannot
be one. An identifier from outside (a shipment's, a load's) is any text, so it is percent-encoded (RFC 3986 2.1):
`%`, `/`, `+`, `#` and control characters become `%25`, `%2F`, ...; everything else, blanks and umlauts too, stays.
The shipment `2024/0815` is `rfid/{site}/directory/shipments/2024%2F0815`.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

_UNFIT = re.compile(r"[/+#\x00-\x1f\x7f-\x9f]")  # MQTT 5 1.5.4, 4.7.1: control characters may end the connection
_ENCODED = re.compile(r"[%/+#\x00-\x1f\x7f-\x9f]")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LONGEST = 65_535  # bytes of an MQTT string: MQTT 5 1.5.4


class TopicError(ValueError):
    """A text cannot be (part of) a topic; says which and why."""


def checked_level(text: str, what: str) -> str:
    """Return the text if it can be one topic level.

    Args:
        text: the level to be.
        what: its role, for the message: "site", "reader".

    Raises:
        TopicError: it is empty, or has a separator, a wildcard or a control character (MQTT 5 4.7).
    """
    if not text:
        raise TopicError(f"{what} is empty: expected one MQTT topic level")
    if unfit := _UNFIT.search(text):
        raise TopicError(
            f"{what} {text!r} has {unfit.group()!r}: an MQTT topic level has no /, +, # or control character"
        )
    return text


def checked_prefix(text: str) -> str:
    """Return the text if every topic can begin with it: one level or several, not of the broker's own `$` topics.

    Raises:
        TopicError: a level is unfit, or the first begins with `$` (MQTT 5 4.7.2).
    """
    for level in text.split("/"):
        checked_level(level, f"a level of the prefix {text!r}")
    if text.startswith("$"):
        raise TopicError(f"prefix {text!r}: topics that begin with $ belong to the broker")
    return text


def encoded(identifier: str) -> str:
    """One topic level for any non-empty text; `decoded` gives the text back.

    Raises:
        TopicError: the identifier is empty, or longer than a topic can be.
    """
    if not identifier:
        raise TopicError("an empty identifier cannot be an MQTT topic level")
    level = _ENCODED.sub(lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode()), identifier)
    if len(level.encode()) > _LONGEST // 2:
        raise TopicError(f"identifier {identifier[:40]!r}... is too long for an MQTT topic")
    return level


def decoded(level: str) -> str:
    """The identifier that a topic level stands for.

    Raises:
        TopicError: a `%` is not followed by two hex digits, or the bytes are not UTF-8.
    """
    if broken := _BROKEN_ESCAPE.search(level):
        raise TopicError(
            f"topic level {level!r}: % at character {broken.start() + 1} wants two hex digits; % itself is %25"
        )
    try:
        return unquote_to_bytes(level).decode()
    except UnicodeDecodeError as error:
        raise TopicError(f"topic level {level!r}: the bytes after % are not UTF-8") from error


@dataclass(frozen=True, slots=True)
class Topics:
    """Every topic of one gateway."""

    prefix: str
    site: str
    gateway: str

    def __post_init__(self) -> None:
        checked_prefix(self.prefix)
        checked_level(self.site, "site")
        checked_level(self.gateway, "gateway")

    @property
    def own(self) -> str:
        """What every topic that this gateway publishes begins with."""
        return f"{self.prefix}/{self.site}/{self.gateway}"

    @property
    def status(self) -> str:
        """Online or offline, retained; the Last Will speaks here."""
        return f"{self.own}/status"

    @property
    def alerts(self) -> str:
        """What a person should look at, not retained."""
        return f"{self.own}/alerts"

    def events(self, biz_step: str | None) -> str:
        """Location events of one business step (one that is a URI: encoded); `undecided` where an event claims none."""
        return f"{self.own}/events/{encoded(biz_step or 'undecided')}"

    def reader_status(self, reader_id: str) -> str:
        """State of one reader, retained."""
        return f"{self.own}/readers/{checked_level(reader_id, 'reader')}/status"

    def shipment_status(self, shipment_id: str) -> str:
        """Last known place and step of one shipment, retained."""
        return f"{self.own}/shipments/{encoded(shipment_id)}/status"

    def load(self, load_id: str) -> str:
        """Expected against seen of one load, retained."""
        return f"{self.own}/loads/{encoded(load_id)}"

    def directory(self, shipment_id: str) -> str:
        """Where the order backend announces one shipment, retained; of the site, not of one gateway."""
        return f"{self._directory_root}{encoded(shipment_id)}"

    @property
    def directory_batch(self) -> str:
        """Where the order backend sends many changes of the directory at once, not retained."""
        return f"{self.prefix}/{self.site}/directory/batch"

    @property
    def commands_filter(self) -> str:
        """Topic filter of all commands to this gateway."""
        return f"{self._commands_root}+"

    def command_of(self, topic: str) -> str | None:
        """The command that an inbound topic names; None if it is no command's topic of this gateway."""
        name = topic.removeprefix(self._commands_root)
        return None if name == topic else name

    @property
    def responses(self) -> str:
        """Replies to whoever names no topic of its own, not retained."""
        return f"{self.own}/responses"

    def checked_reply_topic(self, topic: str, *, of_site: bool) -> str:
        """Return the topic if a reply may go there: `responses` of this gateway or anything below it.

        A reply elsewhere could be a command, an entry of the directory or somebody else's event.

        Args:
            topic: as the sender wrote it.
            of_site: the request went to all gateways of the site, so a topic below `directory/responses` is as good.

        Raises:
            TopicError: it is another one, or none to publish to.
        """
        roots = [f"{self.responses}/", *([f"{self.prefix}/{self.site}/directory/responses/"] if of_site else [])]
        if topic != self.responses and not any(topic.startswith(root) for root in roots):
            raise TopicError(f"{topic!r}: expected {self.responses} or a topic below {' or '.join(roots)}")
        for level in topic.split("/"):
            checked_level(level, "a level")
        return topic

    @property
    def directory_filter(self) -> str:
        """Topic filter of all shipments of the site."""
        return f"{self._directory_root}+"

    def shipment_of(self, topic: str) -> str:
        """The shipment id that an inbound directory topic speaks of.

        Raises:
            TopicError: it is no directory topic of this site, or its last level is no encoded identifier.
        """
        level = topic.removeprefix(self._directory_root)
        if level == topic or not level or "/" in level:
            raise TopicError(f"topic {topic!r}: expected {self._directory_root}<shipment id>, / in the id as %2F")
        return decoded(level)

    @property
    def _commands_root(self) -> str:
        return f"{self.own}/commands/"

    @property
    def _directory_root(self) -> str:
        return f"{self.prefix}/{self.site}/directory/shipments/"
