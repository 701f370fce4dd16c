"""Control of an engine while it answers: faults, other recordings, a new beginning, misses and unused exchanges."""

import threading
from pathlib import Path

import pytest

from support.exchanges import Player, exchange, request, session, start
from support.resend import write
from tapehead.answers import Engine, Outcome
from tapehead.cli import engine_loader
from tapehead.cli.offline_run import EngineRun, EngineSettings
from tapehead.errors import TapeheadError, UsageError
from tapehead.network.offline_guard import OfflineGuard
from tapehead.protocol.messages import Request, Response
from tapehead.replay.on_miss import OnMiss

STEPS: list[tuple[float, float, str, dict[str, object]]] = [(0, 0, "play", {}), (5, 5, "pauseStart", {})]


class Keyed:
    """An engine under a key, which comes in the query."""

    def __init__(self, engine: Engine, key: str) -> None:
        self._engine, self._key = engine, key

    def answer(self, asked: Request, now: float) -> object:
        return self._engine.answer(asked.with_url(f"{asked.url}?tapehead={self._key}"), now)


def player_of(run: EngineRun, key: str = "", media: str = "clip-1") -> Player:
    return Player(Keyed(run.engine, key) if key else run.engine, media)  # type: ignore[arg-type]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two recordings of equal content, the second with one event less."""
    long = write(tmp_path / "checkout.jsonl", session("a", STEPS))
    short = write(tmp_path / "live.jsonl", session("b", STEPS[:1], began=100))
    return [long, short]


def run_of(*files: Path, on_miss: OnMiss = OnMiss.ERROR, strict: bool = False) -> EngineRun:
    return EngineRun(EngineSettings(recordings=files, on_miss=on_miss, strict=strict), pytest.fail)


def has_failed(run: EngineRun) -> bool:
    return run.result(run.counts(OfflineGuard())).has_failed


def test_a_key_plays_the_file_that_is_named_like_it(files: list[Path]) -> None:
    run = run_of(*files)
    played = {}
    for key in ("live", "checkout", "other"):
        player = player_of(run, key)
        statuses = []
        for _ in range(2):
            player.open()
            statuses.append(player.send("pauseStart", 5, 5))
        played[key] = statuses

    assert played == {"live": [502, 502], "checkout": [204, 204], "other": [204, 502]}
    assert {unused.file for unused in run.control.unused("live")} == {1}
    assert {unused.file for unused in run.control.unused("other")} == {0, 1}


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst", ".har", ".har.gz", ".flow"])
def test_a_name_is_that_without_its_format(suffix: str) -> None:
    from tapehead.replay.playable_recordings import stem_of

    assert stem_of(f"/a.b/c.d{suffix}") == "c.d"


def test_unused_exchanges_are_judged_over_all_keys(files: list[Path]) -> None:
    run = run_of(files[0], strict=True)
    first, second = player_of(run, "one"), player_of(run, "two")
    first.open()
    first.send("play")
    second.open()
    assert has_failed(run)
    second.send("pauseStart", 5, 5)

    assert not has_failed(run)
    assert [unused.line for unused in run.control.unused("one")] == [3]
    assert [unused.line for unused in run.control.unused("two")] == [2]
    assert [unused.line for unused in run.control.unused("")] == [1, 2, 3]
    assert run.control.unused() == []


def test_a_reset_forgets_what_is_shown_and_not_what_the_exit_code_says(files: list[Path]) -> None:
    run = run_of(files[0])
    players = [player_of(run, key) for key in ("one", "two", "")]
    for player in players:
        player.open()
        player.send("bitrateChange")
    run.control.reset("one")

    assert [len(run.control.misses(key)) for key in ("one", "two", "", None)] == [0, 1, 1, 2]
    assert run.control.counts() == (2, 2, 2)
    run.control.reset("")
    assert [len(run.control.misses(key)) for key in ("one", "two", "", None)] == [0, 1, 0, 1]
    run.control.reset()
    assert [len(run.control.misses(key)) for key in ("one", "two", "", None)] == [0, 0, 0, 0]
    assert [unused.line for unused in run.control.unused()] == [1, 2, 3]
    result = run.result(run.counts(OfflineGuard()))
    assert result.has_failed
    assert result.report.replay
    assert (result.report.replay.hits, result.report.replay.misses) == (3, 3)


def test_another_recording_is_loaded_for_a_key_or_for_all(files: list[Path], tmp_path: Path) -> None:
    other = write(tmp_path / "other.jsonl", session("c", STEPS, media="clip-2"))
    run = run_of(files[0])
    run.control.load([str(other)], "one")
    one, two, none = player_of(run, "one", "clip-2"), player_of(run, "two"), player_of(run)

    assert [bool(player.open()) for player in (one, two, none)] == [True] * 3
    assert not player_of(run, "one").open()
    assert {unused.file for unused in run.control.unused("one")} == {1}
    run.control.load([str(other)])
    assert [bool(player.open()) for player in (one, two, none)] == [True, False, False]
    assert [Path(name).name for name in run.control.recordings] == ["checkout.jsonl", "other.jsonl"]
    assert [Path(name).name for name in run.control.loaded()] == ["other.jsonl"]
    # What was played before is not unused any more, but in the verdict on the whole run.
    assert {unused.file for unused in run.control.unused()} == {1}
    report = run.result(run.counts(OfflineGuard())).report
    assert report.replay
    assert {unused.file for unused in report.replay.unused} == {0, 1}


