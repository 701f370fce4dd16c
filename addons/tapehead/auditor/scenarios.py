"""Scenarios: the steps of a documented test case, and what a session shows of them.

Theory. A session is a row of moments: its events in the order in which the back end takes them, each with the phase
that it found (content, an ad, a pause, ...), and with how long that had lasted, how long it had been without an event,
and how far the playhead had moved in it. The steps of a scenario are looked for one after the other. A step is shown
by the first moment of its types and its phase that meets all of its conditions; a step without types is about a phase
as a whole, so that only the moments that end one count, up to the event of the next step. If there is none, the step is
wrong: by the moment that comes closest, or by one that came too early; without any such moment it is missing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from tapehead.protocol.events import Event
from tapehead.protocol.session_machine import State, Step
from tapehead.protocol.transitions import Life, Playback


class Phase(StrEnum):
    """The part of a session that an event finds."""

    BEGINNING = "before the first play"
    CONTENT = "in main content"
    PAUSE = "in a pause"
    BUFFER = "in a buffer"
    BREAK = "in a break without an ad"
    AD = "in an ad"
    COMPLETED = "after sessionComplete"
    ENDED = "after sessionEnd"


_PHASES = {
    Playback.STARTING: Phase.BEGINNING,
    Playback.PLAYING: Phase.CONTENT,
    Playback.PAUSED: Phase.PAUSE,
    Playback.BUFFERING: Phase.BUFFER,
}


class Moment(NamedTuple):
    """An event of a session with what it finds.

    Attributes:
        event: the event.
        phase: the phase before it.
        seconds: since the session's first event.
        lasted: how long the phase had lasted, in seconds.
        gap: the longest time in it without an event, in seconds.
        moved: how far the playhead moved in it at most, in seconds; the place that a play goes on from is no such way.
        ends: whether the phase is another one after it, or the session ends with it.
    """

    event: Event
    phase: Phase
    seconds: float
    lasted: float
    gap: float
    moved: float
    ends: bool


# The moments that showed the steps before, by the steps' names.
Shown = Mapping[str, Moment]
# Returns what is wrong with a moment, as the rest of a sentence about it; empty if nothing is.
Condition = Callable[[Moment, Shown], str]


class ScenarioStep(NamedTuple):
    """A step of a scenario.

    Attributes:
        title: what a session has to show, one clause.
        types: the event types that show it; empty for a phase as a whole, or, with `never`, for any.
        phase: the phase that they find; None for any.
        conditions: what the moment must meet, the most telling first.
        name: the name by which conditions of later steps refer to it.
        of: the name of an earlier step, if this one is about that one's event.
        never: whether a session must not show it.
    """

    title: str
    types: tuple[str, ...] = ()
    phase: Phase | None = None
    conditions: tuple[Condition, ...] = ()
    name: str = ""
    of: str = ""
    never: bool = False


class Scenario(NamedTuple):
    """A documented test case.

    Attributes:
        name: its name in options and reports.
        title: what a tester does, one sentence.
        source: the pages of the reference that describe it.
        steps: its steps in their order.
    """

    name: str
    title: str
    source: str
    steps: tuple[ScenarioStep, ...]


class StepStatus(StrEnum):
    """The status of a step in a session."""

    SHOWN = "shown"
    MISSING = "missing"
    WRONG = "wrong"


class StepResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one step in a session.

    Attributes:
        title: the step's title.
        status: whether the session shows it.
        event: the number of the event that shows it, or shows it wrongly; None where it is missing.
        seconds: when that came, in seconds since the session's first event.
        detail: what is wrong; empty where nothing is.
    """

    title: str
    status: StepStatus
    event: int | None = None
    seconds: float | None = None
    detail: str = ""


