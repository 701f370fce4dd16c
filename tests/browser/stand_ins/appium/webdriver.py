"""The driver; the calls of its app are sent by the test."""

from unittest.mock import MagicMock


def Remote(url: str, options: object) -> MagicMock:  # noqa: N802 - Appium's name
    """Return a driver of nothing."""
    return MagicMock(url=url, options=options)
