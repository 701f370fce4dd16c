"""The live page and the HTTP API: their server, what they answer from the journal, and their access control."""
