"""What every page shares: the shell with its content security policy, styles and the JSON view."""
