"""Backups of the gateway's state: one file, made while the gateway runs, and put back where it does not."""
