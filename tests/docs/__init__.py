"""Generators of the documentation, and tests that it is current."""
