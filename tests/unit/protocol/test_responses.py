"""Responses as the documented endpoint gives them."""

from http import HTTPStatus

import pytest

from tapehead.protocol.responses import REASONS, respond


@pytest.mark.parametrize("status", [200, 201, 204, 400, 404, 405, 410, 500, 501, 502, 503, 504])
def test_each_status_has_its_standard_reason(status: int) -> None:
    assert respond(status, 0).reason == HTTPStatus(status).phrase


def test_there_are_no_other_reasons() -> None:
    assert all(HTTPStatus(status).phrase == reason for status, reason in REASONS.items())
    assert respond(299, 0).reason == ""
