"""The session audit: exchanges in, one result for each session out, with settings, expectations and scenarios. No I/O."""
