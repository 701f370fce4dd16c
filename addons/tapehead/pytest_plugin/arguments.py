"""Checks of the arguments that tests pass."""

import math
from collections.abc import Iterable
from typing import Any

from tapehead.errors import UsageError
from tapehead.text import nearest, quote


def check_text(value: Any, name: str, example: str) -> str:
    """Return an argument that is a text.

    Raises:
        UsageError: it is none.
    """
    if isinstance(value, str):
        return value
    raise UsageError(f"invalid {name} {shown(value)}: expected a text such as '{example}'")


def check_number(value: Any, name: str) -> float:
    """Return an argument that is a number of seconds.

    Raises:
        UsageError: it is none, or less than 0.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return value
    raise UsageError(f"invalid {name} {shown(value)}: expected a number of seconds from 0")


def check_names(value: Any, name: str, example: str) -> tuple[str, ...]:
    """Return an argument that is a text or several.

    Raises:
        UsageError: it is something else.
    """
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, Iterable) or isinstance(listed, bytes):
        raise UsageError(f"invalid {name} {shown(value)}: expected texts such as ['{example}']")
    return tuple(check_text(each, name, example) for each in listed)


def known_rules(ids: Any) -> frozenset[str]:
    """Return the ids of rules.

    Raises:
        UsageError: there is no such rule.
    """
    listed = check_names(ids, "ignore", "RULE")
    if not listed:
        return frozenset()
    from tapehead.rules.catalog import RULES

    for rule in listed:
        if rule not in RULES:
            raise UsageError(f"no rule is called '{rule}'{nearest(rule, RULES)}; 'tapehead rules' lists them")
    return frozenset(listed)


def shown(value: Any) -> str:
    """Return a value as a message shows it."""
    return quote(value) if isinstance(value, str | int | float | None) else f"({type(value).__name__})"
