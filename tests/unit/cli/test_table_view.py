"""The live table as text: what fits, how long rows are, and what is said of the rest."""

from io import StringIO
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from tapehead.auditor.results import EventRef
from tapehead.cli.table_view import TableContents, table_view, view_at_end
from tapehead.journal.rows import FindingCounts, FindingRow, SessionRow, Totals
from tapehead.protocol.exchange import Severity

NAMES = [
    "Die Sendung mit der Maus und einem sehr langen Titel, Folge zwölf",
    "日本のドラマ第十二話、最後の戦いと始まり、そして終わり",
    "مسلسل تلفزيوني الحلقة الأولى من الموسم",
    "\x1b[31mred\x07\u202e\u2066 film\r\n\t",
    "👩\u200d👩\u200d👧 ❤\ufe0f family e\u0301 \u00ad\ufeff" * 4,
    "",
]


def session(number: int, content: str) -> SessionRow:
    return SessionRow(
        session=f"{number:08}-more",
        key="",
        number=number,
        content=content,
        content_id="",
        player=content[::-1],
        channel="",
        started="2026-11-29T10:00:00Z",
        last="2026-11-29T10:00:00Z",
        last_event=content or "ping",
        state="unknown session",
        playhead=86_399.5,
        events=12_345,
        refused=1,
        findings=FindingCounts(error=123, warning=45, info=6),
        audited=True,
        outcome=None,
    )


def finding(number: int, session: int, index: int, severity: Severity = Severity.ERROR) -> FindingRow:
    return FindingRow(
        number=number,
        state="confirmed",
        session=f"{session:08}-more",
        key="",
        rule="some-rule",
        severity=severity,
        message=f"ping: {NAMES[number % len(NAMES)]} is wrong; expected another one (event {index}, 3.0 s in)",
        path="",
        event=EventRef(index, "ping", 0, None),
        call=number,
    )


def contents(sessions: list[SessionRow], findings: list[FindingRow], recording: Path | None = None) -> TableContents:
    counts = FindingCounts(error=len(findings))
    totals = Totals(
        calls=10,
        refused=1,
        sessions=len(sessions),
        misses=1,
        findings=counts,
        left_out_calls=0,
        left_out_sessions=0,
        left_out=[],
        gone=0,
        resets=0,
    )
    return TableContents("tapehead x", ["http://127.0.0.1:80"], sessions, findings, totals, 1.0, ["a note"], recording)


def rendered(view: object, columns: int) -> list[str]:
    console = Console(file=StringIO(), width=columns, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(view)
    return capture.get().splitlines()


@pytest.mark.parametrize("columns", [30, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("rows", [8, 10, 24, 50])
@pytest.mark.parametrize("count", [0, 1, 6, 60])
def test_the_table_fits_whatever_names_have_in_them(columns: int, rows: int, count: int) -> None:
    sessions = [session(number, NAMES[number % len(NAMES)]) for number in range(count)]
    findings = [finding(number, number, 1) for number in range(count)]
    console = Console(width=columns)
    lines = rendered(table_view(contents(sessions, findings), console, rows), columns)

    assert len(lines) <= rows
    assert max(map(cell_len, lines)) <= columns
    # Joined characters are as wide as the terminal wants, and controls steer it.
    assert not set("".join(lines)) & set("\x1b\x07\u200d\ufe0f\u202e\u2066\r\t\u00ad\ufeff")
    states = {cell_len(line[: line.index("unknown")]) for line in lines if "unknown" in line}
    assert len(states) <= 1
    shown = sum("unknown" in line for line in lines)
    assert bool(shown) is bool(count)
    assert ("more session" in " ".join(lines)) is (shown < count)


@pytest.mark.parametrize("rows", [10, 24, 50])
def test_findings_say_how_many_there_are(rows: int) -> None:
    findings = [finding(number, 1, number) for number in range(40)]
    lines = rendered(table_view(contents([session(1, "A")], findings), Console(width=60), rows), 60)

    count = sum(line.startswith("E  some-rule") for line in lines)
    assert count
    assert f"the latest {count} of 40 findings" in lines


def test_at_the_end_findings_stand_by_session_and_event() -> None:
    sessions = [session(2, "B"), session(1, "A")]
    places = [(2, 0), (1, 3), (1, 1), (2, 4)]
    findings = [finding(number, *place) for number, place in enumerate(places)]
    lines = rendered(view_at_end(contents(sessions, findings), Console(width=200), 50), 200)

    found = [line for line in lines if line.startswith("E  some-rule")]
    order = [(int(line.split()[2][:8]), int(line.partition("(event ")[2].partition(",")[0])) for line in found]
    assert order == sorted(places)


@pytest.mark.parametrize(
    ("recording", "where"), [(Path("my file.jsonl"), "tapehead audit 'my file.jsonl' lists all"), (None, "--out FILE")]
)
def test_at_the_end_the_worst_stay_and_the_rest_is_counted(recording: Path | None, where: str) -> None:
    findings = [finding(number, 1, number, Severity.INFO) for number in range(60)] + [finding(60, 1, 60)]
    lines = rendered(view_at_end(contents([session(1, "A")], findings, recording), Console(width=200), 50), 200)

    assert sum(line.startswith("E  ") for line in lines) == 1
    assert sum(line.startswith("I  ") for line in lines) == 49
    assert lines[-1].startswith("and 11 more findings; ")
    assert where in lines[-1]
