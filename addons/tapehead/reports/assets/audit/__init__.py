"""The report's assets: the page's template, style and script, and the published schema, as files of the package."""

from importlib import resources


def read_asset(name: str) -> str:
    """The text of the asset `name`."""
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
