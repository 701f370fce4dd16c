"""Strategies for flow files whose lengths agree and whose values do not."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from mitmproxy.io import tnetstring

from support.har_files import flow_of
from tapehead.protocol.exchange import Exchange

_ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    10**400,
    1e300,
    float("nan"),
    float("inf"),
    b"",
    b"\xff",
    b"\x00",
    "",
    "\x00",
    "x" * 5000,
]
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [*_ODD, [], {}, [[]], [b"", b""], {"a": {}}, 2**63, 20, 21, "http", "websocket"]
)


@st.composite
def damaged_flows(draw: st.DrawFn, exchanges: Sequence[Exchange]) -> bytes:
    """Some flows, each with a few values in its state that do not belong there."""
    states = [flow_of(each).get_state() for each in draw(st.lists(st.sampled_from(exchanges), min_size=1, max_size=3))]
    for state in states:
        for _ in range(draw(st.integers(0, 3))):
            _damage(draw, state)
    return b"".join(map(tnetstring.dumps, states))


def _damage(draw: st.DrawFn, state: dict[str, Any]) -> None:
    """Change or remove a value somewhere in a state."""
    key = draw(st.sampled_from(sorted(state)))
    inner = state[key]
    if isinstance(inner, dict) and inner and draw(st.booleans()):
        _damage(draw, inner)
    elif draw(st.integers(0, 5)) == 0:
        del state[key]
    else:
        state[key] = draw(VALUES)
