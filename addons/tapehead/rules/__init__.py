"""The rules: one module a family with text, message and check of each, and the registry of all in `catalog`."""
