"""Generate the JSON Schema of tapehead.toml that the package ships."""

from support.paths import ROOT
from tapehead.cli.option_defaults import SCHEMA_ASSET, build_schema


def main() -> None:
    """Write it into the package."""
    (ROOT / "addons" / "tapehead" / SCHEMA_ASSET).write_bytes(build_schema())


if __name__ == "__main__":
    main()
