"""One mistake, one finding: hits of rules that the cause, found by another rule, explains."""

from collections import deque
from collections.abc import Mapping
from math import inf
from typing import NamedTuple

from tapehead.rules.support.rule import Rule, RuleHit

# How many steps a hit waits for the one that explains it, and how many events are near.
HOLD_STEPS = 12


class Explanation(NamedTuple):
    """The rules whose hits follow from the mistake that another rule names.

    Attributes:
        rules: the rules.
        lasts: whether that holds up to the session's end; else near the cause, and near a hit that it explains.
    """

    rules: tuple[Rule, ...]
    lasts: bool = False


Explanations = Mapping[Rule, Explanation]


class UnexplainedHits:
    """Hits held back until it is likely that no other rule explains them.

    Args:
        explanations: the rules that explain others.

    Attributes:
        hits: the hits that stand, in the order in which that was decided; the reader may clear it.
        waiting: the hits that another rule may still explain, each with the number of steps when it was proven.
    """

    def __init__(self, explanations: Explanations) -> None:
        self._explanations = explanations
        self._waits = frozenset(rule for explained in explanations.values() for rule in explained.rules)
        # By cause, the first and the last event of a session whose hits it explains.
        self._reach: dict[Rule, tuple[float, float]] = {}
        self.waiting: deque[tuple[int, RuleHit]] = deque()
        self.hits: list[RuleHit] = []

    def add(self, hit: RuleHit, steps: int) -> None:
        """Take a hit that was proven after so many steps of its session."""
        if self._is_explained(hit):
            return
        if explanation := self._explanations.get(hit.rule):
            last = inf if explanation.lasts else max(hit.event.index, steps) + HOLD_STEPS
            first, last_before = self._reach.get(hit.rule, (inf, 0))
            self._reach[hit.rule] = min(first, hit.event.index - HOLD_STEPS), max(last, last_before)
            self.waiting = deque(held for held in self.waiting if not self._is_explained(held[1]))
        if hit.rule in self._waits:
            self.waiting.append((steps, hit))
        else:
            self.hits.append(hit)

    def _is_explained(self, hit: RuleHit) -> bool:
        """Return whether a cause that is known explains a hit; it then explains what is near that one, too."""
        index = hit.event.index
        for cause, (first, last) in self._reach.items():
            if hit.rule in self._explanations[cause].rules and first <= index <= last:
                self._reach[cause] = first, max(last, index + HOLD_STEPS)
                return True
        return False

    @property
    def held(self) -> list[RuleHit]:
        """The hits that another rule may still explain."""
        return [hit for _, hit in self.waiting]

    def stands(self, hit: RuleHit) -> bool:
        """Return whether no cause that is known explains a hit."""
        return not any(
            hit.rule in self._explanations[cause].rules and first <= hit.event.index <= last
            for cause, (first, last) in self._reach.items()
        )

    def release(self, steps: int) -> None:
        """Let the hits stand that waited long enough, after so many steps."""
        while self.waiting and self.waiting[0][0] + HOLD_STEPS <= steps:
            self.hits.append(self.waiting.popleft()[1])

    def close(self) -> None:
        """Let all hits stand that still wait."""
        self.hits += [hit for _, hit in self.waiting]
        self.waiting.clear()
