"""Options of drivers."""
