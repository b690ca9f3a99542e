"""Observation: from tag reads to presence and passages. Pure: no clock, socket, disk or log in here."""
