"""Sessions that are split over files, in any way and any order: the report of the merged file."""

import random
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from support.paths import RECORDINGS_FOLDER
from support.played_sessions import played, played_together
from support.session_strategies import record, rename, sessions, told
from support.sessions import BEGIN_MS, Timeline, entries, run
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import Outcome, SessionResult
from tapehead.protocol.clock_reading import ClockReading
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Exchange, encode, format_time
from tapehead.recording import clock_offsets
from tapehead.recording.clock_offsets import ClockComparison
from tapehead.recording.reader import RecordingReader

SOME = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
MOST_FILES = 5
RECORDED = sorted(RECORDINGS_FOLDER.glob("*.jsonl"))


def read(paths: Iterable[Path], warnings: list[str]) -> list[SessionResult]:
    return list(audit(RecordingReader(paths, warnings.append, strict=False).entries()))


def reported(results: Iterable[SessionResult], *, times: bool = True) -> list[str]:
    """What a report says of sessions, without lines and names of files, and not in their order."""
    return sorted(repr((each.id, each.started if times else "", told(each))) for each in results)


def write_parts(
    folder: Path, exchanges: Sequence[Exchange], homes: Sequence[int], names: Sequence[str]
) -> dict[int, Path]:
    """Write each exchange to the file of its number."""
    parts: dict[int, list[bytes]] = {}
    for exchange, home in zip(exchanges, homes, strict=True):
        parts.setdefault(home, []).append(encode(exchange))
    for home, lines in parts.items():
        (folder / names[home]).write_bytes(b"".join(lines))
    return {home: folder / names[home] for home in parts}


@st.composite
def splits(draw: st.DrawFn, length: int) -> list[int]:
    """The number of the file of each line: at random, or one file after the other with times that overlap a bit."""
    if draw(st.booleans()):
        return draw(st.lists(st.integers(0, MOST_FILES - 1), min_size=length, max_size=length))
    cuts = sorted(draw(st.lists(st.integers(0, length), max_size=MOST_FILES - 1)))
    homes = [sum(cut <= line for cut in cuts) for line in range(length)]
    for line in draw(st.lists(st.integers(0, length - 1), max_size=4)):
        homes[line] = min(MOST_FILES - 1, homes[line] + 1)
    return homes


NAMES = st.permutations([f"{letter}.jsonl" for letter in "abcde"])


