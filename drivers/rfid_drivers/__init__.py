"""Drivers: code for one kind of reader each."""
