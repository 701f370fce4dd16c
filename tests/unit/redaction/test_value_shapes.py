"""Values that identify by their shape, under whatever name, and headers that identify by their kind."""

from urllib.parse import quote

import orjson
import pytest

from support.exchanges import event, exchange, opened, request, response, sent, start_with
from tapehead.protocol.exchange import encode
from tapehead.redaction.identifying_headers import HeaderNames
from tapehead.redaction.redactor import Redactor
from tapehead.redaction.value_shapes import values_by_shape

REDACTOR = Redactor(b"a key")
ECID, AID = "31415926535897932384626433832795028841", "2F3A4B5C6D7E8F90-1122334455667788"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lLjc3In0.c2lnbmF0dXJl"
VALUES = (ECID, AID, TOKEN)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(
    "around", ["%s", "x %s, y", "id=%s&y", "MCMID%%7C%s%%7C", "a%%20%s", '"%s"', "[CS]v1|%s[CE]", "'%s'"]
)
def test_a_value_is_found_by_its_shape(value: str, around: str) -> None:
    assert list(values_by_shape((around % value).encode())) == [value]


@pytest.mark.parametrize(
    "text",
    [
        ECID[1:],
        f"{ECID}0",
        "4cc4f8cd27c1a3f1b9f1d8b5f4f1f4cc4f8cd27c1a3f1b9f1d8b5f4f1f000000",
        "A" * 64,
        "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        f"{AID}0",
        "1.5e+10",
        "1795401600000",
        "eyJhbGciOiJIUzI1NiJ9",
        "a.eyJ.b",
    ],
)
def test_other_shapes_identify_nobody(text: str) -> None:
    assert list(values_by_shape(f"x {text} y".encode())) == []


@pytest.mark.parametrize("value", VALUES)
def test_such_a_value_is_gone_wherever_it_is(value: str) -> None:
    body = start_with({"media.name": f"for {value}"}) | {"customMetadata": {"anything": value}}
    link = f"https://example.com/watch?adobe_mc={quote(f'TS=17|MCMID={value}|MCORGID=A@AdobeOrg', safe='')}&y=2"
    whole = exchange(
        request(body, f"/api/v1/sessions?s={value}", Referer=link, X_Anything=value),
        response(400, [("X-Echo", value)], f"no {value}".encode()),
    )
    stored = REDACTOR.redact(whole)

    assert value.encode() not in encode(stored)
    assert stored.request.header("Referer") == link.replace(value, REDACTOR.pseudonym(value))
    assert stored.request.json()["customMetadata"]["anything"] == REDACTOR.pseudonym(value)


def test_an_ecid_as_a_number_has_the_pseudonym_of_the_string() -> None:
    start = start_with({"visitor.marketingCloudUserId": ECID})
    body = orjson.dumps(start | {"customMetadata": {"n": "N"}}).replace(b'"N"', ECID.encode())
    stored = REDACTOR.redact(exchange(request(body), response(201))).request.content()

    assert stored.replace(REDACTOR.pseudonym(ECID).encode(), ECID.encode()) == body
    assert ECID.encode() not in stored


def test_a_pseudonym_of_that_shape_is_no_such_value() -> None:
    whole = opened("abc", start_with({"visitor.marketingCloudUserId": ECID}))
    stored = REDACTOR.redact(whole).request.json()["params"]["visitor.marketingCloudUserId"]
    again = REDACTOR.redact(sent("abc", event("ping", 5, 5, customMetadata={"x": ECID}))).request.json()

    assert stored == REDACTOR.pseudonym(ECID) == again["customMetadata"]["x"]


def test_a_session_id_of_that_shape_stays() -> None:
    assert REDACTOR.redact(sent(ECID, event("ping", 5, 5))).request.url.endswith(f"/{ECID}/events")


def test_base64_of_a_known_identifier_within_a_json_object_is_replaced() -> None:
    whole = opened("abc", start_with({"media.name": "x"}) | {"customMetadata": {"t": "eyJlY2lkIjoiamFuZS03NyJ9"}})

    assert b"eyJlY2lkIjoiamFuZS03NyJ9" not in REDACTOR.redact(whole).request.content()


