"""Names of makers and models of readers."""

from rfid_drivers.llrp.parameters import IMPINJ, ZEBRA

_MANUFACTURERS = {IMPINJ: "Impinj", ZEBRA: "Zebra"}
"""IANA private enterprise numbers."""
_MODELS = {(IMPINJ, 2001002): "Impinj Speedway R420"}


def name_model(manufacturer: int, model: int) -> str:
    """Name a model for people; manufacturer and number where we know no better."""
    maker = _MANUFACTURERS.get(manufacturer, f"manufacturer {manufacturer}")
    return _MODELS.get((manufacturer, model)) or f"{maker} {model}"
