"""Rows of the journal say what the exchange and its body say, whatever a player sends."""

import msgspec
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from support.exchanges import event, exchange, request, response
from tapehead.journal.conditions import parse_condition
from tapehead.journal.journal import Journal
from tapehead.journal.row_filter import RowFilter
from tapehead.protocol.events import as_number
from tapehead.protocol.exchange import Answered, Finding, Severity, encode
from tapehead.protocol.routes import Call
from tapehead.text import shorten

JSONS = st.sampled_from([None, True, 0, -(2**63), 2**63, 1.5, 1e300, "", "ping", "\x00", [], [1], {}, {"eventType": 1}])
EVENTS = st.builds(event, JSONS, JSONS, params=JSONS) | st.dictionaries(st.sampled_from(["eventType", "params"]), JSONS)
BODIES = st.sampled_from(
    [b"", b"{", b"\x00", b"\xff\xfe{\x00", b'{"eventType": "\\ud800"}', b"\n[1]\n", b'"' + b"x" * 100_000 + b'"']
) | (JSONS | EVENTS).map(orjson.dumps)
PATHS = st.sampled_from(["sessions", "sessions/s1/events", "downloaded", "schemas/play"])
FINDINGS = st.lists(
    st.builds(Finding, st.just("r"), st.sampled_from(Severity), st.text(max_size=3), st.text(max_size=3))
)
ANSWERED = st.none() | st.builds(Answered, st.sampled_from(["hit", "miss", ""]), st.text(max_size=3), st.just("k"))


@settings(max_examples=100)
@given(PATHS, st.sampled_from(["POST", "OPTIONS"]), BODIES, st.sampled_from([None, 201, 404]), FINDINGS, ANSWERED)
def test_a_row_says_what_the_exchange_says(
    path: str, method: str, body: bytes, status: int | None, findings: list[Finding], answered: Answered | None
) -> None:
    method = "GET" if path.startswith("schemas") and method == "POST" else method
    answer = response(status, [("Location", "/api/v1/sessions/s1")]) if status else None
    sent = exchange(request(body, f"/api/v1/{path}", method, Content_Encoding="odd"), answer)
    sent = msgspec.structs.replace(sent, findings=findings, answered=answered)
    journal = Journal()
    journal.add(sent, encode(sent))

    (row,), parsed = journal.calls(with_bodies=True), sent.request.json()
    has_event = sent.call not in (Call.PREFLIGHT, Call.SCHEMA) and isinstance(parsed, dict)
    named, time = (parsed.get("eventType"), parsed.get("playerTime")) if has_event else (None, None)
    name = "" if named is None else named if isinstance(named, str) else str(named)
    assert row.type == (shorten(name) or f"({sent.call})")
    playhead, ts = (as_number(time.get(key)) if isinstance(time, dict) else None for key in ("playhead", "ts"))
    assert row.playhead == playhead
    assert row.ts == (None if ts is None or abs(ts) >= 2**63 else int(ts))
    assert (row.session, row.started, row.elapsed_ms) == (sent.session, sent.started, sent.elapsed_ms)
    assert (row.status, row.error) == (status, sent.error)
    assert [(each.rule, each.severity, each.path, each.message) for each in row.findings] == [
        (each.rule, each.severity, each.path, each.message) for each in findings
    ]
    assert row.key == (answered.key if answered else "")
    assert (row.answered is None) == (answered is None or not answered.outcome)
    assert journal.lines() == [encode(sent)]
    assert journal.calls(RowFilter(type=row.type)) == journal.calls()


def test_types_are_counted_by_what_rows_show_of_them() -> None:
    long = "x" * 50_000
    journal, sent = Journal(), exchange(request(event(long), "/api/v1/sessions/s1/events"), response(204))
    journal.add(sent, encode(sent))

    (row,) = journal.calls()
    assert len(row.type) < 1_000
    assert journal.wait(parse_condition(f"event:{long}"), 0.0)
    assert journal.wait(parse_condition(f"event:{row.type}"), 0.0)
    assert max(map(len, journal._store.counts.types)) < 1_000
