"""Every format of the report can be rendered for any traffic, and is well formed."""

import json
import re
from typing import Any
from xml.etree.ElementTree import fromstring

import jsonschema_rs
import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support import reports
from support.junit_schema import violations_in
from tapehead.auditor.timeline import timeline_of
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.reports.audit.body_store import BodyStore
from tapehead.reports.audit.html_report import detail_of, render_html
from tapehead.reports.audit.json_report import build_report, report_schema, session_of
from tapehead.reports.audit.junit import render_junit
from tapehead.reports.audit.sarif import render_sarif
from tapehead.reports.audit.text_report import render_text
from tapehead.reports.json_output import render_json
from tapehead.reports.terminal_text import TextStyle

VALIDATOR = jsonschema_rs.Draft202012Validator(orjson.loads(report_schema()))
KEYS = [
    "media.id",
    "media.name",
    "media.length",
    "media.playerName",
    "media.ad.name",
    "media.ad.id",
    "media.chapter.friendlyName",
    "media.chapter.index",
    "media.state.name",
    "statesStart",
    "statesEnd",
    "media.qoe.bitrate",
]
TEXTS = st.text(max_size=12) | st.sampled_from(["</script>", "<b>", '"', "]]>", "\u2028", "\x1b[2J", "\x00"])
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, -1, 86_399, 1e308, 1.5])
VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | NUMBERS | TEXTS | st.just([{"media.state.name": "mute"}]) | st.just({})
)
TIMES = st.integers(0, 2_000).map(lambda at: reports.BEGAN_MS + at * 500)

BODIES = st.fixed_dictionaries(
    {
        "eventType": st.sampled_from([*EVENT_TYPES, "pause"]) | VALUES,
        "playerTime": st.fixed_dictionaries({"playhead": NUMBERS | VALUES, "ts": TIMES | VALUES}) | VALUES,
        "params": st.dictionaries(st.sampled_from(KEYS) | TEXTS, VALUES, max_size=4) | VALUES,
    }
)


def encode(body: Any) -> bytes:
    """A body as some JSON writers send it, with numbers that others cannot read."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(start=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3), sent=st.lists(BODIES | st.binary(max_size=9)))
def test_every_format_can_be_rendered_for_anything(start: dict[str, Any], sent: list[Any]) -> None:
    made = list(reports.session("s", [reports.event(0, "sessionStart", 0, reports.START)]))
    opening = encode(reports.event(0, "sessionStart", 0, reports.START | start))
    first = {name: getattr(made[0], name) for name in made[0].__struct_fields__}
    made = [type(made[0])(**first | {"request": made[0].request.with_content(opening)})]
    made += [reports.exchange("s", encode(body), number + 1) for number, body in enumerate(sent)]
    results = reports.results_of(made)
    sessions = list(map(session_of, results))
    timelines = {id(session): timeline_of(result) for session, result in zip(sessions, results, strict=True)}
    report = build_report(sessions)
    pictures = [timelines[id(session)] for session in report["sessions"]]
    page = "".join(
        render_html(
            report, [detail_of(each, BodyStore().of(each)) if each else detail_of(None, {}) for each in pictures]
        )
    )

    VALIDATOR.validate(orjson.loads(render_json(report)))
    assert violations_in(fromstring("".join(render_junit(report, "warning")).encode())) == []
    assert orjson.loads("".join(render_sarif(report)))["version"] == "2.1.0"
    assert page.count("<script") == page.count("</script>") == 2
    for line in "".join(render_text(report, TextStyle(80, verbose=True))).splitlines():
        assert not re.search(r"[\x00-\x1f\x7f]", line)
