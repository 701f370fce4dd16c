"""Options of the driver for Android."""

from unittest.mock import MagicMock as UiAutomator2Options

__all__ = ["UiAutomator2Options"]
