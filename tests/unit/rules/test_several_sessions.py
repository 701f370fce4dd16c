"""The rules on several sessions of one visitor and player: pairs of sessions that fire them, and neighbours."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from support.sessions import BEGIN_MS, START, Timeline, entries, make_exchange, mix, run
from tapehead.auditor.recordings_audit import RecordingsAudit, audit
from tapehead.auditor.results import SessionFinding, SessionResult
from tapehead.auditor.settings import AuditSettings, read_settings
from tapehead.auditor.visitor_history import VisitorHistory, client_of
from tapehead.protocol.events import events_of
from tapehead.protocol.exchange import Exchange, Severity
from tapehead.protocol.routes import Call, location_of
from tapehead.redaction.redactor import Redactor
from tapehead.rules.catalog import RULES
from tapehead.rules.several_sessions import SESSION_RESTARTED, STRAY_PINGS
from tapehead.rules.support.session_trace import Client
from tapehead.rules.support.thresholds import Thresholds

OURS = {SESSION_RESTARTED.id, STRAY_PINGS.id}
ECID = "12345678901234567890123456789012345678"


def session(sid: str, second: float = 0, **start: Any) -> Timeline:
    """A session of one visitor that begins at a second and plays at once."""
    begun = Timeline(sid=sid, begin_ms=BEGIN_MS + second * 1000, visitor=ECID)
    return begun.start(**start).at(0.2, "play")


def found(*parts: Timeline, settings: AuditSettings | None = None) -> list[tuple[str, str | None, str | None]]:
    """The findings of the rules on several sessions: rule, session, event type."""
    return named(run(mix(*parts), settings))


def named(results: Iterable[SessionResult]) -> list[tuple[str, str | None, str | None]]:
    return sorted(
        (each.rule, result.id, each.event.type if each.event else None)
        for result in results
        for each in result.findings
        if each.rule in OURS
    )


RESTARTED = [("session-restarted", "b", "sessionStart")]
STRAY = [("stray-pings", "a", "ping")]
NEXT: dict[str, Any] = {"id": "news-2", "name": "News at ten"}

FIRING = {
    "a page that is loaded anew, so that the first session goes silent": (
        RESTARTED,
        lambda: (session("a").pings(10, 40), session("b", 45).pings(10, 30).at(31, "sessionEnd")),
    ),
    "the first session is ended long after": (
        RESTARTED,
        lambda: (session("a").pings(10, 20).at(70, "sessionEnd"), session("b", 25).pings(10, 30)),
    ),
    "just before the timeout": (
        RESTARTED,
        lambda: (session("a").pings(10, 20), session("b", 20 + 599).pings(10, 30)),
    ),
    "a tracker that is bound twice": (
        RESTARTED,
        lambda: (
            session("a").pings(10, 60).at(61, "pauseStart").at(65, "play").pings(70, 90),
            session("b", 0.05).pings(10, 60).at(61, "pauseStart").at(65, "play").pings(70, 90),
        ),
    ),
    "another content between the two": (
        RESTARTED,
        lambda: (session("a").pings(10, 40), session("c", 45, **NEXT).at(9, "sessionEnd"), session("b", 60)),
    ),
    "the first session plays on and is used": (
        RESTARTED,
        lambda: (session("a").pings(10, 40).at(44, "pauseStart").at(46, "play"), session("b", 25).pings(10, 30)),
    ),
    "pings that nobody stopped": (
        STRAY,
        lambda: (session("a").pings(10, 90), session("b", 25, **NEXT).pings(10, 60)),
    ),
    "pings that nobody stopped after the end of the content": (
        STRAY,
        lambda: (
            session("a").pings(10, 20).at(21, "sessionComplete").pings(30, 90),
            session("b", 22, **NEXT).pings(10, 60),
        ),
    ),
    "pings that nobody stopped, of the same content": (
        STRAY,
        lambda: (session("a").pings(10, 90), session("b", 25).pings(10, 60)),
    ),
    "two pings, then the end": (
        STRAY,
        lambda: (session("a").pings(10, 42).at(45, "sessionEnd"), session("b", 22, **NEXT).pings(10, 60)),
    ),
}
SOUND = {
    # That is `nothing-followed` in the first one.
    "the first session had no event": lambda: (
        Timeline(sid="a", visitor=ECID).start(),
        session("b", 1).pings(10, 30),
    ),
    "another player, on another device": lambda: (session("a").pings(10, 90), session("b", 25, playerName="tv")),
    "another content": lambda: (session("a").pings(10, 20), session("b", 25, **NEXT).pings(10, 60)),
    "another visitor": lambda: (
        session("a").pings(10, 90),
        Timeline(sid="b", visitor=ECID[::-1], begin_ms=BEGIN_MS + 25_000).start().at(1, "play").pings(10, 60),
    ),
    "the next episode, after a sessionEnd": lambda: (
        session("a").pings(10, 20).at(21, "sessionComplete").at(21.1, "sessionEnd"),
        session("b", 21.2, **NEXT).pings(10, 60),
    ),
    "the same content again, after its end": lambda: (
        session("a").pings(10, 20).at(21, "sessionComplete"),
        session("b", 22).pings(10, 60),
    ),
    "a sessionEnd that was under way": lambda: (
        session("a").pings(10, 20).at(24, "sessionEnd"),
        session("b", 23).pings(10, 60),
    ),
    "a resumed session": lambda: (session("a").pings(10, 20), session("b", 25, resume=True).pings(10, 60)),
    "after ten minutes of silence": lambda: (session("a").pings(10, 20), session("b", 20 + 601).pings(10, 60)),
    "after half an hour without movement": lambda: (
        session("a").at(5, "pauseStart").pings(10, 1900),
        session("b", 1905).pings(10, 60),
    ),
    "after a 404": lambda: (session("a").at(10, "ping", status=404), session("b", 11).pings(10, 60)),
    "after a 410": lambda: (session("a").at(10, "ping", status=410), session("b", 11).pings(10, 60)),
    "after a day": lambda: (session("a").pings(300, 24 * 3600 + 300, 300), session("b", 24 * 3600 + 320)),
    "pings after the end, which is a mistake of its own": lambda: (
        session("a").pings(10, 20).at(21, "sessionEnd").pings(40, 60),
        session("b", 22, **NEXT).pings(10, 60),
    ),
    "pings after an end that came just after the next start": lambda: (
        session("a").pings(10, 20).at(25, "sessionEnd").pings(40, 60),
        session("b", 22, **NEXT).pings(10, 60),
    ),
    "a single ping after the next item plays": lambda: (
        session("a").pings(10, 20).at(23, "ping").at(35, "ping"),
        session("b", 20, **NEXT).pings(10, 60),
    ),
    "a start that was refused": lambda: (
        session("a").pings(10, 60).at(61, "sessionEnd"),
        Timeline(sid=None, visitor=ECID, begin_ms=BEGIN_MS + 25_000).start(status=500),
    ),
    "the next item, opened ahead of time": lambda: (
        session("a").pings(10, 60).at(62, "sessionComplete").at(62.1, "sessionEnd"),
        Timeline(sid="b", visitor=ECID, begin_ms=BEGIN_MS + 25_000).start(**NEXT).at(37.3, "play").pings(40, 90),
    ),
    "a ping that was under way": lambda: (
        session("a").pings(10, 20).at(27, "ping"),
        session("b", 25, **NEXT).pings(10, 60),
    ),
    "a second tab, while the first one is used": lambda: (
        session("a").pings(10, 40).at(44, "pauseStart").pings(50, 90),
        session("b", 25, **NEXT).pings(10, 60),
    ),
}


@pytest.mark.parametrize(("expected", "make"), FIRING.values(), ids=FIRING)
def test_each_mistake_is_one_finding(
    expected: list[tuple[str, str, str]], make: Callable[[], tuple[Timeline, ...]]
) -> None:
    assert found(*make()) == expected


@pytest.mark.parametrize("make", SOUND.values(), ids=SOUND)
def test_neighbours_have_none(make: Callable[[], tuple[Timeline, ...]]) -> None:
    assert found(*make()) == []


def message_of(*parts: Timeline) -> tuple[str, Severity, int]:
    """The message of the one finding, its severity and its event's index."""
    ((found_, result),) = [(each, one) for one in run(mix(*parts)) for each in one.findings if each.rule in OURS]
    assert found_.event is not None
    assert mix(*parts)[found_.line - 1].session == result.id
    return found_.message, found_.severity, found_.event.index


