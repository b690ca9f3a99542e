"""How characters and digits are packed into an EPC (TDS 2.3 sections 14.4 and 14.5).

A `Part` reads one piece of an EPC and returns the components it stands for: usually one, none for padding, two for
a company prefix with its reference. The functions that take numbers build a `Part`.
"""

from collections.abc import Callable
from string import ascii_lowercase, ascii_uppercase, digits

from rfid_gateway.epc.bits import BitReader, CannotDecodeError

Part = Callable[[BitReader], tuple[str, ...]]

SERIAL_CHARACTERS = frozenset("!\"%&'()*+,-./:;<=>?_" + digits + ascii_uppercase + ascii_lowercase)
"""The 82 characters that GS1 allows in serial numbers and references (TDS 2.3 annex A)."""

_SEVEN_BIT = {ord(character): character for character in SERIAL_CHARACTERS}
_SIX_BIT = {ord(character) & 0x3F: character for character in "#-/" + digits + ascii_uppercase}
_SPACE = 0x20
_CAGE_CHARACTERS = sorted(frozenset(digits + ascii_uppercase) - frozenset("IO"))
_CAGE = {bits: {ord(character) & (1 << bits) - 1: character for character in _CAGE_CHARACTERS} for bits in (6, 8)}
"""Characters of a CAGE code, by the bits that each takes."""
_BASE64 = ascii_uppercase + ascii_lowercase + digits + "-_"
_CODE_40 = ascii_uppercase + "-.:" + digits
_NIBBLES = frozenset(digits)
_LAST_DIGIT, _END_OF_DIGITS, _END_OF_KEY = 9, 0xE, 0xF
_WIDTH = 7
"""Bits of a 7-bit character."""

_URN_ESCAPES = str.maketrans({character: f"%{ord(character):02X}" for character in '"#%&/<>?'})


def escape(component: str) -> str:
    """Return a component as it stands in an EPC URN (TDS 2.3 annex A): brackets, for one, stay as they are."""
    return component.translate(_URN_ESCAPES)


def integer(bits: int, limit: int) -> Part:
    """Build the part for a number below `limit`, written without leading zeros (TDS 2.3 14.4, integer)."""

    def read(reader: BitReader) -> tuple[str, ...]:
        number = reader.take(bits)
        if number >= limit:
            raise CannotDecodeError(f"number {number} must be below {limit}")
        return (str(number),)

    return read


def padded(bits: int, width: int) -> Part:
    """Build the part for a number of exactly `width` digits (TDS 2.3 14.4, fixed width integer)."""

    def read(reader: BitReader) -> tuple[str, ...]:
        return (pad(reader.take(bits), width, "number"),)

    return read


def pad(number: int, width: int, name: str) -> str:
    """Return `number` in exactly `width` digits, which for no digits at all is the empty string."""
    if number >= 10**width:
        raise CannotDecodeError(f"{name} {number} has more than {width} digits")
    return str(number).zfill(width) if width else ""


def numeric_string(bits: int, most: int) -> Part:
    """Build the part for digits with leading zeros, kept by a 1 in front of them (TDS 2.3 14.4, numeric string)."""

    def read(reader: BitReader) -> tuple[str, ...]:
        number = str(reader.take(bits))
        if number[0] != "1" or not 1 < len(number) <= most + 1:
            raise CannotDecodeError(f"serial number {number} must be a 1 followed by 1 to {most} digits")
        return (number[1:],)

    return read


def seven_bit_string(bits: int, most: int) -> Part:
    """Build the part for 1 to `most` 7-bit characters, filled up with zeros (TDS 2.3 14.4, string)."""

    def read(reader: BitReader) -> tuple[str, ...]:
        return (read_seven_bit(reader.take(bits), bits, most),)

    return read


def read_seven_bit(field: int, bits: int, most: int) -> str:
    """Return the characters in a field of `bits` bits, of which all behind the first null must be zero."""
    characters = []
    left = bits
    while left >= _WIDTH:
        left -= _WIDTH
        code = (field >> left) & 0x7F
        if not code:
            break
        characters.append(_character(_SEVEN_BIT, code, "7-bit"))
    if field & ((1 << left) - 1):
        raise CannotDecodeError("bits are set behind the end of the string")
    if not 0 < len(characters) <= most:
        raise CannotDecodeError(f"string has {len(characters)} characters, 1 to {most} expected")
    return "".join(characters)


