"""Names of headers whose values identify people or devices: addresses, credentials, certificates, accounts, numbers."""

import re
from collections.abc import Iterable
from functools import lru_cache

# By kind: addresses of clients, as proxies, CDNs, clouds and servers' modules write them; credentials; certificates;
# accounts; numbers and devices of mobile operators' customers.
_NAMES = """
    client-ip cdn-src-ip cf-connecting-ip cf-connecting-ipv6 cf-pseudo-ipv4 do-connecting-ip fastly-client-ip
    fly-client-ip forwarded forwarded-for http-client-ip incap-client-ip proxy-client-ip remote-addr remote-host
    remote-ip true-client-ip via-ip wl-proxy-client-ip x-appengine-remote-addr x-appengine-user-ip x-azure-clientip
    x-azure-socketip x-cluster-client-ip x-envoy-external-address x-forwarded x-forwarded-for x-host-ip
    x-original-forwarded-for x-originating-ip x-proxyuser-ip x-real-ip x-remote-addr x-remote-ip x-sucuri-clientip
    x-vercel-forwarded-for x-vercel-proxied-for cloudfront-viewer-address x-akamai-edgescape

    authorization proxy-authorization x-authorization cookie cookie2 set-cookie set-cookie2 x-amz-security-token
    x-goog-iap-jwt-assertion cf-access-jwt-assertion x-ms-client-principal x-amzn-oidc-data x-amzn-oidc-identity

    client-cert client-cert-chain x-forwarded-client-cert x-arr-clientcert x-ssl-client-s-dn x-ssl-client-dn
    ssl-client-s-dn

    from cf-access-authenticated-user-email remote-user x-auth-request-email x-auth-request-user
    x-auth-request-preferred-username x-forwarded-email x-forwarded-preferred-username x-forwarded-user
    x-goog-authenticated-user-email x-goog-authenticated-user-id x-remote-user x-webauth-user

    x-auth x-auth-key x-ip x-ip-address x-login x-guid x-uid x-adid

    msisdn x-acr x-hts-clid x-imei x-imsi x-msisdn x-nokia-msisdn x-uidh x-up-calling-line-id x-up-subno x-wap-msisdn
"""
PERSON_HEADERS = frozenset(_NAMES.split())
# Headers that describe the message and its destination.
MESSAGE_HEADERS = frozenset({"connection", "content-encoding", "content-length", "content-type", "date", "host"})

# The same kinds by the words at the end of a name, or, of certificates, anywhere in it.
_KINDS = re.compile(
    r"(?:^|[-_])(?:"
    r"(?:client|user|viewer|visitor|remote|real|source|src|socket|peer|origin(?:al|ating)?|connecting|connection|caller)"
    r"[-_]?(?:ip|ipv4|ipv6|addr|address|port-and-ip)"
    r"|forwarded[-_]for|(?:x[-_])?forwarded[-_]client[-_]ip"
    r"|(?:access|auth|bearer|csrf|xsrf|id|identity|jwt|refresh|request|security|session|user|visitor|device|api)?"
    r"[-_]?token|jwt|jwt[-_]assertion|api[-_]?key|(?:access|subscription)[-_]?key|secret|password|passwd|credentials?"
    r"|client[-_]principal(?:[-_](?:id|name))?"
    r"|(?:user|visitor|account|customer|subscriber|member|profile|device|advertising|session|installation|household)"
    r"[-_]?(?:id|name|email)|(?:client|device|user|visitor)[-_]identifier|(?:phone|serial)(?:[-_]number)?|mac[-_]address"
    r"|user|username|email|e-mail|idfa|idfv|gaid|ecid|imei|imsi|msisdn|uidh"
    r")$"
    r"|(?:^|[-_])(?:mtls|tls|ssl)?[-_]?client[-_]?cert|cookie",
    re.IGNORECASE,
)


class HeaderNames:
    """Names of headers whose values identify people; case does not matter.

    Args:
        more: names that identify besides those that always do.

    Attributes:
        count: returns whether the values of headers of that name identify people.
    """

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._named = PERSON_HEADERS | {name.lower() for name in more}
        self.count = lru_cache(maxsize=1024)(self._count)

    def _count(self, name: str) -> bool:
        lowered = name.strip().lower()
        return lowered in self._named or _KINDS.search(lowered) is not None


def header_encoding(header: str) -> str:
    """Return the encoding that turns a header into its bytes on the wire."""
    return "latin-1" if header.isascii() or max(header) <= "\xff" else "utf-8"
