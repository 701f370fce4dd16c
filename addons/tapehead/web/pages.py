"""The shell of a page: its content security policy, and data embedded in it."""

import base64
import hashlib
import json

_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def embed(value: object) -> str:
    """A value as JSON that can stand in a page: nothing in it ends a block or begins a comment."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)


def policy(style: str, script: str) -> str:
    """The page's Content Security Policy: its own style and script, and nothing from anywhere."""
    return f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; base-uri 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
