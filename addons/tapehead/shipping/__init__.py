"""Upload of finished recording files to object storage, in a process of its own. No recording and no terminal."""
