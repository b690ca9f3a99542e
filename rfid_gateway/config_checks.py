"""What no table of the configuration can know alone: names used twice, antennas of no reader, unknown steps. Pure."""

import difflib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import cast
from zoneinfo import available_timezones

from rfid_gateway import toml_lines
from rfid_gateway.commands.catalogue import COMMANDS
from rfid_gateway.config_tables import Config, Door, Step, Zone, antenna_of, port_of
from rfid_gateway.driver import Clash, DriverOptions, Neighbours
from rfid_gateway.events import vocabulary
from rfid_gateway.observe.rules import DoorRules, ZoneRules, check_together

Mistake = tuple[toml_lines.Path, str]
"""Where it stands, and what is wrong and was expected."""
_DISPOSITION = "disposition"
_Split = Callable[[str], tuple[str, int]]
"""Takes `reader:number` apart; ValueError where it is none."""


def nearest(word: str, words: Collection[str]) -> str:
    """`, did you mean 'port'?` for a word that is close to one of the known ones, otherwise what there is."""
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f", did you mean {close[0]!r}?"
    return f"; known: {', '.join(sorted(words))}" if words else ""


def mistakes_of_meaning(config: Config) -> Iterator[Mistake]:
    """What each table alone cannot know: names used twice, antennas of no reader, steps that CBV does not know."""
    names = [reader.id for reader in config.readers]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ("readers", index, "id"), f"{name!r} is used twice; every reader needs its own"
    if config.gateway.id == "directory":
        yield ("gateway", "id"), "'directory' is the topic level of the shipment directory; expected another name"
    if config.gateway.time_zone not in available_timezones():
        hint = nearest(config.gateway.time_zone, available_timezones())[:60]
        yield ("gateway", "time_zone"), f"{config.gateway.time_zone!r} is no IANA time zone{hint}"
    if not config.zones and not config.doors:
        yield (), "neither [[zones]] nor [[doors]]: tag reads would lead to nothing"
    places = list(_mistakes_of_places(config))
    yield from places or _mistakes_of_rules(config)
    yield from _mistakes_of_neighbours(config)
    yield from _mistakes_of_outputs(config)
    yield from _mistakes_of_steps(config)
    if config.mqtt.format == "epcis" and config.mqtt.protocol == "3.1.1":
        reason = "shipment, orders, direction and verdict would be lost, which are user properties of MQTT 5"
        yield ("mqtt", "format"), f"'epcis' needs protocol '5' or 'auto', found '3.1.1': {reason}"
    yield from _mistakes_of_commands(config)


def _mistakes_of_places(config: Config) -> Iterator[Mistake]:
    """Antennas and inputs that no reader has, and doors of which it is not clear where their antennas hang."""
    for index, door in enumerate(config.doors):
        if door.antennas and (door.inside or door.outside):
            yield ("doors", index, "antennas"), "stands for the whole door; leave inside and outside out"
        elif not door.antennas and not door.inside:
            yield ("doors", index, "inside"), "missing; expected inside and outside, or antennas with two photo_eyes"
    places: list[tuple[toml_lines.Path, tuple[str, ...], _Split]] = [
        *((("zones", index, "antennas"), zone.antennas, antenna_of) for index, zone in enumerate(config.zones)),
        *(
            (("doors", index, key), antennas, antenna_of)
            for index, door in enumerate(config.doors)
            for key, antennas in (("inside", door.inside), ("outside", door.outside), ("antennas", door.antennas))
        ),
        *((("doors", index, "photo_eyes"), door.photo_eyes, port_of) for index, door in enumerate(config.doors)),
    ]
    readers = {reader.id for reader in config.readers}
    for path, texts, split in places:
        yield from ((path, message) for message in _mistakes_in_list(texts, split, readers))


def _mistakes_in_list(texts: tuple[str, ...], split: _Split, readers: set[str]) -> Iterator[str]:
    for text in texts:
        try:
            reader_id, _ = split(text)
        except ValueError as error:
            yield str(error)
            continue
        if reader_id not in readers:
            yield f"{text!r}: no reader {reader_id!r}{nearest(reader_id, readers)}"
    doubled = [text for text, count in Counter(texts).items() if count > 1]
    if doubled:
        yield f"{doubled[0]!r} stands there twice"


def _mistakes_of_neighbours(config: Config) -> Iterator[Mistake]:
    """What drivers know of readers that are good alone and not together (`rfid_gateway.driver.Neighbours`)."""
    groups: dict[Callable[[Sequence[tuple[str, DriverOptions]]], Iterable[Clash]], list[int]] = {}
    for index, reader in enumerate(config.readers):
        if hasattr(reader.driver, "clashes"):
            groups.setdefault(cast("Neighbours", reader.driver).clashes, []).append(index)
    for clashes, indexes in groups.items():
        for clash in clashes([(config.readers[index].id, config.readers[index].options) for index in indexes]):
            yield ("readers", indexes[clash.position], clash.key), clash.message


