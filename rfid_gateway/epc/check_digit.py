"""The GS1 check digit (GS1 General Specifications 7.9.1)."""


def check_digit(digits: str) -> str:
    """Return the check digit that belongs behind `digits`.

    The digit beside the check digit weighs 3, the next 1, and so on to the left: one rule for GTIN, SSCC, GLN,
    GRAI, GDTI, GSRN and every other GS1 key of fixed length.

    Raises:
        ValueError: `digits` holds something else than 0 to 9.
    """
    if not (digits.isascii() and digits.isdecimal()):
        raise ValueError(f"only the digits 0 to 9 have a check digit, not {digits!r}")
    return str(-(3 * sum(map(int, digits[-1::-2])) + sum(map(int, digits[-2::-2]))) % 10)
