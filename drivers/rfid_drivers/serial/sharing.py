"""Which serial readers may share a port: checked before anything is opened. Pure."""

from collections.abc import Callable, Iterator, Sequence

from rfid_drivers.serial.protocol import Alone, SerialOptions
from rfid_gateway.driver import Clash


def clashes(readers: Sequence[tuple[str, SerialOptions]], line_name: Callable[[str], str]) -> Iterator[Clash]:
    """Say which readers cannot be used beside those before them.

    Args:
        readers: id and options of every serial reader.
        line_name: gives the name of the line behind a port, the same for all ways to write it.
    """
    lines: dict[str, list[int]] = {}
    for position, (_, options) in enumerate(readers):
        lines.setdefault(line_name(options.port), []).append(position)
    for positions in lines.values():
        if len(positions) > 1:
            yield from _clashes_on_line([(position, *readers[position]) for position in positions])


def _clashes_on_line(readers: Sequence[tuple[int, str, SerialOptions]]) -> Iterator[Clash]:
    _, first_id, first = readers[0]
    owners: dict[int, str] = {}
    for position, reader_id, options in readers:
        others = ", ".join(repr(other) for _, other, _ in readers if other != reader_id)
        place = options.place
        if isinstance(place, Alone):
            yield Clash(position, place.key, f"the port is shared with reader {others}: {place.expected}")
        elif place in owners:
            yield Clash(
                position,
                "address",
                f"{place} is the address of reader {owners[place]!r} on this port; expected another",
            )
        else:
            owners[place] = reader_id
        if type(options) is not type(first):
            yield Clash(position, "port", f"reader {first_id!r} on this port has another driver; expected the same")
        elif not options.port.startswith("socket://"):
            yield from _unlike(position, options, first_id, first)


def _unlike(position: int, options: SerialOptions, first_id: str, first: SerialOptions) -> Iterator[Clash]:
    for key in ("baud", "parity", "control_lines"):
        expected, found = getattr(first, key), getattr(options, key)
        if found != expected:
            yield Clash(
                position, key, f"{found!r} differs from reader {first_id!r} on this port; expected {expected!r}"
            )
