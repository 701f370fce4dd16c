"""The command line's entry: runs a command, and says in one line what keeps it from its work."""

import sys

from tapehead.cli.app import run


def main() -> None:
    """Run the command that the arguments name, and exit by its code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
