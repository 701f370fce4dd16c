"""mitmproxy's own addons: which of them a proxy of tapehead loads, and when.

mitmdump loads them all, which costs over half of each request. Here an addon is loaded where a mode or an option needs
it; the same table tells users what to do about the options of the others.
"""

import importlib
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

import msgspec
from mitmproxy import http

from tapehead.errors import StartupError
from tapehead.proxy.proxy_settings import ProxySettings

CERTIFICATE_HOST = "mitm.it"
_CERTIFICATE_PAGE = "onboarding.Onboarding"
# Modes that see everything that a device sends, its DNS queries among it.
DEVICE_MODES = ("wireguard", "local", "transparent", "tun")


class Use(StrEnum):
    """The use of one of mitmproxy's addons."""

    ALWAYS = "always"
    MODE = "in some modes"
    OPTION = "with its options"
    REPLACED = "replaced"
    NEVER = "never"


class MitmproxyAddon(msgspec.Struct, frozen=True):
    """The decision on one of mitmproxy's addons.

    Attributes:
        name: the module below `mitmproxy.addons` and the class.
        use: when it is loaded.
        reason: what it does here, what has its place, or why there is nothing like it; Markdown.
        options: its options.
        modes: with `Use.MODE`, names of modes that need it.
    """

    name: str
    use: Use
    reason: str
    options: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()


ADDONS = (
    MitmproxyAddon("core.Core", Use.ALWAYS, "checks options of certificates"),
    MitmproxyAddon("proxyserver.Proxyserver", Use.ALWAYS, "listens and connects"),
    MitmproxyAddon("next_layer.NextLayer", Use.ALWAYS, "detects protocols, and passes TLS of other hosts through"),
    MitmproxyAddon("tlsconfig.TlsConfig", Use.ALWAYS, "issues and verifies certificates"),
    # Those that are loaded where they are needed, in mitmdump's order.
    MitmproxyAddon(
        "block.Block",
        Use.OPTION,
        "refuses clients by the kind of their address; by default, `--allow-client` alone limits who may connect",
        ("block_global", "block_private"),
    ),
    MitmproxyAddon(
        "strip_dns_https_records.StripDnsHttpsRecords",
        Use.MODE,
        "keeps DNS answers from telling devices to hide the endpoint's name in TLS, or to use HTTP/3",
        ("strip_ech",),
        ("dns", *DEVICE_MODES, "reverse:dns"),
    ),
    MitmproxyAddon("blocklist.BlockList", Use.OPTION, "refuses requests", ("block_list",)),
    MitmproxyAddon("anticache.AntiCache", Use.OPTION, "asks for answers that are not cached", ("anticache",)),
    MitmproxyAddon("anticomp.AntiComp", Use.OPTION, "asks for answers that are not compressed", ("anticomp",)),
    MitmproxyAddon(
        _CERTIFICATE_PAGE,
        Use.MODE,
        "gives devices the certificate at `http://mitm.it`",
        ("onboarding", "onboarding_host"),
        ("regular", "upstream", "socks5", *DEVICE_MODES),
    ),
    MitmproxyAddon(
        "dns_resolver.DnsResolver",
        Use.MODE,
        "answers the look-ups of devices; `replay` answers them without the network",
        ("dns_use_hosts_file", "dns_name_servers"),
        ("dns", "wireguard"),
    ),
    MitmproxyAddon("mapremote.MapRemote", Use.OPTION, "sends requests elsewhere", ("map_remote",)),
    MitmproxyAddon("maplocal.MapLocal", Use.OPTION, "answers from files", ("map_local",)),
    MitmproxyAddon("modifybody.ModifyBody", Use.OPTION, "changes bodies", ("modify_body",)),
    MitmproxyAddon("modifyheaders.ModifyHeaders", Use.OPTION, "changes headers", ("modify_headers",)),
    MitmproxyAddon("stickyauth.StickyAuth", Use.OPTION, "repeats logins in later requests", ("stickyauth",)),
    MitmproxyAddon("stickycookie.StickyCookie", Use.OPTION, "repeats cookies in later requests", ("stickycookie",)),
    MitmproxyAddon(
        "upstream_auth.UpstreamAuth",
        Use.OPTION,
        "logs in to the proxy of `--mode upstream:URL`, or to the endpoint in reverse mode",
        ("upstream_auth",),
    ),
    MitmproxyAddon(
        "update_alt_svc.UpdateAltSvc",
        Use.MODE,
        "keeps players from leaving for the alternative service that an answer names",
        ("keep_alt_svc_header",),
        ("reverse",),
    ),
    # Those whose work tapehead does itself.
    MitmproxyAddon("disable_h2c.DisableH2C", Use.REPLACED, "tapehead removes offers of HTTP/2 without TLS itself"),
    MitmproxyAddon("proxyauth.ProxyAuth", Use.REPLACED, "use `--proxyauth`, which fails closed", ("proxyauth",)),
    MitmproxyAddon(
        "serverplayback.ServerPlayback",
        Use.REPLACED,
        "use `tapehead replay`, which takes flow files, too",
        tuple(
            f"server_replay{end}"
            for end in (
                "",
                "_extra",
                "_ignore_content",
                "_ignore_host",
                "_ignore_params",
                "_ignore_payload_params",
                "_ignore_port",
                "_kill_extra",
                "_nopop",
                "_refresh",
                "_reuse",
                "_use_headers",
            )
        ),
    ),
    MitmproxyAddon(
        "save.Save",
        Use.REPLACED,
        "use `--out`; a flow file has no pseudonyms",
        ("save_stream_file", "save_stream_filter"),
    ),
    MitmproxyAddon("savehar.SaveHar", Use.REPLACED, "use `--out`; a HAR file has no pseudonyms", ("hardump",)),
    MitmproxyAddon("readfile.ReadFileStdin", Use.REPLACED, "use `tapehead import`", ("rfile", "readfile_filter")),
    MitmproxyAddon("termlog.TermLog", Use.REPLACED, "warnings go to stderr", ("termlog_verbosity",)),
    MitmproxyAddon(
        "dumper.Dumper",
        Use.REPLACED,
        "each call has a line on stdout",
        ("dumper_default_contentview", "dumper_filter", "flow_detail"),
    ),
    MitmproxyAddon("errorcheck.ErrorCheck", Use.REPLACED, "a proxy that cannot start ends with exit code 2"),
    # Those that belong to mitmproxy's own tools.
    MitmproxyAddon("script.ScriptLoader", Use.NEVER, "loads scripts", ("scripts",)),
    MitmproxyAddon(
        "clientplayback.ClientPlayback",
        Use.NEVER,
        "sends saved requests again",
        ("client_replay", "client_replay_concurrency"),
    ),
    MitmproxyAddon("keepserving.KeepServing", Use.NEVER, "goes on after a client replay", ("keepserving",)),
    MitmproxyAddon("command_history.CommandHistory", Use.NEVER, "keeps typed commands", ("command_history",)),
    MitmproxyAddon("export.Export", Use.NEVER, "a command: saves a flow as curl", ("export_preserve_original_ip",)),
    MitmproxyAddon("cut.Cut", Use.NEVER, "a command: saves parts of flows"),
    MitmproxyAddon("comment.Comment", Use.NEVER, "a command: comments on a flow"),
    MitmproxyAddon("browser.Browser", Use.NEVER, "a command: starts a browser"),
)

