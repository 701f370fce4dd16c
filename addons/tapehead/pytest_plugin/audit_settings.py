"""The settings of the audit of tests."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tapehead.auditor.settings import AuditSettings


def audit_settings() -> "AuditSettings | None":
    """Return the settings that `tapehead audit` would find in the current folder; None for the defaults.

    Raises:
        UsageError: the settings file has an error in it.
    """
    from tapehead.cli.config_search import find_table  # which loads a parser

    if find_table(None)[0] is None:
        return None
    from tapehead.cli.config_file import load_config  # which loads the options of all commands

    return load_config().settings
