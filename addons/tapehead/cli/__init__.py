"""The command line: one module a command, with the options, parsing and terminal output they share."""
