"""The session audit: exchanges in, a result for each session out, with settings, expectations and scenarios. No I/O."""
