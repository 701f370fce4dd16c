"""Everything that imports mitmproxy: addons, hosts, login, access control, and a lean master."""
