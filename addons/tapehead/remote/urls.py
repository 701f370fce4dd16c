"""URLs of objects in object storage: `s3://BUCKET/KEY` and `gs://BUCKET/KEY`."""

import re
from typing import NamedTuple

from tapehead.errors import UsageError
from tapehead.text import shorten_value

SCHEMES = ("s3", "gs")
# The variable with the token of live pages.
TOKEN_VARIABLE = "TAPEHEAD_TOKEN"  # noqa: S105 - the name of a variable
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
# What `pathlib.Path` makes of a URL.
_COLLAPSED = re.compile(rf"(?:{'|'.join((*SCHEMES, 'http'))}):/(?!/)")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}[A-Za-z0-9]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# A user and a password, in which a slash is often left as it is; but no port.
_PASSWORD = re.compile(r"[^/@:]*:(?!\d*(?:/|$))[^@]*@")
# Names by which a query signs a URL.
_SIGNATURE = re.compile(r"[?&](?:X-(?:Amz|Goog)-[A-Za-z-]+|Signature|AWSAccessKeyId|GoogleAccessId)=", re.IGNORECASE)
_LEAVE_OUT_LOGIN = "it contains a login; leave it out, and set the variables of the store's tools"


class ObjectUrl(NamedTuple):
    """The URL of an object, of all objects below a prefix, or of a pattern.

    Attributes:
        scheme: one of SCHEMES.
        bucket: the name of the bucket.
        key: the name of the object in the bucket; empty for the whole bucket.
    """

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}{f'/{self.key}' if self.key else ''}"

    @property
    def path(self) -> str:
        """The path that file systems of fsspec take, without the scheme."""
        return f"{self.bucket}/{self.key}" if self.key else self.bucket

    def below(self, name: str) -> "ObjectUrl":
        """Return the URL of a name below this one."""
        prefix = self.key.rstrip("/")
        return self._replace(key=f"{prefix}/{name}" if prefix else name)


def is_url(text: str) -> bool:
    """Return whether a text is a URL of any scheme instead of a path."""
    return bool(_URL.match(text))


def scheme_of(url: str) -> str:
    """Return the scheme of a URL in lower case; empty for a path."""
    match = _URL.match(url)
    return match[1].lower() if match else ""


def restore_url(path: str) -> str:
    """Return a path, or the URL that it was before `pathlib.Path` took one of its slashes."""
    return path.replace(":/", "://", 1) if _COLLAPSED.match(path) else path


def parse_url(text: str, action: str = "read") -> ObjectUrl:
    """Return the parts of the URL of an object.

    Args:
        text: the URL.
        action: what is to be done with it, for messages.

    Raises:
        UsageError: it is malformed, or of another scheme; the message does not repeat a login or a signature.
    """
    match = _URL.fullmatch(text)
    scheme, rest = (match[1].lower(), match[2]) if match else ("", "")
    problem = f"cannot {action} '{without_secrets(text)}'"
    examples = "s3://bucket/folder/run.jsonl or gs://bucket/folder"
    if scheme in ("http", "https"):
        raise UsageError(
            f"{problem}: expected a path, s3://, gs://, or the http://127.0.0.1:PORT/#TOKEN of a running tapehead;"
            " download it first, and pass the file"
        )
    if scheme == "file":
        raise UsageError(f"{problem}: leave out 'file://' and pass the path")
    if scheme not in SCHEMES:
        others = "; audit --engine spark reads others" if action == "read" else ""
        raise UsageError(f"{problem}: expected a path, or a URL such as {examples}{others}")
    bucket, _, key = rest.partition("/")
    check_login(text, action)
    if "@" in bucket:
        raise UsageError(f"{problem}: {_LEAVE_OUT_LOGIN}")
    if _SIGNATURE.search(rest):
        raise UsageError(
            f"{problem}: presigned URLs are not taken; leave out '?' and what follows, and set the variables of the"
            " store's tools"
        )
    if _CONTROL.search(text):
        raise UsageError(f"{problem}: it has a control character in it")
    if not _BUCKET.fullmatch(bucket):
        raise UsageError(
            f"{problem}: '{shorten_value(bucket)}' is not a valid bucket name; expected a URL such as {examples}"
        )
    return ObjectUrl(scheme, bucket, key)


def check_login(url: str, action: str = "read") -> None:
    """Refuse a URL of any scheme with a password in it, which would go into messages and reports.

    A name alone is no login everywhere: Azure's URLs have that of a container there.

    Raises:
        UsageError: it has one, which the message does not repeat.
    """
    match = _URL.fullmatch(url)
    if match and _PASSWORD.match(match[2]):
        raise UsageError(f"cannot {action} '{without_secrets(url)}': {_LEAVE_OUT_LOGIN}")


def without_secrets(text: str) -> str:
    """Return a URL without the login before its host and without its query, unless that is part of an object's key."""
    match = _URL.fullmatch(text)
    if not match:
        return shorten_value(text)
    scheme, rest = match[1], _PASSWORD.sub("", match[2], count=1) if _PASSWORD.match(match[2]) else match[2]
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2]
    rest = f"{host}{slash}{path}"
    is_key = scheme.lower() in SCHEMES and not _SIGNATURE.search(rest)
    return shorten_value(f"{scheme}://{rest if is_key else re.split(r'[?#]', rest)[0]}")
