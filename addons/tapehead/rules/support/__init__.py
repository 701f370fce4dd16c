"""Shared parts of rules: their type, the session as they see it, thresholds, intervals, schema errors, Markdown."""
