"""rfid-gateway: from a tag read at a reader to a location event at the order backend."""

__version__ = "0.1.0"
