"""Exchanges in which more values might identify a person than are searched for: none of them is stored."""

import hmac
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec
import orjson
import pytest

from support.exchanges import AD, event, opened, request, response, sent, start_with
from tapehead.protocol.exchange import Exchange, Finding, Severity, encode
from tapehead.redaction import value_search
from tapehead.redaction.likely_identifiers import MOST_LIKELY
from tapehead.redaction.redactor import Redactor

PLANTED = re.compile(rb"customer.{1,3}[0-9]{6}|(?<![0-9])100[0-9]{4}5(?![0-9])")
AROUND = [MOST_LIKELY - 30, MOST_LIKELY + 1, 3 * MOST_LIKELY]
Values = list[str]

BODIES: dict[str, Callable[[Values], Any]] = {
    "strings": lambda values: event("ping", 5, 5, customMetadata={"x": values}),
    "keys": lambda values: event("ping", 5, 5, customMetadata={f"k{at}": value for at, value in enumerate(values)}),
    "numbers": lambda values: event(
        "ping", 5, 5, customMetadata={"x": [int(f"{at + 10**6}5") for at in range(len(values))]}
    ),
    "one text": lambda values: event("ping", 5, 5, customMetadata={"x": " ".join(values)}),
    "texts": lambda values: event("ping", 5, 5, customMetadata={"x": [f"of {value}, a guest" for value in values]}),
    "escapes": lambda values: event(
        "ping", 5, 5, customMetadata={"x": [quote(value, safe="").replace("-", "%2D") for value in values]}
    ),
    "JSON in JSON": lambda values: event("ping", 5, 5, customMetadata={"x": orjson.dumps({"y": values}).decode()}),
    "broken JSON": lambda values: orjson.dumps(event("ping", 5, 5, customMetadata={"x": values}))[:-3] + b"]",
    "no JSON": lambda values: "; ".join(values).encode(),
}


def ids(count: int) -> Values:
    return [f"customer-{number:06d}" for number in range(count)]


def crowded(body: Any, answer: bytes = b"", **headers: str) -> Exchange:
    """An event of a session whose start was not seen."""
    asked = request(body, "/api/v1/sessions/abc/events", **headers)
    return msgspec.structs.replace(sent("abc", event("ping")), request=asked, response=response(404, [], answer))


def clear_in(stored: Exchange) -> set[bytes]:
    return {*PLANTED.findall(encode(stored)), *PLANTED.findall(stored.request.content())}


@pytest.mark.parametrize("count", AROUND)
@pytest.mark.parametrize("kind", BODIES)
def test_no_value_is_stored_however_many_there_are(kind: str, count: int) -> None:
    assert not clear_in(Redactor(b"a key").redact(crowded(BODIES[kind](ids(count)))))


@pytest.mark.parametrize("count", AROUND)
@pytest.mark.parametrize(
    "answer",
    [
        lambda values: " ".join(values).encode(),
        lambda values: orjson.dumps({"message": f"no {', '.join(values)}!"}),
        lambda values: orjson.dumps({"errors": [f"no {value}" for value in values]}),
    ],
    ids=["a text", "one message", "messages"],
)
@pytest.mark.parametrize("in_request", [True, False])
def test_no_value_is_stored_of_answers(answer: Callable[[Values], bytes], count: int, in_request: bool) -> None:
    values = ids(count)
    body = event("ping", customMetadata={"x": values if in_request else []})

    assert not clear_in(Redactor(b"a key").redact(crowded(body, answer(values))))


@pytest.mark.parametrize("count", AROUND)
def test_no_value_is_stored_elsewhere_in_the_exchange(count: int) -> None:
    values = ids(count)
    whole = crowded(
        event("ping", customMetadata={"x": values}),
        X_First=values[0],
        X_All="=".join(values),
        Referer=f"https://a/{values[-1]}",
    )
    url = f"{whole.request.url}?{'&'.join(f'a={value}' for value in values)}#{values[-1]}"
    findings = [
        Finding("wrong-type", Severity.ERROR, "x", f'play: x is a string, "{values[-1]}"; expected a number'),
        Finding("wrong-type", Severity.ERROR, "x", f'play: x is a string, "by {values[count // 2][:-1]}...'),
    ]
    whole = msgspec.structs.replace(
        whole, request=whole.request.with_url(url), error=f"no {values[count // 2]}", findings=findings
    )
    stored = Redactor(b"a key").redact(whole)

    assert not clear_in(stored)
    assert "customer" not in encode(stored).decode()
    assert stored.request.url.partition("?")[0] == whole.request.url.partition("?")[0]


@pytest.mark.parametrize("count", AROUND)
def test_values_that_audits_and_replay_read_stay(count: int) -> None:
    body = event("adStart", 5, 5, AD | {"media.ad.id": "ad-4711"}, customMetadata={"x": ids(count), "is": "live"})
    stored = Redactor(b"a key").redact(crowded(body)).request.json()

    assert stored["params"] == body["params"]
    assert (stored["eventType"], stored["playerTime"]) == (body["eventType"], body["playerTime"])
    assert stored["customMetadata"]["is"] == "live"


def test_an_identifier_keeps_its_pseudonym_in_what_is_masked() -> None:
    redactor = Redactor(b"a key")
    params = {"analytics.visitorId": "jane.doe@example.com"}
    stored = redactor.redact(crowded(event("ping", 5, 5, params, customMetadata={"x": ids(2 * MOST_LIKELY)})))

    assert stored.request.json()["params"]["analytics.visitorId"] == redactor.pseudonym("jane.doe@example.com")


@pytest.mark.parametrize("count", [3 * value_search.MOST_VALUES, 20])
def test_many_identifiers_of_a_session_that_is_known_are_not_stored(count: int) -> None:
    redactor, values = Redactor(b"a key"), ids(count)
    redactor.redact(opened("abc", start_with({})))
    text = f"of {values[-1]} and {values[count // 2]}"
    params = {"analytics.visitorId": values, "media.name": f"for {values[-1]}"}
    body = event("ping", 5, 5, params, customMetadata={"x": [*values, text], "all": " ".join(values)})

    assert not clear_in(redactor.redact(crowded(body, text.encode(), X_Of=text)))


# ---- What it costs ----


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The number of pseudonyms computed, and of values that were prepared for a search."""
    counts = {"pseudonyms": 0, "spellings": 0}
    digest, spellings = hmac.digest, value_search.spellings

    def count_digest(key: bytes, value: bytes, function: Any) -> bytes:
        counts["pseudonyms"] += 1
        return digest(key, value, function)

    def count_spellings(value: str) -> Iterator[bytes]:
        counts["spellings"] += 1
        return spellings(value)

    monkeypatch.setattr(hmac, "digest", count_digest)
    monkeypatch.setattr(value_search, "spellings", count_spellings)
    return counts


@pytest.mark.parametrize("kind", ["strings", "keys", "numbers", "texts"])
def test_each_value_is_read_once_and_none_is_searched_for(kind: str, steps: dict[str, int]) -> None:
    for count in (3 * MOST_LIKELY, 12 * MOST_LIKELY):
        steps.update(pseudonyms=0, spellings=0)
        Redactor(b"a key").redact(crowded(BODIES[kind](ids(count))))

        assert steps["pseudonyms"] <= count + 10
        assert steps["spellings"] <= 10
