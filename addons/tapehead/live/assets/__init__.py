"""The live page's assets: markup, style and script, as files of the package."""

from importlib import resources


def read_asset(name: str) -> bytes:
    """The bytes of the asset `name`."""
    return resources.files(__name__).joinpath(name).read_bytes()
