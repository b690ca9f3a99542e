"""What values a GS1 key that names one unit may have (GS1 General Specifications 3.3 and 3.5)."""

from rfid_gateway.epc.check_digit import check_digit
from rfid_gateway.epc.identifiers import Elements
from rfid_gateway.epc.text import SERIAL_CHARACTERS

_GTIN_LENGTHS = (8, 12, 13, 14)


def validated(elements: Elements) -> Elements | None:
    """Return the elements as they stand in a key, or None where these application identifiers name no unit.

    Raises:
        ValueError: a value breaks the rules of its application identifier; for a wrong check digit the message
            says which would be right.
    """
    rules = _RULES.get(tuple(ai for ai, _ in elements))
    if rules is None:
        return None
    return tuple((ai, rule(value)) for (ai, value), rule in zip(elements, rules, strict=True))


def _sscc(value: str) -> str:
    return _with_check_digit("SSCC", value, 18)


def _gtin(value: str) -> str:
    return _with_check_digit("GTIN", value.zfill(14) if len(value) in _GTIN_LENGTHS else value, 14)


def _grai(value: str) -> str:
    if not value.startswith("0"):
        raise ValueError(f"GRAI {value!r} must begin with 0, as in (8003)0...")
    _with_check_digit("GRAI", value[:14], 14)
    return value[:14] + _characters("serial number of the GRAI", value[14:], 16)


def _giai(value: str) -> str:
    return _characters("GIAI", value, 30)


def _serial(value: str) -> str:
    return _characters("serial number of the GTIN", value, 20)


def _with_check_digit(name: str, value: str, length: int) -> str:
    if len(value) != length or not (value.isascii() and value.isdecimal()):
        raise ValueError(f"{name} {value!r} must have {length} digits")
    right = check_digit(value[:-1])
    if value[-1] != right:
        raise ValueError(f"{name} {value}: check digit {value[-1]} is wrong, {right} would be right")
    return value


def _characters(name: str, value: str, most: int) -> str:
    if not 0 < len(value) <= most:
        raise ValueError(f"{name} must have 1 to {most} characters, {value!r} has {len(value)}")
    if strange := sorted(set(value) - SERIAL_CHARACTERS):
        raise ValueError(f"{name} {value!r} may not hold {' '.join(map(repr, strange))}")
    return value


_RULES = {
    ("00",): (_sscc,),
    ("01", "21"): (_gtin, _serial),
    ("8003",): (_grai,),
    ("8004",): (_giai,),
}
