"""Shipments: the entries of the directory and their sources. Knows no SQL (see `store`)."""
