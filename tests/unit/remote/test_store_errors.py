"""Errors of stores, in words."""

from tapehead.remote.store_errors import store_error
from tapehead.remote.urls import parse_url


class EndpointConnectionError(Exception):
    """An error as the library for S3 raises it."""

    def __init__(self, endpoint_url: str) -> None:
        super().__init__(f'Could not connect to the endpoint URL: "{endpoint_url}"')
        self.kwargs = {"endpoint_url": endpoint_url}


def test_the_address_of_a_store_is_told_without_its_login() -> None:
    error = store_error(EndpointConnectionError("http://me:se/secret@store:9000/bucket?a"), parse_url("s3://bucket/a"))

    assert error.strerror == "the store at 'http://store:9000' cannot be reached, or does not answer"
