"""The settings of the audit of tests."""

from tapehead.auditor.settings import AuditSettings
from tapehead.cli.config_search import find_table


def audit_settings() -> AuditSettings:
    """Return the settings that `tapehead audit` would find in the current folder.

    Raises:
        UsageError: the settings file has an error in it.
    """
    if find_table(None)[0] is None:
        return AuditSettings()
    from tapehead.cli.config_file import load_config  # which loads the options of all commands

    return load_config().settings
