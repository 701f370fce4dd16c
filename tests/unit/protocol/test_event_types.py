"""The table of event types: whatever depends on an event's type follows its row."""

from collections.abc import Iterator
from secrets import token_bytes
from typing import Any

import pytest

from support.exchanges import NOW, Player, event, index_of, request, sent, session
from support.reports import results_of
from tapehead.auditor.settings import read_settings
from tapehead.auditor.timeline import timeline_of
from tapehead.auditor.tracking_plan import plan_of
from tapehead.comparison.differences import Scope
from tapehead.comparison.event_alignment import landmarks_of
from tapehead.protocol import schemas
from tapehead.protocol.event_types import EVENT_TYPES, UNDOCUMENTED, EventType, event_type_of, metadata_types
from tapehead.protocol.events import EventKey, read_event
from tapehead.protocol.parameters import PARAMETERS
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import Schemas
from tapehead.protocol.transitions import TABLE
from tapehead.rules.exchange_checks import check_request
from tapehead.simulator.endpoint import Simulator
from tapehead.simulator.faults import parse_fault

SEEK = EventType(
    "seekStart",
    "playback",
    "pause",
    opens="ad",
    naming=("media.seek.id",),
    titles=("media.seek.name",),
    metadata=True,
    once=True,
)
PATH = "/api/v1/sessions/abc/events"


@pytest.fixture
def seek(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an event type that the table has for the time of a test."""
    monkeypatch.setitem(EVENT_TYPES, SEEK.name, SEEK)
    schemas._documented.cache_clear()
    schemas._built_in.cache_clear()
    yield SEEK.name
    monkeypatch.undo()
    schemas._documented.cache_clear()
    schemas._built_in.cache_clear()


def rules(body: dict[str, Any]) -> set[str]:
    return {each.rule for each in check_request(Call.EVENT, request(body, PATH), NOW * 1000, Schemas())}


# ---- The rows ----


def test_rows_go_by_their_names() -> None:
    assert all(name == row.name for name, row in EVENT_TYPES.items())


def test_what_names_a_thing_is_documented_with_the_event() -> None:
    documented = {(name, row.key) for row in PARAMETERS for name in row.on}
    named = {(row.name, key) for row in EVENT_TYPES.values() for key in (*row.naming, *row.titles)}

    assert named <= documented


@pytest.mark.parametrize("row", EVENT_TYPES.values(), ids=str)
def test_what_a_row_opens_and_closes_the_session_machine_opens_and_closes(row: EventType) -> None:
    assert not row.opens or any(row.name in moves for moves in TABLE[row.opens].values()) or row.opens == "life"
    assert not row.closes or any(row.name in moves for moves in TABLE[row.closes].values())
    openers = {each.name for each in EVENT_TYPES.values() if each.opens == "ad"}
    assert openers == {"adStart"}


def test_a_type_that_is_not_documented_has_an_empty_row() -> None:
    assert event_type_of("seekStart") is event_type_of(None) is UNDOCUMENTED


# ---- One row more ----


def test_a_row_makes_a_type_documented(seek: str) -> None:
    assert seek in Schemas()
    assert rules(event(seek)) == set()
    assert rules(event("seekEnd")) == {"unknown-event-type"}


def test_a_row_allows_metadata_or_not(seek: str) -> None:
    assert metadata_types() == ["sessionStart", "adStart", "chapterStart", seek]
    assert rules(event(seek, customMetadata={"a_key": "1"})) == set()
    assert rules(event(seek, customMetadata={"a.key": "1"})) == {"metadata-key"}
    assert rules(event("play", customMetadata={"a_key": "1"})) == {"misplaced-metadata"}


def test_a_row_has_the_parameters_that_name_an_event(seek: str) -> None:
    body = event(seek, params={"media.seek.id": "x"})

    assert read_event(body).key == EventKey(seek, ("x",))
    assert index_of([sent("abc", body)]).sessions[0].calls[0].key == EventKey(seek, ("x",))


def test_the_simulated_endpoint_takes_and_describes_it(seek: str) -> None:
    player = Player(Simulator(Schemas(), random_bytes=token_bytes))
    player.open()

    assert player.send(seek) == 204
    assert player.call(request(path=f"/api/v1/schemas/{seek}", method="GET")) == 200
    assert player.told()["$ref"] == f"#/definitions/{seek}"


def test_faults_settings_and_plans_know_it(seek: str) -> None:
    assert parse_fault(f"event:{seek}=500").event_type == seek
    assert dict(read_settings({"metadata": {seek: ["key"]}}).metadata) == {seek: ("key",)}
    assert seek in [item.name for item in plan_of(read_settings({})).items]


def test_diff_and_timelines_follow_its_row(seek: str) -> None:
    params = {"media.seek.id": "x", "media.seek.name": "to the end"}
    (result,) = results_of(session("abc", [(1, 1, seek, params), (2, 2, "ping", {})]))
    (_, landmark) = landmarks_of(result, Scope())
    assert landmark.key == EventKey(seek, ("x",))

    timeline = timeline_of(result)
    assert timeline
    assert [each.kind for each in timeline.events] == ["life", "pause", "ping"]
