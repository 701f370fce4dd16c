"""The live page: its server, what it shows, and who may look at it."""
