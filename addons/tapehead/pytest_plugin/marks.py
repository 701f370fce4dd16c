"""The marker `tapehead` of a test."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest

from tapehead.errors import UsageError
from tapehead.remote.journal_paths import path_of_url
from tapehead.remote.url_paths import UrlPath
from tapehead.remote.urls import is_url
from tapehead.replay.on_miss import OnMiss
from tapehead.text import nearest

if TYPE_CHECKING:
    from tapehead.auditor.scenarios import Scenario

MARKER = "tapehead"
ARGUMENTS = ("replay", "on_miss", "fault", "scenario")
_ON_MISS = (OnMiss.SIMULATE, OnMiss.ERROR)


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """The answers that a test asks for.

    Attributes:
        replay: the recordings to answer from; none for a simulated endpoint.
        on_miss: how to answer calls that are not in them; None to simulate them.
        faults: the faults to inject, as on the command line.
    """

    replay: tuple[str, ...] = ()
    on_miss: OnMiss | None = None
    faults: tuple[str, ...] = ()


class Marks(NamedTuple):
    """The demands of a test's markers: the answers, and the scenarios that its sessions have to show.

    With `--tapehead-record`, `target` is the recording that the test is recorded to; None if they name none.
    """

    answers: Answers
    scenarios: "list[Scenario]"
    target: Path | None = None


def read_marks(item: pytest.Item, *, records: bool = False) -> Marks:
    """Return what the markers of a test ask for; those of the test itself win over those of its class and module.

    Raises:
        UsageError: an argument is unknown or has a value that cannot be used.
    """
    arguments: dict[str, Any] = {}
    for mark in item.iter_markers(MARKER):
        unknown = next((name for name in mark.kwargs if name not in ARGUMENTS), None)
        if mark.args or unknown:
            told = (
                f"unknown argument '{unknown}'{nearest(unknown, ARGUMENTS)}"
                if unknown
                else "an argument without a name"
            )
            raise UsageError(f"marker '{MARKER}': {told}; expected {', '.join(ARGUMENTS)}")
        arguments = {**mark.kwargs, **arguments}
    named = list(_listed(arguments.get("replay")))
    target = _find_target(item, named) if records else None
    replay = (str(target),) if target else tuple(str(find_recording(item, path)) for path in named)
    chosen = arguments.get("on_miss")
    if chosen is not None and (chosen not in _ON_MISS or not replay):
        why = "it needs 'replay'" if chosen in _ON_MISS else f"expected {' or '.join(map(repr, map(str, _ON_MISS)))}"
        raise UsageError(f"marker '{MARKER}': invalid on_miss '{chosen}': {why}")
    faults = tuple(map(str, _listed(arguments.get("fault"))))
    scenarios = _find_scenarios(map(str, _listed(arguments.get("scenario"))))
    on_miss = None if chosen is None else OnMiss(chosen)
    return Marks(Answers(replay=replay, on_miss=on_miss, faults=faults), scenarios, target)


def find_recording(item: pytest.Item, path: str | Path) -> Path:
    """Return the path of a recording: beside the file of the test, or else from the folder where pytest was started.

    Raises:
        UsageError: there is none; a URL is not looked up.
    """
    if is_url(str(path)):
        return path_of_url(str(path))
    folders = item.path.parent, item.config.invocation_params.dir
    places = list(dict.fromkeys(folder / path for folder in folders))
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise UsageError(
            f"no recording '{path}' at {' or '.join(f"'{place}'" for place in places)}; --tapehead-record URL makes one"
        )
    return found


def _find_target(item: pytest.Item, named: Sequence[str | Path]) -> Path | None:
    if not named:
        return None
    if len(named) > 1:
        raise UsageError(
            f"marker '{MARKER}': a test is recorded to one recording, not {len(named)}; name one in 'replay'"
        )
    try:
        target = find_recording(item, named[0])
    except UsageError:  # not recorded yet
        target = item.path.parent / named[0]
    if isinstance(target, UrlPath):
        raise UsageError(f"marker '{MARKER}': cannot record to the URL '{target}'; name a file in 'replay'")
    if target.suffix != ".jsonl" or target.is_dir():
        raise UsageError(f"marker '{MARKER}': cannot record to '{target}'; name a file that ends in .jsonl in 'replay'")
    return target.resolve()


def _find_scenarios(names: Iterable[str]) -> "list[Scenario]":
    found = []
    for name in names:
        from tapehead.auditor.scenario_catalog import find_scenario  # which loads all rules

        try:
            found.append(find_scenario(name))
        except ValueError as error:
            raise UsageError(f"marker '{MARKER}': {error}") from None
    return found


def _listed(value: Any) -> Iterable[Any]:
    return () if value is None else [value] if isinstance(value, str | Path) else value
