"""The gate's decisions, without a network: what a listener exposes, and whose connections are taken."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapehead.cli.option_parsing import parse_access, parse_clients, proxy_settings
from tapehead.errors import StartupError, UsageError
from tapehead.network.access_policy import (
    CHOOSING,
    LOGIN,
    AccessPolicy,
    ClientFilter,
    Listener,
    check_exposure,
    parse_address,
    refused_line,
)
from tapehead.proxy.access_addons import addresses_of
from tapehead.server.workers import once

OURS = ["127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "::ffff:127.0.0.1"]
EVERYWHERE = ["0.0.0.0", "::", "::ffff:0.0.0.0"]
BEYOND = [*EVERYWHERE, "192.168.1.5", "10.0.0.1", "128.0.0.1", "fe80::1%eth0", "fd00::2", "::ffff:192.168.1.5", "::2"]
MODES = ["regular", "upstream", "socks5", "dns", "reverse", "reverse:tcp", "transparent", "wireguard", "serve"]

FOR_ALL = [["0.0.0.0/0"], ["::/0"], ["10.0.0.0/8", "0.0.0.0/0"], ["0.0.0.0/1", "128.0.0.0/1"], ["::ffff:0:0/96"]]


def listener(mode: str, *addresses: str) -> Listener:
    return Listener(mode, addresses[0], addresses)


def policy(*clients: str, login: str | None = None, open_: bool = False) -> AccessPolicy:
    return parse_access(login, clients, open_=open_)


# ---- What a listener exposes ----


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("address", OURS)
def test_nothing_is_said_of_what_only_this_machine_reaches(mode: str, address: str) -> None:
    assert check_exposure(listener(mode, address), AccessPolicy()) is None
    assert check_exposure(listener(mode, *OURS), AccessPolicy()) is None


@pytest.mark.parametrize("mode", sorted(CHOOSING))
@pytest.mark.parametrize("address", BEYOND)
def test_an_open_proxy_is_refused(mode: str, address: str) -> None:
    with pytest.raises(StartupError) as refused:
        check_exposure(listener(mode, address), AccessPolicy())

    said = str(refused.value)
    ways = ["--allow-client", "--open", *(["--proxyauth"] if mode in LOGIN else [])]
    assert [way for way in ("--allow-client", "--open", "--proxyauth") if way in said] == ways
    assert f"mode {mode} on {address} " in said
    assert "\n" not in said


@pytest.mark.parametrize("mode", sorted(set(MODES) - CHOOSING))
@pytest.mark.parametrize("address", BEYOND)
def test_what_leads_nowhere_else_only_warns(mode: str, address: str) -> None:
    line = check_exposure(listener(mode, address), AccessPolicy())

    assert line
    assert line.startswith(f"listening on {address}, beyond this machine: ")
    assert "\n" not in line


@pytest.mark.parametrize("mode", sorted(CHOOSING))
def test_what_passes_nothing_on_only_warns(mode: str) -> None:
    assert "is answered" in (check_exposure(listener(mode, "0.0.0.0"), AccessPolicy(), offline=True) or "")


@pytest.mark.parametrize("addresses", [("127.0.0.1", "192.168.1.5"), ("::1", "::"), ()])
def test_one_address_beyond_this_machine_is_enough(addresses: tuple[str, ...]) -> None:
    with pytest.raises(StartupError):
        check_exposure(Listener("regular", "name", addresses), AccessPolicy())


def test_every_address_has_a_name() -> None:
    with pytest.raises(StartupError, match="on every address "):
        check_exposure(Listener("regular", "", ("0.0.0.0", "::")), AccessPolicy())


@pytest.mark.parametrize("mode", ["local", "tun"])
def test_a_mode_that_listens_nowhere_exposes_nothing(mode: str) -> None:
    assert check_exposure(listener(mode, "0.0.0.0"), AccessPolicy()) is None


WAYS_OUT = [
    (policy("192.168.1.0/24"), "only clients in the networks of --allow-client are served"),
    (policy(login="user:secret"), "a login is required, which travels unencrypted"),
    (policy(login="@file"), "a login is required, which travels unencrypted"),
    (policy(open_=True), "an open proxy, as accepted with --open"),
    (policy("10.0.0.1", login="user:secret", open_=True), "are served; a login is required"),
]


@pytest.mark.parametrize(("way", "said"), WAYS_OUT, ids=[each[1] for each in WAYS_OUT])
@pytest.mark.parametrize("mode", sorted(CHOOSING & LOGIN))
def test_each_way_out_is_taken_and_told(mode: str, way: AccessPolicy, said: str) -> None:
    line = check_exposure(listener(mode, "0.0.0.0"), way)

    assert line
    assert said in line
    assert "secret" not in line


WORTH_NOTHING = [*(policy(*networks) for networks in FOR_ALL), policy(login="any"), policy()]


@pytest.mark.parametrize("nothing", WORTH_NOTHING)
def test_what_keeps_nobody_out_is_no_way_out(nothing: AccessPolicy) -> None:
    with pytest.raises(StartupError):
        check_exposure(listener("regular", "0.0.0.0"), nothing)
    assert "anyone who reaches it" in (check_exposure(listener("reverse", "0.0.0.0"), nothing) or "")


@pytest.mark.parametrize("mode", ["dns", "transparent", "wireguard", "local", "tun", "reverse:tcp"])
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_login_that_nobody_can_say_is_refused_wherever_it_listens(mode: str, address: str) -> None:
    with pytest.raises(StartupError, match="cannot ask for a login"):
        check_exposure(listener(mode, address), policy(login="user:secret", open_=True))


def test_a_login_is_in_no_representation() -> None:
    settings = proxy_settings("127.0.0.1:1", ["regular"], [], policy(login="user:secret"))

    assert "secret" not in f"{settings!r} {settings} {settings.access}"


@pytest.mark.parametrize(
    ("host", "addresses"),
    [("127.0.0.1", {"127.0.0.1"}), ("", {"0.0.0.0", "::"}), ("0", {"0.0.0.0"}), ("127.1", {"127.0.0.1"})],
)
def test_a_host_is_looked_up_as_it_will_be(host: str, addresses: set[str]) -> None:
    found = set(addresses_of(host, 0))

    assert found
    assert found <= addresses


@pytest.mark.parametrize("host", ["nowhere.invalid", "[::1]", "x" * 100 + ".invalid"])
def test_a_host_without_an_address_is_a_problem_in_one_line(host: str) -> None:
    with pytest.raises(StartupError, match="cannot listen on") as problem:
        addresses_of(host, 8080)
    assert "\n" not in str(problem.value)


# ---- Whose connections are taken ----


ADMITTED = [
    (["192.168.1.0/24"], ["192.168.1.0", "192.168.1.255", "::ffff:192.168.1.7"], ["192.168.2.0", "127.0.0.1", "::1"]),
    (["127.0.0.2"], ["127.0.0.2", "::ffff:127.0.0.2"], ["127.0.0.1", "127.0.0.3", "::1"]),
    (["::ffff:10.0.0.0/104"], ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.1", "::10.1.2.3"]),
    (["fe80::/64"], ["fe80::1", "fe80::1%eth0"], ["fe80:0:0:1::1", "fe81::1"]),
    (["10.0.0.1", "::1"], ["10.0.0.1", "::1"], ["10.0.0.2", "::2"]),
    (["10.0.0.0/255.0.0.0"], ["10.9.9.9"], ["11.0.0.1"]),
    (["0.0.0.0/0"], ["8.8.8.8"], ["2001:db8::1"]),
    ([], ["8.8.8.8", "::1", "anything"], []),
]


@pytest.mark.parametrize(("named", "welcome", "strangers"), ADMITTED, ids=[str(each[0]) for each in ADMITTED])
def test_only_who_comes_from_a_named_network_is_let_in(
    named: list[str], welcome: list[str], strangers: list[str]
) -> None:
    told: list[str] = []
    client_filter = ClientFilter(parse_clients(named), told.append)

    assert [each for each in welcome if not client_filter.admits(each)] == []
    assert told == []
    assert [each for each in strangers if client_filter.admits(each)] == []
    assert client_filter.refused == len(strangers)
    assert len(told) == bool(strangers)


@pytest.mark.parametrize("address", [None, "", "unknown", "127.0.0.1:80", "/tmp/socket", "127.0.0.1.evil"])
def test_who_cannot_be_judged_stays_out(address: str | None) -> None:
    told: list[str] = []

    assert not ClientFilter(parse_clients(["0.0.0.0/0", "::/0"]), told.append).admits(address)
    assert len(told) == 1


def test_a_judgement_that_fails_lets_nobody_in() -> None:
    """Broken on purpose: a network that cannot be asked."""
    told: list[str] = []
    client_filter = ClientFilter([None], told.append)  # type: ignore[list-item]

    assert [client_filter.admits("127.0.0.1") for _ in range(3)] == [False] * 3
    assert (client_filter.refused, len(told)) == (3, 1)


def test_refusals_are_told_once_and_counted() -> None:
    told: list[str] = []
    client_filter = ClientFilter(parse_clients(["10.0.0.1"]), told.append)
    for number in range(5):
        client_filter.admits(f"192.168.0.{number}")

    assert told == ["refused a connection from 192.168.0.0, which --allow-client does not name; others are counted"]
    assert refused_line(client_filter.refused) == "refused 5 connections that --allow-client does not name"
    assert [refused_line(count) for count in (0, 1)] == [None, None]


def test_several_processes_tell_once() -> None:
    told: list[str] = []
    tell = once(told.append)
    for client_filter in (ClientFilter(parse_clients(["10.0.0.1"]), tell) for _ in range(3)):
        client_filter.admits("127.0.0.1")

    assert len(told) == 1


addresses = st.ip_addresses(v=4)


@given(addresses, addresses, st.integers(0, 32))
def test_an_address_is_judged_alike_in_both_spellings(
    address: ipaddress.IPv4Address, base: ipaddress.IPv4Address, prefix: int
) -> None:
    network = ipaddress.ip_network((base, prefix), strict=False)
    mapped = f"::ffff:{network.network_address}/{96 + prefix}"
    spellings = [str(address), f"::ffff:{address}", f"::ffff:{int(address) >> 16:x}:{int(address) & 0xFFFF:x}"]

    for named in (str(network), mapped):
        client_filter = ClientFilter(parse_clients([named]), lambda _line: None)
        assert {client_filter.admits(each) for each in spellings} == {address in network}


@given(st.ip_addresses())
def test_loopback_is_what_the_standard_says(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    exposed = listener("reverse", str(address)).is_exposed()

    assert exposed is not parse_address(str(address)).is_loopback


# ---- Arguments ----


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("192.168.1.5/24", "has bits beyond its prefix"),
        ("192.168.1.0/33", ": expected a network such as 192.168.1.0/24"),
        ("192.168.1", ": expected a network such as 192.168.1.0/24"),
        ("localhost", ": expected a network such as 192.168.1.0/24"),
        ("192.168.1.0/24,10.0.0.0/8", ": expected a network such as 192.168.1.0/24"),
        ("[::1]", ": expected a network such as 192.168.1.0/24"),
        ("010.0.0.1", ": expected a network such as 192.168.1.0/24"),
        ("", ": expected a network such as 192.168.1.0/24"),
    ],
)
def test_what_is_no_network_is_said_in_one_sentence(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as problem:
        parse_clients(["10.0.0.1", text])
    assert str(problem.value).startswith(f"invalid --allow-client '{text}': ")


@pytest.mark.parametrize("login", ["", "user", ":", "user:", ":password", "user:pass:word", "@", "Any"])
def test_what_is_no_login_is_said_without_repeating_it(login: str) -> None:
    with pytest.raises(UsageError, match="invalid --proxyauth: expected USER:PASS") as problem:
        parse_access(login, None)
    assert len(login) < 4 or login not in str(problem.value)


def test_a_login_is_no_option_of_mitmproxy() -> None:
    with pytest.raises(UsageError, match="use --proxyauth instead of --set") as problem:
        proxy_settings("127.0.0.1:1", ["regular"], ["proxyauth=user:secret"], AccessPolicy())
    assert "secret" not in str(problem.value)
