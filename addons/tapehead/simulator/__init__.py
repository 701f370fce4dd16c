"""The endpoint as documented, with no recording, and the faults that can be injected into any engine. No I/O."""
