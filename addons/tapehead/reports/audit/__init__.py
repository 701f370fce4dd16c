"""The audit's report in each format."""