IDENTIFYING = """
    Authorization Proxy-Authorization Cookie Cookie2 Set-Cookie Set-Cookie2 Forwarded Forwarded-For From
    X-Forwarded-For X-Forwarded X-Original-Forwarded-For Proxy-Client-IP WL-Proxy-Client-IP HTTP-Client-IP
    Client-IP HTTP_X_FORWARDED_FOR HTTP_CLIENT_IP REMOTE_ADDR True-Client-IP X-Client-IP X-Cluster-Client-IP
    X-Real-IP X-ProxyUser-Ip CF-Connecting-IP CF-Connecting-IPv6 CF-Pseudo-IPv4 Fastly-Client-IP
    Fly-Client-IP DO-Connecting-IP X-Azure-ClientIP X-Azure-SocketIP X-Appengine-User-IP
    X-Appengine-Remote-Addr X-Envoy-External-Address X-NF-Client-Connection-IP X-Vercel-Forwarded-For
    CloudFront-Viewer-Address Akamai-Client-IP Ali-CDN-Real-IP CDN-Src-IP Incap-Client-IP X-Sucuri-ClientIP
    X-Auth X-Auth-Key X-IP X-IP-Address X-Login X-GUID X-UID X-Phone X-Phone-Number X-Serial-Number X-MAC-Address X-IDFV
    X-Plex-Client-Identifier X-Device-Identifier
    X-Original-Remote-Addr X-MS-Forwarded-Client-IP X-Remote-Addr X-Access-Token X-Auth-Token X-CSRF-Token
    X-XSRF-TOKEN X-Refresh-Token X-Id-Token X-Session-Token X-User-Token Token X-Amz-Security-Token
    X-Amzn-Oidc-Accesstoken X-Amzn-Oidc-Data X-Amzn-Oidc-Identity X-Goog-Iap-Jwt-Assertion
    Cf-Access-Jwt-Assertion X-MS-Client-Principal X-MS-Client-Principal-Id X-MS-Client-Principal-Name
    X-MS-Token-AAD-Id-Token X-Api-Key Api-Key ApiKey Ocp-Apim-Subscription-Key X-Access-Key X-Client-Secret
    X-Forwarded-Client-Cert Client-Cert Client-Cert-Chain X-Client-Cert X-SSL-Client-Cert X-ARR-ClientCert
    X-Amzn-Mtls-Clientcert X-Amzn-Mtls-Clientcert-Subject SSL-Client-S-DN X-SSL-Client-S-DN X-Forwarded-User
    X-Forwarded-Email X-Auth-Request-User X-Auth-Request-Email X-Remote-User Remote-User X-WebAuth-User
    X-Goog-Authenticated-User-Email X-User-Id X-User-Email X-Device-Id X-Session-Id X-Visitor-Id
    X-Customer-Id X-Household-Id X-Advertising-Id X-MSISDN MSISDN X-Nokia-MSISDN X-Up-Calling-Line-Id X-UIDH
    X-ACR X-IMEI X-IMSI
"""
OTHERS = """
    Accept Accept-Encoding Accept-Language Access-Control-Allow-Origin Cache-Control Connection Content-Type
    Content-Length Content-Encoding Date ETag Host Location Origin Referer Server User-Agent Via X-Request-Id
    X-Correlation-Id X-Forwarded-Proto X-Forwarded-Host X-Forwarded-Port X-Tapehead-Key X-Cache X-Amz-Cf-Id
    X-Powered-By Sec-WebSocket-Key Strict-Transport-Security Traceparent Authorization-Type X-Idle-Timeout
    X-Description WWW-Authenticate X-Content-Type-Options Access-Control-Request-Headers Sec-CH-UA-Platform
    DNT Priority
"""


@pytest.mark.parametrize("name", IDENTIFYING.split())
def test_a_header_of_that_kind_identifies(name: str) -> None:
    asked = request(start_with({})).with_headers([(name, "some-value-77"), ("X-Echo", "some-value-77")])
    stored = REDACTOR.redact(exchange(asked, response(201))).request

    assert stored.header(name) == stored.header("X-Echo") == REDACTOR.pseudonym("some-value-77")


@pytest.mark.parametrize("name", OTHERS.split())
def test_another_header_identifies_nobody(name: str) -> None:
    assert not HeaderNames().count(name)
    assert HeaderNames([name]).count(name.upper())
