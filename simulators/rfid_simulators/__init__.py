"""Simulated readers on real wire protocols, for testers, tests and the demo."""