def six_bit_string(least: int, most: int) -> Part:
    """Build the part for 6-bit characters up to a null (TDS 2.3 14.4, 6-bit variable string)."""

    def read(reader: BitReader) -> tuple[str, ...]:
        characters = []
        while code := reader.take(6):
            characters.append(_character(_SIX_BIT, code, "6-bit"))
        if not least <= len(characters) <= most:
            raise CannotDecodeError(f"string has {len(characters)} characters, {least} to {most} expected")
        return ("".join(characters),)

    return read


def cage_code(bits_per_character: int) -> Part:
    """Build the part for a CAGE code (5 characters behind a space) or a DoDAAC (6 characters) (TDS 2.3 14.4)."""

    def read(reader: BitReader) -> tuple[str, ...]:
        codes = [reader.take(bits_per_character) for _ in range(6)]
        if codes[0] == _SPACE:
            del codes[0]
        return ("".join(_character(_CAGE[bits_per_character], code, "CAGE code") for code in codes),)

    return read


def _character(table: dict[int, str], code: int, name: str) -> str:
    character = table.get(code)
    if character is None:
        raise CannotDecodeError(f"{code:02X} is no {name} character")
    return character


def decimal_digits(count: int) -> Part:
    """Build the part for `count` digits of 4 bits each (TDS 2.3 14.5, fixed-length numeric)."""

    def read(reader: BitReader) -> tuple[str, ...]:
        nibbles = f"{reader.take(4 * count):0{count}X}"
        if not _NIBBLES.issuperset(nibbles):
            raise CannotDecodeError(f"{nibbles} must hold {count} decimal digits")
        return (nibbles,)

    return read


def delimited(most: int) -> Part:
    """Build the part for digits of 4 bits up to F, or up to E and then text (TDS 2.3 14.5, delimited numeric)."""
    rest = alphanumeric(most)

    def read(reader: BitReader) -> tuple[str, ...]:
        text = ""
        while (nibble := reader.take(4)) <= _LAST_DIGIT:
            text += str(nibble)
        if nibble == _END_OF_DIGITS:
            text += rest(reader)[0]
        elif nibble != _END_OF_KEY:
            raise CannotDecodeError(f"nibble {nibble:X} where a digit, E or F is expected")
        return (_of_length(text, most),)

    return read


def counted_digits(most: int) -> Part:
    """Build the part for up to `most` digits behind a 4-bit count of them (TDS 2.3 14.5)."""

    def read(reader: BitReader) -> tuple[str, ...]:
        return (_of_length(_read_digits(reader, reader.take(4)), most),)

    return read


def alphanumeric(most: int) -> Part:
    """Build the part for 1 to `most` characters in the encoding that a 3-bit indicator names (TDS 2.3 14.5.6)."""

    def read(reader: BitReader) -> tuple[str, ...]:
        indicator, length = reader.take(3), reader.take(5)
        if indicator >= len(_ENCODINGS):
            raise CannotDecodeError(f"encoding indicator {indicator} is reserved")
        return (_of_length(_ENCODINGS[indicator](reader, length), most),)

    return read


def _of_length(text: str, most: int) -> str:
    if not 0 < len(text) <= most:
        raise CannotDecodeError(f"value has {len(text)} characters, 1 to {most} expected")
    return text


def _read_digits(reader: BitReader, length: int) -> str:
    return pad(reader.take((10**length - 1).bit_length()), length, "number")


def _read_upper_hex(reader: BitReader, length: int) -> str:
    return f"{reader.take(4 * length):0{length}X}" if length else ""


def _read_lower_hex(reader: BitReader, length: int) -> str:
    return _read_upper_hex(reader, length).lower()


def _read_base64(reader: BitReader, length: int) -> str:
    return "".join(_BASE64[reader.take(6)] for _ in range(length))


def _read_ascii(reader: BitReader, length: int) -> str:
    return "".join(_character(_SEVEN_BIT, reader.take(_WIDTH), "7-bit") for _ in range(length))


def read_code_40(reader: BitReader, length: int) -> str:
    """Return `length` characters, three of which share 16 bits (TDS 2.3 14.5.6.5)."""
    codes: list[int] = []
    while len(codes) < length:
        triple = reader.take(16) - 1
        codes += (triple // 1600, triple // 40 % 40, triple % 40)
    if any(not 0 < code <= len(_CODE_40) for code in codes[:length]) or any(codes[length:]):
        raise CannotDecodeError("bits are no URN Code 40")
    return "".join(_CODE_40[code - 1] for code in codes[:length])


_ENCODINGS = (_read_digits, _read_upper_hex, _read_lower_hex, _read_base64, _read_ascii, read_code_40)
