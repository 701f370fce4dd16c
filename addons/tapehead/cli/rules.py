"""The command `rules`."""

from typing import Annotated

import typer

from tapehead.errors import UsageError


def rules(
    rule: Annotated[str | None, typer.Argument(metavar="RULE", help="A rule's id, such as ad-outside-break.")] = None,
) -> None:
    """List the rules, or explain one.

    Example: tapehead rules ad-outside-break
    """
    from tapehead.reports.report_output import style_for
    from tapehead.reports.rule_text import render_rule, render_rules
    from tapehead.rules.catalog import RULES
    from tapehead.text import nearest

    if rule is None:
        typer.echo(render_rules(style_for(None)), nl=False)
    elif rule in RULES:
        typer.echo(render_rule(RULES[rule], style_for(None)), nl=False)
    else:
        raise UsageError(f"unknown rule '{rule}'{nearest(rule, RULES) or '; tapehead rules lists them'}")