# Options of mitmproxy's core that only change what its own tools show.
DISPLAY_OPTIONS = ("content_view_lines_cutoff", "protobuf_definitions", "showhost")


class WholeMessages:
    """An addon that has no message streamed past the addons in front of it, which change messages or answer them."""

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Have a request wait for its end."""
        flow.request.stream = False

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Have a response wait for its end."""
        if flow.response:
            flow.response.stream = False


def certificate_page(settings: ProxySettings) -> Iterator[object]:
    """Yield the addon with the certificate page, if a mode or an option asks for it."""
    entry = next(each for each in ADDONS if each.name == _CERTIFICATE_PAGE)
    if _is_needed(entry, settings):
        yield _make(entry.name)


def needed_addons(settings: ProxySettings) -> Iterator[object]:
    """Yield mitmproxy's addons that the modes or the options ask for; they follow ours, but for the certificate page.

    Raises:
        StartupError: an option belongs to an addon that is never loaded.
    """
    _check_options(settings)
    names = [entry.name for entry in ADDONS if entry.use is not Use.ALWAYS and _is_needed(entry, settings)]
    addons = [_make(name) for name in names if name != _CERTIFICATE_PAGE]
    yield from addons
    if any(hasattr(addon, hook) for addon in addons for hook in ("request", "response")):
        yield WholeMessages()


def device_hosts(settings: ProxySettings) -> list[str]:
    """Return regular expressions over `host:port` for what is intercepted of a device besides the endpoint's TLS.

    That is DNS and the requests for the certificate page, in modes that see everything that a device sends.
    """
    if mode_names(settings.effective_modes()).isdisjoint(DEVICE_MODES):
        return []
    page = settings.option("onboarding_host") or CERTIFICATE_HOST
    return [r":53$", rf"^{re.escape(page)}(?::\d+)?$"]


def mode_names(modes: Iterable[str]) -> set[str]:
    """Return the names of modes, such as `wireguard`; for a reverse mode also that with its protocol."""
    parsed = [(mode.rpartition("@")[0] or mode).lower().partition(":") for mode in modes]
    return {name for kind, _, data in parsed for name in (kind, f"{kind}:{data.partition('://')[0]}")}


def _is_needed(entry: MitmproxyAddon, settings: ProxySettings) -> bool:
    modes = mode_names(settings.effective_modes())
    return not modes.isdisjoint(entry.modes) or not settings.option_names().isdisjoint(entry.options)


def _make(name: str) -> Any:
    """Return a new addon, given its module below `mitmproxy.addons` and its class."""
    module, _, class_name = name.partition(".")
    return getattr(importlib.import_module(f"mitmproxy.addons.{module}"), class_name)()


def _check_options(settings: ProxySettings) -> None:
    """Check that every option has an effect.

    Raises:
        StartupError: one has none.
    """
    for name in sorted(settings.option_names()):
        if name in DISPLAY_OPTIONS:
            raise StartupError(f"--set {name} has no effect here: it is about what mitmproxy's own tools show")
        use, reason = next(((entry.use, entry.reason) for entry in ADDONS if name in entry.options), (None, ""))
        if use is Use.REPLACED:
            raise StartupError(f"--set {name} has no effect here; {reason.replace('`', '')}")
        if use is Use.NEVER:
            raise StartupError(f'--set {name} has no effect here; use mitmdump -s "$(tapehead addon-path)" for it')
