"""Location events: what the order backend receives, as EPCIS 2.0 with a CBV 2.0 event hash. Pure."""
