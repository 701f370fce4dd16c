"""Recordings as the command show prints them: their sessions, and the calls of each."""
