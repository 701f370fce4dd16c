"""Addresses and URLs in options, in the forms in which people write them."""

import pytest

from tapehead.cli.option_parsing import Target, parse_listen, parse_target


@pytest.mark.parametrize(
    "end", ["", "/", "//", "/api/v1", "/api/v1/", "/api/v1/sessions", "/api/v1/sessions/", "/api/v1//"]
)
@pytest.mark.parametrize("prefix", ["", "/some/where"])
def test_a_target_may_end_in_a_path_of_the_api(prefix: str, end: str) -> None:
    assert parse_target(f"https://a.example:444{prefix}{end}") == Target("reverse:https://a.example:444", prefix)


@pytest.mark.parametrize("end", ["?a=b", "/?a=b#c", "/s1/events?a=b", "#c"])
def test_a_target_may_be_the_url_of_a_call(end: str) -> None:
    assert parse_target(f"http://a.example/api/v1/sessions{end}") == Target("reverse:http://a.example", "")


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("8080", ("127.0.0.1", 8080)),
        (":8080", ("127.0.0.1", 8080)),
        ("localhost:8080", ("localhost", 8080)),
        ("[::1]:8080", ("::1", 8080)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
    ],
)
def test_an_address_needs_no_host_and_is_loopback_then(listen: str, address: tuple[str, int]) -> None:
    assert parse_listen(listen) == address
