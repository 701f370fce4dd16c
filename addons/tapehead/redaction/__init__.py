"""Pseudonyms in place of identifiers: which keys identify, where values occur, excerpts for logs. No I/O."""
