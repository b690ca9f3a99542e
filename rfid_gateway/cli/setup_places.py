"""`rfid-gateway setup`: where the readers' antennas are, and what it means when a tag is read there."""

from dataclasses import replace

import click

from rfid_gateway.cli.asking import ask, choose, note, title
from rfid_gateway.cli.setup_draft import Draft, Given
from rfid_gateway.config_checks import nearest
from rfid_gateway.config_tables import Door, Reader, Zone, antenna_of
from rfid_gateway.events import vocabulary
from rfid_gateway.setup import answers, names

_LATER = "later"


def ask_places(draft: Draft, given: Given) -> Draft:
    """Ask for doors and zones until every reader has its place; those of the options are taken without a question."""
    assert draft.gateway is not None
    site = draft.gateway.site
    if given.doors or given.zones:
        return placed(draft, given)
    title("The places")
    note("Read points and business locations are URIs. A GLN of the site makes standard ones (GS1 Digital Link).")
    locations = (
        names.locations_of(given.locations, site)
        if given.locations is not None
        else ask(
            "GLN of the site",
            lambda text: _locations(text, site),
            draft.locations,
            hint=f"13 digits, or a URI to begin with; Enter for {names.locations_of('', site)}",
        )
    )
    draft = replace(draft, locations=locations, zones=(), doors=())
    waiting: list[Reader] = []
    while True:
        missing = [reader for reader in draft.unplaced if reader not in waiting]
        if missing:
            place = _ask_place(draft, missing[0])
            if place is None:
                waiting.append(missing[0])
                continue
        elif not (draft.doors or draft.zones):
            click.echo("A gateway needs one door or zone at least: tag reads would lead to nothing.")
            waiting.clear()
            continue
        else:
            place = _ask_another(draft)
            if place is None:
                return draft
        draft = draft.with_place(place)


def placed(draft: Draft, given: Given) -> Draft:
    """The doors and zones of the options.

    Raises:
        ValueError: what is wrong with one, and what was expected.
    """
    assert draft.gateway is not None
    locations = names.locations_of(given.locations or "", draft.gateway.site)
    doors = tuple(answers.door(text, locations) for text in given.doors)
    zones = tuple(answers.zone(text, locations) for text in given.zones)
    return replace(draft, locations=locations, doors=doors, zones=zones)


def _locations(text: str, site: str) -> str:
    return text if text.startswith(("urn:", "http")) and text[-1] in ":/" else names.locations_of(text, site)


def _ask_place(draft: Draft, reader: Reader) -> Door | Zone | None:
    suggestion = "door" if "host" in (reader.model_extra or {}) else "zone"
    kind = choose(f"Where is {reader.id}", ("door", "zone", _LATER), suggestion)
    return None if kind == _LATER else _ask(kind, draft, reader)


def _ask_another(draft: Draft) -> Door | Zone | None:
    kind = choose("Another door or zone", ("no", "door", "zone"), "no")
    return None if kind == "no" else _ask(kind, draft, draft.readers[-1])


def _ask(kind: str, draft: Draft, reader: Reader) -> Door | Zone:
    return _ask_door(draft, reader) if kind == "door" else _ask_zone(draft, reader)


def _ask_door(draft: Draft, reader: Reader) -> Door:
    taken = {door.id for door in draft.doors}
    name = _ask_place_name("door", names.unused("door", taken), taken)
    hint = f"numbers of {reader.id}'s, or such as {reader.id}:1, with commas"
    inside = ask("Antennas inside", lambda text: _antennas(text, draft, reader), "1", hint=hint)

    def other_side(text: str) -> str:
        antennas = _antennas(text, draft, reader)
        if both := set(antennas.split(",")) & set(inside.split(",")):
            raise ValueError(f"{both.pop()} is inside already; each antenna is on one side")
        return antennas

    outside = ask("Antennas outside", other_side, "2", hint="goods that leave come here last")
    into = _ask_step("What coming in is", "arriving", "receiving, unloading, ...")
    out = _ask_step("What going out is", "departing", "loading, shipping, ...")
    read_point = ask("Read point", _uri, f"{draft.locations}{name}")
    biz_location = ask("Business location of what came in", _uri, names.site_location(draft.locations))
    return answers.door_of(
        name, inside, outside, draft.locations, into=into, out=out, read_point=read_point, biz_location=biz_location
    )


def _ask_zone(draft: Draft, reader: Reader) -> Zone:
    taken = {zone.id for zone in draft.zones}
    name = _ask_place_name("zone", names.unused("zone", taken) if reader.id in taken else reader.id, taken)
    antennas = ask(
        "Antennas",
        lambda text: reader.id if text == "all" else _antennas(text, draft, reader),
        "all",
        hint=f"all, numbers of {reader.id}'s, or such as {reader.id}:1",
    )
    step = _ask_step(
        "What arriving there is", names.biz_step_of(name), "storing, packing, picking, staging_outbound, ..."
    )
    read_point = ask("Read point", _uri, f"{draft.locations}{name}")
    biz_location = ask("Business location", _uri, read_point)
    return answers.zone_of(name, antennas, draft.locations, step=step, read_point=read_point, biz_location=biz_location)


def _ask_place_name(kind: str, suggestion: str, taken: set[str]) -> str:
    def check(text: str) -> str:
        if text in taken:
            raise ValueError(f"{text!r} is taken; every {kind} needs a name of its own")
        return answers.checked_name(text, f"a {kind}")

    return ask(f"Name of the {kind}", check, suggestion)


def _ask_step(question: str, suggestion: str, others: str) -> str:
    def check(text: str) -> str:
        if text in vocabulary.BIZ_STEPS or vocabulary.is_own_value(text):
            return text
        raise ValueError(f"{text!r} is no business step of CBV 2.0, and no URI of your own{_close(text)}")

    return ask(question, check, suggestion, hint=f"business step; others are {others}")


def _close(text: str) -> str:
    return nearest(text, vocabulary.BIZ_STEPS)


def _uri(text: str) -> str:
    answers.checked_uri(text)
    return text


def _antennas(text: str, draft: Draft, reader: Reader) -> str:
    """Write antennas as the configuration does; a number alone is one of the reader that is being placed."""
    readers = {each.id for each in draft.readers}
    found = []
    for part in filter(None, text.replace(" ", ",").split(",")):
        antenna = f"{reader.id}:{part}" if part.isdecimal() else part
        reader_id, _ = antenna_of(antenna)
        if reader_id not in readers:
            raise ValueError(f"{part!r}: no reader {reader_id!r}{nearest(reader_id, readers)}")
        found.append(antenna)
    if not found:
        raise ValueError("no antennas; expected numbers with commas")
    return ",".join(found)
