"""The report on a diff in each format."""
