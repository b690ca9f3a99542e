"""`rfid-gateway setup`: looking for readers on the network and at serial ports, and giving names to those wanted."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any

import click

from rfid_gateway.cli import detect, discover
from rfid_gateway.cli.asking import ask, note, numbers, title, wrong
from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.cli.output import listing
from rfid_gateway.cli.setup_draft import Draft, Given
from rfid_gateway.config_tables import Reader
from rfid_gateway.driver import DetectedReader, DetectionRequest, DiscoveryRequest, FoundReader, NothingDetected
from rfid_gateway.setup import answers, names, surroundings

LISTEN_S = 5.0


@dataclass(frozen=True, slots=True)
class Found:
    """A reader that was found or typed in, without its name."""

    driver: str
    address: str
    options: Mapping[str, Any]
    name: str = ""
    model: str = ""
    state: str = ""


def ask_readers(draft: Draft, given: Given) -> Draft:
    """Ask which readers there are; those of the options are taken without a question."""
    if given.readers:
        return replace(draft, readers=given.readers)
    title("The readers")
    kept = _ask_which(list(map(_known, draft.readers)), "in the configuration so far", "keep") if draft.readers else []
    found = [*_on_the_network(), *_at_serial_ports()]
    seen = {each.address for each in kept}
    new = [each for each in found if each.address not in seen]
    chosen = [*kept, *_ask_which(new, "found", "use")]
    readers: list[Reader] = []
    for each in chosen:
        taken = {reader.id for reader in readers}
        readers.append(_reader(each, each.name) if each in kept else _ask_name(each, taken))
    while typed := _ask_by_hand(readers):
        readers.append(typed)
    return replace(draft, readers=tuple(readers))


def _known(reader: Reader) -> Found:
    options = dict(reader.model_extra or {})
    return Found(reader.driver, _address(options), options, reader.id)


def _address(options: Mapping[str, Any]) -> str:
    host = options.get("host")
    if host is None:
        return str(options.get("port", ""))
    if "port" not in options:
        return str(host)
    return f"[{host}]:{options['port']}" if ":" in host else f"{host}:{options['port']}"


def _on_the_network() -> list[Found]:
    networks = surroundings.local_networks()
    suggestion = ", ".join(str(each.network) for each in networks) or "none"
    note("Readers on the network are found by what they announce and by connecting to each address (Ctrl-C ends it).")
    wanted = ask("Networks to look through", _networks, suggestion, hint="with commas; none listens only; - skips this")
    if wanted is None:
        return []
    found: dict[tuple[str, int], Found] = {}
    for index, network in enumerate(wanted or [None]):
        request = DiscoveryRequest(network, None, LISTEN_S if index == 0 else 0.0)
        with _endable():
            for each in discover.search(request):
                found.setdefault((each.host, each.port), _of_network(each))
    return list(found.values())


@contextmanager
def _endable() -> Iterator[None]:
    """Let Ctrl-C end a search and not the set-up; what went wrong in it is said."""
    try:
        yield
    except KeyboardInterrupt:
        note("\nThis search is ended; Ctrl-C at a question ends the set-up.")
    except click.ClickException as error:
        wrong(error.format_message())


def _of_network(found: FoundReader) -> Found:
    return Found(found.driver, _address(found.options), found.options, found.name, found.model, found.state)


def _networks(text: str) -> list[IPv4Network] | None:
    if text == "-":
        return None
    if text in ("", "none"):
        return []
    try:
        return [discover.checked_network(part.strip()) for part in text.split(",") if part.strip()]
    except click.BadParameter as error:
        raise ValueError(error.message) from None


def _at_serial_ports() -> list[Found]:
    ports = surroundings.serial_ports()
    for number, port in enumerate(ports, start=1):
        click.echo(f"  {number}  {port}")
    if not ports:
        note("There is no USB serial adapter at this PC.")
    note("A serial port is listened to and then asked with commands that only read. A scale or a PLC may take them")
    note("for something else: name only ports that have a reader.")
    hint = "numbers, or such as /dev/ttyS0, socket://host:port; Enter for none"
    wanted = ask("Serial ports to ask", lambda text: _ports(text, ports), hint=hint)
    return [reader for port in wanted if (reader := _at(port))]


def _ports(text: str, known: list[str]) -> list[str]:
    wanted: list[str] = []
    for part in filter(None, text.replace(" ", ",").split(",")):
        typed = part.startswith("/") or "://" in part
        wanted += [part] if typed else [known[index] for index in numbers(part, len(known))]
    return wanted


def _at(port: str) -> Found | None:
    """Ask one port; what went wrong is said and does not end the set-up."""
    click.echo(f"Asking {port} ... (Ctrl-C ends it)")
    items: list[DetectedReader | NothingDetected] = []
    with _endable():
        items = detect.search(DetectionRequest(port))
    for item in items:
        if isinstance(item, DetectedReader):
            model = f"{item.model} ({item.certainty})".strip()
            return Found(item.driver, item.port, item.options, model=model, state="free")
        detect.say_nothing(item)
    return None


def _ask_which(found: list[Found], what: str, verb: str) -> list[Found]:
    if not found:
        note(f"No readers {what}.")
        return []
    rows = [
        {
            "#": number,
            "driver": each.driver,
            "address": each.address,
            "name": each.name,
            "model": each.model,
            "state": each.state,
        }
        for number, each in enumerate(found, start=1)
    ]
    listing(rows, ("#", "driver", "address", "name", "model", "state"), as_json=False, nothing="")
    usable = [number for number, each in enumerate(found, start=1) if each.state != "silent"]
    suggestion = "all" if len(usable) == len(found) else ",".join(map(str, usable)) or "none"
    chosen = ask(f"Readers to {verb}", lambda text: numbers(text, len(found)), suggestion, hint="1,3, all or none")
    return [found[index] for index in chosen]


def _ask_name(found: Found, taken: set[str]) -> Reader:
    suggestion = names.name_of(found.name) or names.unused(found.driver, taken)
    if suggestion in taken:
        suggestion = names.unused(suggestion, taken)
    name = ask(f"Name of the reader at {found.address}", lambda text: _new_name(text, "a reader", taken), suggestion)
    return _reader(found, name)


def _reader(found: Found, name: str) -> Reader:
    return Reader(id=name, driver=found.driver, **found.options)


def _new_name(text: str, what: str, taken: set[str]) -> str:
    if text in taken:
        raise ValueError(f"{text!r} is taken; every one needs a name of its own")
    return answers.checked_name(text, what)


def _ask_by_hand(readers: list[Reader]) -> Reader | None:
    drivers = InstalledDrivers()
    taken = {reader.id for reader in readers}

    def check(text: str) -> Reader | None:
        if text:
            return answers.reader_at("typed", text, drivers)
        if not readers:
            raise ValueError("a gateway needs one reader at least")
        return None

    which = "Another reader" if readers else "Address of a reader"
    hint = "llrp://HOST or serial:///dev/ttyUSB0?protocol=chafon" + ("; Enter for no more" if readers else "")
    typed = ask(which, check, hint=hint)
    if typed is None:
        return None
    options = dict(typed.model_extra or {})
    return _ask_name(Found(typed.driver, _address(options), options), taken)
