"""The `[[readers]]` table of a reader that was found, ready to be pasted into the configuration."""

import json
from collections.abc import Mapping

from rfid_gateway.setup.names import name_of


def reader_id(name: str) -> str:
    """Make an id of a name: small letters, digits and dashes."""
    return name_of(name)


def reader_table(name: str, driver: str, options: Mapping[str, object]) -> str:
    """Write the table; JSON's strings, numbers, booleans and lists are TOML's too."""
    keys = {"id": reader_id(name), "driver": driver, **options}
    return "[[readers]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
