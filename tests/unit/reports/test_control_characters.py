"""Text from recordings is escaped wherever it is printed."""

from pathlib import Path

import pytest

from support.reports import write
from support.sessions import BEGIN_MS, Timeline
from tapehead.cli.app import run

HOSTILE = "\x1b[2J \u200e \u202e \n \r \x9b1m"
# Newlines end the lines of any text, so they are not looked for.
FORBIDDEN = ("\x1b", "\x9b", "\u200e", "\u202e", "\r")
PLANTED = {HOSTILE: HOSTILE, "media.ad.id": HOSTILE, "media.ad.name": HOSTILE}


def hostile_session(sid: str, more: str = "") -> Timeline:
    """A session in which names, types, keys and values carry control characters."""
    timeline = Timeline(sid=sid, begin_ms=BEGIN_MS).start(name=HOSTILE + more, id=HOSTILE, playerName=HOSTILE)
    timeline.at(1, "adBreakStart", {"media.ad.podFriendlyName": HOSTILE, "media.ad.podIndex": HOSTILE})
    timeline.at(1, "adStart", PLANTED | {"more": more}).at(2, f"{HOSTILE}{more}", PLANTED)
    return timeline.at(3, "stateStart", {"media.state.name": HOSTILE + more}).at(4, "chapterStart", PLANTED, status=404)


@pytest.fixture
def recordings(tmp_path: Path) -> tuple[Path, Path]:
    """Two recordings of hostile sessions, with a hostile file name."""
    folder = tmp_path / "re\u202ecorded\x1b[2J"
    folder.mkdir()
    one, other = folder / "a.jsonl", folder / "b.jsonl"
    write(one, hostile_session(f"s{HOSTILE}").exchanges)
    write(other, hostile_session("s2", " two").exchanges, hostile_session("s3", " three").exchanges)
    return one, other


@pytest.mark.parametrize(
    "command",
    [
        ["audit", "{one}", "{other}"],
        ["audit", "{one}", "-v", "--coverage"],
        ["audit", "{one}", "--format", "text", "--fail-on", "never", "--output", "{folder}/out.txt"],
        ["diff", "{one}", "{other}"],
        ["diff", "{one}", "{other}", "--format", "html", "--output", "{folder}/out.html"],
        ["show", "{one}"],
        ["show", "{other}"],
        ["show", "{other}", "s2"],
        ["show", "{other}", "none of them"],
        ["audit", "{folder}/missing.jsonl"],
        ["diff", "{one}", "{folder}/missing.jsonl"],
    ],
)
def test_printed_text_has_no_control_characters(
    recordings: tuple[Path, Path], command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"one": recordings[0], "other": recordings[1], "folder": recordings[0].parent}
    run([part.format(**names) for part in command])

    printed = "".join(capsys.readouterr())
    assert printed.strip()
    assert not [character for character in FORBIDDEN if character in printed]
