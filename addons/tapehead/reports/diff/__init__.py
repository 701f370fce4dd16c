"""The diff's report in each format."""
