"""Assets: templates, styles, scripts and schemas that are files of the package."""

from importlib import resources


def read_asset(path: str) -> str:
    """Return the text of an asset, such as `web/assets/json_view.js`.

    Args:
        path: the file's path below the package `tapehead`.
    """
    return resources.files("tapehead").joinpath(*path.split("/")).read_text(encoding="utf-8")
