"""Traffic saved by other tools: import of HAR and flow files, and reading them together with recordings."""
