"""The live page: its server, the log of calls behind it, the views of calls, and its access control."""
