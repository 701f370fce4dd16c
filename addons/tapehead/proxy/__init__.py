"""Everything that imports mitmproxy: addons, hosts, login, access control, the lean master."""
