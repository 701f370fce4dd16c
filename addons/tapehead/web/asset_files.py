"""Assets: templates, styles, scripts and schemas that are files of the package."""


def read_asset(path: str) -> str:
    """Return the text of an asset, such as `web/assets/json_view.js`.

    Args:
        path: the file's path below the package `tapehead`.
    """
    from importlib import resources  # which takes long to load

    return resources.files("tapehead").joinpath(*path.split("/")).read_text(encoding="utf-8")
