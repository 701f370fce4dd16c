"""The command `rules`."""

from typing import Annotated

from tapehead.cli.parameters import Argument
from tapehead.errors import UsageError


def rules(
    rule: Annotated[str | None, Argument(metavar="RULE", help="A rule's id, such as ad-outside-break.")] = None,
) -> None:
    """List the rules, or explain one.

    Example: tapehead rules ad-outside-break
    """
    from tapehead.reports.report_output import style_for, write_report
    from tapehead.reports.rule_text import render_rule, render_rules
    from tapehead.rules.catalog import RULES
    from tapehead.text import nearest

    if rule is None:
        write_report(render_rules(style_for(None)), None, styled=True)
    elif rule in RULES:
        write_report(render_rule(RULES[rule], style_for(None)), None, styled=True)
    else:
        raise UsageError(f"unknown rule '{rule}'{nearest(rule, RULES) or '; tapehead rules lists them'}")