class Checklist(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a scenario in a session: its name, whether every step is shown, and the steps."""

    scenario: str
    passed: bool
    steps: list[StepResult]


def check_scenario(scenario: Scenario, steps: Iterable[Step]) -> Checklist:
    """Return the result of a scenario in a session with these steps through the session machine."""
    moments = list(moments_of(steps))
    shown: dict[str, Moment] = {}
    used: set[int] = set()
    results, first = [], 0
    for number, step in enumerate(scenario.steps):
        if step.never or step.of:
            results.append(_check_never(step, moments) if step.never else _check_same(step, shown))
            continue
        last = len(moments) if step.types else _end_of_search(scenario.steps[number + 1 :], moments, first)
        result, place = _find(step, moments[:last], first, shown, used)
        results.append(result)
        if place is None:
            continue
        shown[step.name] = moments[place]
        if step.types:  # the event is this step's; a phase that lasts may end with the next step's event
            used.add(place)
        first = max(first, place + bool(step.types))
    return Checklist(
        scenario=scenario.name, passed=all(each.status is StepStatus.SHOWN for each in results), steps=results
    )


def moments_of(steps: Iterable[Step]) -> Iterator[Moment]:
    """Yield the moments of a session."""
    began: float | None = None
    now = since = gap = moved = playhead = origin = 0.0
    listed = list(steps)
    for place, step in enumerate(listed):
        phase, previous, ts = phase_of(step.before), now, step.event.ts
        if place and phase_of(listed[place - 1].before) is not phase:
            since, gap, moved, origin = previous, 0.0, 0.0, playhead
        if ts is not None:
            began = ts if began is None else began
            now = max(now, (ts - began) / 1000)
        gap = max(gap, now - previous)
        playhead = playhead if step.event.playhead is None else step.event.playhead
        if step.event.type != "play":
            moved = max(moved, playhead - origin, key=abs)
        ends = place + 1 == len(listed) or phase_of(step.after) is not phase
        yield Moment(step.event, phase, now, now - since, gap, moved, ends)


def phase_of(state: State) -> Phase:
    """Return the phase of a session in a state of the session machine."""
    if state.life in (Life.ENDED, Life.COMPLETED):
        return Phase.ENDED if state.life is Life.ENDED else Phase.COMPLETED
    if state.in_ad or state.in_break:
        return Phase.AD if state.in_ad else Phase.BREAK
    return _PHASES[state.playback]


def _end_of_search(later: Sequence[ScenarioStep], moments: Sequence[Moment], first: int) -> int:
    """Return the place after the first event of the next step with types, from `first` on; all moments without one."""
    step = next((step for step in later if step.types and not step.never), None)
    found = (place for place in range(first, len(moments)) if step and _fits(step, moments[place]))
    return next(found, len(moments)) + 1


def _find(
    step: ScenarioStep, moments: Sequence[Moment], first: int, shown: Shown, used: set[int]
) -> tuple[StepResult, int | None]:
    """Return the result of a step that is looked for from `first` on, and the place of its moment."""
    closest: tuple[tuple[int, float], int, str] | None = None
    for place in range(first, len(moments)):
        moment = moments[place]
        if not _fits(step, moment):
            continue
        met, problem = _problem_of(step, moment, shown)
        if not problem:
            return _result(step, StepStatus.SHOWN, moment), place
        rank = met, 0.0 if step.types else moment.lasted
        if closest is None or rank > closest[0]:
            closest = rank, place, problem
    if closest:
        return _result(step, StepStatus.WRONG, moments[closest[1]], closest[2]), closest[1]
    for place, moment in enumerate(moments[:first]):
        is_free = place not in used and len(step.types) == 1
        if is_free and _fits(step, moment) and not _problem_of(step, moment, shown)[1]:
            return _result(step, StepStatus.WRONG, moment, "comes before the steps above"), None
    return StepResult(title=step.title, status=StepStatus.MISSING), None


def _check_never(step: ScenarioStep, moments: Sequence[Moment]) -> StepResult:
    for moment in moments:
        if _fits(step, moment) and not _problem_of(step, moment, {})[1]:
            return _result(step, StepStatus.WRONG, moment, f"{moment.event.type} comes {moment.phase}")
    return StepResult(title=step.title, status=StepStatus.SHOWN)


def _check_same(step: ScenarioStep, shown: Shown) -> StepResult:
    if step.of not in shown:
        return StepResult(title=step.title, status=StepStatus.MISSING)
    _, problem = _problem_of(step, shown[step.of], shown)
    return _result(step, StepStatus.WRONG if problem else StepStatus.SHOWN, shown[step.of], problem)


def _fits(step: ScenarioStep, moment: Moment) -> bool:
    is_kind = moment.event.type in step.types if step.types else step.never or moment.ends
    return is_kind and step.phase in (None, moment.phase)


def _problem_of(step: ScenarioStep, moment: Moment, shown: Shown) -> tuple[int, str]:
    """Return how many conditions a moment meets before the first that it does not, and what is wrong then."""
    for met, condition in enumerate(step.conditions):
        if problem := condition(moment, shown):
            return met, problem
    return len(step.conditions), ""


def _result(step: ScenarioStep, status: StepStatus, moment: Moment, detail: str = "") -> StepResult:
    return StepResult(
        title=step.title, status=status, event=moment.event.index, seconds=round(moment.seconds, 3), detail=detail
    )
