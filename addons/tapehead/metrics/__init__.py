"""Metrics as Adobe reports them, calculated from the events of a session. No I/O."""