def test_messages_say_what_happened_and_what_to_do() -> None:
    assert message_of(session("a").pings(10, 40), session("b", 45).pings(10, 30)) == (
        "sessionStart: session a has the same visitor, player and content and is still open, its last call 5 s before; "
        "expected a sessionEnd there first, or media.resume true here (event 0, 0.0 s in)",
        Severity.WARNING,
        0,
    )
    assert message_of(session("a").pings(10, 40), session("b", 0.1).pings(10, 30)) == (
        "sessionStart: session a began 0.1 s before, and both run side by side: their first 4 events after the start "
        "are the same; expected one tracker, and one session (event 0, 0.0 s in)",
        Severity.WARNING,
        0,
    )
    assert message_of(session("a").pings(10, 90), session("b", 22, **NEXT).pings(10, 60)) == (
        "ping: the player has been playing session b for 7.8 s, yet pings of this session go on, 6 within a minute; "
        "expected sessionEnd before, and no ping after it (event 4, 30.0 s in)",
        Severity.WARNING,
        4,
    )


def test_pings_of_a_session_that_was_paused_may_be_those_of_another_tab() -> None:
    message, severity, index = message_of(session("a").at(5, "pauseStart").pings(10, 90), session("b", 22, **NEXT))
    assert (severity, index) == (Severity.INFO, 5)
    assert message.startswith("ping: the player has been playing session b for 7.8 s, yet pings of this session, ")
    assert "which was paused or buffering, go on" in message


