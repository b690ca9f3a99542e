"""Serial readers: one file per protocol."""