def test_what_was_loaded_for_a_key_stays(files: list[Path], tmp_path: Path) -> None:
    other = write(tmp_path / "other.jsonl", session("c", STEPS, media="clip-2"))
    run = run_of(files[0])
    run.control.load([str(other)], "one", OnMiss.ERROR)
    run.control.load([str(files[0])])
    one = player_of(run, "one", "clip-2")

    assert one.open()
    assert one.send("bitrateChange") == 502
    assert [Path(name).name for name in run.control.loaded("one")] == ["other.jsonl"]
    assert {Path(name).name for name in run.control.loaded()} == {"checkout.jsonl", "other.jsonl"}
    run.control.load([str(files[0])], "one")  # `on_miss` stays
    assert not player_of(run, "one", "clip-2").open()


def test_without_recordings_the_endpoint_is_simulated_again(files: list[Path]) -> None:
    run = run_of(files[0])
    run.control.load([], "one")
    one, other = player_of(run, "one", "clip-9"), player_of(run, "", "clip-9")

    assert one.open()
    assert one.answer.outcome is Outcome.SIMULATED
    other.open()
    run.control.load([])
    assert (run.control.loaded(), run.control.unused(), run.control.misses()) == ((), [], [])
    with pytest.raises(UsageError, match="'error' is about misses of recordings: name recordings"):
        run.control.load([], on_miss=OnMiss.ERROR)


def test_a_simulation_gets_a_recording(files: list[Path]) -> None:
    run = EngineRun(EngineSettings(), pytest.fail)
    player = player_of(run)
    assert player.open()
    assert (run.control.misses(), run.control.unused(), run.control.unused("a")) == ([], [], [])
    run.control.load([str(files[0])], on_miss=OnMiss.ERROR)
    player.open()
    assert player.send("bitrateChange") == 502
    report = run.result(run.counts(OfflineGuard())).report
    assert report.replay
    assert report.replay.misses == 1


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        (["-"], "stdin"),
        (["no-such.jsonl"], "no-such.jsonl"),
        (["empty.jsonl"], "'empty.jsonl' is empty"),
        (["schemas.jsonl"], "no session to replay in 'schemas.jsonl'"),
    ],
)
def test_what_cannot_be_loaded_changes_nothing(
    paths: list[str], says: str, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "empty.jsonl", [])
    asked = request(path="/api/v1/schemas/play", method="GET")
    write(tmp_path / "schemas.jsonl", [exchange(asked, Response(status=404, headers=[]))])
    run = run_of(files[0])
    player = player_of(run)
    player.open()
    with pytest.raises(TapeheadError, match=says):
        run.control.load(paths)

    assert player.send("play") == 204
    assert len(run.control.recordings) == 1
    assert [unused.line for unused in run.control.unused()] == [3]


def test_what_is_wrong_is_said_in_a_sentence(files: list[Path]) -> None:
    control = run_of(files[0]).control
    with pytest.raises(UsageError, match="invalid fault 'event:pong=410': unknown event type 'pong'; did you mean"):
        control.add_fault("event:pong=410")
    for act in (
        lambda: control.add_fault("session=500", "a b"),
        lambda: control.reset("a b"),
        lambda: control.load(["x"], "a b"),
    ):
        with pytest.raises(UsageError, match="invalid key: 'a b' is not one"):
            act()
    with pytest.raises(UsageError, match="cannot answer misses with 'forward' here"):
        control.load([str(files[0])], on_miss=OnMiss.FORWARD)
    assert control.faults() == []


def test_faults_are_listed_by_key(files: list[Path]) -> None:
    control = run_of(files[0]).control
    everywhere, one, two = (
        control.add_fault("session=500"),
        control.add_fault("session=501", "1"),
        control.add_fault("session=502", "2"),
    )

    assert control.faults() == [everywhere, one, two]
    assert control.faults("1") == [everywhere, one]
    assert control.faults("") == [everywhere]


def test_files_that_have_not_changed_are_loaded_once(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_loader, "MOST_LOADED", 1)
    run = run_of(files[0])
    for key in ("one", "two"):
        run.control.load([str(files[1])], key)
    assert len(run.control.recordings) == 2
    write(files[1], session("b", STEPS, began=200))
    for key in ("one", "two", "three"):
        run.control.load([str(files[1])], key)
    # What no key plays any more is forgotten, and not unused either.
    assert sorted({unused.file for unused in run.control.unused()}) == [0, 2]


def test_changes_come_between_two_answers(files: list[Path]) -> None:
    run = run_of(files[0], on_miss=OnMiss.SIMULATE)
    failed: list[BaseException] = []
    done = threading.Event()

    def change() -> None:
        try:
            while not done.is_set():
                fault = run.control.add_fault("session=503", "one")
                run.control.remove_fault(fault.number)
                run.control.reset("one")
                run.control.load([str(files[1])], "one")
                run.control.unused()
                run.control.reset()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    thread = threading.Thread(target=change)
    thread.start()
    statuses = {player_of(run, key).call(request(start())) for _ in range(200) for key in ("one", "two", "")}
    done.set()
    thread.join()

    assert not failed
    assert statuses <= {201, 503}
