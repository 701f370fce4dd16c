"""A real S3 server on loopback, moto's, and plain requests to it."""

import contextlib
import os
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from support.processes import Process, start_program
from support.tools import cached_tool

KEY_ID, SECRET = "AKIATAPEHEADTESTS", "no-secret-of-anyone"
_LISTENING = "Running on "
_XML = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_numbers = count(1)


@dataclass
class Bucket:
    """A bucket of a store, and its objects by plain HTTP, which the server takes without a signature."""

    store: "ObjectStore"
    name: str

    @property
    def url(self) -> str:
        """The `s3://` URL, without a slash at its end."""
        return f"s3://{self.name}"

    def put(self, key: str, content: bytes) -> str:
        """Store an object; its `s3://` URL."""
        self.store.call("PUT", f"/{self.name}/{urllib.parse.quote(key)}", content)
        return f"{self.url}/{key}"

    def get(self, key: str) -> bytes:
        return self.store.call("GET", f"/{self.name}/{urllib.parse.quote(key)}")

    def delete(self, key: str) -> None:
        self.store.call("DELETE", f"/{self.name}/{urllib.parse.quote(key)}")

    def keys(self) -> list[str]:
        """The keys of at most a thousand objects, in order."""
        listing = ElementTree.fromstring(self.store.call("GET", f"/{self.name}?list-type=2"))
        return [each.findtext(f"{_XML}Key", "") for each in listing.iter(f"{_XML}Contents")]


@dataclass
class ObjectStore:
    """A running S3 server.

    Attributes:
        url: its address, `http://127.0.0.1:PORT`.
        process: its process, to be paused (SIGSTOP, SIGCONT) or killed.
        environment: the variables with which libraries of Amazon's find it, and nothing else.
    """

    url: str
    process: Process
    environment: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.environment = environment_of(self.url)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def bucket(self, name: str = "") -> Bucket:
        """Make a bucket, with a name of its own if none is given."""
        name = name or f"bucket-{next(_numbers)}"
        self.call("PUT", f"/{name}")
        return Bucket(self, name)

    def call(self, method: str, path: str, content: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self.url}{path}", content, method=method)
        # As libraries send it: moto tells from it that S3 is meant.
        request.add_header("Authorization", f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20261130/us-east-1/s3/aws4_request")
        request.add_header("Content-Type", "application/octet-stream")
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: bytes = response.read()
            return answer


def environment_of(url: str) -> dict[str, str]:
    """The variables with which libraries of Amazon's find a store at a URL."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@contextlib.contextmanager
def running_store(port: int = 0) -> Iterator[ObjectStore]:
    """Start a store with no bucket in it; on a port where one was before, it has forgotten all objects."""
    server = cached_tool("moto/bin/moto_server")
    with start_program(server, "-H", "127.0.0.1", "-p", port) as program:
        url = program.wait_for(lambda line: _LISTENING in line).partition(_LISTENING)[2].strip()
        yield ObjectStore(url, program.process)