def test_pings_beside_two_other_sessions_are_one_finding() -> None:
    parts = session("a").pings(10, 110), session("b", 15, **NEXT).at(9, "sessionEnd"), session("c", 30, id="news-3")
    assert found(*parts) == STRAY


def test_a_session_that_closes_early_has_its_finding() -> None:
    """The same id is issued again, which closes the first session while it is still watched."""
    again = Timeline(sid="b", begin_ms=BEGIN_MS + 60_000, visitor=ECID[::-1]).start().at(1, "play")
    results = run(mix(session("a").pings(10, 20), session("b", 25).pings(10, 20), again))
    assert [(one.id, one.line, [each.rule for each in one.findings if each.rule in OURS]) for one in results] == [
        ("b", 5, ["session-restarted"]),
        ("a", 1, []),
        ("b", 9, []),
    ]


def test_a_row_of_restarts_is_a_finding_each() -> None:
    parts = [session(sid, second).pings(10, 20) for sid, second in (("a", 0), ("b", 30), ("c", 60))]
    assert found(*parts) == [("session-restarted", sid, "sessionStart") for sid in ("b", "c")]


def test_a_restart_that_was_ended_counts_no_second_time() -> None:
    parts = [session("a").pings(10, 20), session("b", 30).pings(10, 20).at(21, "sessionEnd"), session("c", 60)]
    assert found(*parts) == RESTARTED


def test_timeouts_come_from_the_settings() -> None:
    parts = session("a").pings(10, 20), session("b", 20 + 601).pings(10, 60)
    assert found(*parts, settings=read_settings({"thresholds": {"idle-minutes": 20}})) == RESTARTED
    off = {"rules": {"session-restarted": "off"}}
    assert found(*parts, settings=read_settings({"thresholds": {"idle-minutes": 20}, **off})) == []


def test_a_grade_comes_from_the_settings_of_the_session() -> None:
    override = {"player": "web", "rules": {"session-restarted": "error"}}
    results = run(mix(session("a").pings(10, 20), session("b", 25)), read_settings({"overrides": [override]}))
    assert [each.severity for one in results for each in one.findings if each.rule in OURS] == [Severity.ERROR]


# ---- The same client ----


def start_exchange(**params: object) -> Exchange:
    wanted = {key.replace("__", "."): value for key, value in params.items()}
    body = {"eventType": "sessionStart", "playerTime": {"playhead": 0, "ts": BEGIN_MS}}

    return make_exchange("/api/v1/sessions", {**body, "params": START | wanted}, call=Call.SESSION, status=201)


def client(exchange: Exchange) -> Client | None:

    (start,) = events_of(exchange, BEGIN_MS)
    return client_of(exchange, start)


NO_ECID = {"visitor__marketingCloudUserId": None}


