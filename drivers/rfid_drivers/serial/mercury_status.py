"""Status words of ThingMagic, JADAK and Silion modules, in words that help. Pure.

Source: status codes of the vendor's programming guides. The high byte is the family.
"""

NO_TAG = 0x0400
BAD_OPCODE = 0x0101

_STATUSES = {
    0x0000: "",
    0x0100: "wrong length of the command",
    BAD_OPCODE: "command unknown, or not now",
    0x0105: "wrong parameter",
    0x010B: "the module does not know this region",
    NO_TAG: "no tag",
    0x0500: "frequency not allowed",
    0x0501: "the channel is occupied by another transmitter",
    0x0503: "an antenna is not connected",
    0x0504: "too hot, reading is throttled: give the module air or less power",
    0x0505: "high return loss: an antenna or its cable is missing, damaged or too close to metal",
    0x0507: "these antennas cannot be used like this",
    0x0509: "the supply voltage is out of range",
    0x0600: "fewer tags in the module's memory than asked for",
    0x0601: "the module's tag memory is full",
    0x7F00: "unknown fault inside the module",
    0x7F01: "fault inside the module's firmware",
}

_FAMILIES = {
    0x01: "command refused",
    0x02: "fault of the firmware image: load it anew",
    0x03: "fault of the flash memory",
    0x04: "fault in the talk with the tag",
    0x05: "radio fault",
    0x06: "fault of the tag memory",
    0x7F: "fault inside the module",
}


def status_words(status: int) -> str:
    """Say what a status means; empty when all is well."""
    known = _STATUSES.get(status)
    if known is not None:
        return known
    family = _FAMILIES.get(status >> 8, "unknown status")
    return f"{family} ({status:04X})"
