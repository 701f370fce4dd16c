"""A page that needs no other file: its shell, its content security policy, and data embedded in it."""

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from tapehead import __version__
from tapehead.web.asset_files import read_asset

SHELL = "page_shell.html"
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def build_environment(folder: str) -> Environment:
    """Return the environment of the templates in an assets folder, which extend the shell; all values are escaped."""
    return Environment(
        loader=FunctionLoader(lambda name: read_asset(f"{'web/assets' if name == SHELL else folder}/{name}")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render_page(
    environment: Environment, template: str, *, styles: Sequence[str], scripts: Sequence[str] = (), **values: object
) -> Iterator[str]:
    """Yield the page that a template makes of `values`, with the assets named in `styles` and `scripts` inside."""
    style, script = ("".join(map(read_asset, paths)) for paths in (styles, scripts))
    return environment.get_template(template).generate(
        version=__version__,
        style=Markup(style),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704 - our own files
        policy=content_security_policy(style, script),
        **values,
    )


def content_security_policy(style: str, script: str) -> str:
    """Return the policy that allows a page its own style and script, and nothing from anywhere else."""
    allowed = [f"style-src {_hash_source(style)}", *([f"script-src {_hash_source(script)}"] if script else [])]
    return f"default-src 'none'; {'; '.join(allowed)}; img-src data:; base-uri 'none'"


def _hash_source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def embed_json(value: object) -> Markup:
    """Return a value as JSON for a script block: nothing in it ends the block or begins a comment."""
    escaped = json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)
    return Markup(escaped)  # noqa: S704 - escaped above
