"""Simulated serial readers on a pty or TCP."""
