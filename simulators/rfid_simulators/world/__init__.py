"""A simulated warehouse: doors, antennas, tags and their paths. Seeded, deterministic, pure."""
