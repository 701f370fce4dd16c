"""Values that are equal by Python are known to be the same: with the same result as without that."""

from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from tapehead.comparison import payload_comparison
from tapehead.comparison.differences import Scope
from tapehead.comparison.payload_comparison import PERSONS, compare_key, same_value

PLAIN = st.sampled_from([None, True, False, 0, 1, 2, 0.0, -0.0, 1.0, 1 + 1e-12, 2**70, float("inf"), "", "1", "a"])
VALUES = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(st.sampled_from("ab"), PLAIN, max_size=2)
KEYS = st.sampled_from(["media.name", "media.length", "statesStart", "other", *sorted(PERSONS)[:1]])
SIDES = st.dictionaries(KEYS, VALUES, max_size=4)


@given(VALUES, VALUES, st.booleans())
def test_same_values(one: object, other: object, ordered: bool) -> None:
    quick = same_value(one, other, ordered=ordered)
    with patch.object(payload_comparison, "is_equal", lambda _one, _other: False):
        assert same_value(one, other, ordered=ordered) is quick


@given(KEYS, SIDES, SIDES)
def test_differences_of_keys(key: str, base: dict[str, Any], new: dict[str, Any]) -> None:
    if key not in base and key not in new:
        return
    quick = list(compare_key("params", key, base, new, Scope()))
    with patch.object(payload_comparison, "is_equal", lambda _one, _other: False):
        assert list(compare_key("params", key, base, new, Scope())) == quick


def test_deep_values_are_compared_without_recursion() -> None:
    deep: list[list[Any]] = [[], []]
    for _ in range(12_000):
        deep = [[each] for each in deep]

    assert same_value(*deep)
