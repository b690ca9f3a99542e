"""The `+` and `++` schemes: GS1 keys without the length of the company prefix (TDS 2.3 14.5 and 14.6).

They have no EPC URN and no tag URI. `++` schemes also carry the hostname of their Digital Link, the DSGTIN a date.
What follows the key (`+AIDC data`, and the zeros that fill up the last 16-bit word) is left alone.
"""

from dataclasses import dataclass

from rfid_gateway.epc.bits import BitReader, CannotDecodeError
from rfid_gateway.epc.hostname import read_hostname
from rfid_gateway.epc.identifiers import GS1_RESOLVER, Elements, without_empty_extension
from rfid_gateway.epc.text import Part, alphanumeric, counted_digits, decimal_digits, delimited

_DATES = ("11", "13", "15", "16", "17", "7006", "7007")
"""Application identifier of the date, by its 4-bit type."""

_LAST_YEAR, _LAST_MONTH = 99, 12

_Fields = tuple[tuple[str, tuple[Part, ...]], ...]
"""Application identifiers, each with the parts that its value is made of."""

_SGTIN: _Fields = (("01", (decimal_digits(14),)), ("21", (alphanumeric(20),)))


@dataclass(frozen=True, slots=True)
class PlusScheme:
    """How one encoding is laid out behind its header."""

    name: str
    fields: _Fields

    @property
    def dated(self) -> bool:
        """A date stands before the key."""
        return self.name.startswith("DSGTIN")

    @property
    def hosted(self) -> bool:
        """A hostname stands behind the key."""
        return self.name.endswith("++")


@dataclass(frozen=True, slots=True)
class PlusContent:
    """What a `+` or `++` EPC says."""

    filter: int
    elements: Elements
    date: Elements
    """At most one element."""
    hostname: str


def _schemes() -> dict[int, PlusScheme]:
    families: tuple[tuple[str, int, int, _Fields], ...] = (
        ("CPI", 0xF0, 0xE6, (("8010", (delimited(30),)), ("8011", (counted_digits(12),)))),
        ("GRAI", 0xF1, 0xEB, (("8003", (decimal_digits(14), alphanumeric(16))),)),
        ("SGLN", 0xF2, 0xE9, (("414", (decimal_digits(13),)), ("254", (alphanumeric(20),)))),
        ("ITIP", 0xF3, 0xED, (("8006", (decimal_digits(18),)), ("21", (alphanumeric(20),)))),
        ("GSRN", 0xF4, 0xE7, (("8018", (decimal_digits(18),)),)),
        ("GSRNP", 0xF5, 0xE8, (("8017", (decimal_digits(18),)),)),
        ("GDTI", 0xF6, 0xEA, (("253", (decimal_digits(13), alphanumeric(17))),)),
        ("SGTIN", 0xF7, 0xFD, _SGTIN),
        ("SGCN", 0xF8, 0xEC, (("255", (decimal_digits(13), counted_digits(12))),)),
        ("SSCC", 0xF9, 0xEF, (("00", (decimal_digits(18),)),)),
        ("GIAI", 0xFA, 0xEE, (("8004", (delimited(30),)),)),
        ("DSGTIN", 0xFB, 0xFC, _SGTIN),
    )
    single = {header: PlusScheme(f"{family}+", fields) for family, header, _, fields in families}
    double = {header: PlusScheme(f"{family}++", fields) for family, _, header, fields in families}
    return single | double


PLUS_SCHEMES = _schemes()
"""Header byte to scheme."""


def read_plus(scheme: PlusScheme, reader: BitReader) -> PlusContent:
    """Return what stands behind the header.

    Raises:
        CannotDecodeError: the bits do not follow the scheme.
    """
    reader.take(1)  # says whether +AIDC data follows the EPC
    filter_value = reader.take(3)
    date = (_read_date(reader),) if scheme.dated else ()
    elements = tuple((ai, "".join(part(reader)[0] for part in parts)) for ai, parts in scheme.fields)
    hostname = read_hostname(reader) if scheme.hosted else GS1_RESOLVER
    return PlusContent(filter_value, without_empty_extension(elements), date, hostname)


def _read_date(reader: BitReader) -> tuple[str, str]:
    kind, year, month, day = reader.take(4), reader.take(7), reader.take(4), reader.take(5)
    if kind >= len(_DATES):
        raise CannotDecodeError(f"date type {kind} is reserved")
    if year > _LAST_YEAR or not 1 <= month <= _LAST_MONTH:  # day 0 stands for the whole month
        raise CannotDecodeError(f"year {year}, month {month}, day {day} is no date")
    return _DATES[kind], f"{year:02}{month:02}{day:02}"
