"""Comparison of two recordings: sessions, events, parameters, ping cadence and metrics. No I/O and no report."""
