"""Summaries of replicas that a player called, as `--summary FILE` writes them."""

from pathlib import Path

from support.exchanges import Player, Step, session
from support.resend import write
from tapehead.cli.offline_run import EngineRun, EngineSettings
from tapehead.cli.summary_file import write_summary_file

STEPS: list[Step] = [(0, 0, "play", {}), (5, 5, "pauseStart", {}), (8, 5, "play", {}), (20, 17, "sessionEnd", {})]


def summaries_of(folder: Path, parts: list[list[int]], **settings: object) -> list[Path]:
    """Write a recording of STEPS, and a summary for each of some replicas of it.

    Args:
        folder: where they are written.
        parts: the numbers of the steps that each replica answers.
        settings: settings of the engine.
    """
    recording = write(folder / "replayed.jsonl", session("recorded", STEPS))
    paths, sid = [], ""
    for number, part in enumerate(parts, start=1):
        run = EngineRun(EngineSettings(recordings=(recording,), **settings), lambda _line: None)  # type: ignore[arg-type]
        player = Player(run.engine)
        player.sid = sid or player.open()
        if not sid:
            run.elsewhere.calls += 1
        sid = player.sid
        for step in part:
            player.play([STEPS[step]])
            run.elsewhere.calls += 1
        paths.append(folder / f"replica-{number}.json")
        write_summary_file(paths[-1], run.result(run.counts(None)).report)
    return paths
