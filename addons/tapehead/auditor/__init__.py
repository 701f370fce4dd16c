"""The session audit: exchanges in, one result for each session out, with settings and expectations. No I/O."""
