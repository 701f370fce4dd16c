"""The frame of every page: shell, content security policy, shared styles and the view of JSON. No report."""
