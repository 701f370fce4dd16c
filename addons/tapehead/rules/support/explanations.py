"""One mistake, one finding: hits of rules that the cause, found by another rule, explains."""

from collections import deque
from collections.abc import Mapping

from tapehead.rules.support.rule import Rule, RuleHit

# How many steps a hit waits for the one that explains it.
HOLD_STEPS = 12

# By rule, the rules whose hits in the same session follow from its own.
Explanations = Mapping[Rule, tuple[Rule, ...]]


class UnexplainedHits:
    """Holds hits back until it is likely that no other rule explains them.

    Args:
        explanations: the rules that explain others.

    Attributes:
        hits: the hits that stand, in the order in which that was decided; the reader may clear it.
    """

    def __init__(self, explanations: Explanations) -> None:
        self._explanations = explanations
        self._waits = frozenset(rule for explained in explanations.values() for rule in explained)
        self._explained: set[Rule] = set()
        self._held: deque[tuple[int, RuleHit]] = deque()
        self.hits: list[RuleHit] = []

    def add(self, hit: RuleHit, steps: int) -> None:
        """Take a hit that was proven after so many steps of its session."""
        if hit.rule in self._explained:
            return
        if explained := self._explanations.get(hit.rule):
            self._explained.update(explained)
            self._held = deque(held for held in self._held if held[1].rule not in explained)
        if hit.rule in self._waits:
            self._held.append((steps, hit))
        else:
            self.hits.append(hit)

    def release(self, steps: int) -> None:
        """Let the hits stand that waited long enough, after so many steps."""
        while self._held and self._held[0][0] + HOLD_STEPS <= steps:
            self.hits.append(self._held.popleft()[1])

    def close(self) -> None:
        """Let all hits stand that still wait."""
        self.hits += [hit for _, hit in self._held]
        self._held.clear()
