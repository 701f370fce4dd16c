"""Importers of what other tools have saved: HAR and mitmproxy's flow files."""