def _mistakes_of_outputs(config: Config) -> Iterator[Mistake]:
    readers = {reader.id: reader for reader in config.readers}
    doors = {door.id for door in config.doors}
    for index, output in enumerate(config.outputs):
        reader = readers.get(output.reader)
        if reader is None:
            hint = nearest(output.reader, readers)
            yield ("outputs", index, "reader"), f"no reader {output.reader!r}{hint}"
        elif not hasattr(reader.driver, "set_output"):
            reason = f"reader {output.reader!r} has no outputs: driver {reader.driver_name!r} cannot switch any"
            yield ("outputs", index, "reader"), reason
        if output.door is not None and output.door not in doors:
            yield ("outputs", index, "door"), f"no door {output.door!r}{nearest(output.door, doors)}"


def _mistakes_of_commands(config: Config) -> Iterator[Mistake]:
    clients = config.commands.clients
    names = [client.name for client in clients]
    lists: list[tuple[toml_lines.Path, tuple[str, ...]]] = [
        (("commands", "allow"), config.commands.allow),
        *((("commands", "clients", index, "allow"), client.allow) for index, client in enumerate(clients)),
    ]
    for path, allowed in lists:
        for name in allowed:
            if name not in COMMANDS:
                yield path, f"{name!r} is no command{nearest(name, COMMANDS)}"
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ("commands", "clients", index, "name"), f"{name!r} is used twice; every client needs its own"


def _mistakes_of_rules(config: Config) -> Iterator[Mistake]:
    """What observation itself refuses: settings of one place or of two that contradict each other."""
    places: list[tuple[str, int, Zone | Door]] = [
        *(("zones", index, zone) for index, zone in enumerate(config.zones)),
        *(("doors", index, door) for index, door in enumerate(config.doors)),
    ]
    zones: tuple[ZoneRules, ...] = ()
    doors: tuple[DoorRules, ...] = ()
    for table, index, place in places:
        try:
            rules = place.rules
            if isinstance(rules, ZoneRules):
                zones += (rules,)
            else:
                doors += (rules,)
            check_together(zones, doors)
        except ValueError as error:
            yield (table, index), str(error)
            return


def _mistakes_of_steps(config: Config) -> Iterator[Mistake]:
    places: list[tuple[toml_lines.Path, str, Step | None]] = [
        *((("zones", index, "arrived"), zone.flow, zone.arrived) for index, zone in enumerate(config.zones)),
        *((("zones", index, "departed"), zone.flow, zone.departed) for index, zone in enumerate(config.zones)),
        *((("doors", index, "in"), door.flow, door.into) for index, door in enumerate(config.doors)),
        *((("doors", index, "out"), door.flow, door.out) for index, door in enumerate(config.doors)),
    ]
    steps = [(path, flow, step) for path, flow, step in places if step is not None]
    for path, _, step in steps:
        yield from ((path + key, message) for key, message in _mistakes_of_step(step))
    for flow in sorted({flow for _, flow, _ in steps}):
        yield from _conflicts(flow, [(path, step.biz_step) for path, of, step in steps if of == flow])


def _mistakes_of_step(step: Step) -> Iterator[Mistake]:
    if wrong := _wrong_word(step.biz_step, vocabulary.BIZ_STEPS, "business step"):
        yield ("biz_step",), wrong
    if step.disposition is not None and (wrong := _wrong_word(step.disposition, vocabulary.DISPOSITIONS, _DISPOSITION)):
        yield ("disposition",), wrong
    if step.parent is not None and step.event != "association":
        reason = "an aggregation takes its parent from the directory" if step.event == "aggregation" else "it has none"
        yield ("parent",), f"belongs to event = 'association', found event = {step.event!r}: {reason}"
    persistent = step.persistent_disposition
    if persistent is None:
        return
    if step.event != "object":
        yield ("persistent_disposition",), f"belongs to event = 'object', found event = {step.event!r} (EPCIS 2.0)"
    if not (persistent.set or persistent.unset):
        yield ("persistent_disposition",), "is empty; expected set, unset or both"
    if doubled := [word for word, count in Counter((*persistent.set, *persistent.unset)).items() if count > 1]:
        yield ("persistent_disposition",), f"{doubled[0]!r} stands there twice"
    for word in (*persistent.set, *persistent.unset):
        if wrong := _wrong_word(word, vocabulary.DISPOSITIONS, _DISPOSITION):
            yield ("persistent_disposition",), wrong


def _wrong_word(text: str, words: Collection[str], what: str) -> str | None:
    """What is wrong with a value of CBV's vocabulary; None where it is one of its words, or a URI of the site's own."""
    if text in words or vocabulary.is_own_value(text):
        return None
    if (word := vocabulary.bare_word(text)) in words:
        return f"{text!r} is CBV's own value, which events write as a bare word: {word!r}"
    return f"{text!r} is no {what} of CBV 2.0, and no URI of your own{nearest(text, words)}"


def _conflicts(flow: str, steps: list[tuple[toml_lines.Path, str]]) -> Iterator[Mistake]:
    """CBV's exclusive alternatives within one flow of goods, at each place of the coarse step."""
    for conflict in vocabulary.conflicts([word for _, word in steps]):
        met = ", ".join(toml_lines.dotted(path) for path, word in steps if word in conflict.met)
        for path, word in steps:
            if word == conflict.coarse:
                yield (*path, "biz_step"), f"{conflict.sentence()} in the flow {flow!r} (see {met})"
