"""The alert of a player that refuses a certificate once the handshake has ended, as Firefox on Android does."""

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy.test import taddons

from tapehead.internal_errors import InternalErrors
from tapehead.proxy.untrusted_certificate import CertificateCheck
from tapehead.recording.calls_elsewhere import CallsElsewhere

PLAYER = ("192.0.2.7", 40000)
ALERT = "TLS Error: [('SSL routines', '', 'ssl/tls alert {}')]"


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What is said of a player with an open connection to `company.hb-api.omtrdc.net`."""
    lines: list[str] = []
    check = CertificateCheck(CallsElsewhere(), lines.append, InternalErrors())
    conn = SimpleNamespace(peername=PLAYER, sni="company.hb-api.omtrdc.net", error=None)
    data: Any = SimpleNamespace(conn=conn, context=SimpleNamespace(server=SimpleNamespace(address=None)))
    with taddons.context(check):
        check.running()
        check.tls_established_client(data)
        yield lines
        check.done()


def log(message: str, client: object = PLAYER) -> None:
    logging.getLogger("mitmproxy.proxy.server").warning(message, extra={"client": client})


@pytest.mark.parametrize("reason", ["unknown ca", "bad certificate", "certificate unknown"])
def test_a_late_alert_names_the_authority_once(reason: str, told: list[str], caplog: pytest.LogCaptureFixture) -> None:
    log(ALERT.format(reason))
    log(ALERT.format(reason))

    (line,) = told
    assert line.startswith("a player refused the certificate for company.hb-api.omtrdc.net")
    assert "mitmproxy-ca-cert.pem'" in line
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("message", "client"),
    [(ALERT.format("handshake failure"), PLAYER), (ALERT.format("unknown ca"), ("192.0.2.8", 1)), ("other", PLAYER)],
)
def test_other_lines_are_left_alone(
    message: str, client: object, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    log(message, client)

    assert (told, caplog.messages) == ([], [message])