@pytest.mark.parametrize(
    ("params", "visitor"),
    [
        ({}, ECID),
        (NO_ECID | {"analytics__visitorId": "jane"}, "jane"),
        ({"visitor__marketingCloudUserId": "", "analytics__aid": "2BF"}, "2BF"),
        (NO_ECID | {"appInstallationId": "a-1"}, "a-1"),
        (NO_ECID, None),
        (NO_ECID | {"analytics__visitorId": "<your-userId>"}, None),
        (NO_ECID | {"analytics__visitorId": "[redacted]"}, None),
        (NO_ECID | {"analytics__visitorId": "xxxxxxxx"}, None),
        ({"visitor__marketingCloudUserId": "0" * 38}, None),
        ({"media__playerName": ""}, None),
        ({"media__playerName": None}, None),
    ],
)
def test_a_client_is_known_by_an_id_that_is_one(params: dict[str, object], visitor: str | None) -> None:
    told = client(start_exchange(**params))
    assert (told.visitor if told else None) == visitor


@pytest.mark.parametrize("key", ["analytics__reportSuite", "media__playerName", "visitor__marketingCloudUserId"])
def test_clients_differ_by_suite_player_and_visitor(key: str) -> None:
    assert client(start_exchange()) == client(start_exchange())
    assert client(start_exchange()) != client(start_exchange(**{key: "another"}))


def test_clients_differ_by_device_and_endpoint() -> None:
    start = start_exchange()
    phone = start.request.with_headers([*start.request.headers, ("User-Agent", "phone")])
    staging = start.request.with_url(start.request.url.replace("https://", "https://staging."))
    for request in (phone, staging):
        assert client(msgspec.structs.replace(start, request=request)) not in (client(start), None)


def test_sessions_without_a_visitor_id_are_compared_with_no_other() -> None:
    def nobody(sid: str, second: float) -> Timeline:
        part = Timeline(sid=sid, begin_ms=BEGIN_MS + second * 1000)
        body = {"eventType": "sessionStart", "playerTime": {"playhead": 0, "ts": BEGIN_MS + round(second * 1000)}}
        params = {key: value for key, value in START.items() if key != "visitor.marketingCloudUserId"}

        arrived = BEGIN_MS + second * 1000
        part.raw({**body, "params": params}, Call.SESSION, status=201, arrived_ms=arrived, location=location_of(sid))
        return part.at(1, "play").pings(10, 90)

    assert found(nobody("a", 0), nobody("b", 25)) == []


def test_pseudonyms_serve_as_well_as_ids() -> None:
    parts = mix(session("a").pings(10, 40), session("b", 45).pings(10, 30))
    redacted = [Redactor(b"key").redact(exchange) for exchange in parts]
    assert ECID not in str(redacted)
    assert named(run(redacted)) == named(run(parts)) == RESTARTED


# ---- Streams, order and memory ----


def test_a_finding_is_reported_while_the_session_goes_on() -> None:
    reported: list[SessionFinding] = []
    driver = RecordingsAudit(on_finding=reported.append)
    proven = None
    for entry in entries(mix(session("a").pings(10, 20), session("b", 25).pings(10, 150))):
        driver.add(entry)
        if proven is None and any(each.rule in OURS for each in reported):
            proven = entry.exchange.started[:19]
    assert proven == "2026-11-23T10:01:35"
    assert [each.rule for each in reported if each.rule in OURS] == ["session-restarted"]


@pytest.mark.parametrize(("expected", "make"), FIRING.values(), ids=FIRING)
def test_they_are_the_same_when_the_later_session_is_read_first(
    expected: list[tuple[str, str, str]], make: Callable[[], tuple[Timeline, ...]]
) -> None:
    parts = make()
    grouped = [exchange for part in reversed(parts) for exchange in part.exchanges]
    assert named(audit(entries(grouped))) == expected


def test_a_visitor_with_many_sessions_takes_no_more_memory() -> None:
    history = VisitorHistory(lambda _: Thresholds())

    kept = []
    for number in range(500):
        exchange = start_exchange(media__id=f"clip-{number}")
        (start,) = events_of(exchange, BEGIN_MS + number * 1000.0)
        trace = history.begin(exchange, start)
        assert trace is not None
        kept.append(trace)
        list(history.decide(start.arrived_ms))
    assert max(len(trace.overlaps) for trace in kept) <= 4
    assert sum(len(trace.overlaps) for trace in kept) <= 20


def test_the_catalogue_knows_them() -> None:
    assert {rule.id for rule in (SESSION_RESTARTED, STRAY_PINGS)} <= RULES.keys()
