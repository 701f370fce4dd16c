"""The table of mitmproxy's addons: complete for the installed mitmproxy, and true for each of its options."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy import master, options
from mitmproxy.addons import core, next_layer, proxyserver, tlsconfig
from mitmproxy.tools.dump import DumpMaster

from tapehead.errors import StartupError
from tapehead.proxy.master import configure
from tapehead.proxy.mitmproxy_addons import ADDONS, DISPLAY_OPTIONS, Use, certificate_page, needed_addons
from tapehead.proxy.proxy_settings import ProxySettings

REVERSE = "reverse:http://127.0.0.1:9"
# Values for options whose default says nothing, or whose effect needs more than a value.
VALUES = {
    "block_list": "|~all|403",
    "body_size_limit": "1m",
    "connect_addr": "127.0.0.1",
    "map_local": "|nothing|/dev/null",
    "map_remote": "|nothing|other",
    "modify_body": "|nothing|other",
    "modify_headers": "|nothing|other",
    "mode": "regular",
    "stickyauth": "~all",
    "stickycookie": "~all",
    "stream_large_bodies": "1m",
    "tls_ecdh_curve_client": "secp256r1",
    "tls_ecdh_curve_server": "secp256r1",
    "upstream_auth": "user:secret",
}
LEFT_OUT = {name for entry in ADDONS if entry.use in (Use.REPLACED, Use.NEVER) for name in entry.options}


def in_loop(make: Any) -> Any:
    """The result of a function that needs a running loop, without the log handlers that mitmproxy leaves behind."""

    async def run() -> Any:
        return make()

    log = logging.getLogger()
    handlers, level = log.handlers[:], log.level
    try:
        return asyncio.run(run())
    finally:
        log.handlers[:] = handlers
        log.setLevel(level)


def mitmdump_addons() -> dict[str, set[str]]:
    """The options that each addon of mitmdump declares, by its module and class."""
    found: dict[str, set[str]] = {}
    for addon in in_loop(lambda: DumpMaster(options.Options())).addons.chain:
        declared: set[str] = set()

        class Loader:
            def add_option(self, name: str, *_rest: object, declared: set[str] = declared, **_more: object) -> None:
                declared.add(name)

        if hasattr(addon, "load"):
            addon.load(Loader())
        name = f"{type(addon).__module__}.{type(addon).__name__}".removeprefix("mitmproxy.addons.")
        found[name] = declared
    return found


def settings_of(*modes: str, extra: tuple[str, ...] = ()) -> ProxySettings:
    return ProxySettings(modes=modes, host="127.0.0.1", port=0, extra=extra)


def names_of(settings: ProxySettings) -> list[str]:
    return [type(addon).__name__ for addon in (*certificate_page(settings), *needed_addons(settings))]


def options_under(settings: ProxySettings) -> options.Options:
    """The options of a proxy with these settings, once they are set."""

    def make() -> options.Options:
        proxy = master.Master(options.Options())
        base = core.Core(), proxyserver.Proxyserver(), next_layer.NextLayer(), tlsconfig.TlsConfig()
        proxy.addons.add(*base, *certificate_page(settings), *needed_addons(settings))
        configure(proxy.options, settings)
        return proxy.options

    made: options.Options = in_loop(make)
    return made


def all_options() -> Iterator[tuple[str, str]]:
    """Every option of mitmdump, with a value for it."""
    found = in_loop(lambda: DumpMaster(options.Options())).options
    for name, option in sorted(found.items()):
        default = option.default
        plain = str(default).lower() if isinstance(default, bool) else str(default or "")
        yield name, VALUES.get(name, plain)


OPTIONS = list(all_options())


def test_the_table_has_each_addon_of_mitmdump_once_with_its_options() -> None:
    found, always = mitmdump_addons(), {entry.name for entry in ADDONS if entry.use is Use.ALWAYS}

    assert {entry.name: set(entry.options) for entry in ADDONS} == {
        name: set() if name in always else declared for name, declared in found.items()
    }
    assert len(ADDONS) == len(found)


def test_addons_are_loaded_in_the_order_of_mitmdump() -> None:
    loaded = [entry.name for entry in ADDONS if entry.use in (Use.MODE, Use.OPTION)]

    assert loaded == [name for name in mitmdump_addons() if name in loaded]


@pytest.mark.parametrize(("name", "value"), OPTIONS, ids=[name for name, _ in OPTIONS])
def test_an_option_of_mitmproxy_has_an_effect_or_is_refused(name: str, value: str) -> None:
    settings = settings_of(REVERSE, extra=(f"{name}={value}",))
    if name in LEFT_OUT or name in DISPLAY_OPTIONS:
        with pytest.raises(StartupError, match=f"^--set {name} has no effect here"):
            options_under(settings)
        return

    found = options_under(settings)

    assert name in found
    assert not found.deferred


def test_an_option_that_there_is_not_is_refused() -> None:
    with pytest.raises(StartupError, match="stickyaut"):
        options_under(settings_of(REVERSE, extra=("stickyaut=x",)))


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        (REVERSE, ["UpdateAltSvc"]),
        (f"{REVERSE}@127.0.0.1:0", ["UpdateAltSvc"]),
        ("regular", ["Onboarding"]),
        ("upstream:http://127.0.0.1:9", ["Onboarding"]),
        ("socks5", ["Onboarding"]),
        ("transparent", ["Onboarding", "StripDnsHttpsRecords"]),
        ("local:curl", ["Onboarding", "StripDnsHttpsRecords"]),
        ("WireGuard@51820", ["Onboarding", "StripDnsHttpsRecords", "DnsResolver"]),
        ("dns", ["StripDnsHttpsRecords", "DnsResolver"]),
        ("reverse:dns://127.0.0.1:53", ["StripDnsHttpsRecords", "UpdateAltSvc"]),
    ],
)
def test_a_mode_loads_what_it_needs_and_nothing_else(mode: str, wanted: list[str]) -> None:
    assert names_of(settings_of(mode)) == wanted


def test_the_mode_may_come_from_an_option() -> None:
    assert "DnsResolver" in names_of(settings_of(REVERSE, extra=("mode=wireguard",)))


def test_an_addon_that_needs_whole_messages_has_nothing_streamed() -> None:
    assert names_of(settings_of(REVERSE, extra=("modify_body=|a|b",)))[-1] == "WholeMessages"
    assert "WholeMessages" not in names_of(settings_of(REVERSE, extra=("upstream_auth=user:secret",)))
