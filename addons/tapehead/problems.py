"""What keeps a command from its work.

The tree:

Problem
    UsageProblem        the arguments
    RecordingProblem    a recording
    ProxyProblem        the proxy or the server

Each message is one sentence: what, where, what to do. Commands print it and exit with 2.
"""


class Problem(Exception):  # noqa: N818 - mostly the user's, and no error of the program
    """Something that keeps a command from its work."""


class UsageProblem(Problem):
    """Arguments that cannot be used."""


class RecordingProblem(Problem):
    """A recording that cannot be read or written."""


class ProxyProblem(Problem):
    """A proxy or a server that cannot start."""
