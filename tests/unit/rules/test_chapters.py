"""The rules of chapters: sessions that fire them, and their nearest neighbours that do not."""

import pytest

from support.rule_pairs import Pair, check_family, row
from tapehead.rules import chapters

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
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(chapters, PAIRS)
