"""Answers from recordings: the index, the matching, the replayer and its summary. No I/O."""