def check_split(
    exchanges: Sequence[Exchange], homes: Sequence[int], names: Sequence[str], chance: random.Random
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = folder / "whole.jsonl"
        whole.write_bytes(b"".join(map(encode, exchanges)))
        warnings: list[str] = []
        expected = read([whole], warnings)
        paths = list(write_parts(folder, exchanges, homes, names).values())
        chance.shuffle(paths)
        results = read(paths, warnings)
        assert reported(results) == reported(expected)
        assert warnings == []
        assert len({each.id for each in results if each.id}) == len([each for each in results if each.id])


def recorded_lines() -> list[Exchange]:
    """All recordings of the repository as one."""
    everything = [entry.exchange for path in RECORDED for entry in RecordingReader([path], pytest.fail).entries()]
    return sorted(everything, key=lambda exchange: (arrival_of(exchange) or 0) + exchange.elapsed_ms)


@SOME
@given(st.data(), st.randoms(use_true_random=False))
def test_real_recordings_may_be_split_in_any_way(data: st.DataObject, chance: random.Random) -> None:
    exchanges = recorded_lines()
    check_split(exchanges, data.draw(splits(len(exchanges))), data.draw(NAMES), chance)


@SOME
@given(played_together(), st.data(), st.randoms(use_true_random=False))
def test_played_sessions_may_be_split_in_any_way(
    exchanges: list[Exchange], data: st.DataObject, chance: random.Random
) -> None:
    check_split(exchanges, data.draw(splits(len(exchanges))), data.draw(NAMES), chance)


@SOME
@given(st.lists(sessions("s"), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_rubbish_may_be_read_out_of_order(parts: list[list[Exchange]], chance: random.Random) -> None:
    named = [exchange for number, part in enumerate(parts) for exchange in rename(part, f"s{number}")]
    exchanges = record(named)
    late = {id(exchange): (arrival_of(exchange) or 0) + chance.random() * 100_000 for exchange in exchanges}
    shuffled = sorted(entries(exchanges), key=lambda entry: late[id(entry.exchange)])
    assert reported(audit(shuffled)) == reported(run(exchanges))


# ---- Clocks that differ ----


def shift(exchange: Exchange, seconds: float) -> Exchange:
    arrived = arrival_of(exchange)
    assert arrived is not None
    return msgspec.structs.replace(exchange, started=format_time(arrived / 1000 + seconds))


@SOME
@given(
    played(),
    st.lists(st.integers(-60, 60), min_size=MOST_FILES, max_size=MOST_FILES),
    st.data(),
    st.randoms(use_true_random=False),
)
def test_clocks_may_differ_by_a_minute(
    exchanges: list[Exchange], seconds: list[int], data: st.DataObject, chance: random.Random
) -> None:
    homes = data.draw(st.lists(st.integers(0, MOST_FILES - 1), min_size=len(exchanges), max_size=len(exchanges)))
    assume(all(homes.count(home) >= 3 for home in homes))
    names = [f"{letter}.jsonl" for letter in "abcde"]
    shifted = [shift(exchange, seconds[home]) for exchange, home in zip(exchanges, homes, strict=True)]
    with tempfile.TemporaryDirectory() as name:
        paths = write_parts(Path(name), shifted, homes, names)
        order = list(paths.values())
        chance.shuffle(order)
        warnings: list[str] = []
        results = read(order, warnings)
        assert reported(results, times=False) == reported(run(exchanges), times=False)
        # The clock that agrees best with the player's, to which a request takes 5 ms.
        reference = min((seconds[home] for home in paths), key=lambda each: abs(each + 0.005))
        assert len(warnings) == sum(seconds[home] != reference for home in paths)


def two_recorders(ahead: float, home_of: dict[str, int], tmp_path: Path) -> tuple[list[SessionResult], list[str]]:
    """The results for a session of which some event types were recorded by a machine whose clock is ahead."""
    timeline = Timeline().row("play").pings(15, 65).at(66, "pauseStart").at(70, "play").at(75, "sessionEnd")
    homes = [home_of.get(each.request.json()["eventType"], 0) for each in timeline.exchanges]
    shifted = [shift(each, ahead * home) for each, home in zip(timeline.exchanges, homes, strict=True)]
    warnings: list[str] = []
    paths = write_parts(tmp_path, shifted, homes, ["a.jsonl", "b.jsonl"])
    return read(paths.values(), warnings), warnings


@pytest.mark.parametrize(
    ("ahead", "said"),
    [(34, "34 s ahead of"), (-12.5, "12.5 s behind"), (0.4, None), (3 * 86_400, None)],
)
def test_an_offset_is_said_in_one_line(ahead: float, said: str | None, tmp_path: Path) -> None:
    results, warnings = two_recorders(ahead, {"ping": 1}, tmp_path)
    names = [str(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
    assert warnings == ([f"{names[1]}: clock {said} {names[0]}; corrected"] if said else [])
    if said:
        (result,) = results
        assert (result.outcome, result.findings) == (Outcome.ENDED, [])
        assert result.recordings == tuple(names)


def test_one_late_event_is_no_offset(tmp_path: Path) -> None:
    _, warnings = two_recorders(34, {"pauseStart": 1}, tmp_path)
    assert warnings == []


def test_a_player_that_sets_its_clock_is_no_offset(tmp_path: Path) -> None:
    timeline = Timeline().row("play").pings(15, 65)
    for second in range(75, 140, 10):
        timeline.at(second, "ping", ts=second + 40)
    homes = [number % 2 for number in range(len(timeline.exchanges))]
    warnings: list[str] = []
    read(write_parts(tmp_path, timeline.exchanges, homes, ["a.jsonl", "b.jsonl"]).values(), warnings)
    assert warnings == []


@pytest.mark.parametrize(("sources", "corrected"), [(["run", "run"], 0), (["run", "another run"], 1), (["", ""], 1)])
def test_rotated_files_of_one_run_have_one_clock(sources: list[str], corrected: int, tmp_path: Path) -> None:
    """The player sets its clock between the last event of one file and the first of the next."""
    timeline = Timeline().row("play").pings(15, 65)
    for second in range(75, 140, 10):
        timeline.at(second, "ping", ts=second + 40)
    homes = [int(number > 7) for number in range(len(timeline.exchanges))]
    exchanges = [
        msgspec.structs.replace(each, source=sources[home])
        for each, home in zip(timeline.exchanges, homes, strict=True)
    ]
    warnings: list[str] = []
    read(write_parts(tmp_path, exchanges, homes, ["a.jsonl", "b.jsonl"]).values(), warnings)
    assert len(warnings) == corrected


def test_events_that_a_player_queued_and_sent_at_once_are_no_offset(tmp_path: Path) -> None:
    """All that the second recorder has came in one burst, in order of what was played."""
    timeline = Timeline().row("play").pings(15, 65).pings(66, 72, step=1)
    exchanges = [
        msgspec.structs.replace(each, started=format_time(BEGIN_MS / 1000 + 90 + number / 1000)) if number > 7 else each
        for number, each in enumerate(timeline.exchanges)
    ]
    homes = [int(number > 7) for number in range(len(exchanges))]
    warnings: list[str] = []
    read(write_parts(tmp_path, exchanges, homes, ["a.jsonl", "b.jsonl"]).values(), warnings)
    assert warnings == []


def test_recorders_whose_sessions_do_not_agree_are_left_alone(tmp_path: Path) -> None:
    """Of five sessions, each says another offset: their players' clocks were set, not the recorders'."""
    exchanges, homes = [], []
    for number in range(5):
        session = Timeline(sid=f"s{number}", begin_ms=BEGIN_MS + number * 3_600_000).row("play").pings(15, 65)
        for place, exchange in enumerate(session.exchanges):
            homes.append(int(place > 3))
            exchanges.append(shift(exchange, 10 * number * homes[-1]))
    warnings: list[str] = []
    read(write_parts(tmp_path, exchanges, homes, ["a.jsonl", "b.jsonl"]).values(), warnings)
    assert warnings == []


@pytest.mark.parametrize("ahead", [0, 34])
def test_a_clock_that_a_player_set_long_before_the_next_file_hides_no_offset(ahead: int, tmp_path: Path) -> None:
    timeline = Timeline().row("play").pings(15, 65)
    for second in range(75, 400, 10):
        timeline.at(second, "ping", ts=second + 40)
    homes = [int(number > len(timeline.exchanges) - 4) for number in range(len(timeline.exchanges))]
    shifted = [shift(each, ahead * home) for each, home in zip(timeline.exchanges, homes, strict=True)]
    warnings: list[str] = []
    read(write_parts(tmp_path, shifted, homes, ["a.jsonl", "b.jsonl"]).values(), warnings)
    assert [line.count("34 s") for line in warnings] == ([1] if ahead else [])


def test_sessions_beyond_those_that_are_kept_are_taken_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_offsets, "MOST_SESSIONS", 40)
    comparison = ClockComparison()
    for recording, ahead in (("a", 0), ("b", 7000)):
        for number in range(1000):
            for ts in range(0, 100_000, 10_000):
                comparison.add(recording, ClockReading(f"s{number}", "", ts + ahead + 20, ts))
    assert {name: offset.ms for (name, _), offset in comparison.offsets().items()} == {"b": 7000}
    assert 0 < comparison.sessions <= 40


def test_sources_of_one_recording_are_recorders_too(tmp_path: Path) -> None:
    """Two proxies, of which each has its own clock, in two files; one proxy is in both."""
    timeline = Timeline().row("play").pings(15, 105)
    sources = ["one", "two"]
    recorded = [
        msgspec.structs.replace(shift(each, 25 * (number % 2)), source=sources[number % 2])
        for number, each in enumerate(timeline.exchanges)
    ]
    homes = [int(number > 7) for number in range(len(recorded))]
    warnings: list[str] = []
    results = read(write_parts(tmp_path, recorded, homes, ["a.jsonl", "b.jsonl"]).values(), warnings)
    assert [line.removeprefix(str(tmp_path)) for line in warnings] == [
        f"/a.jsonl from two: clock 25 s ahead of {tmp_path}/a.jsonl from one; corrected",
        f"/b.jsonl: clock 25 s ahead of {tmp_path}/a.jsonl; corrected",
    ]
    assert reported(results) == reported(run(timeline.exchanges))


def test_offsets_are_found_through_a_third_recorder(tmp_path: Path) -> None:
    """No session is in a and c, but b shares one with each."""
    one = Timeline(sid="one").row("play").pings(15, 65)
    two = Timeline(sid="two", begin_ms=BEGIN_MS + 3_600_000).row("play").pings(15, 65)
    exchanges = [*one.exchanges, *two.exchanges]
    homes = [number % 2 for number, _ in enumerate(one.exchanges)] + [
        1 + number % 2 for number, _ in enumerate(two.exchanges)
    ]
    shifted = [shift(each, (0, 20, 50)[home]) for each, home in zip(exchanges, homes, strict=True)]
    warnings: list[str] = []
    results = read(write_parts(tmp_path, shifted, homes, ["a.jsonl", "b.jsonl", "c.jsonl"]).values(), warnings)
    assert [line.split(": ", 1)[1].replace(str(tmp_path), "") for line in warnings] == [
        "clock 20 s ahead of /a.jsonl; corrected",
        "clock 50 s ahead of /a.jsonl; corrected",
    ]
    assert reported(results) == reported(run(exchanges))
