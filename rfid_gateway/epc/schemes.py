"""The EPC schemes that have an EPC URN, as a table (TDS 2.3 table 14-1 and section 14.6)."""

from dataclasses import dataclass

from rfid_gateway.epc.bits import BitReader, CannotDecodeError
from rfid_gateway.epc.partitions import (
    ASSET_NUMBER,
    ASSET_STRING,
    COMPONENT_NUMBER,
    ITEM,
    LOCATION,
    LOGISTIC_UNIT,
    RETURNABLE_ASSET,
    component_string,
)
from rfid_gateway.epc.text import (
    Part,
    cage_code,
    integer,
    numeric_string,
    padded,
    seven_bit_string,
    six_bit_string,
)


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one binary encoding is laid out behind its header."""

    name: str
    family: str
    """As in `urn:epc:id:family:`."""
    filter_bits: int
    parts: tuple[Part, ...]


def _reserved(reader: BitReader) -> tuple[str, ...]:
    if reader.take(24):
        raise CannotDecodeError("the 24 reserved bits at the end must be zero")
    return ()


def _whole(bits: int) -> Part:
    return integer(bits, 1 << bits)


def _number_sign_within(first: int, part: Part) -> Part:
    """Build the part that allows # among its `first` characters only: it marks additional serial numbers of ADI."""

    def read(reader: BitReader) -> tuple[str, ...]:
        (text,) = part(reader)
        if "#" in text[first:]:
            raise CannotDecodeError(f"# in {text} is out of place")
        return (text,)

    return read


_ADI = (cage_code(6), _number_sign_within(0, six_bit_string(0, 32)), _number_sign_within(1, six_bit_string(1, 30)))
_PIECES = padded(7, 2)

SCHEMES = {
    0x2C: Scheme("GDTI-96", "gdti", 3, (LOCATION, _whole(41))),
    0x2D: Scheme("GSRN-96", "gsrn", 3, (LOGISTIC_UNIT, _reserved)),
    0x2E: Scheme("GSRNP-96", "gsrnp", 3, (LOGISTIC_UNIT, _reserved)),
    0x2F: Scheme("USDOD-96", "usdod", 4, (cage_code(8), _whole(36))),
    0x30: Scheme("SGTIN-96", "sgtin", 3, (ITEM, _whole(38))),
    0x31: Scheme("SSCC-96", "sscc", 3, (LOGISTIC_UNIT, _reserved)),
    0x32: Scheme("SGLN-96", "sgln", 3, (LOCATION, _whole(41))),
    0x33: Scheme("GRAI-96", "grai", 3, (RETURNABLE_ASSET, _whole(38))),
    0x34: Scheme("GIAI-96", "giai", 3, (ASSET_NUMBER,)),
    0x35: Scheme("GID-96", "gid", 0, (_whole(28), _whole(24), _whole(36))),
    0x36: Scheme("SGTIN-198", "sgtin", 3, (ITEM, seven_bit_string(140, 20))),
    0x37: Scheme("GRAI-170", "grai", 3, (RETURNABLE_ASSET, seven_bit_string(112, 16))),
    0x38: Scheme("GIAI-202", "giai", 3, (ASSET_STRING,)),
    0x39: Scheme("SGLN-195", "sgln", 3, (LOCATION, seven_bit_string(140, 20))),
    0x3A: Scheme("GDTI-113", "gdti", 3, (LOCATION, numeric_string(58, 17))),
    0x3B: Scheme("ADI-var", "adi", 6, _ADI),
    0x3C: Scheme("CPI-96", "cpi", 3, (COMPONENT_NUMBER, _whole(31))),
    0x3D: Scheme("CPI-var", "cpi", 3, (component_string, integer(40, 10**12))),
    0x3E: Scheme("GDTI-174", "gdti", 3, (LOCATION, seven_bit_string(119, 17))),
    0x3F: Scheme("SGCN-96", "sgcn", 3, (LOCATION, numeric_string(41, 12))),
    0x40: Scheme("ITIP-110", "itip", 3, (ITEM, _PIECES, _PIECES, _whole(38))),
    0x41: Scheme("ITIP-212", "itip", 3, (ITEM, _PIECES, _PIECES, seven_bit_string(140, 20))),
}

"""Header byte to scheme."""


def read_components(scheme: Scheme, reader: BitReader) -> tuple[int | None, tuple[str, ...]]:
    """Return the filter value (None where the scheme has none) and the components, unescaped.

    Raises:
        CannotDecodeError: the bits do not follow the scheme.
    """
    filter_value = reader.take(scheme.filter_bits) if scheme.filter_bits else None
    return filter_value, tuple(component for part in scheme.parts for component in part(reader))
