"""The rules of chapters: sessions that fire them, and their nearest neighbours that do not."""

from typing import Any

import pytest

from support.rule_pairs import Pair, check_family, row
from support.sessions import BEGIN_MS, CHAPTER, Timeline, run
from tapehead.rules import chapters


def chapter(*row: float, resumes: bool = False, **params: Any) -> Timeline:
    """Return a session with one chapter: offset, length, and the playheads at its start and end."""
    return chapters_of((1, *row), resumes=resumes, **params)


def chapters_of(*rows: tuple[float, ...], resumes: bool = False, **params: Any) -> Timeline:
    """Return a session with chapters: index, offset, length, and the playheads at their start and end."""
    origin = rows[0][3] if resumes else 0
    played = Timeline().start(**params).at(1, "play", playhead=origin)
    for index, offset, length, began, ended in rows:
        keys = {"media.chapter.index": index, "media.chapter.offset": offset, "media.chapter.length": length}
        played.at(1 + began - origin, "chapterStart", CHAPTER | keys, playhead=began)
        played.at(1 + ended - origin, "chapterComplete", playhead=ended)
    return played


PAIRS = [
    Pair(
        "chapter-overlap",
        row("chapterStart", "chapterStart", "chapterComplete", "chapterComplete"),
        row("chapterStart"),
    ),
    Pair("chapter-not-open", row("play", "chapterComplete"), row("play", "chapterStart", "chapterComplete")),
    Pair("chapter-not-open", row("play", "chapterSkip"), row("play", "chapterStart", "chapterSkip")),
    Pair(
        "chapter-left-open",
        row("play", "chapterStart", "sessionEnd", "sessionEnd"),
        row("play", "chapterStart", "chapterSkip", "sessionEnd"),
    ),
    Pair("chapter-left-open", row("play", "chapterStart"), row("play", "chapterStart", "chapterComplete")),
    Pair("chapter-mismatch", chapter(17.9, 30, 20, 50), chapter(18, 32, 20, 50)),
    Pair("chapter-mismatch", chapter(22.1, 30, 20, 50), chapter(22, 28, 20, 50)),
    Pair("chapter-mismatch", chapter(0, 20, 0, 22.1), chapter(0, 20, 0, 22)),
    Pair("chapter-mismatch", chapter(0, 20, 0, 17.9), chapter(0, 20, 0, 18)),
    # The length counts from where the chapter began.
    Pair("chapter-mismatch", chapter(18, 30, 20, 52.1), chapter(18, 30, 20, 52)),
    Pair("chapter-mismatch", chapter(22, 24, 20, 46.1), chapter(22, 24, 20, 46)),
    # A playhead that went back is another mistake.
    Pair("chapter-mismatch", chapter(0, 20, 0, 40), chapter(20, 20, 20, 0)),
    # Who resumes in mid-chapter.
    Pair("chapter-mismatch", chapter(0, 20, 500, 520), chapter(400, 150, 500, 550, resumes=True)),
    Pair("chapter-mismatch", chapter(400, 97.9, 500, 500, resumes=True), chapter(400, 98, 500, 500, resumes=True)),
    # Live content has no documented origin of offsets.
    Pair("chapter-mismatch", chapter(0, 20, 30, 50), chapter(0, 20, 30, 50, contentType="live")),
    Pair(
        "chapter-mismatch",
        chapters_of((1, 0, 20, 0, 20), (1, 20, 20, 20, 40)),
        chapters_of((1, 0, 20, 0, 20), (2, 20, 20, 20, 40)),
    ),
    # Who goes back sees the chapter again.
    Pair(
        "chapter-mismatch",
        chapters_of((1, 0, 20, 0, 20), (1, 5, 20, 25, 45)),
        chapter(0, 20, 0, 20)
        .at(22, "pauseStart")
        .at(23, "play", playhead=4)
        .at(24, "chapterStart", CHAPTER, playhead=5),
    ),
    Pair(
        "chapter-mismatch",
        chapter(0, 20, 0, 40),
        row("play").at(6, "chapterStart", CHAPTER, playhead=1).at(9, "chapterSkip"),
    ),
    # A length in milliseconds is another mistake.
    Pair("chapter-mismatch", chapter(0, 20, 0, 40), chapter(0, 20_000, 0, 20)),
    Pair("chapter-mismatch", chapter(0, 20, 0, 40), chapter(0, 20_000, 0, 20, length=40_000)),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(chapters, PAIRS)


def test_chapters_without_offset_length_or_playhead_are_not_judged() -> None:
    for key in ("media.chapter.offset", "media.chapter.length"):
        params = {name: value for name, value in CHAPTER.items() if name != key}
        played = (
            Timeline().start().at(1, "play").at(1.1, "chapterStart", params).at(11, "ping").at(18, "chapterComplete")
        )
        assert "chapter-mismatch" not in played.rules()
    start = {"eventType": "chapterStart", "playerTime": {"ts": BEGIN_MS + 2000}, "params": CHAPTER}
    played = (
        Timeline().start().at(1, "play").raw(start, arrived_ms=BEGIN_MS + 2005).at(11, "ping").at(18, "chapterComplete")
    )
    assert "chapter-mismatch" not in played.rules()


def test_messages_of_places_name_what_is_sent_and_what_is_wanted() -> None:
    (result,) = run(
        chapters_of((1, 0, 20, 10, 30), (2, 30, 20, 30, 60), (3, 60, 20, 60, 90)).at(92, "sessionEnd").exchanges
    )
    first, *rest = [each for each in result.findings if each.rule == "chapter-mismatch"]
    assert rest == []
    assert first.message == (
        "chapterStart: params.media.chapter.offset is 0, and the playhead is 10; expected the same, 2 s more or less "
        "(3 such chapters) (event 2, 11.0 s in)"
    )
    (result,) = run(chapter(0, 20, 0, 40).at(42, "sessionEnd").exchanges)
    assert [each.message for each in result.findings if each.rule == "chapter-mismatch"] == [
        "chapterComplete: the chapter of event 2 ends at playhead 40; expected 20 after its length, or "
        "chapterSkip (event 3, 41.0 s in)"
    ]
