"""Import of traffic saved by other tools: HAR, and mitmproxy's flow files. Recordings themselves are in `recording`."""
