"""tapehead as a script for mitmproxy's own tools: its options, its commands, and what the commands of tapehead do."""
