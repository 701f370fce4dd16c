"""Redaction: pseudonyms for values that identify people or devices, in recordings, reports and logs."""
