"""What no table of the configuration can know alone: names used twice, antennas of no reader, unknown steps. Pure."""

import difflib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from zoneinfo import available_timezones

from rfid_gateway import toml_lines
from rfid_gateway.commands.catalogue import COMMANDS
from rfid_gateway.config_tables import Config, Door, Step, Zone, antenna_of, port_of
from rfid_gateway.events import vocabulary
from rfid_gateway.observe.rules import DoorRules, ZoneRules, check_together

Mistake = tuple[toml_lines.Path, str]
"""Where it stands, and what is wrong and was expected."""
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
    yield from _mistakes_of_outputs(config)
    yield from _mistakes_of_steps(config)
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
    steps: list[tuple[toml_lines.Path, Step | None]] = [
        *((("zones", index, "arrived"), zone.arrived) for index, zone in enumerate(config.zones)),
        *((("zones", index, "departed"), zone.departed) for index, zone in enumerate(config.zones)),
        *((("doors", index, "in"), door.into) for index, door in enumerate(config.doors)),
        *((("doors", index, "out"), door.out) for index, door in enumerate(config.doors)),
    ]
    used: list[str] = []
    for path, step in steps:
        if step is None:
            continue
        used.append(step.biz_step)
        if step.biz_step not in vocabulary.BIZ_STEPS:
            hint = nearest(step.biz_step, vocabulary.BIZ_STEPS)
            yield (*path, "biz_step"), f"{step.biz_step!r} is no business step of CBV 2.0{hint}"
        if step.disposition is not None and step.disposition not in vocabulary.DISPOSITIONS:
            hint = nearest(step.disposition, vocabulary.DISPOSITIONS)
            yield (*path, "disposition"), f"{step.disposition!r} is no disposition of CBV 2.0{hint}"
    for conflict in vocabulary.conflicts(used):
        yield next((path for path, step in steps if step and step.biz_step in conflict), ()), conflict
