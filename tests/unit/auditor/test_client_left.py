"""A client that closed the connection has its own rule; `no-response` is for endpoints and networks that fail."""

import msgspec
import pytest

from support.exchanges import request, sent, start
from support.rules import NOW_MS, SCHEMAS
from support.sessions import Timeline, run
from tapehead.auditor.results import Outcome
from tapehead.protocol.exchange import ClosedBy, Finding, Severity
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call
from tapehead.rules.exchange_checks import check_exchange

WHOLE = request(start())
CUT = msgspec.structs.replace(request(b""), saved=False)


def found(asked: Request, closed_by: ClosedBy | None, answer: Response | None = None) -> list[Finding]:
    return check_exchange(Call.SESSION, asked, answer, "connection closed", NOW_MS, SCHEMAS, closed_by=closed_by)


def test_a_client_that_left_after_its_whole_request_is_told() -> None:
    (finding,) = found(WHOLE, "client")

    assert finding == Finding(
        "client-left",
        Severity.INFO,
        "",
        "the client closed the connection before the answer (connection closed); its body is whole",
    )


def test_a_client_that_left_in_the_middle_of_its_body_is_told() -> None:
    body, left = found(CUT, "client")

    assert (body.rule, left.rule, left.severity) == ("body-not-saved", "client-left", Severity.INFO)
    assert left.message.endswith("; its body is not, or was not saved")


@pytest.mark.parametrize("closed_by", ["endpoint", None])
def test_an_endpoint_or_a_network_that_failed_is_an_error(closed_by: ClosedBy | None) -> None:
    assert found(WHOLE, closed_by) == [
        Finding("no-response", Severity.ERROR, "", "no answer: connection closed"),
    ]


def test_a_page_that_is_left_costs_nothing_but_the_answer() -> None:
    played = Timeline().row("play", "ping").at(11, "sessionEnd", status=None)
    last = msgspec.structs.replace(played.exchanges[-1], closed_by="client")
    (result,) = run([*played.exchanges[:-1], last])

    assert result.outcome is Outcome.ENDED
    assert [(finding.rule, finding.severity) for finding in result.findings] == [("client-left", Severity.INFO)]


def test_who_closed_is_read_from_recordings() -> None:
    left = msgspec.structs.replace(sent("s1", {}, answered=None), closed_by="client")

    assert [finding.rule for finding in run([left])[0].findings if finding.rule in ("client-left", "no-response")] == [
        "client-left"
    ]
